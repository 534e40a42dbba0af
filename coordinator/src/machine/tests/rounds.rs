//! A member is lost: what it held is fed again to those that are left, and the fit goes on.

use super::recovery::{at, beat, halted, recoveries, sent};
use super::*;
use candlewick_protocol::feed::Owner;

/// The ledgers of a round in which the shards `lost` could not be handed over, and only `fed` were asked for.
pub(super) fn ledgers(fed: &[u32], lost: &[u32]) -> Vec<TaskLedger> {
    let parts: [&[(u32, u64)]; 2] = [&[(0, 2), (2, 1)], &[(3, 4)]];
    let ledger = |(partition, shards): (u32, &&[(u32, u64)])| {
        let mut ledger = task(partition, shards);
        let passed_over = |shard: &u32| !fed.contains(shard) || lost.contains(shard);
        let rows = shards.iter().filter(|(shard, _)| passed_over(shard));
        ledger.rows_passed_over = rows.map(|(_, rows)| rows).sum();
        ledger.rows_sent -= ledger.rows_passed_over;
        ledger.lost_shards = lost.iter().copied().collect();
        ledger.lost_because = (!lost.is_empty()).then(|| "connection refused".to_owned());
        ledger
    };
    (0..).zip(&parts).map(ledger).collect()
}

pub(super) fn seal(
    stage: &mut Stage,
    round: u32,
    ledgers: &[TaskLedger],
) -> Result<serde_json::Value, Failure> {
    stage.command(json!({"cmd": "seal", "round": round, "ledgers": ledgers}))
}

pub(super) fn sealed(stage: &mut Stage, from: &str, round: u32, sums: &[(u32, u64)]) {
    let shards = sums.iter().map(|s| sum(*s)).collect();
    stage.message(
        from,
        ToCoordinator::Sealed {
            round,
            shards,
            heaped: ShardSet::default(),
        },
    );
}

/// An owner's id, first shard and the one past the last.
pub(super) type Part = (String, u32, u32);

/// Rounds that were asked for: number, and (trainer, lo, hi) of the owners.
pub(super) fn asked(stage: &Stage) -> Vec<(u32, Vec<Part>)> {
    let owner = |owner: &Owner| (owner.trainer.clone(), owner.lo, owner.hi);
    let rounds = stage.said.iter().filter_map(|output| match output {
        Output::Event(Event::NeedFeed { round, owners, .. }) => {
            Some((*round, owners.iter().map(owner).collect()))
        }
        _ => None,
    });
    rounds.collect()
}

pub(super) fn ready(stage: &mut Stage, from: &str, generation: u64, counter: ProgramCounter) {
    let ready = ToCoordinator::Ready {
        generation,
        counter,
        state_hash: "s".into(),
    };
    stage.message(from, ready);
}

/// The round in which "a" takes what "b" had.
fn is_fed_again(stage: &mut Stage) {
    assert_eq!(stage.machine.phase, Phase::Feeding { round: 1 });
    assert_eq!(asked(stage), [(1, vec![("a".to_owned(), 0, 2)])]);
    let open = ToTrainer::Open {
        round: 1,
        shards: (0..2).into(),
    };
    assert!(sent(stage).contains(&("a".to_owned(), open)));
    stage.now += 2_000;
    seal(stage, 1, &ledgers(&[0, 1], &[])).unwrap();
    let seals = sent(stage);
    assert!(
        matches!(&seals[..], [(to, ToTrainer::Seal { round: 1, expected, .. })] if to == "a" && expected.len() == 4),
        "{seals:?}"
    );
    sealed(stage, "a", 1, &[(0, 2)]);
}

