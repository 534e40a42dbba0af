//! Trainers that come and leave while a fit runs: rows go from trainer to trainer, nothing is fed again, and the bits are those
//! of a fit that nobody joined or left.

use crate::common::data::{Row, evaluated_job, rows};
use crate::common::{Fit, Gang, WAIT};
use candlewick_failpoint::{Gates, Hit};
use candlewick_protocol::job::JobSpec;
use serde_json::{Value, json};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

const EPOCHS: u32 = 3;

fn spec() -> JobSpec {
    evaluated_job(EPOCHS)
}

fn all_rows() -> Vec<Row> {
    rows(700)
}

/// The fit that nobody joins or leaves.
static UNDISTURBED: LazyLock<Fit> = LazyLock::new(|| {
    let mut gang = Gang::start(spec(), 1);
    let ledger = gang.feed_and_seal(&all_rows());
    gang.train(ledger)
});

/// A gang that trains and whose first trainer stands before a step.
fn standing(gates: &Gates, job: JobSpec, trainers: usize, step: u64) -> (Gang, Value, Hit) {
    let points = format!("train.step={step}");
    let mut gang = Gang::start_held(job, trainers, gates, |index| (index == 0).then(|| points.clone()));
    let ledger = gang.feed_and_seal(&all_rows());
    gang.command(&json!({"cmd": "train"}));
    let hit = gang.stands_at(gates, step);
    (gang, ledger, hit)
}

/// Lets the first trainer pass a step as often as it comes there, until an event has come: where its generation was halted
/// before it had completed the step, it comes twice.
fn pass(gang: &Gang, gates: &Gates, step: u64, event: &str) {
    let deadline = Instant::now() + WAIT;
    while gang.events_named(event).is_empty() {
        assert!(
            Instant::now() < deadline,
            "no {event} within {WAIT:?}\n{}",
            gang.logs()
        );
        drop(gates.hit("train.step", step, Duration::from_millis(20)));
    }
}

fn rescaled(gang: &Gang) -> Value {
    gang.event("rescaled")["record"].clone()
}

fn names(record: &Value, field: &str) -> Vec<String> {
    let all = record[field].as_array().unwrap();
    all.iter()
        .map(|one| one["trainer"].as_str().unwrap().to_owned())
        .collect()
}

/// The bits are those of the undisturbed fit.
fn same_bits(fit: &Fit) {
    let expected = &*UNDISTURBED;
    assert_eq!(fit.weights_hash, expected.weights_hash);
    assert_eq!((fit.steps, &fit.history), (expected.steps, &expected.history));
    assert_eq!(fit.weights, expected.weights);
}

/// Nothing was read again, and nothing went wrong.
fn undisturbed(gang: &Gang) {
    for event in ["needFeed", "recovered", "failed", "lost"] {
        let told = gang.events_named(event);
        assert!(told.is_empty(), "{told:?}");
    }
}

#[test]
fn who_comes_is_taken_in_at_the_end_of_an_epoch_and_gets_its_rows_from_the_others() {
    let gates = Gates::new().unwrap();
    let (mut gang, ledger, hit) = standing(&gates, spec(), 2, 3);
    gang.join(None);
    drop(hit);
    let record = rescaled(&gang);
    assert_eq!(
        (names(&record, "joined"), names(&record, "left")),
        (vec!["trainer-2".to_owned()], vec![])
    );
    assert_eq!(
        (&record["generation"], &record["trainers"]),
        (&json!(2), &json!(3))
    );
    let (moved, step) = (
        record["rowsMoved"].as_u64().unwrap(),
        record["resumeStep"].as_u64().unwrap(),
    );
    assert!((100..700).contains(&moved) && step >= 9, "{record}");
    let cause = record["cause"].as_str().unwrap();
    assert!(
        cause.starts_with("trainer 2 (127.0.0.1, executor 2, pid ") && cause.ends_with("has come"),
        "{cause}"
    );
    let fit = gang.rest_with(ledger, undisturbed);
    same_bits(&fit);
}

