//! From gathering to done, and what does not belong.

use super::*;
use std::sync::Arc;

#[test]
fn what_a_trainer_logs_is_told_with_its_rank_until_the_job_has_failed() {
    let mut stage = Stage::at("running");
    let log = ToCoordinator::Log {
        error: false,
        line: "a call was refused".into(),
    };
    stage.message("a", log.clone());
    let told = Output::Event(Event::TrainerLog {
        trainer: "trainer 1 (hostB, executor 10, pid 4711)".into(),
        error: false,
        line: "a call was refused".into(),
    });
    assert_eq!(stage.said.iter().filter(|said| **said == told).count(), 1);
    stage.command(json!({"cmd": "cancel", "reason": "x"})).unwrap();
    // What it says when it is told to end is no news.
    stage.message("a", log);
    assert_eq!(stage.said.iter().filter(|said| **said == told).count(), 1);
}

fn check_ledger(sealed: &Event) {
    let Event::Sealed { ledger } = sealed else {
        panic!("{sealed:?}")
    };
    assert_eq!(
        *ledger,
        Ledger {
            partitions: 2,
            rows_read: 7,
            rows_sent: 7,
            rows_skipped: 0,
            rows_spooled: 7,
            rows_dealt: 0,
            feature_bytes: 56,
            shard_rows: vec![2, 0, 1, 4],
            validation_rows: 0,
            hash_sum: format!("{:032x}", 7000),
            ..Ledger::default()
        }
    );
}

/// After the end trainers may go as they like.
fn finish(stage: &mut Stage) {
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
fn a_job_goes_from_gathering_to_done() {
    let mut stage = Stage::at("running");
    let record = EpochRecord {
        epoch: 0,
        step: 2,
        loss: 0.5,
        lr: 0.1,
        rows: 7,
        seconds: 1.5,
        metrics: serde_json::Map::new(),
    };
    for from in ["a", "b", "b"] {
        let record = record.clone();
        stage.message(
            from,
            ToCoordinator::Epoch {
                generation: 1,
                record,
            },
        );
    }
    stage.done("a", "s");
    stage.done("b", "s");
    assert!(
        stage.machine.weights().is_err(),
        "done is told only once the weights are here"
    );
    weights(&mut stage, "a");
    weights(&mut stage, "b");
    let events = stage.events();
    check_ledger(&events[0]);
    let Event::Epoch { record } = &events[1] else {
        panic!("{events:?}")
    };
    assert_eq!(record.seconds, 1.5);
    assert_eq!(
        events[2..],
        [Event::Done {
            weights_hash: "w".into(),
            steps: 4,
            stopping: None,
            class_weights: None,
            exchange: None,
            memory: stage.memory(),
            compression: CompressionUse::of_all([SENT, SENT]),
        }]
    );
    assert_eq!(
        stage.machine.weights().unwrap(),
        (Arc::new(b"abc".to_vec()), "w".to_owned())
    );
    finish(&mut stage);
}

#[test]
fn answers_to_beats_say_how_many_records_are_here_whoever_told_them() {
    let mut stage = Stage::at("running");
    let record = |epoch: u32| ToCoordinator::Epoch {
        generation: 1,
        record: EpochRecord {
            epoch,
            step: 2 * u64::from(epoch + 1),
            loss: 0.5,
            lr: 0.1,
            rows: 7,
            seconds: 1.5,
            metrics: serde_json::Map::new(),
        },
    };
    // The one that was to come before it is not there yet; "a" is not rank 0.
    for (from, epoch, here) in [("a", 1, 0), ("a", 0, 1), ("b", 0, 1), ("b", 1, 2), ("b", 0, 2)] {
        stage.message(from, record(epoch));
        stage.said.clear();
        let beat = ToCoordinator::Beat {
            number: 9,
            generation: 1,
            progress: Progress::default(),
        };
        stage.message("a", beat);
        let answer = Output::Send {
            trainer: "a".into(),
            message: ToTrainer::BeatAck {
                number: 9,
                epochs: here,
            },
        };
        assert!(
            stage.said.contains(&answer),
            "after record {epoch} of {from}: {:?}",
            stage.said
        );
    }
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
            .contains("holds 1 rows of shard 3, but owns shards 0 and 1 only")
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
fn differing_states_name_both_hosts() {
    let mut stage = Stage::at("forming");
    stage.message(
        "a",
        ToCoordinator::Ready {
            generation: 1,
            counter: ProgramCounter::default(),
            state_hash: "x".into(),
        },
    );
    stage.message(
        "b",
        ToCoordinator::Ready {
            generation: 1,
            counter: ProgramCounter::default(),
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
fn messages_of_other_rounds_and_generations_are_ignored() {
    let mut stage = Stage::at("running");
    stage.message(
        "a",
        ToCoordinator::Sealed {
            round: 0,
            shards: vec![sum((3, 99))],
            heaped: ShardSet::default(),
        },
    );
    stage.message(
        "a",
        ToCoordinator::Ready {
            generation: 1,
            counter: ProgramCounter {
                step: 3,
                ..ProgramCounter::default()
            },
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
        stopping: None,
        class_weights: None,
        exchange: None,
        memory: MemoryUse::default(),
        compression: None,
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
