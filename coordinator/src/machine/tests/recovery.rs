//! Two members lose each other: the gang goes on in the next generation.

use super::*;

pub(super) fn at(epoch: u32, step: u64) -> ProgramCounter {
    ProgramCounter {
        epoch,
        step,
        ..ProgramCounter::default()
    }
}

pub(super) fn halted(stage: &mut Stage, from: &str, generation: u64, counter: ProgramCounter) {
    stage.message(
        from,
        ToCoordinator::Halted {
            generation,
            counter,
            made: counter.step,
        },
    );
}

fn ready(stage: &mut Stage, generation: u64, counter: ProgramCounter) {
    for id in ["a", "b"] {
        let ready = ToCoordinator::Ready {
            generation,
            counter,
            state_hash: "s".into(),
        };
        stage.message(id, ready);
    }
}

/// What was sent since the last look, without answers to beats.
pub(super) fn sent(stage: &mut Stage) -> Vec<(String, ToTrainer)> {
    let said = std::mem::take(&mut stage.said);
    let sent = said.into_iter().filter_map(|output| match output {
        Output::Send { trainer, message } if !matches!(message, ToTrainer::BeatAck { .. }) => {
            Some((trainer, message))
        }
        _ => None,
    });
    sent.collect()
}

fn to_both(message: &ToTrainer) -> Vec<(String, ToTrainer)> {
    vec![("b".into(), message.clone()), ("a".into(), message.clone())]
}

/// Halted in generation 1, "a" a step before "b".
fn halting() -> Stage {
    let mut stage = Stage::recoverable_at("running");
    sent(&mut stage);
    stage.suspect("a", "b");
    assert_eq!(sent(&mut stage), to_both(&ToTrainer::Halt { generation: 1 }));
    stage
}

#[test]
fn the_next_generation_goes_on_where_the_foremost_stands() {
    let mut stage = halting();
    // The other one complains too: it is the same break.
    stage.suspect("b", "a");
    halted(&mut stage, "a", 1, at(0, 7));
    halted(&mut stage, "a", 1, at(0, 7));
    assert_eq!(sent(&mut stage), []);
    halted(&mut stage, "b", 1, at(0, 8));
    let members = stage.machine.members.clone();
    let form = ToTrainer::Form {
        generation: 2,
        members,
        sums: stage.machine.known_sums(),
        counter: at(0, 8),
        donor: Some("b".into()),
        copies: ShardSet::default(),
    };
    assert_eq!(sent(&mut stage), to_both(&form));
    // From before.
    stage.done("a", "s");
    halted(&mut stage, "a", 1, at(0, 9));
    ready(&mut stage, 2, at(0, 8));
    assert_eq!(sent(&mut stage), to_both(&ToTrainer::Start { generation: 2 }));
    stage.now += 500;
    stage.message("a", beat(at(0, 8)));
    assert!(recoveries(&stage).is_empty(), "it has made no step yet");
    stage.message("a", beat(at(0, 9)));
    let [record] = recoveries(&stage).try_into().unwrap();
    assert_eq!((record.generation, record.resume_step), (2, 8));
    assert_eq!(record.seconds.resume, 0.5);
    assert!(
        record
            .cause
            .starts_with("trainer 1 (hostB, executor 10, pid 4711) lost trainer 0 (hostA,")
            && record.cause.ends_with("silent 16 s in allreduce, step 8"),
        "{}",
        record.cause
    );
    assert!(stage.failures().is_empty());
}

pub(super) fn beat(counter: ProgramCounter) -> ToCoordinator {
    ToCoordinator::Beat {
        number: 0,
        generation: 2,
        progress: Progress {
            counter,
            ..Progress::default()
        },
    }
}

pub(super) fn recoveries(stage: &Stage) -> Vec<candlewick_protocol::message::RecoveryRecord> {
    let records = stage.said.iter().filter_map(|output| match output {
        Output::Event(Event::Recovered { record }) => Some(record.clone()),
        _ => None,
    });
    records.collect()
}

#[test]
fn nobody_gives_a_state_where_all_stand_at_the_same_point() {
    let mut stage = halting();
    for id in ["a", "b"] {
        halted(&mut stage, id, 1, at(1, 4));
    }
    let donors: Vec<Option<String>> = sent(&mut stage)
        .into_iter()
        .filter_map(|(_, message)| match message {
            ToTrainer::Form { donor, .. } => Some(donor),
            _ => None,
        })
        .collect();
    assert_eq!(donors, [None, None]);
}

#[test]
fn a_halt_is_said_again_until_it_is_answered() {
    let mut stage = halting();
    halted(&mut stage, "a", 1, at(0, 8));
    stage.pass(2_500, &["a", "b"], true);
    let halt = ToTrainer::Halt { generation: 1 };
    assert_eq!(
        sent(&mut stage),
        [("b".to_owned(), halt.clone()), ("b".to_owned(), halt)]
    );
    halted(&mut stage, "b", 1, at(0, 8));
    sent(&mut stage);
    stage.pass(2_500, &["a", "b"], true);
    assert_eq!(sent(&mut stage), []);
}

