//! Trainers that come and leave, and shards that move between slow trainers and fast ones.

use super::*;
use crate::machine::pace::Balance;
use candlewick_protocol::message::RescaleRecord;

fn moves(stage: &Stage) -> Vec<(&str, u32, u32)> {
    let sent = stage.said.iter().filter_map(|output| match output {
        Output::Send {
            trainer,
            message: ToTrainer::Move { owners, .. },
        } => Some(owners.iter().map(|owner| (trainer.as_str(), owner.lo, owner.hi))),
        _ => None,
    });
    sent.flatten().collect()
}

fn halts(stage: &Stage) -> usize {
    let halt = |output: &&Output| {
        matches!(
            output,
            Output::Send {
                message: ToTrainer::Halt { .. },
                ..
            }
        )
    };
    stage.said.iter().filter(halt).count()
}

fn rescaled(stage: &Stage) -> Vec<RescaleRecord> {
    let told = stage.said.iter().filter_map(|output| match output {
        Output::Event(Event::Rescaled { record }) => Some(record.clone()),
        _ => None,
    });
    told.collect()
}

fn skews(stage: &Stage) -> Vec<f64> {
    let told = stage.said.iter().filter_map(|output| match output {
        Output::Event(Event::Pace { record }) => Some(record.skew),
        _ => None,
    });
    told.collect()
}

/// A job of many epochs, of which the first is over: "a" worked so many seconds and "b" so many.
fn paced(a: f64, b: f64) -> Stage {
    paced_of(10, a, b)
}

fn paced_of(epochs: u32, a: f64, b: f64) -> Stage {
    bounded(epochs, (a, None), (b, None))
}

/// The same, where they have memory for so many shards.
fn bounded(epochs: u32, a: (f64, Option<u32>), b: (f64, Option<u32>)) -> Stage {
    let mut job = JobSpec {
        max_recoveries: 3,
        ..job()
    };
    job.train.epochs = epochs;
    let mut stage = Stage::gathered_for(job).led_to("running");
    for (id, (busy_seconds, most_shards)) in [("a", a), ("b", b)] {
        let pace = Pace {
            epoch: 0,
            steps: 2,
            busy_seconds,
            waited_seconds: 0.5,
            most_shards,
        };
        stage.message(id, ToCoordinator::Pace { generation: 1, pace });
    }
    stage
}

#[test]
fn an_epoch_of_milliseconds_moves_nothing_however_many_are_left() {
    assert_eq!(halts(&paced_of(3_000, 0.001, 0.009)), 0);
    assert_eq!(halts(&paced_of(3_000, 0.02, 0.18)), 2);
}

fn halted(stage: &mut Stage) {
    for id in ["a", "b"] {
        let counter = ProgramCounter::default();
        stage.message(
            id,
            ToCoordinator::Halted {
                generation: 1,
                counter,
                made: counter.step,
            },
        );
    }
}

#[test]
fn shards_move_from_the_slow_trainer_to_the_fast_one_where_that_saves_time() {
    // Of four shards each has two. "b" has the first ones.
    let mut stage = paced(1.0, 3.5);
    assert_eq!(skews(&stage), [3.5 / 2.25]);
    assert_eq!(halts(&stage), 2);
    halted(&mut stage);
    assert_eq!(moves(&stage), [("b", 1, 2)]);
    let moved = ToCoordinator::Moved {
        round: 1,
        rows: 0,
        lost: ShardSet::default(),
        because: None,
    };
    stage.message("b", moved);
    stage.message(
        "a",
        ToCoordinator::Sealed {
            round: 1,
            shards: vec![sum((1, 0))],
            heaped: ShardSet::default(),
        },
    );
    for id in ["a", "b"] {
        let ready = ToCoordinator::Ready {
            generation: 2,
            counter: ProgramCounter::default(),
            state_hash: "s".into(),
        };
        stage.message(id, ready);
    }
    let [record] = &rescaled(&stage)[..] else {
        panic!("{:?}", stage.said)
    };
    assert!(record.joined.is_empty() && record.left.is_empty() && record.trainers == 2);
    assert!(
        record
            .cause
            .contains("trainer 0 (hostA, executor 9, pid 4711) worked 3.50 s of an epoch, the longest")
            && record.cause.contains("about 1.75 s"),
        "{}",
        record.cause
    );
    let recovered = |event: &Event| matches!(event, Event::Recovered { .. });
    assert!(!stage.events().iter().any(recovered), "nothing was lost");
    assert_eq!(stage.machine.recoveries, 0);
}

