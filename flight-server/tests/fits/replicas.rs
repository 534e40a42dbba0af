//! With two replicas a second trainer has what each one trains on: one that is lost in training costs no feed, and the bits are
//! those of a fit without copies.

use crate::common::data::{Lcg, Row, evaluated_job, rows};
use crate::common::{Fit, Gang, WAIT};
use candlewick_failpoint::{Gates, Hit};
use candlewick_protocol::job::JobSpec;
use serde_json::{Value, json};
use std::sync::LazyLock;

const TRAINERS: usize = 3;
const STEPS_PER_EPOCH: u64 = 9;

/// Of rows that are put aside too.
fn spec() -> JobSpec {
    JobSpec {
        data_replicas: 2,
        ..evaluated_job(3)
    }
}

/// Some come twice, and are dealt: copies are made in round 2.
fn all_rows() -> Vec<Row> {
    rows(700)
}

/// The fit that nothing happens to, without copies.
fn without_copies(rows: &[Row], trainers: usize) -> Fit {
    let job = JobSpec {
        data_replicas: 1,
        ..spec()
    };
    let mut gang = Gang::start(job, trainers);
    let ledger = gang.feed_and_seal(rows);
    gang.train(ledger)
}

static UNDISTURBED: LazyLock<Fit> = LazyLock::new(|| without_copies(&all_rows(), TRAINERS));

fn stands_at(gang: &Gang, gates: &Gates, point: &str, at: u64) -> Hit {
    match gates.hit(point, at, WAIT) {
        Ok(hit) => hit,
        Err(why) => panic!("{why}\n{}", gang.logs()),
    }
}

/// A gang that trains, with the trainers that `points` names held there.
fn training(gates: &Gates, rows: &[Row], points: impl Fn(usize) -> Option<String>) -> (Gang, Value) {
    let mut gang = Gang::start_held(spec(), TRAINERS, gates, points);
    let ledger = gang.feed_and_seal(rows);
    gang.command(&json!({"cmd": "train"}));
    (gang, ledger)
}

/// The next recovery, for which nothing was fed.
fn recovers(gang: &Gang) -> Value {
    let word = gang.event_where("a recovery", |event| {
        event["event"] == "needFeed" || event["event"] == "recovered"
    });
    assert_eq!(word["event"], "recovered", "{word}\n{}", gang.logs());
    let record = word["record"].clone();
    assert_eq!(record["rowsRefed"], 0, "{record}");
    record
}

fn same(fit: &Fit, expected: &Fit) {
    assert_eq!(fit.weights_hash, expected.weights_hash);
    assert_eq!((fit.steps, &fit.history), (expected.steps, &expected.history));
    assert_eq!(fit.weights, expected.weights);
    assert_eq!(fit.ledger, expected.ledger);
}

/// The rest of a fit in which nothing was read again.
fn goes_on(gang: Gang, ledger: Value, expected: &Fit) {
    let fit = gang.rest_with(ledger, |gang| {
        for event in ["needFeed", "failed"] {
            let told = gang.events_named(event);
            assert!(told.is_empty(), "{told:?}");
        }
    });
    same(&fit, expected);
}

#[test]
fn copies_change_no_bit() {
    for trainers in [1, 2, TRAINERS] {
        let mut gang = Gang::start(spec(), trainers);
        let ledger = gang.feed_and_seal(&all_rows());
        gang.command(&json!({"cmd": "train"}));
        goes_on(gang, ledger, &UNDISTURBED);
    }
}

#[test]
fn a_trainer_that_is_killed_in_training_costs_no_feed() {
    let last = 2 * STEPS_PER_EPOCH;
    let points = [
        ("gang.form", 1, 1),
        ("train.step", 0, 0),
        ("train.step", 13, 2),
        ("train.exchange", 20, 1),
        ("train.evaluate", last, 0),
        ("train.close", 1, 2),
    ];
    for (point, at, victim) in points {
        let gates = Gates::new().unwrap();
        let held = |index| (index == victim).then(|| format!("{point}={at}"));
        let (mut gang, ledger) = training(&gates, &all_rows(), held);
        let hit = stands_at(&gang, &gates, point, at);
        gang.kill(victim);
        drop(hit);
        let record = recovers(&gang);
        assert_eq!(
            record["lost"][0]["trainer"],
            format!("trainer-{victim}"),
            "{record}"
        );
        goes_on(gang, ledger, &UNDISTURBED);
    }
}

