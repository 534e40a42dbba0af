use super::*;
use crate::command::Command;
use candlewick_protocol::feed::{Ledger, TaskLedger};
use candlewick_protocol::job::{DataSpec, LabelKind, TrainSpec};
use candlewick_protocol::message::EpochRecord;
use serde_json::json;

const SHARDS: u32 = 4;

fn ms(time: u64) -> Now {
    Duration::from_millis(time)
}

fn job() -> JobSpec {
    JobSpec {
        job: "j".into(),
        data: DataSpec {
            feature_width: 2,
            input_shape: vec![2],
            label: LabelKind::Class { num_classes: 2 },
        },
        train: TrainSpec {
            network: json!({}),
            loss: json!({}),
            optimizer: json!({}),
            epochs: 2,
            batch_size: 4,
            drop_last: false,
            seed: 1,
            logical_shards: SHARDS,
            clip_norm: None,
            clip_value: None,
        },
        failure_timeout_ms: 15_000,
        progress_timeout_ms: 60_000,
    }
}

fn info(id: &str, executor: &str) -> TrainerInfo {
    TrainerInfo {
        id: id.into(),
        host: if executor == "9" {
            "hostA".into()
        } else {
            "hostB".into()
        },
        executor: executor.into(),
        index: 0,
        flight_port: 1,
        collective_port: 2,
        pid: 4711,
        threads: 1,
        cpu_level: "generic".into(),
    }
}

/// A machine with a clock and everything it said.
struct Stage {
    machine: Machine,
    now: u64,
    said: Vec<Output>,
}

impl Stage {
    fn new() -> Self {
        let waits = Waits {
            grace: ms(2_000),
            driver: ms(120_000),
            failure: ms(15_000),
            progress: ms(60_000),
        };
        Stage {
            machine: Machine::new(job(), waits),
            now: 0,
            said: Vec::new(),
        }
    }

    /// Two trainers, "a" on executor 10 (rank 1) and "b" on executor 9 (rank 0).
    fn gathered() -> Self {
        let mut stage = Stage::new();
        for (id, executor) in [("a", "10"), ("b", "9")] {
            stage.machine.connect(ms(stage.now), info(id, executor)).unwrap();
        }
        stage
    }

    fn at(phase: &str) -> Self {
        let mut stage = Stage::gathered();
        let order = ["gathering", "feeding", "sealing", "sealed", "forming", "running"];
        let goal = order.iter().position(|name| *name == phase).unwrap();
        let steps: [fn(&mut Stage); 5] = [
            Stage::members,
            Stage::seal,
            Stage::all_sealed,
            Stage::train,
            Stage::all_ready,
        ];
        for step in steps.iter().take(goal) {
            step(&mut stage);
        }
        stage
    }

    fn command(&mut self, command: serde_json::Value) -> Result<serde_json::Value, Failure> {
        let command: Command = serde_json::from_value(command).unwrap();
        let answer = self.machine.command(ms(self.now), command);
        self.said.extend(self.machine.take_outputs());
        answer
    }

    fn members(&mut self) {
        let answer = self
            .command(json!({"cmd": "members", "trainers": ["a", "b"]}))
            .unwrap();
        assert_eq!(answer["owners"][0]["trainer"], "b", "hostA comes before hostB");
    }

    fn seal(&mut self) {
        let ledgers = json!([task(0, &[(0, 2), (2, 1)]), task(1, &[(3, 4)])]);
        self.command(json!({"cmd": "seal", "round": 0, "ledgers": ledgers}))
            .unwrap();
    }

    fn all_sealed(&mut self) {
        self.sealed("a", &[(2, 1), (3, 4)]);
        self.sealed("b", &[(0, 2)]);
    }

    fn sealed(&mut self, from: &str, sums: &[(u32, u64)]) {
        self.message(
            from,
            ToCoordinator::Sealed {
                round: 0,
                shards: sums.iter().map(|s| sum(*s)).collect(),
            },
        );
    }

    fn train(&mut self) {
        self.command(json!({"cmd": "train"})).unwrap();
    }

