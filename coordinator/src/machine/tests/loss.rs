//! Losses in every phase, and who is blamed.

use super::*;

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
                 last lines of its stderr:\nlast words\nwith maxRecoveries = 0 training does not go on after a loss"
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
    let killed = json!({"cmd": "exited", "trainer": "d", "executor": "4", "code": 137});
    stage.command(killed).unwrap();
    assert!(stage.failures().is_empty());
    assert!(stage.said.contains(&Output::Event(Event::Lost {
        trainer: "d".into(),
        why: "a trainer of executor 4 ended during launch: killed by signal 9 (SIGKILL)".into(),
    })));
    let unknown =
        json!({"cmd": "exited", "trainer": "c", "executor": "4", "code": 2, "stderr": "bad port\n"});
    stage.command(unknown).unwrap();
    let told = &stage.failure().message;
    assert_eq!(
        *told,
        "a trainer of executor 4 ended during launch: exit status 2; last lines of its stderr:\nbad port"
    );
}

/// Whoever counts on a trainer that registered and is gone learns how it ended, whatever told of it.
#[test]
fn a_trainer_lost_before_the_members_are_fixed_is_told_with_its_cause() {
    type Way = fn(&mut Stage);
    let lose: [(&str, Way); 5] = [
        ("its executor was lost: removed by the cluster manager", |stage| {
            let lost =
                json!({"cmd": "executorLost", "executor": "10", "reason": "removed by the cluster manager"});
            stage.command(lost).unwrap();
        }),
        (
            "killed by signal 15 (SIGTERM); last lines of its stderr:\nlast words",
            |stage| {
                stage.exited("a", 143);
            },
        ),
        (
            "killed by signal 9 (SIGKILL); last lines of its stderr:\nlast words",
            |stage| {
                stage.exited("a", 137);
            },
        ),
        (
            "its connection ended and no exit status came within 2000 ms",
            |stage| {
                stage.end("a");
                stage.pass(2_100, &["b"], true);
            },
        ),
        ("its connection ended", |stage| stage.end("a")),
    ];
    for (at, (how, lose)) in lose.into_iter().enumerate() {
        let mut stage = Stage::gathered();
        lose(&mut stage);
        let members = json!({"cmd": "members", "trainers": ["a", "b"]});
        let failure = stage.command(members).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Unavailable);
        let why = failure.message;
        assert_eq!(
            why,
            format!("trainer a (hostB, executor 10, pid 4711) ended during launch: {how}")
        );
        let told = Output::Event(Event::Lost {
            trainer: "a".into(),
            why,
        });
        // While its report may still come it is not lost yet.
        assert_eq!(stage.said.contains(&told), at < 4, "{how}");
    }
}

/// A trainer outlives its executor by a moment, and then tells, or is told of, how it ended: the fit goes on without it.
#[test]
fn what_comes_of_a_trainer_that_was_lost_with_its_executor_fails_nothing() {
    let mut stage = Stage::gathered();
    let lost = json!({"cmd": "executorLost", "executor": "10", "reason": "removed by the cluster manager"});
    stage.command(lost).unwrap();
    stage.exited("a", 1);
    let failure = Failure::unavailable("the coordinator is gone: it closed the stream");
    stage.message("a", ToCoordinator::Failed { failure });
    stage.end("a");
    stage.pass(2_100, &["b"], true);
    assert_eq!(stage.failures(), Vec::<&Failure>::new());
}

/// A coordinator that is starved looks at the clock seldom; a trainer that is silent is still found.
#[test]
fn looks_that_come_late_all_the_time_do_not_forgive_silence_for_ever() {
    let mut stage = Stage::at("running");
    stage.message(
        "b",
        ToCoordinator::Beat {
            number: 0,
            generation: 1,
            progress: Progress::default(),
        },
    );
    let mut looks = 0;
    while stage.failures().is_empty() {
        stage.now += 1_500;
        looks += 1;
        assert!(
            looks < 20,
            "a trainer that is silent for {looks} looks is not found"
        );
        stage.machine.driver_seen = ms(stage.now);
        stage.machine.tick(ms(stage.now));
        stage.said.extend(stage.machine.take_outputs());
    }
    assert!(
        stage.failure().message.contains("silent for"),
        "{:?}",
        stage.failure()
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
                    && told.ends_with(
                        "its executor was lost: Command exited with code 137; with maxRecoveries = 0 training does not go on after a loss"
                    ),
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
    // Nobody died, and no recovery is left: the complaint itself is told, with both names.
    let mut stage = Stage::at("running");
    stage.machine.job.max_recoveries = 0;
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
fn silence_is_a_loss_in_every_phase() {
    let mut stage = Stage::gathered();
    stage.pass(16_900, &["b"], true);
    assert!(stage.failures().is_empty(), "another one may start in its place");
    let why = "trainer a (hostB, executor 10, pid 4711) silent for 15 s during launch".to_owned();
    let trainer = "a".to_owned();
    assert!(stage.said.contains(&Output::Event(Event::Lost { trainer, why })));
    for phase in &PHASES[1..] {
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

/// Its trainers give up a driver that stands still; whatever tells of their end first, the reason is told.
#[test]
fn a_loss_right_after_a_pause_says_that_the_driver_stood_still() {
    let told = |pause: u64, lose: fn(&mut Stage)| {
        let mut stage = Stage::at("running");
        stage.pass(5_000, &["a", "b"], true);
        stage.now += pause;
        lose(&mut stage);
        stage.failure().message.clone()
    };
    let ways: [fn(&mut Stage); 3] = [
        |stage| stage.exited("a", 1),
        |stage| {
            stage.end("a");
            stage.pass(2_100, &["b"], true);
        },
        |stage| {
            stage.pass(1_000, &["b"], true);
            stage.exited("a", 1);
        },
    ];
    for lose in ways {
        let after = told(20_000, lose);
        assert!(
            after.contains("the driver itself stood still for 20 s"),
            "{after}"
        );
        assert!(
            !told(10_000, lose).contains("stood still"),
            "a pause that trainers bear"
        );
    }
    let later = told(20_000, |stage| {
        stage.pass(60_000, &["a", "b"], true);
        stage.exited("a", 1);
    });
    assert!(!later.contains("stood still"), "{later}");
}

#[test]
fn a_pause_of_the_coordinator_is_nobodys_silence() {
    let mut stage = Stage::at("running");
    stage.pass(5_000, &["a", "b"], true);
    stage.now += 400_000;
    stage.pass(10_000, &[], false);
    assert!(stage.failures().is_empty());
}

/// Beats that waited while the coordinator slept are read before its first look: they are no older than now, and no younger.
#[test]
fn a_pause_does_not_forgive_silence_that_comes_after_it() {
    let mut stage = Stage::at("running");
    stage.pass(5_000, &["a", "b"], true);
    stage.now += 400_000;
    for id in ["a", "b"] {
        stage.message(
            id,
            ToCoordinator::Beat {
                number: 0,
                generation: 1,
                progress: Progress::default(),
            },
        );
    }
    stage.pass(20_000, &["a"], true);
    assert!(
        stage.failure().message.contains("silent for"),
        "{:?}",
        stage.failure()
    );
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
                        number: 0,
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
            ErrorKind::Unavailable
        );
    }
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