#[test]
fn who_takes_a_place_before_the_first_step_knows_the_schedule_as_the_others_do() {
    let plateau = json!({"type": "ReduceLROnPlateau", "patience": 0, "threshold": 0.9, "metric": "loss"});
    let mut job = JobSpec {
        min_trainers: 2,
        ..spec()
    };
    job.train.lr_scheduler = Some(plateau);
    let mut gang = Gang::start(job.clone(), 2);
    let ledger = gang.feed_and_seal(&all_rows());
    let expected = gang.train(ledger);
    let gates = Gates::new().unwrap();
    let (mut gang, ledger, hit) = standing(&gates, job, 2, 0);
    gang.kill(1);
    drop(hit);
    gang.event_where("the loss", |event| event["event"] == "lost");
    gang.join(None);
    let asked = gang.event("needFeed");
    gang.serve_feed(&asked, &all_rows(), |_, _| {});
    pass(&gang, &gates, 0, "recovered");
    let record = gang.event("recovered")["record"].clone();
    assert_eq!(record["resumeStep"], 0, "{record}");
    let fit = gang.rest(ledger);
    assert_eq!((fit.steps, &fit.history), (expected.steps, &expected.history));
    assert_eq!(fit.weights, expected.weights);
}

#[test]
fn who_leaves_hands_its_rows_over_and_ends_in_order() {
    let gates = Gates::new().unwrap();
    let (gang, ledger, hit) = standing(&gates, spec(), 3, 12);
    gang.command(
        &json!({"cmd": "decommission", "executor": "1", "reason": "its executor is decommissioned"}),
    );
    drop(hit);
    pass(&gang, &gates, 12, "done");
    let record = rescaled(&gang);
    assert_eq!(
        (names(&record, "joined"), names(&record, "left")),
        (vec![], vec!["trainer-1".to_owned()])
    );
    assert_eq!(record["trainers"], 2);
    assert!(
        (1..700).contains(&record["rowsMoved"].as_u64().unwrap()),
        "{record}"
    );
    let left = gang.event("left");
    assert!(
        left["why"]
            .as_str()
            .unwrap()
            .ends_with("has left: its executor is decommissioned"),
        "{left}"
    );
    let fit = gang.rest_with(ledger, undisturbed);
    same_bits(&fit);
}

#[test]
fn the_only_one_leaves_after_another_has_its_state() {
    let gates = Gates::new().unwrap();
    let (mut gang, ledger, hit) = standing(&gates, spec(), 1, 5);
    gang.command(&json!({"cmd": "decommission", "executor": "0", "reason": "x"}));
    gang.join(None);
    drop(hit);
    pass(&gang, &gates, 5, "done");
    let came = rescaled(&gang);
    assert_eq!(
        (names(&came, "joined"), names(&came, "left")),
        (vec!["trainer-1".to_owned()], vec![])
    );
    let left = rescaled(&gang);
    assert_eq!(
        (names(&left, "joined"), names(&left, "left")),
        (vec![], vec!["trainer-0".to_owned()])
    );
    let fit = gang.rest_with(ledger, undisturbed);
    same_bits(&fit);
}

#[test]
fn what_a_trainer_held_that_is_killed_as_it_hands_it_over_is_fed_again() {
    let gates = Gates::new().unwrap();
    // It stands in the first epoch until the newcomer is there: training may be over sooner than another process starts.
    let points = |index| (index == 0).then(|| "train.step=3,gang.move=2".to_owned());
    let mut gang = Gang::start_held(spec(), 2, &gates, points);
    let ledger = gang.feed_and_seal(&all_rows());
    gang.command(&json!({"cmd": "train"}));
    let hit = gang.stands_at(&gates, 3);
    gang.join(None);
    drop(hit);
    let hit = gates.hit("gang.move", 2, WAIT).unwrap();
    gang.kill(0);
    drop(hit);
    let asked = gang.event("needFeed");
    assert_eq!(asked["round"], 3);
    gang.serve_feed(&asked, &all_rows(), |_, _| {});
    let record = gang.event("recovered")["record"].clone();
    assert_eq!(names(&record, "lost"), ["trainer-0"]);
    assert!(record["rowsRefed"].as_u64().unwrap() > 0, "{record}");
    same_bits(&gang.rest(ledger));
}