    fn all_ready(&mut self) {
        for id in ["a", "b"] {
            self.message(
                id,
                ToCoordinator::Ready {
                    generation: 1,
                    step: 0,
                    state_hash: "s".into(),
                },
            );
        }
    }

    fn done(&mut self, from: &str, state: &str) {
        let done = ToCoordinator::Done {
            generation: 1,
            steps: 4,
            state_hash: state.into(),
            weights_hash: "w".into(),
        };
        self.message(from, done);
    }

    fn message(&mut self, from: &str, message: ToCoordinator) {
        self.machine.message(ms(self.now), from, message, b"");
        self.said.extend(self.machine.take_outputs());
    }

    fn suspect(&mut self, from: &str, peer: &str) {
        let why = "silent 16 s in allreduce, step 8".into();
        self.message(
            from,
            ToCoordinator::Suspect {
                generation: 1,
                peer: peer.into(),
                why,
            },
        );
    }

    fn end(&mut self, id: &str) {
        self.machine.disconnect(ms(self.now), id);
        self.said.extend(self.machine.take_outputs());
    }

    fn exited(&mut self, id: &str, code: i32) {
        let _ = self.command(json!({"cmd": "exited", "trainer": id, "code": code, "stderr": "last words\n"}));
    }

    /// Lets time pass; those in `beating` beat each second, with or without progress.
    fn pass(&mut self, millis: u64, beating: &[&str], progress: bool) {
        let end = self.now + millis;
        while self.now < end {
            self.now += 100;
            if self.now.is_multiple_of(1_000) {
                for id in beating {
                    let ticks = if progress { self.now } else { 1 };
                    let progress = Progress {
                        step: 7,
                        ticks,
                        ..Progress::default()
                    };
                    self.message(
                        id,
                        ToCoordinator::Beat {
                            generation: 1,
                            progress,
                        },
                    );
                }
                self.machine.driver_seen = ms(self.now);
            }
            self.machine.tick(ms(self.now));
            self.said.extend(self.machine.take_outputs());
        }
    }

    fn failures(&self) -> Vec<&Failure> {
        self.said
            .iter()
            .filter_map(|output| match output {
                Output::Event(Event::Failed { failure }) => Some(failure),
                _ => None,
            })
            .collect()
    }

    /// The one failure; after it everyone still connected must have been told to die.
    fn failure(&self) -> &Failure {
        let failures = self.failures();
        assert_eq!(failures.len(), 1, "{:?}", self.said);
        for (id, _) in self
            .machine
            .trainers
            .iter()
            .filter(|(_, trainer)| trainer.connected)
        {
            let died = |output: &Output| matches!(output, Output::Send { trainer, message: ToTrainer::Die { .. } } if trainer == id);
            assert!(self.said.iter().any(died), "{id} was not told to die");
            assert!(self.said.contains(&Output::Close { trainer: id.clone() }));
        }
        failures[0]
    }

    fn events(&self) -> Vec<Event> {
        let event = |output: &'_ Output| -> Option<Event> {
            match output {
                Output::Event(Event::Registered { .. }) => None,
                Output::Event(event) if !event.is_optional() => Some(event.clone()),
                _ => None,
            }
        };
        self.said.iter().filter_map(event).collect()
    }
}

fn sum((shard, rows): (u32, u64)) -> ShardSum {
    ShardSum {
        shard,
        rows,
        hash_sum: u128::from(rows) * 1000,
    }
}

fn task(partition: u32, shards: &[(u32, u64)]) -> TaskLedger {
    let rows = shards.iter().map(|(_, rows)| rows).sum();
    TaskLedger {
        partition,
        attempt: 7,
        rows_read: rows,
        rows_sent: rows,
        rows_skipped: 0,
        feature_bytes: 8 * rows,
        shards: shards.iter().map(|shard| sum(*shard)).collect(),
        failure: None,
    }
}

fn weights(stage: &mut Stage, from: &str) {
    stage.machine.message(
        ms(stage.now),
        from,
        ToCoordinator::Weights { offset: 0, total: 3 },
        b"abc",
    );
    stage.said.extend(stage.machine.take_outputs());
}