/// "b" (shards 0 and 1) is lost; "a" goes on alone, from `phase` to its first step afterwards.
fn goes_on(stage: &mut Stage, phase: &str) {
    let counter = if phase == "running" { at(0, 8) } else { at(0, 0) };
    if phase == "feeding" {
        seal(stage, 0, &ledgers(&[0, 1, 2, 3], &[0, 1])).unwrap();
    }
    if ["feeding", "sealing"].contains(&phase) {
        sealed(stage, "a", 0, &[(2, 1), (3, 4)]);
    }
    if phase == "sealed" {
        stage.train();
    }
    if ["forming", "running"].contains(&phase) {
        halted(stage, "a", 1, counter);
    }
    is_fed_again(stage);
    if ["feeding", "sealing"].contains(&phase) {
        let ledger = stage.events().into_iter().find_map(|event| match event {
            Event::Sealed { ledger } => Some(ledger),
            _ => None,
        });
        let ledger = ledger.unwrap();
        assert_eq!(
            (ledger.rows_read, ledger.rows_sent, ledger.rows_spooled),
            (7, 7, 7)
        );
        stage.train();
    }
    let generation = if ["forming", "running"].contains(&phase) {
        2
    } else {
        1
    };
    let forms = sent(stage);
    let [
        (
            _,
            ToTrainer::Form {
                members,
                counter: from,
                donor,
                ..
            },
        ),
    ] = &forms[..]
    else {
        panic!("{phase}: {forms:?}")
    };
    assert_eq!((members.len(), members[0].lo, members[0].hi), (1, 0, 4));
    assert_eq!((*from, donor), (counter, &None));
    ready(stage, "a", generation, counter);
    assert_eq!(sent(stage), [("a".to_owned(), ToTrainer::Start { generation })]);
    stage.message("a", beat(at(0, counter.step + 1)));
}

#[test]
fn the_survivor_goes_on_from_every_phase() {
    for phase in &PHASES[1..] {
        for report_first in [false, true] {
            let mut stage = Stage::recoverable_at(phase);
            stage.pass(1_000, &["a", "b"], true);
            sent(&mut stage);
            if report_first {
                stage.exited("b", 137);
                stage.end("b");
            } else {
                stage.end("b");
                stage.exited("b", 137);
            }
            goes_on(&mut stage, phase);
            let [record] = recoveries(&stage).try_into().unwrap();
            assert!(stage.failures().is_empty());
            assert_eq!(record.rows_refed, 2);
            assert_eq!(record.seconds.feed, 2.0);
            let lost = &record.lost[0];
            assert_eq!((lost.trainer.as_str(), lost.executor.as_str()), ("b", "9"));
            assert_eq!(
                lost.cause,
                "killed by signal 9 (SIGKILL); last lines of its stderr:\nlast words"
            );
            assert!(
                record
                    .cause
                    .starts_with("trainer 0 (hostA, executor 9, pid 4711) ended during ")
            );
            assert!(record.cause.ends_with(&lost.cause));
        }
    }
}

#[test]
fn who_is_silent_or_stuck_is_lost() {
    let mut stage = Stage::recoverable_at("running");
    stage.pass(1_000, &["a", "b"], true);
    sent(&mut stage);
    stage.pass(16_000, &["a"], true);
    let said = sent(&mut stage);
    let words: Vec<&str> = said.iter().map(|(to, _)| to.as_str()).collect();
    assert_eq!(words[..2], ["b", "a"], "{said:?}");
    assert!(matches!(said[0].1, ToTrainer::Die { .. }) && matches!(said[1].1, ToTrainer::Halt { .. }));
    goes_on(&mut stage, "running");
    let [record] = recoveries(&stage).try_into().unwrap();
    assert_eq!(
        record.lost[0].cause,
        "trainer 0 (hostA, executor 9, pid 4711) silent for 15 s during training, step 7"
    );
    assert!(
        record.seconds.detect > 15.0 && record.seconds.detect < 15.5,
        "{record:?}"
    );
    // The report of its late end says nothing new.
    stage.exited("b", 1);
    assert!(stage.failures().is_empty());
}

#[test]
fn one_that_is_no_member_is_missed_by_nobody() {
    let mut stage = Stage::recoverable_at("running");
    stage.machine.lose_ended(Duration::ZERO, "stranger", None);
    assert_eq!(stage.machine.phase, Phase::Running { generation: 1 });
    assert_eq!((stage.machine.recoveries, stage.machine.members.len()), (0, 2));
}

