//! Rows that stay where they are read (`dataShuffle="none"`): a partition that is fed again goes where it went first.

use super::recovery::{at, halted, sent};
use super::rounds::{asked, ready, seal, sealed};
use super::*;
use candlewick_protocol::shuffle::{Home, Homes};

/// A job whose rows stay where they are read, and the homes of its two partitions: "b" has shards 0 and 1, "a" 2 and 3.
fn unshuffled() -> (JobSpec, Homes) {
    let mut job = JobSpec {
        max_recoveries: 3,
        ..job()
    };
    job.data.data_shuffle = DataShuffle::None;
    let homes = [Home { lo: 0, hi: 2 }, Home { lo: 2, hi: 4 }];
    (job, homes.into_iter().collect())
}

/// A home, and the rows of its shards.
type Part<'a> = ((u32, u32), &'a [(u32, u64)]);

/// Ledgers of partitions that went there. What `lost` had could not be handed over; a partition that has nothing for `fed` was
/// not read.
fn placed(fed: &[u32], lost: &[u32]) -> Vec<TaskLedger> {
    let parts: [Part<'_>; 2] = [((0, 2), &[(0, 2), (1, 1)]), ((2, 4), &[(3, 4)])];
    let ledger = |(partition, ((lo, hi), shards)): (u32, Part<'_>)| {
        let read = fed.iter().any(|shard| (lo..hi).contains(shard));
        let mut ledger = task(partition, if read { shards } else { &[] });
        ledger.home = Some(Home { lo, hi });
        let passed = |sum: &&ShardSum| !fed.contains(&sum.shard) || lost.contains(&sum.shard);
        let rows = ledger.shards.iter().filter(passed).map(|sum| sum.rows);
        ledger.rows_passed_over = rows.sum();
        ledger.rows_sent -= ledger.rows_passed_over;
        ledger.lost_shards = lost.iter().copied().collect();
        ledger
    };
    (0..).zip(parts).map(ledger).collect()
}

/// In the first generation, after a first round that went well.
fn running() -> Stage {
    let mut stage = Stage::gathered_for(unshuffled().0).led_to("feeding");
    seal(&mut stage, 0, &placed(&[0, 1, 2, 3], &[])).unwrap();
    sealed(&mut stage, "b", 0, &[(0, 2), (1, 1)]);
    sealed(&mut stage, "a", 0, &[(3, 4)]);
    trains(&mut stage);
    stage
}

fn trains(stage: &mut Stage) {
    stage.train();
    for id in ["a", "b"] {
        ready(stage, id, 1, at(0, 0));
    }
}

fn homes_asked(stage: &Stage) -> Vec<Option<Homes>> {
    let asked = stage.said.iter().filter_map(|output| match output {
        Output::Event(Event::NeedFeed { homes, .. }) => Some(homes.clone()),
        _ => None,
    });
    asked.collect()
}

#[test]
fn partitions_are_to_be_fed_again_where_they_went_first_after_a_hole_in_the_first_round_too() {
    let (job, homes) = unshuffled();
    let mut stage = Stage::gathered_for(job).led_to("feeding");
    seal(&mut stage, 0, &placed(&[0, 1, 2, 3], &[2, 3])).unwrap();
    sealed(&mut stage, "b", 0, &[(0, 2), (1, 1)]);
    sealed(&mut stage, "a", 0, &[]);
    assert_eq!(asked(&stage), [(1, vec![("a".to_owned(), 2, 4)])]);
    assert_eq!(homes_asked(&stage), [Some(homes.clone())]);
    seal(&mut stage, 1, &placed(&[2, 3], &[])).unwrap();
    sealed(&mut stage, "a", 1, &[(3, 4)]);
    assert_eq!(stage.machine.phase, Phase::Sealed);
    // Whose rows are lost later has the same home.
    trains(&mut stage);
    stage.end("b");
    halted(&mut stage, "a", 1, at(0, 8));
    assert_eq!(homes_asked(&stage)[1..], [Some(homes)]);
    let mut elsewhere = placed(&[0, 1], &[]);
    elsewhere[0].home = Some(Home { lo: 0, hi: 4 });
    let failure = seal(&mut stage, 2, &elsewhere).unwrap_err();
    assert!(
        failure
            .message
            .contains("partition 0 went to other shards than in the first round"),
        "{failure}"
    );
}

#[test]
fn a_round_of_shards_without_rows_reads_nothing_and_is_sealed() {
    let (job, _) = unshuffled();
    let mut stage = Stage::gathered_for(job).led_to("feeding");
    let mut ledgers = placed(&[0, 1, 2, 3], &[]);
    ledgers[1] = TaskLedger {
        home: ledgers[1].home,
        ..task(1, &[])
    };
    seal(&mut stage, 0, &ledgers).unwrap();
    sealed(&mut stage, "b", 0, &[(0, 2), (1, 1)]);
    sealed(&mut stage, "a", 0, &[]);
    trains(&mut stage);
    stage.end("a");
    halted(&mut stage, "b", 1, at(0, 8));
    for task in &mut ledgers {
        (task.rows_read, task.rows_sent, task.shards) = (0, 0, Vec::new());
    }
    seal(&mut stage, 1, &ledgers).unwrap();
    sent(&mut stage);
    sealed(&mut stage, "b", 1, &[]);
    let forms = sent(&mut stage);
    assert!(matches!(&forms[..], [(_, ToTrainer::Form { .. })]), "{forms:?}");
}

#[test]
fn rows_that_stay_where_they_are_read_are_not_dealt_and_where_they_are_is_told() {
    let (job, _) = unshuffled();
    let mut stage = Stage::gathered_for(job).led_to("feeding");
    let mut ledgers = placed(&[0, 1, 2, 3], &[]);
    ledgers[1].rows_local = 4;
    seal(&mut stage, 0, &ledgers).unwrap();
    sealed(&mut stage, "b", 0, &[(0, 2), (1, 1)]);
    sealed(&mut stage, "a", 0, &[(3, 4)]);
    let told = stage.events().into_iter().find_map(|event| match event {
        Event::Sealed { ledger } => Some(ledger),
        _ => None,
    });
    let ledger = told.unwrap();
    assert_eq!((ledger.rows_local, ledger.rows_dealt), (Some(4), 0));
    assert_eq!(ledger.shard_rows, [2, 1, 0, 4]);
    assert_eq!(ledger.placement.unwrap().len(), 32);
    assert!(!stage.machine.job.dealing(1_000).deals(1_000));
}

#[test]
fn without_shuffle_other_partitions_are_other_rows_and_the_message_says_so() {
    let mut stage = running();
    stage.end("b");
    halted(&mut stage, "a", 1, at(0, 8));
    let mut moved = placed(&[0, 1], &[]);
    moved[0].shards[0].rows += 1;
    moved[0].rows_read += 1;
    moved[0].rows_sent += 1;
    let failure = seal(&mut stage, 1, &moved).unwrap_err();
    assert!(
        failure.message.contains("shard 0 had 2 rows, now 3")
            && failure
                .message
                .contains("with \"hash\" they may be in other partitions"),
        "{failure}"
    );
}