const PHASES: [&str; 6] = ["gathering", "feeding", "sealing", "sealed", "forming", "running"];

#[test]
fn a_job_goes_from_gathering_to_done() {
    let mut stage = Stage::at("running");
    let record = EpochRecord {
        epoch: 0,
        step: 2,
        loss: 0.5,
        lr: 0.1,
        rows: 7,
        seconds: 0.0,
    };
    stage.now += 1_500;
    stage.message(
        "a",
        ToCoordinator::Epoch {
            generation: 1,
            record: record.clone(),
        },
    );
    stage.message(
        "b",
        ToCoordinator::Epoch {
            generation: 1,
            record: record.clone(),
        },
    );
    stage.message(
        "b",
        ToCoordinator::Epoch {
            generation: 1,
            record,
        },
    );
    stage.done("a", "s");
    stage.done("b", "s");
    assert!(
        stage.machine.weights().is_err(),
        "done is told only once the weights are here"
    );
    weights(&mut stage, "a");
    weights(&mut stage, "b");
    let events = stage.events();
    let Event::Sealed { ledger } = &events[0] else {
        panic!("{events:?}")
    };
    assert_eq!(
        *ledger,
        Ledger {
            partitions: 2,
            rows_read: 7,
            rows_sent: 7,
            rows_skipped: 0,
            rows_spooled: 7,
            feature_bytes: 56,
            shard_rows: vec![2, 0, 1, 4],
            hash_sum: format!("{:032x}", 7000),
        }
    );
    let Event::Epoch { record } = &events[1] else {
        panic!("{events:?}")
    };
    assert_eq!(record.seconds, 1.5);
    assert_eq!(
        events[2],
        Event::Done {
            weights_hash: "w".into(),
            steps: 4
        }
    );
    assert_eq!(events.len(), 3);
    assert_eq!(stage.machine.weights().unwrap(), b"abc");
    stage.command(json!({"cmd": "finish"})).unwrap();
    stage.end("a");
    stage.exited("b", 0);
    stage.pass(60_000, &[], false);
    assert!(stage.failures().is_empty());
    let finished = Output::Send {
        trainer: "a".into(),
        message: ToTrainer::Finish,
    };
    assert!(stage.said.contains(&finished));
}

#[test]
fn a_killed_trainer_is_named_in_every_phase_with_its_exit() {
    for (phase, doing) in [
        ("feeding", "feed"),
        ("sealing", "feed"),
        ("sealed", "feed"),
        ("forming", "training, before its first step"),
        ("running", "training, step 7"),
    ] {
        for report_first in [false, true] {
            let mut stage = Stage::at(phase);
            stage.pass(1_000, &["a", "b"], true);
            if report_first {
                stage.exited("a", 137);
                stage.end("a");
            } else {
                stage.end("a");
                stage.pass(1_500, &["b"], true);
                assert!(stage.failures().is_empty(), "the report is waited for");
                stage.exited("a", 137);
            }
            let told = &stage.failure().message;
            let wanted = format!(
                "trainer 1 (hostB, executor 10, pid 4711) ended during {doing}: killed by signal 9 (SIGKILL); \
                 last lines of its stderr:\nlast words"
            );
            assert_eq!(*told, wanted, "{phase}");
            stage.pass(30_000, &[], false);
            stage.failure();
        }
    }
}

#[test]
fn without_a_report_the_loss_is_told_after_two_seconds() {
    for phase in &PHASES[1..] {
        let mut stage = Stage::at(phase);
        stage.end("b");
        stage.pass(1_900, &["a"], true);
        assert!(stage.failures().is_empty());
        stage.pass(200, &["a"], true);
        let told = &stage.failure().message;
        assert!(
            told.contains("trainer 0") && told.contains("no exit status came within 2000 ms"),
            "{told}"
        );
    }
}