#[test]
fn a_member_that_ends_while_it_is_halted_is_the_cause() {
    let mut stage = halting();
    halted(&mut stage, "a", 1, at(0, 8));
    stage.end("b");
    stage.exited("b", 137);
    let told = stage.machine.recovery.as_ref().unwrap().told();
    assert!(
        told.starts_with("trainer 0 (hostA, executor 9, pid 4711) ended during training, step")
            && told.contains("killed by signal 9"),
        "{told}"
    );
    // It is the same recovery, and what it held is fed again.
    assert_eq!(stage.machine.recoveries, 1);
    assert_eq!(stage.machine.phase, Phase::Feeding { round: 1 });
}

#[test]
fn a_member_that_ends_after_it_has_halted_is_not_counted_on() {
    let mut stage = halting();
    halted(&mut stage, "b", 1, at(0, 8));
    stage.end("b");
    assert_eq!(stage.machine.phase, Phase::Halting { generation: 1 });
    halted(&mut stage, "a", 1, at(0, 7));
    assert_eq!(stage.machine.phase, Phase::Feeding { round: 1 });
}

#[test]
fn one_that_was_done_and_is_needed_again_is_missed_when_it_ends() {
    let mut stage = Stage::recoverable_at("running");
    stage.done("a", "s");
    stage.suspect("b", "a");
    stage.end("a");
    halted(&mut stage, "b", 1, at(2, 4));
    assert_eq!(stage.machine.phase, Phase::Feeding { round: 1 });
}

#[test]
fn a_loss_while_the_next_generation_forms_is_one_in_training() {
    let mut stage = Stage::recoverable_at("running");
    stage.message("b", beat(at(0, 7)));
    stage.suspect("a", "b");
    for id in ["a", "b"] {
        halted(&mut stage, id, 1, at(0, 8));
    }
    stage.end("b");
    stage.exited("b", 137);
    let told = stage.machine.recovery.as_ref().unwrap().told();
    assert!(
        told.contains("ended during training, step 7: killed by signal 9"),
        "{told}"
    );
    assert_eq!(stage.machine.recoveries, 2);
    assert_eq!(stage.machine.phase, Phase::Halting { generation: 2 });
}

#[test]
fn one_that_ended_after_its_last_step_is_lost_to_a_gang_that_needs_it_again() {
    let mut stage = Stage::recoverable_at("running");
    stage.done("a", "s");
    stage.end("a");
    stage.pass(3_000, &["b"], true);
    assert!(stage.machine.recovery.is_none());
    // With two members there is nobody left to lose; of more, another pair may.
    stage.machine.halt(ms(stage.now), 1);
    stage.said.extend(stage.machine.take_outputs());
    assert_eq!(stage.machine.members.len(), 1);
    halted(&mut stage, "b", 1, at(2, 4));
    assert_eq!(stage.machine.phase, Phase::Feeding { round: 1 });
}

#[test]
fn who_still_owes_the_weights_is_watched_though_it_is_done() {
    let mut stage = Stage::recoverable_at("running");
    stage.done("a", "s");
    stage.done("b", "s");
    stage.pass(64_000, &["a", "b"], false);
    let told = stage.machine.recovery.as_ref().unwrap().told();
    assert!(
        told.starts_with("trainer 0 (hostA") && told.contains("made no progress for 60 s"),
        "{told}"
    );
}

#[test]
fn who_waits_for_one_that_gets_on_is_not_stuck() {
    let mut stage = Stage::recoverable_at("running");
    // "b" evaluates for longer than progressTimeout, and says so.
    for _ in 0..40 {
        stage.pass(1_000, &["b"], true);
        stage.pass(1_000, &["a"], false);
    }
    assert!(stage.machine.recovery.is_none() && stage.failures().is_empty());
    stage.pass(64_000, &["a", "b"], false);
    let told = stage.machine.recovery.as_ref().unwrap().told();
    assert!(told.contains("made no progress for"), "{told}");
}

#[test]
fn who_has_taken_the_state_can_give_it_before_the_gang_goes_on() {
    let mut stage = Stage::recoverable_at("running");
    stage.machine.phase = Phase::Forming { generation: 2 };
    // As FORM leaves them, where "b" has joined.
    for trainer in stage.machine.trainers.values_mut() {
        trainer.ready = None;
    }
    stage.machine.trainers.get_mut("b").unwrap().has_state = false;
    assert!(!stage.machine.has_state("b"));
    let message = ToCoordinator::Ready {
        generation: 2,
        counter: ProgramCounter::default(),
        state_hash: "s".into(),
    };
    stage.message("b", message);
    // The next FORM asks anew who is ready.
    stage.machine.trainers.get_mut("b").unwrap().ready = None;
    assert!(stage.machine.has_state("b"));
}