#[test]
fn a_newcomer_that_is_killed_before_it_has_its_rows_costs_a_recovery_and_no_feed_but_of_what_it_was_to_take()
{
    let gates = Gates::new().unwrap();
    let (mut gang, ledger, hit) = standing(&gates, spec(), 2, 3);
    let newcomer = gang.join(Some((&gates, "gang.seal=2")));
    drop(hit);
    let sealing = gates.hit("gang.seal", 2, WAIT).unwrap();
    gang.kill(newcomer);
    drop(sealing);
    // What it was to take is still where it was: it goes back without a feed.
    let record = gang.event("recovered")["record"].clone();
    assert_eq!(
        (names(&record, "lost"), &record["rowsRefed"]),
        (vec!["trainer-2".to_owned()], &json!(0))
    );
    let fit = gang.rest_with(ledger, |gang| assert!(gang.events_named("needFeed").is_empty()));
    same_bits(&fit);
}

#[test]
fn with_fewer_than_min_trainers_others_are_waited_for_and_take_what_was_lost() {
    let gates = Gates::new().unwrap();
    let job = JobSpec {
        min_trainers: 2,
        ..spec()
    };
    let (mut gang, ledger, hit) = standing(&gates, job, 2, 12);
    gang.kill(1);
    drop(hit);
    gang.event_where("the loss", |event| event["event"] == "lost");
    gang.join(None);
    let asked = gang.event("needFeed");
    assert_eq!(asked["owners"][0]["trainer"], "trainer-2");
    gang.serve_feed(&asked, &all_rows(), |_, _| {});
    pass(&gang, &gates, 12, "recovered");
    let record = gang.event("recovered")["record"].clone();
    assert_eq!(names(&record, "lost"), ["trainer-1"]);
    same_bits(&gang.rest(ledger));
}

#[test]
fn where_others_do_not_come_in_time_the_fit_fails_with_the_first_cause() {
    let gates = Gates::new().unwrap();
    let job = JobSpec {
        min_trainers: 2,
        executor_timeout_ms: 200,
        ..spec()
    };
    let (mut gang, _, hit) = standing(&gates, job, 2, 12);
    gang.kill(1);
    drop(hit);
    let told = gang.failure();
    assert!(
        told.starts_with("trainer 1 (127.0.0.1, executor 1, pid ")
            && told.contains(
                "then only 1 trainer was there of at least minTrainers = 2 for executorTimeout = 0.2 s: "
            ),
        "{told}"
    );
    gang.all_end();
}

#[test]
fn a_trainer_that_was_not_announced_is_refused() {
    let gates = Gates::new().unwrap();
    let (gang, ledger, hit) = standing(&gates, spec(), 1, 1);
    let mut other = gang.stranger(7);
    other.wait_for(1);
    assert!(
        other.log().contains("came too late: the gang is complete"),
        "{}",
        other.log()
    );
    drop(hit);
    same_bits(&gang.rest_with(ledger, undisturbed));
}

#[test]
fn every_epoch_says_how_long_each_worked_and_waited() {
    let mut gang = Gang::start(spec(), 2);
    let ledger = gang.feed_and_seal(&all_rows());
    let fit = gang.train_with(ledger, |gang| {
        let told = gang.events_named("pace");
        let epochs: Vec<u64> = told
            .iter()
            .map(|event| event["record"]["epoch"].as_u64().unwrap())
            .collect();
        assert_eq!(epochs, (0..u64::from(EPOCHS)).collect::<Vec<_>>());
        for event in &told {
            let record = &event["record"];
            let trainers = record["trainers"].as_array().unwrap();
            let seconds = |field: &str| -> Vec<f64> {
                trainers.iter().map(|one| one[field].as_f64().unwrap()).collect()
            };
            let busy = seconds("busySeconds");
            assert!(
                trainers.len() == 2 && busy[0] >= busy[1] && busy[1] > 0.0,
                "{record}"
            );
            assert!(
                seconds("waitedSeconds").iter().all(|waited| *waited > 0.0),
                "{record}"
            );
            assert!(
                (1.0..=2.0).contains(&record["skew"].as_f64().unwrap()),
                "{record}"
            );
            assert!(trainers.iter().all(|one| one["shards"] == 4), "{record}");
        }
    });
    same_bits(&fit);
}