#[test]
fn no_shard_moves_to_a_trainer_that_has_no_memory_for_it() {
    assert_eq!(halts(&bounded(10, (1.0, Some(3)), (3.5, None))), 2);
    assert_eq!(halts(&bounded(10, (1.0, Some(2)), (3.5, None))), 0);
    // Those that it has fit where they lie, but not elsewhere.
    assert_eq!(halts(&bounded(10, (1.0, Some(1)), (3.5, Some(1)))), 0);
}

#[test]
fn shards_move_back_where_steps_got_slower() {
    let mut stage = paced(1.0, 3.5);
    stage.machine.phase = Phase::Running { generation: 1 };
    stage.machine.recovery = None;
    let told = |stage: &mut Stage, epoch, busy_seconds| {
        for id in ["a", "b"] {
            let pace = Pace {
                epoch,
                steps: 2,
                busy_seconds,
                waited_seconds: 0.5,
                most_shards: None,
            };
            stage.message(id, ToCoordinator::Pace { generation: 1, pace });
        }
    };
    told(&mut stage, 1, 5.0);
    assert!(matches!(stage.machine.phase, Phase::Halting { .. }));
    halted(&mut stage);
    let ranges: Vec<(u32, u32)> = stage
        .machine
        .members
        .iter()
        .map(|member| (member.lo, member.hi))
        .collect();
    assert_eq!(ranges, [(0, 2), (2, 4)]);
    stage.machine.phase = Phase::Running { generation: 1 };
    stage.machine.recovery = None;
    let before = halts(&stage);
    told(&mut stage, 2, 9.0);
    assert_eq!(halts(&stage), before, "they stay for good");
}

#[test]
fn a_loss_makes_the_last_move_forgotten() {
    let mut stage = Stage::recoverable_at("running");
    stage.machine.elastic.balance = Balance::Moved(1.0);
    stage.machine.disconnect(ms(stage.now), "a");
    assert!(stage.machine.rank_of("a").is_none());
    assert!(matches!(stage.machine.elastic.balance, Balance::On));
}

#[test]
fn steps_of_other_trainers_and_of_no_step_say_nothing_of_a_move() {
    let told = |stage: &mut Stage, epoch, steps| {
        for id in ["a", "b"] {
            let pace = Pace {
                epoch,
                steps,
                busy_seconds: 9.0,
                waited_seconds: 0.5,
                most_shards: None,
            };
            stage.message(id, ToCoordinator::Pace { generation: 1, pace });
        }
    };
    for (steps, other) in [(0, false), (2, true)] {
        let mut stage = paced(1.0, 3.5);
        stage.machine.phase = Phase::Running { generation: 1 };
        stage.machine.recovery = None;
        let before = halts(&stage);
        if other {
            stage.machine.forget_the_last_move();
        }
        told(&mut stage, 1, steps);
        assert_eq!(halts(&stage), before, "{steps} steps");
    }
}

#[test]
fn shards_stay_where_the_difference_is_small_or_little_is_left_to_save() {
    for (a, b) in [(1.0, 1.0), (1.0, 1.4), (0.01, 0.2)] {
        let stage = paced(a, b);
        assert_eq!((skews(&stage).len(), halts(&stage)), (1, 0), "{a}, {b}");
    }
}

#[test]
fn who_comes_is_asked_for_and_who_falls_silent_before_it_is_a_member_is_nobodys_loss() {
    let mut stage = Stage::recoverable_at("running");
    let refused = stage.machine.connect(ms(stage.now), info("c", "11")).unwrap_err();
    assert!(refused.message.contains("came too late"), "{refused}");
    stage
        .command(json!({"cmd": "expect", "trainers": ["c"]}))
        .unwrap();
    let on_gpu = TrainerInfo {
        device: "cuda".into(),
        ..info("c", "11")
    };
    let refused = stage.machine.connect(ms(stage.now), on_gpu).unwrap_err();
    assert!(
        refused.message.contains("computes on cpu") && refused.message.contains("computes on cuda"),
        "{refused}"
    );
    stage.machine.connect(ms(stage.now), info("c", "11")).unwrap();
    stage.pass(16_000, &["a", "b"], true);
    let left = |event: &Event| matches!(event, Event::Left { trainer, why } if trainer == "c" && why.contains("silent for"));
    assert!(stage.events().iter().any(left), "{:?}", stage.events());
    assert!(stage.failures().is_empty() && halts(&stage) == 0);
    assert_eq!(stage.machine.members.len(), 2);
}

#[test]
fn nobody_leaves_where_too_few_would_be_left() {
    let job = JobSpec {
        min_trainers: 2,
        max_recoveries: 3,
        ..job()
    };
    let mut stage = Stage::gathered_for(job).led_to("running");
    let command = json!({"cmd": "decommission", "executor": "9", "reason": "r"});
    stage.command(command).unwrap();
    stage.pass(5_000, &["a", "b"], true);
    assert_eq!(halts(&stage), 0);
    stage
        .command(json!({"cmd": "expect", "trainers": ["c"]}))
        .unwrap();
    stage.machine.connect(ms(stage.now), info("c", "11")).unwrap();
    stage.pass(1_000, &["a", "b", "c"], true);
    assert_eq!(halts(&stage), 2, "there is another one now");
}