#[test]
fn one_that_does_not_halt_is_named_after_progress_timeout() {
    let mut stage = halting();
    halted(&mut stage, "a", 1, at(0, 8));
    // "a" has answered and rests since before: it is not to blame.
    stage.pass(2_000, &["a", "b"], false);
    stage.pass(2_000, &["b"], true);
    stage.pass(64_000, &["a", "b"], false);
    let told = stage.machine.recovery.as_ref().unwrap().told();
    assert!(told.starts_with("trainer 0 (hostA"), "{told}");
    assert!(told.contains("made no progress for 60 s"), "{told}");
    assert_eq!(stage.machine.phase, Phase::Feeding { round: 1 });
}

#[test]
fn of_a_pair_that_breaks_a_third_time_the_more_often_suspected_is_given_up() {
    let mut stage = Stage::recoverable_at("running");
    for generation in 1..=2 {
        sent(&mut stage);
        suspect(&mut stage, generation);
        assert_eq!(sent(&mut stage), to_both(&ToTrainer::Halt { generation }));
        for id in ["a", "b"] {
            halted(&mut stage, id, generation, at(0, generation));
        }
        ready(&mut stage, generation + 1, at(0, generation));
        stage.message("a", beat(at(0, generation + 1)));
        assert!(stage.failures().is_empty());
    }
    sent(&mut stage);
    // This time it is the other one that complains.
    let complaint = ToCoordinator::Suspect {
        generation: 3,
        peer: "a".into(),
        why: "the connection broke".into(),
    };
    stage.message("b", complaint);
    let told = stage.machine.recovery.as_ref().unwrap().told();
    assert!(
        told.starts_with("trainer 0 (hostA, executor 9, pid 4711) is given up: trainer 0 ")
            && told.ends_with("the connection broke; these two have lost each other or others 3 times"),
        "{told}"
    );
    let sent = sent(&mut stage);
    assert!(
        matches!(&sent[0], (id, ToTrainer::Die { .. }) if id == "b"),
        "{sent:?}"
    );
    assert_eq!(sent[1..], [("a".to_owned(), ToTrainer::Halt { generation: 3 })]);
}

#[test]
fn a_break_that_no_recovery_is_left_for_fails_the_fit() {
    let mut stage = Stage::recoverable_at("running");
    stage.machine.recoveries = 3;
    suspect(&mut stage, 1);
    stage.pass(2_100, &["a", "b"], true);
    let told = &stage.failure().message;
    assert!(
        told.contains("was seen to end; training has gone on after a loss or a break 3 times before"),
        "{told}"
    );
    let mut stage = Stage::at("running");
    suspect(&mut stage, 1);
    stage.pass(2_100, &["a", "b"], true);
    let told = &stage.failure().message;
    assert!(
        told.ends_with("with maxRecoveries = 0 training does not go on after such a break"),
        "{told}"
    );
}

pub(super) fn suspect(stage: &mut Stage, generation: u64) {
    let suspect = ToCoordinator::Suspect {
        generation,
        peer: "b".into(),
        why: "the connection broke".into(),
    };
    stage.message("a", suspect);
}

#[test]
fn a_generation_that_breaks_while_it_is_formed_belongs_to_the_same_recovery() {
    let mut stage = halting();
    for id in ["a", "b"] {
        halted(&mut stage, id, 1, at(0, 8));
    }
    stage.now += 1_000;
    let again = ToCoordinator::Suspect {
        generation: 2,
        peer: "a".into(),
        why: "of the later one".into(),
    };
    stage.message("b", again);
    assert_eq!(stage.machine.phase, Phase::Halting { generation: 2 });
    for id in ["a", "b"] {
        halted(&mut stage, id, 2, at(0, 8));
    }
    ready(&mut stage, 3, at(0, 8));
    stage.message("b", beat(at(0, 9)));
    let [record] = recoveries(&stage).try_into().unwrap();
    assert_eq!((record.generation, record.seconds.halt), (3, 1.0));
    assert!(
        record.cause.ends_with("allreduce, step 8"),
        "the first one: {}",
        record.cause
    );
}

#[test]
fn weights_of_a_generation_that_is_over_count_for_nothing() {
    let mut stage = Stage::recoverable_at("running");
    weights(&mut stage, "b");
    stage.suspect("a", "b");
    for id in ["a", "b"] {
        halted(&mut stage, id, 1, at(2, 8));
    }
    ready(&mut stage, 2, at(2, 8));
    // Still on its way.
    weights(&mut stage, "b");
    for id in ["a", "b"] {
        let done = ToCoordinator::Done {
            generation: 2,
            steps: 8,
            state_hash: "s".into(),
            weights_hash: "w".into(),
            stopping: None,
            class_weights: None,
            exchange: None,
            memory: MemoryUse::default(),
            compression: None,
        };
        stage.message(id, done);
    }
    assert!(stage.machine.weights().is_err());
    let part = ToCoordinator::Weights {
        generation: 2,
        offset: 0,
        total: 3,
    };
    stage.machine.message(ms(stage.now), "b", part, b"xyz");
    assert_eq!(*stage.machine.weights().unwrap().0, b"xyz");
}