#[test]
fn at_launch_a_lost_trainer_is_forgotten_and_a_broken_one_fails_the_fit() {
    let mut stage = Stage::gathered();
    stage.end("a");
    let members = json!({"cmd": "members", "trainers": ["a", "b"]});
    assert_eq!(stage.command(members).unwrap_err().kind, ErrorKind::Unavailable);
    stage.pass(2_100, &["b"], true);
    assert!(stage.failures().is_empty());
    assert_eq!(
        stage.command(json!({"cmd": "registered"})).unwrap()["trainers"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let unknown =
        json!({"cmd": "exited", "trainer": "c", "executor": "4", "code": 2, "stderr": "bad port\n"});
    stage.command(unknown).unwrap();
    let told = &stage.failure().message;
    assert_eq!(
        *told,
        "a trainer of executor 4 ended during launch: exit status 2; last lines of its stderr:\nbad port"
    );
}

#[test]
fn a_lost_executor_is_the_cause_where_its_jvm_died() {
    for phase in &PHASES[1..] {
        for stream_first in [false, true] {
            let mut stage = Stage::at(phase);
            if stream_first {
                stage.end("a");
            }
            let lost =
                json!({"cmd": "executorLost", "executor": "10", "reason": "Command exited with code 137"});
            stage.command(lost.clone()).unwrap();
            stage.end("a");
            stage.command(lost).unwrap();
            let told = &stage.failure().message;
            assert!(
                told.starts_with("trainer 1 (hostB, executor 10, pid 4711) ended during")
                    && told.ends_with("its executor was lost: Command exited with code 137"),
                "{told}"
            );
        }
        let mut stage = Stage::at(phase);
        stage
            .command(json!({"cmd": "executorLost", "executor": "77", "reason": "idle"}))
            .unwrap();
        assert!(
            stage.failures().is_empty(),
            "an executor without a trainer is no loss"
        );
    }
    let mut stage = Stage::gathered();
    stage
        .command(json!({"cmd": "executorLost", "executor": "10", "reason": "idle"}))
        .unwrap();
    assert!(stage.failures().is_empty() && stage.said.contains(&Output::Close { trainer: "a".into() }));
}

#[test]
fn the_one_that_died_is_blamed_before_those_that_complain() {
    // The complaint comes first, the end and its report within the grace.
    let mut stage = Stage::at("running");
    stage.suspect("b", "a");
    stage.pass(500, &["b"], true);
    stage.end("a");
    stage.pass(1_800, &["b"], true);
    stage.exited("a", 139);
    assert!(stage.failure().message.contains("trainer 1") && stage.failure().message.contains("signal 11"));
    // The report comes first of all.
    let mut stage = Stage::at("running");
    stage.suspect("b", "a");
    stage.exited("a", 137);
    assert!(
        stage
            .failure()
            .message
            .contains("trainer 1 (hostB, executor 10, pid 4711) ended")
    );
    // A trainer that gives up because of the dead one is not the cause.
    let mut stage = Stage::at("running");
    stage.end("a");
    stage.message(
        "b",
        ToCoordinator::Failed {
            failure: Failure::unavailable("connection reset"),
        },
    );
    stage.end("b");
    stage.exited("b", 1);
    stage.exited("a", 137);
    assert!(
        stage.failure().message.starts_with("trainer 1"),
        "{:?}",
        stage.failure()
    );
    // Nobody died: the complaint itself is told, with both names.
    let mut stage = Stage::at("running");
    stage.suspect("b", "a");
    stage.pass(2_200, &["a", "b"], true);
    let told = &stage.failure().message;
    assert!(
        told.contains("trainer 0") && told.contains("trainer 1") && told.contains("silent 16 s"),
        "{told}"
    );
}

#[test]
fn a_trainer_that_fails_itself_is_told_with_its_reason() {
    let mut stage = Stage::at("running");
    stage.message(
        "a",
        ToCoordinator::Failed {
            failure: Failure::internal("panicked at x"),
        },
    );
    stage.exited("a", 1);
    let told = stage.failure();
    assert_eq!(
        told.message,
        "trainer 1 (hostB, executor 10, pid 4711) failed during training, step 0: panicked at x"
    );
    assert_eq!(told.kind, ErrorKind::Internal);
    let mut stage = Stage::at("forming");
    stage.message(
        "a",
        ToCoordinator::Failed {
            failure: Failure::parameter("batchSize is too large"),
        },
    );
    assert_eq!(*stage.failure(), Failure::parameter("batchSize is too large"));
}

#[test]
fn a_ledger_out_of_balance_names_shard_trainer_and_numbers() {
    let mut stage = Stage::at("sealing");
    stage.sealed("b", &[(0, 2)]);
    stage.sealed("a", &[(2, 1), (3, 3)]);
    assert_eq!(
        stage.failure().message,
        format!(
            "the ledger of the feed does not balance: shard 3 on trainer 1 (hostB, executor 10, pid 4711) holds 3 \
             rows with hash sum {:032x}, but the winning feed tasks sent 4 rows with hash sum {:032x}",
            3000, 4000
        )
    );
    let mut stage = Stage::at("sealing");
    stage.sealed("b", &[(0, 2), (3, 1)]);
    assert!(
        stage
            .failure()
            .message
            .contains("holds 1 rows of shard 3, but owns shards 0 to 1 only")
    );
    let mut stage = Stage::at("feeding");
    let mut bad = task(0, &[(0, 1)]);
    bad.rows_read = 9;
    let seal = json!({"cmd": "seal", "round": 0, "ledgers": [bad]});
    assert!(
        stage
            .command(seal)
            .unwrap_err()
            .message
            .contains("partition 0 gave 9 rows")
    );
    stage.failure();
}

#[test]
fn silence_is_a_loss_in_every_phase() {
    for phase in PHASES {
        let mut stage = Stage::at(phase);
        stage.pass(14_900, &["b"], true);
        assert!(stage.failures().is_empty(), "{phase}: {:?}", stage.failures());
        stage.pass(2_000, &["b"], true);
        assert!(
            stage.failure().message.contains("silent for 15 s during"),
            "{:?}",
            stage.failure()
        );
        assert!(stage.failure().message.contains("executor 10"));
    }
}

#[test]
fn standstill_is_a_loss_where_something_should_move() {
    for phase in ["sealing", "forming", "running"] {
        let mut stage = Stage::at(phase);
        stage.pass(62_000, &["a", "b"], false);
        assert!(
            stage.failure().message.contains("made no progress for"),
            "{:?}",
            stage.failure()
        );
    }
    let mut stage = Stage::at("feeding");
    stage.pass(300_000, &["a", "b"], false);
    assert!(
        stage.failures().is_empty(),
        "a slow feed is no standstill of a trainer"
    );
    stage.seal();
    stage.pass(59_000, &["a", "b"], false);
    assert!(stage.failures().is_empty(), "the time before does not count");
}

#[test]
fn a_pause_of_the_coordinator_is_nobodys_silence() {
    let mut stage = Stage::at("running");
    stage.pass(5_000, &["a", "b"], true);
    stage.now += 400_000;
    stage.pass(10_000, &[], false);
    assert!(stage.failures().is_empty());
}

#[test]
fn differing_states_name_both_hosts() {
    let mut stage = Stage::at("forming");
    stage.message(
        "a",
        ToCoordinator::Ready {
            generation: 1,
            step: 0,
            state_hash: "x".into(),
        },
    );
    stage.message(
        "b",
        ToCoordinator::Ready {
            generation: 1,
            step: 0,
            state_hash: "y".into(),
        },
    );
    let told = &stage.failure().message;
    assert!(
        told.contains("hostB") && told.contains("hostA") && told.contains("state x"),
        "{told}"
    );
    let mut stage = Stage::at("running");
    stage.done("a", "x");
    stage.done("b", "y");
    let told = &stage.failure().message;
    assert!(told.contains("at the end of training") && told.contains("hostB") && told.contains("hostA"));
}

#[test]
fn a_silent_driver_ends_the_job_in_every_phase() {
    for phase in PHASES {
        let mut stage = Stage::at(phase);
        for _ in 0..1_230 {
            stage.now += 100;
            for id in ["a", "b"] {
                let progress = Progress {
                    ticks: stage.now,
                    ..Progress::default()
                };
                stage.message(
                    id,
                    ToCoordinator::Beat {
                        generation: 1,
                        progress,
                    },
                );
            }
            stage.machine.tick(ms(stage.now));
            stage.said.extend(stage.machine.take_outputs());
        }
        assert!(
            stage
                .failure()
                .message
                .contains("driver has been silent for 120 s"),
            "{phase}"
        );
    }
}

#[test]
fn cancel_ends_the_job_in_every_phase_once() {
    for phase in PHASES {
        let mut stage = Stage::at(phase);
        stage
            .command(json!({"cmd": "cancel", "reason": "KeyboardInterrupt"}))
            .unwrap();
        stage
            .command(json!({"cmd": "cancel", "reason": "again"}))
            .unwrap();
        stage.end("a");
        stage.exited("b", 137);
        stage.suspect("b", "a");
        stage.pass(30_000, &[], false);
        assert_eq!(stage.failure().kind, ErrorKind::Cancelled);
        assert_eq!(
            stage.failure().message,
            "the fit was cancelled: KeyboardInterrupt"
        );
        assert_eq!(
            stage.command(json!({"cmd": "train"})).unwrap_err().kind,
            ErrorKind::JobFailed
        );
    }
}

#[test]
fn messages_of_other_rounds_and_generations_are_ignored() {
    let mut stage = Stage::at("running");
    stage.message(
        "a",
        ToCoordinator::Sealed {
            round: 0,
            shards: vec![sum((3, 99))],
        },
    );
    stage.message(
        "a",
        ToCoordinator::Ready {
            generation: 1,
            step: 3,
            state_hash: "late".into(),
        },
    );
    stage.message(
        "a",
        ToCoordinator::Suspect {
            generation: 0,
            peer: "b".into(),
            why: "old".into(),
        },
    );
    let old = ToCoordinator::Done {
        generation: 0,
        steps: 1,
        state_hash: "old".into(),
        weights_hash: "old".into(),
    };
    stage.message("a", old);
    stage.message(
        "nobody",
        ToCoordinator::Failed {
            failure: Failure::internal("x"),
        },
    );
    stage.pass(5_000, &["a", "b"], true);
    assert!(stage.failures().is_empty());
    assert!(
        stage
            .command(json!({"cmd": "seal", "round": 0, "ledgers": []}))
            .is_err()
    );
    assert!(stage.command(json!({"cmd": "finish"})).is_err());
    stage.done("a", "s");
    stage.done("b", "s");
    weights(&mut stage, "b");
    assert!(matches!(stage.events().last(), Some(Event::Done { .. })));
}

#[test]
fn who_comes_late_or_twice_is_refused() {
    let mut stage = Stage::gathered();
    assert!(stage.machine.connect(ms(0), info("a", "1")).is_err());
    stage.machine.connect(ms(0), info("c", "3")).unwrap();
    stage.members();
    let surplus = |output: &Output| matches!(output, Output::Send { trainer, message: ToTrainer::Die { .. } } if trainer == "c");
    assert!(stage.said.iter().any(surplus), "a surplus trainer is sent home");
    assert!(stage.machine.connect(ms(0), info("d", "3")).is_err());
    assert!(stage.failures().is_empty());
}

#[test]
fn a_peer_that_is_done_may_end_before_the_weights_are_here() {
    let mut stage = Stage::at("running");
    stage.done("a", "s");
    stage.end("a");
    stage.exited("a", 137);
    stage.pass(5_000, &["b"], true);
    stage.done("b", "s");
    assert!(stage.failures().is_empty());
    stage.end("b");
    stage.exited("b", 137);
    assert!(
        stage.failure().message.starts_with("trainer 0"),
        "rank 0 still had the weights"
    );
}

#[test]
fn more_trainers_than_shards_are_refused() {
    let mut stage = Stage::new();
    let ids: Vec<String> = (0..=SHARDS).map(|n| n.to_string()).collect();
    for id in &ids {
        stage.machine.connect(ms(0), info(id, id)).unwrap();
    }
    let told = stage
        .command(json!({"cmd": "members", "trainers": ids}))
        .unwrap_err();
    assert!(
        told.message
            .contains("5 trainers are more than logicalShards = 4"),
        "{told}"
    );
}