#[test]
fn too_few_are_told_of_and_fail_the_fit_in_the_end() {
    let job = JobSpec {
        min_trainers: 2,
        max_recoveries: 3,
        ..job()
    };
    let mut stage = Stage::gathered_for(job).led_to("running");
    stage.exited("a", 137);
    let counter = ProgramCounter::default();
    stage.message(
        "b",
        ToCoordinator::Halted {
            generation: 1,
            counter,
            made: counter.step,
        },
    );
    assert_eq!(
        stage.machine.explain(),
        "other trainers: only 1 trainer was there of at least minTrainers = 2"
    );
    stage.pass(59_000, &["b"], false);
    assert!(
        stage.failures().is_empty(),
        "progressTimeout does not count while it waits"
    );
    stage.pass(2_000, &["b"], false);
    let told = &stage.failure().message;
    assert!(
        told.starts_with("trainer 1 (hostB, executor 10, pid 4711) ended during training")
            && told
                .contains("only 1 trainer was there of at least minTrainers = 2 for executorTimeout = 60 s"),
        "{told}"
    );
}

/// A newcomer "c" is a member of a gang for which no recovery is left, and its shards are on their way to it.
fn with_newcomer() -> Stage {
    let mut stage = Stage::at("running");
    stage
        .command(json!({"cmd": "expect", "trainers": ["c"]}))
        .unwrap();
    stage.machine.connect(ms(stage.now), info("c", "11")).unwrap();
    stage.pass(1_000, &["a", "b", "c"], true);
    stage
        .command(json!({"cmd": "decommission", "executor": "12", "reason": "nobody is there"}))
        .unwrap();
    let record = EpochRecord {
        epoch: 0,
        step: 2,
        loss: 1.0,
        lr: 0.1,
        rows: 7,
        seconds: 1.0,
        metrics: serde_json::Map::new(),
    };
    stage.message(
        "b",
        ToCoordinator::Epoch {
            generation: 1,
            record,
        },
    );
    halted(&mut stage);
    assert_eq!(stage.machine.members.len(), 3);
    assert_eq!(moves(&stage).len(), 2, "{:?}", stage.said);
    stage
}

#[test]
fn a_newcomer_that_dies_or_cannot_go_on_costs_no_recovery() {
    let strikes: [fn(&mut Stage); 3] = [
        |stage| stage.exited("c", 137),
        |stage| stage.end("c"),
        |stage| {
            let failure = Failure::unavailable("no memory");
            stage.message("c", ToCoordinator::Failed { failure });
        },
    ];
    for strike in strikes {
        let mut stage = with_newcomer();
        strike(&mut stage);
        assert!(stage.failures().is_empty(), "{:?}", stage.failures());
        assert_eq!((stage.machine.recoveries, stage.machine.members.len()), (0, 2));
    }
    // One that says so before it is a member is let go.
    let mut stage = Stage::at("running");
    stage
        .command(json!({"cmd": "expect", "trainers": ["c"]}))
        .unwrap();
    stage.machine.connect(ms(stage.now), info("c", "11")).unwrap();
    let failure = Failure::unavailable("no memory");
    stage.message("c", ToCoordinator::Failed { failure });
    let left = |event: &Event| matches!(event, Event::Left { trainer, why } if trainer == "c" && why.contains("no memory"));
    assert!(stage.events().iter().any(left) && stage.failures().is_empty());
}

#[test]
fn a_newcomer_that_the_others_do_not_reach_is_not_taken_in() {
    let mut stage = with_newcomer();
    for id in ["a", "b"] {
        let moved = ToCoordinator::Moved {
            round: 1,
            rows: 0,
            lost: ShardSet::default(),
            because: None,
        };
        stage.message(id, moved);
    }
    let taken: Vec<(String, Vec<u32>)> = stage
        .machine
        .trainers
        .iter()
        .map(|(id, trainer)| (id.clone(), trainer.taken.iter().collect()))
        .collect();
    for (id, shards) in taken {
        let rows = |shard: u32| [2, 0, 1, 4][shard as usize];
        let shards = shards
            .into_iter()
            .map(|shard| sum((shard, rows(shard))))
            .collect();
        stage.message(
            &id,
            ToCoordinator::Sealed {
                round: 1,
                shards,
                heaped: ShardSet::default(),
            },
        );
    }
    assert_eq!(stage.machine.phase, Phase::Forming { generation: 2 });
    let why = "it cannot be reached".to_owned();
    let suspect = ToCoordinator::Suspect {
        generation: 2,
        peer: "c".into(),
        why,
    };
    stage.message("a", suspect);
    assert!(stage.failures().is_empty(), "{:?}", stage.failures());
    assert_eq!((stage.machine.recoveries, stage.machine.members.len()), (0, 2));
    assert_eq!(stage.machine.phase, Phase::Halting { generation: 2 });
}