#[test]
fn steps_that_only_the_lost_one_had_completed_are_counted() {
    let mut stage = Stage::recoverable_at("running");
    stage.message("b", beat(at(0, 9)));
    stage.end("b");
    sent(&mut stage);
    goes_on(&mut stage, "running");
    let [record] = recoveries(&stage).try_into().unwrap();
    assert_eq!((record.resume_step, record.steps_redone), (8, 1));
}

#[test]
fn an_executor_that_is_lost_takes_all_of_its_trainers() {
    let job = JobSpec {
        max_recoveries: 1,
        ..job()
    };
    let mut stage = Stage::of(job);
    for (id, executor) in [("a", "10"), ("b", "9"), ("c", "9")] {
        stage.machine.connect(Duration::ZERO, info(id, executor)).unwrap();
    }
    stage
        .command(json!({"cmd": "members", "trainers": ["a", "b", "c"]}))
        .unwrap();
    let lost = json!({"cmd": "executorLost", "executor": "9", "reason": "worker lost"});
    stage.command(lost).unwrap();
    assert!(stage.failures().is_empty());
    // It is one recovery.
    assert_eq!((stage.machine.recoveries, stage.machine.members.len()), (1, 1));
    seal(&mut stage, 0, &ledgers(&[0, 1, 2, 3], &[0, 1])).unwrap();
    sealed(&mut stage, "a", 0, &[(2, 1), (3, 4)]);
    assert_eq!(asked(&stage), [(1, vec![("a".to_owned(), 0, 2)])]);
    let lost = &stage.machine.recovery.as_ref().unwrap();
    assert!(lost.told().ends_with("its executor was lost: worker lost"));
}

#[test]
fn where_nobody_is_left_the_first_cause_comes_first() {
    for phase in ["feeding", "running"] {
        let mut stage = Stage::recoverable_at(phase);
        stage.end("b");
        stage.exited("b", 137);
        stage.end("a");
        stage.pass(1_000, &[], false);
        assert!(stage.failures().is_empty(), "its report is waited for");
        stage.exited("a", 134);
        let told = &stage.failure().message;
        assert!(
            told.starts_with("trainer 0 (hostA, executor 9, pid 4711) ended during ")
                && told.contains("killed by signal 9 (SIGKILL)")
                && told.contains(
                    "; then, before training went on, trainer 1 (hostB, executor 10, pid 4711) ended"
                )
                && told.ends_with("no trainer is left"),
            "{told}"
        );
    }
}

#[test]
fn a_loss_beyond_max_recoveries_fails_the_fit_and_says_so() {
    let mut stage = Stage::recoverable_at("running");
    stage.machine.recoveries = 3;
    stage.end("b");
    stage.exited("b", 137);
    let told = &stage.failure().message;
    assert!(
        told.contains("killed by signal 9")
            && told.ends_with(
                "gone on after a loss or a break 3 times before, which it does up to maxRecoveries = 3 times"
            ),
        "{told}"
    );
}

#[test]
fn a_source_that_gives_other_rows_fails_the_fit() {
    let mut stage = Stage::recoverable_at("running");
    stage.end("b");
    halted(&mut stage, "a", 1, at(0, 8));
    let mut again = ledgers(&[0, 1], &[]);
    again[0].shards[0].rows += 1;
    again[0].rows_read += 1;
    again[0].rows_sent += 1;
    let failure = seal(&mut stage, 1, &again).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::InvalidData);
    assert!(
        failure.message.contains("read again: shard 0 had 2 rows, now 3"),
        "{failure}"
    );
    assert_eq!(stage.failure(), &failure);
}