#[test]
fn two_that_are_killed_one_after_the_other_cost_no_feed_since_lost_copies_are_made_good() {
    let gates = Gates::new().unwrap();
    let (mut gang, ledger) = training(&gates, &all_rows(), |index| match index {
        0 => Some("train.step=5".to_owned()),
        2 => Some("train.step=14".to_owned()),
        _ => None,
    });
    for (victim, step) in [(0, 5), (2, 14)] {
        let hit = stands_at(&gang, &gates, "train.step", step);
        gang.kill(victim);
        drop(hit);
        recovers(&gang);
    }
    goes_on(gang, ledger, &UNDISTURBED);
}

/// 60 rows, each 40 times.
fn heaped() -> Vec<Row> {
    let base = rows(200);
    let mut table: Vec<Row> = base
        .iter()
        .take(60)
        .flat_map(|row| vec![row.clone(); 40])
        .collect();
    Lcg(3).shuffle(&mut table);
    table
}

#[test]
fn what_is_left_as_it_was_fed_where_another_has_it_dealt_is_replaced() {
    let table = heaped();
    let expected = without_copies(&table, 2);
    let gates = Gates::new().unwrap();
    let mut gang = Gang::start(spec(), 1);
    // It gets half of the shards as they were fed; the first one has them still when they are dealt.
    let newcomer = gang.join(Some((&gates, "train.step=7")));
    let ledger = gang.feed_and_seal(&table);
    gang.command(&json!({"cmd": "train"}));
    let hit = stands_at(&gang, &gates, "train.step", 7);
    gang.kill(newcomer);
    drop(hit);
    recovers(&gang);
    goes_on(gang, ledger, &expected);
}

#[test]
fn rows_that_are_dealt_are_copied_as_they_were_dealt() {
    let table = heaped();
    let expected = without_copies(&table, 2);
    assert!(
        expected.ledger["rowsDealt"].as_u64().unwrap() > 2_000,
        "{}",
        expected.ledger
    );
    let gates = Gates::new().unwrap();
    let (mut gang, ledger) = training(&gates, &table, |index| match index {
        1 => Some("train.step=7".to_owned()),
        2 => Some("train.step=20".to_owned()),
        _ => None,
    });
    for (victim, step) in [(1, 7), (2, 20)] {
        let hit = stands_at(&gang, &gates, "train.step", step);
        gang.kill(victim);
        drop(hit);
        recovers(&gang);
    }
    goes_on(gang, ledger, &expected);
}

#[test]
fn copies_follow_the_shards_to_who_joins() {
    let gates = Gates::new().unwrap();
    let held = |index| (index == 0).then(|| "train.step=3,train.step=20".to_owned());
    let mut gang = Gang::start_held(spec(), 2, &gates, held);
    let ledger = gang.feed_and_seal(&all_rows());
    gang.command(&json!({"cmd": "train"}));
    let hit = stands_at(&gang, &gates, "train.step", 3);
    gang.join(None);
    drop(hit);
    let record = gang.event("rescaled")["record"].clone();
    assert_eq!(record["trainers"], 3, "{record}");
    let hit = stands_at(&gang, &gates, "train.step", 20);
    gang.kill(0);
    drop(hit);
    recovers(&gang);
    goes_on(gang, ledger, &UNDISTURBED);
}

#[test]
fn who_is_killed_while_copies_are_made_costs_a_feed_as_without_them() {
    let gates = Gates::new().unwrap();
    let mut gang = Gang::start_held(spec(), TRAINERS, &gates, |index| {
        (index == 1).then(|| "gang.move=2".to_owned())
    });
    let owners = gang.owners.clone();
    let ledgers = gang.feed_round(0, &owners, &all_rows(), |_, _| {});
    gang.command(&json!({"cmd": "seal", "round": 0, "ledgers": ledgers}));
    let hit = stands_at(&gang, &gates, "gang.move", 2);
    gang.kill(1);
    drop(hit);
    let asked = gang.event("needFeed");
    gang.serve_feed(&asked, &all_rows(), |_, _| {});
    let ledger = gang.event("sealed")["ledger"].clone();
    gang.command(&json!({"cmd": "train"}));
    let record = gang.event("recovered")["record"].clone();
    assert!(record["rowsRefed"].as_u64().unwrap() > 0, "{record}");
    same(&gang.rest(ledger), &UNDISTURBED);
}