#[test]
fn who_is_about_to_leave_stays_where_nobody_else_has_the_state_any_more() {
    let mut stage = Stage::recoverable_at("running");
    let command = json!({"cmd": "decommission", "executor": "10", "reason": "r"});
    stage.command(command).unwrap();
    halted(&mut stage);
    assert_eq!(moves(&stage), [("a", 2, 4)]);
    stage.exited("b", 137);
    assert!(stage.failures().is_empty(), "{:?}", stage.failures());
    let moved = ToCoordinator::Moved {
        round: 1,
        rows: 0,
        lost: (2..4).into(),
        because: Some("it is gone".into()),
    };
    stage.message("a", moved);
    assert_eq!(stage.machine.phase, Phase::Feeding { round: 2 });
    let [member] = &stage.machine.members[..] else {
        panic!("{:?}", stage.machine.members)
    };
    assert_eq!((member.trainer.id.as_str(), member.lo, member.hi), ("a", 0, 4));
}

#[test]
fn where_the_last_one_that_has_the_state_goes_as_it_leaves_the_fit_fails_and_does_not_begin_again() {
    let mut stage = Stage::recoverable_at("running");
    stage
        .command(json!({"cmd": "expect", "trainers": ["c"]}))
        .unwrap();
    stage.machine.connect(ms(stage.now), info("c", "11")).unwrap();
    stage.pass(1_000, &["a", "b", "c"], true);
    let command = json!({"cmd": "decommission", "executor": "10", "reason": "r"});
    stage.command(command).unwrap();
    halted(&mut stage);
    // "a" hands over to "c", and "b" stays: then both that have the state are lost.
    stage.exited("b", 137);
    assert!(stage.failures().is_empty(), "{:?}", stage.failures());
    stage.end("a");
    stage.message(
        "c",
        ToCoordinator::Sealed {
            round: 1,
            shards: vec![],
            heaped: ShardSet::default(),
        },
    );
    let told = &stage.failure().message;
    assert!(
        told.starts_with("trainer 0 (hostA, executor 9, pid 4711) ended during")
            && told.contains("; then no trainer is left that has the state of the training"),
        "{told}"
    );
}

#[test]
fn what_cannot_be_handed_over_is_dropped_fed_and_not_moved_again_and_no_recovery_is_told() {
    let mut stage = Stage::recoverable_at("running");
    let command = json!({"cmd": "decommission", "executor": "10", "reason": "r"});
    stage.command(command).unwrap();
    halted(&mut stage);
    let moved = ToCoordinator::Moved {
        round: 1,
        rows: 0,
        lost: (2..4).into(),
        because: Some("a firewall".into()),
    };
    stage.message("a", moved);
    let dropped = |output: &Output| {
        matches!(output, Output::Send { trainer, message: ToTrainer::Seal { round: 1, incomplete, .. } }
            if trainer == "b" && *incomplete == ShardSet::from(2..4))
    };
    assert!(stage.said.iter().any(dropped), "{:?}", stage.said);
    stage.message(
        "b",
        ToCoordinator::Sealed {
            round: 1,
            shards: vec![],
            heaped: ShardSet::default(),
        },
    );
    assert_eq!(stage.machine.phase, Phase::Feeding { round: 2 });
    assert_eq!(moves(&stage).len(), 1);
    let ledgers = json!([task(0, &[(0, 2), (2, 1)]), task(1, &[(3, 4)])]);
    stage
        .command(json!({"cmd": "seal", "round": 2, "ledgers": ledgers}))
        .unwrap();
    stage.message(
        "b",
        ToCoordinator::Sealed {
            round: 2,
            shards: vec![sum((2, 1)), sum((3, 4))],
            heaped: ShardSet::default(),
        },
    );
    let ready = ToCoordinator::Ready {
        generation: 2,
        counter: ProgramCounter::default(),
        state_hash: "s".into(),
    };
    stage.message("b", ready);
    assert_eq!(rescaled(&stage).len(), 1);
    stage.pass(2_000, &["b"], true);
    let recovered = |event: &Event| matches!(event, Event::Recovered { .. });
    assert!(
        !stage.events().iter().any(recovered),
        "nothing was lost: {:?}",
        stage.events()
    );
}