#[test]
fn what_was_not_lost_counts_as_it_was_fed_first() {
    let mut stage = Stage::recoverable_at("running");
    stage.end("b");
    halted(&mut stage, "a", 1, at(0, 8));
    sent(&mut stage);
    let mut again = ledgers(&[0, 1], &[]);
    again[1].shards[0].rows += 1;
    again[1].rows_read += 1;
    again[1].rows_passed_over += 1;
    seal(&mut stage, 1, &again).unwrap();
    let seals = sent(&mut stage);
    let [(_, ToTrainer::Seal { expected, .. })] = &seals[..] else {
        panic!("{seals:?}")
    };
    assert_eq!(expected[3].rows, 4, "the plan of a step is that of all trainers");
}

#[test]
fn a_suspicion_before_the_first_step_is_settled_by_the_end_of_the_suspected() {
    let mut stage = Stage::recoverable_at("forming");
    stage.suspect("a", "b");
    stage.end("b");
    stage.pass(5_000, &["a"], true);
    assert!(stage.failures().is_empty());
    assert_eq!(stage.machine.phase, Phase::Halting { generation: 1 });
    // Two that live and never reached each other are for the user to mend.
    let mut stage = Stage::recoverable_at("forming");
    stage.suspect("a", "b");
    stage.pass(2_100, &["a", "b"], true);
    let told = &stage.failure().message;
    assert!(
        told.contains("neither of the two processes was seen to end"),
        "{told}"
    );
}

#[test]
fn a_loss_in_the_feed_of_a_recovery_belongs_to_it() {
    let job = JobSpec {
        max_recoveries: 1,
        ..job()
    };
    let mut stage = Stage::of(job);
    for (id, executor) in [("a", "10"), ("b", "9"), ("c", "11")] {
        stage.machine.connect(Duration::ZERO, info(id, executor)).unwrap();
    }
    stage
        .command(json!({"cmd": "members", "trainers": ["a", "b", "c"]}))
        .unwrap();
    // b has 0, a has 1, c has 2 and 3.
    seal(&mut stage, 0, &ledgers(&[0, 1, 2, 3], &[])).unwrap();
    sealed(&mut stage, "b", 0, &[(0, 2)]);
    sealed(&mut stage, "a", 0, &[]);
    sealed(&mut stage, "c", 0, &[(2, 1), (3, 4)]);
    stage.train();
    for id in ["a", "b", "c"] {
        ready(&mut stage, id, 1, at(0, 0));
    }
    stage.now += 500;
    stage.end("c");
    stage.now += 2_000;
    for (id, step) in [("a", 5), ("b", 6)] {
        halted(&mut stage, id, 1, at(0, step));
    }
    assert_eq!(asked(&stage), [(1, vec![("a".to_owned(), 2, 4)])]);
    // Who took the shards is lost, and with it those that it had before.
    stage.end("a");
    seal(&mut stage, 1, &ledgers(&[2, 3], &[2, 3])).unwrap();
    assert_eq!(asked(&stage)[1], (2, vec![("b".to_owned(), 1, 4)]));
    seal(&mut stage, 2, &ledgers(&[1, 2, 3], &[])).unwrap();
    sent(&mut stage);
    sealed(&mut stage, "b", 2, &[(2, 1), (3, 4)]);
    let forms = sent(&mut stage);
    assert!(
        matches!(&forms[..], [(_, ToTrainer::Form { counter, .. })] if *counter == at(0, 6)),
        "{forms:?}"
    );
    ready(&mut stage, "b", 2, at(0, 6));
    stage.message("b", beat(at(0, 7)));
    let [record] = recoveries(&stage).try_into().unwrap();
    let lost: Vec<&str> = record.lost.iter().map(|lost| lost.trainer.as_str()).collect();
    assert_eq!((lost, record.rows_refed), (vec!["c", "a"], 5));
    assert_eq!(record.seconds.detect, 0.5, "of the first one");
}

