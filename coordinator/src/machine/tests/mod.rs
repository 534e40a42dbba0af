//! A stage on which the machine plays; the plays are in the modules.

mod blame;
mod dealing;
mod elastic;
mod explain;
mod flow;
mod homes;
mod limit;
mod loss;
mod record;
mod recovery;
mod replicas;
mod rounds;
mod simulation;
mod states;

use super::*;
use crate::command::Command;
use candlewick_protocol::compression::CompressionUse;
use candlewick_protocol::counter::ProgramCounter;
use candlewick_protocol::feed::{Ledger, ShardSum, TaskLedger};
use candlewick_protocol::job::{DataSpec, Evaluation, LabelKind, OnNonFinite, SnapshotSpec, TrainSpec};
use candlewick_protocol::message::{EpochRecord, Member, MemoryUse, Pace, TrainerInfo, TrainerMemoryUse};
use candlewick_protocol::shuffle::DataShuffle;
use serde_json::json;

const SHARDS: u32 = 4;

pub(crate) const TIMEOUTS: Timeouts = Timeouts {
    grace: Duration::from_secs(2),
    driver: Duration::from_secs(120),
    failure: Duration::from_secs(15),
    progress: Duration::from_secs(60),
};

fn ms(time: u64) -> Now {
    Duration::from_millis(time)
}

/// What a trainer tells of its compressed gradients.
const SENT: Option<CompressionUse> = Some(CompressionUse {
    choice: None,
    sent_bytes: 1,
    plain_bytes: 4,
});

pub(crate) fn job() -> JobSpec {
    JobSpec {
        job: "j".into(),
        data: DataSpec {
            feature_encoding: Default::default(),
            feature_width: 2,
            input_shape: vec![2],
            label: LabelKind::class(2),
            validation: None,
            data_shuffle: DataShuffle::Hash,
            rows: None,
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
            class_weight: None,
            precision: Default::default(),
            lr_scheduler: None,
            gradient_accumulation_steps: 1,
            ema_decay: None,
            on_non_finite: OnNonFinite::Error,
            gradient_compression: Default::default(),
            asynchrony: Default::default(),
            allow_tf32: false,
            any_order: false,
            local_steps: None,
            evaluation: Evaluation::default(),
        },
        failure_timeout_ms: 15_000,
        progress_timeout_ms: 60_000,
        max_recoveries: 0,
        min_trainers: 1,
        executor_timeout_ms: 60_000,
        data_replicas: 1,
        snapshots: SnapshotSpec::default(),
    }
}

pub(crate) fn info(id: &str, executor: &str) -> TrainerInfo {
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
        device: "cpu".into(),
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
        Stage::of(job())
    }

    fn of(job: JobSpec) -> Self {
        Stage {
            machine: Machine::new(job, TIMEOUTS),
            now: 0,
            said: Vec::new(),
        }
    }

    /// Two trainers, "a" on executor 10 (rank 1) and "b" on executor 9 (rank 0).
    fn gathered() -> Self {
        Stage::gathered_for(job())
    }

    fn gathered_for(job: JobSpec) -> Self {
        let mut stage = Stage::of(job);
        for (id, executor) in [("a", "10"), ("b", "9")] {
            stage.machine.connect(ms(stage.now), info(id, executor)).unwrap();
        }
        stage
    }

    /// In a phase of a job that no recovery is left for.
    fn at(phase: &str) -> Self {
        Stage::gathered().led_to(phase)
    }

    /// In a phase of a job that goes on after three losses.
    fn recoverable_at(phase: &str) -> Self {
        let job = JobSpec {
            max_recoveries: 3,
            ..job()
        };
        Stage::gathered_for(job).led_to(phase)
    }

    fn led_to(self, phase: &str) -> Self {
        let mut stage = self;
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
                heaped: ShardSet::default(),
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
                    counter: ProgramCounter::default(),
                    state_hash: "s".into(),
                },
            );
        }
    }

    /// What the job says of the memory of its members.
    fn memory(&self) -> Vec<TrainerMemoryUse> {
        let of = |member: &Member| TrainerMemoryUse {
            trainer: member.trainer.id.clone(),
            host: member.trainer.host.clone(),
            memory: needed(&member.trainer.id),
        };
        self.machine.members.iter().map(of).collect()
    }

    fn done(&mut self, from: &str, state: &str) {
        let done = ToCoordinator::Done {
            generation: 1,
            steps: 4,
            state_hash: state.into(),
            weights_hash: "w".into(),
            stopping: None,
            class_weights: None,
            exchange: None,
            memory: needed(from),
            compression: SENT,
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
                        counter: ProgramCounter {
                            step: 7,
                            ..ProgramCounter::default()
                        },
                        ticks,
                        ..Progress::default()
                    };
                    self.message(
                        id,
                        ToCoordinator::Beat {
                            number: 0,
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
                Output::Event(Event::Registered { .. } | Event::Lost { .. }) => None,
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
        feature_bytes: 8 * rows,
        shards: shards.iter().map(|shard| sum(*shard)).collect(),
        ..TaskLedger::default()
    }
}

fn weights(stage: &mut Stage, from: &str) {
    stage.machine.message(
        ms(stage.now),
        from,
        ToCoordinator::Weights {
            generation: 1,
            offset: 0,
            total: 3,
        },
        b"abc",
    );
    stage.said.extend(stage.machine.take_outputs());
}

const PHASES: [&str; 6] = ["gathering", "feeding", "sealing", "sealed", "forming", "running"];

/// The memory that a trainer says it needed.
fn needed(trainer: &str) -> MemoryUse {
    MemoryUse {
        limit: 1 << 30,
        accounts: [("rows".to_owned(), trainer.bytes().map(u64::from).sum())].into(),
        spilled_bytes: 9,
    }
}