/// Round 0 with a hole in shard 3, which "a" has; it is asked for again.
fn with_a_hole(mut stage: Stage) -> Stage {
    seal(&mut stage, 0, &ledgers(&[0, 1, 2, 3], &[3])).unwrap();
    let said = sent(&mut stage);
    let seal_of_a = said
        .iter()
        .find(|(to, message)| to == "a" && matches!(message, ToTrainer::Seal { .. }));
    let Some((_, ToTrainer::Seal { incomplete, .. })) = seal_of_a else {
        panic!("{said:?}")
    };
    assert_eq!(incomplete.to_string(), "3");
    sealed(&mut stage, "b", 0, &[(0, 2)]);
    sealed(&mut stage, "a", 0, &[(2, 1)]);
    assert_eq!(asked(&stage), [(1, vec![("a".to_owned(), 3, 4)])]);
    stage
}

#[test]
fn shards_that_executors_could_not_hand_over_are_fed_again_to_the_same_trainer_and_then_to_another() {
    let mut stage = with_a_hole(Stage::recoverable_at("feeding"));
    seal(&mut stage, 1, &ledgers(&[3], &[3])).unwrap();
    assert_eq!(stage.machine.recoveries, 1, "it is one recovery");
    assert_eq!(asked(&stage)[1], (2, vec![("b".to_owned(), 2, 4)]));
    let told = stage.machine.recovery.as_ref().unwrap().told();
    assert_eq!(
        told,
        "feed tasks could not hand over shards 3 of round 1 to trainer 1 (hostB, executor 10, pid 4711): connection refused"
    );
}

#[test]
fn where_no_other_trainer_could_take_them_they_are_fed_to_the_same_until_no_recovery_is_left() {
    let mut stage = Stage::recoverable_at("feeding");
    stage.end("b");
    seal(&mut stage, 0, &ledgers(&[0, 1, 2, 3], &[0, 1, 3])).unwrap();
    sealed(&mut stage, "a", 0, &[(2, 1)]);
    seal(&mut stage, 1, &ledgers(&[0, 1, 3], &[3])).unwrap();
    sealed(&mut stage, "a", 1, &[(0, 2), (1, 0)]);
    assert_eq!(asked(&stage).last().unwrap(), &(2, vec![("a".to_owned(), 3, 4)]));
    let failure = seal(&mut stage, 2, &ledgers(&[3], &[3])).unwrap_err();
    assert!(
        failure
            .message
            .contains("could not hand over shards 3 of round 2 to trainer 1 (hostB, executor 10")
            && failure.message.contains("connection refused"),
        "{failure}"
    );
    assert_eq!(stage.failure(), &failure);
}

#[test]
fn a_hole_of_one_that_has_ended_is_its_end() {
    // No recovery is left: how it ended is waited for.
    let mut stage = Stage::at("feeding");
    stage.end("a");
    seal(&mut stage, 0, &ledgers(&[0, 1, 2, 3], &[2, 3])).unwrap();
    sealed(&mut stage, "b", 0, &[(0, 2)]);
    assert!(stage.failures().is_empty());
    stage.exited("a", 137);
    assert!(
        stage
            .failure()
            .message
            .contains("trainer 1 (hostB, executor 10, pid 4711) ended during feed: killed by signal 9")
    );
}

#[test]
fn what_a_lost_one_says_when_it_is_told_to_end_is_no_cause() {
    let lost = |stage: &mut Stage, code| {
        stage.exited("b", code);
        stage.machine.recovery.as_ref().unwrap().told()
    };
    let mut stage = Stage::recoverable_at("running");
    stage
        .command(json!({"cmd": "executorLost", "executor": "9", "reason": "heartbeat timed out"}))
        .unwrap();
    assert!(lost(&mut stage, 1).ends_with("its executor was lost: heartbeat timed out"));
    let mut stage = Stage::recoverable_at("running");
    for id in ["a", "b"] {
        stage.machine.breaks.insert(id.to_owned(), 2);
    }
    stage.suspect("a", "b");
    assert!(lost(&mut stage, 1).ends_with("these two have lost each other or others 3 times"));
    // Its stream ended first: how, the report tells, or the loss of its executor.
    let mut stage = Stage::recoverable_at("running");
    stage.end("b");
    assert!(
        lost(&mut stage, 134)
            .ends_with("killed by signal 6 (SIGABRT); last lines of its stderr:\nlast words")
    );
    let mut stage = Stage::recoverable_at("running");
    stage.end("b");
    stage
        .command(json!({"cmd": "executorLost", "executor": "9", "reason": "node gone"}))
        .unwrap();
    assert!(
        stage
            .machine
            .recovery
            .as_ref()
            .unwrap()
            .told()
            .ends_with("its executor was lost: node gone")
    );
}

#[test]
fn after_a_pause_of_the_driver_the_record_says_so_whatever_came_first() {
    let mut stage = Stage::recoverable_at("running");
    stage.pass(1_000, &["a", "b"], true);
    // Trainers count from the last beat that was answered: they may end a little before the pause is as long.
    stage.now += 14_000;
    stage.end("b");
    stage.exited("b", 1);
    let told = stage.machine.recovery.as_ref().unwrap().told();
    assert!(
        told.contains("exit status 1") && told.contains("the driver itself stood still for 14 s"),
        "{told}"
    );
}

#[test]
fn one_that_ended_after_its_last_step_and_is_missed_then_is_lost() {
    let mut stage = Stage::recoverable_at("running");
    stage.done("a", "s");
    stage.end("a");
    assert!(stage.machine.recovery.is_none());
    stage.suspect("b", "a");
    assert_eq!(stage.machine.phase, Phase::Halting { generation: 1 });
    assert_eq!(stage.machine.members.len(), 1);
}

#[test]
fn two_of_one_executor_that_seal_last_leave_one_round_to_the_third() {
    let job = JobSpec {
        max_recoveries: 1,
        ..job()
    };
    let mut stage = Stage::of(job);
    for (id, executor) in [("a", "10"), ("b", "9"), ("c", "9")] {
        let connected = stage.machine.connect(Duration::ZERO, info(id, executor));
        connected.unwrap();
    }
    stage
        .command(json!({"cmd": "members", "trainers": ["a", "b", "c"]}))
        .unwrap();
    seal(&mut stage, 0, &ledgers(&[0, 1, 2, 3], &[])).unwrap();
    sealed(&mut stage, "a", 0, &[(2, 1), (3, 4)]);
    sealed(&mut stage, "b", 0, &[(0, 2)]);
    stage
        .command(json!({"cmd": "executorLost", "executor": "9", "reason": "gone"}))
        .unwrap();
    assert_eq!(asked(&stage), [(1, vec![("a".to_owned(), 0, 2)])]);
}

#[test]
fn silence_is_a_loss_while_rows_are_fed_sealed_and_while_a_generation_halts() {
    for phase in ["feeding", "sealing", "forming"] {
        let mut stage = Stage::recoverable_at(phase);
        stage.pass(16_000, &["a"], true);
        assert_eq!(stage.machine.members.len(), 1, "{phase}");
        assert!(stage.failures().is_empty());
    }
    let mut stage = Stage::recoverable_at("running");
    stage.suspect("a", "b");
    halted(&mut stage, "a", 1, at(0, 7));
    stage.pass(16_000, &["a"], true);
    assert_eq!(stage.machine.phase, Phase::Feeding { round: 1 });
}

#[test]
fn the_ledgers_of_a_round_come_in_parts() {
    let part = |round: u32, ledger: TaskLedger, more: bool| json!({"cmd": "seal", "round": round, "ledgers": [ledger], "more": more});
    let mut stage = Stage::at("feeding");
    stage.command(part(0, task(0, &[(0, 2), (2, 1)]), true)).unwrap();
    assert_eq!(stage.machine.phase, Phase::Feeding { round: 0 });
    assert!(stage.command(part(1, task(1, &[(3, 4)]), true)).is_err());
    stage.command(part(0, task(1, &[(3, 4)]), false)).unwrap();
    assert_eq!(stage.machine.phase, Phase::Sealing { round: 0 });
    let winners = sent(&mut stage)
        .into_iter()
        .find_map(|(_, message)| match message {
            ToTrainer::Seal { winners, .. } => Some(winners),
            _ => None,
        });
    assert_eq!(winners.unwrap().len(), 2);
}
