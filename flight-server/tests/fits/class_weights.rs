//! `classWeight`: counted exactly, the same on any number of trainers and after a loss.

use crate::common::data::{CLASSES, Row, evaluated_job, job, rows};
use crate::common::{Fit, Gang, WAIT};
use candlewick_failpoint::Gates;
use candlewick_protocol::class_weight::ClassWeight;
use candlewick_protocol::job::{JobSpec, SnapshotSpec};
use candlewick_protocol::shuffle::DataShuffle;
use serde_json::{Value, json};

fn of_class(rule: Option<ClassWeight>, mut job: JobSpec) -> JobSpec {
    job.train.class_weight = rule;
    job
}

/// Rows of which few are of class 2.
fn skewed() -> Vec<Row> {
    let all = rows(900).into_iter().enumerate();
    let kept = all.filter(|(at, row)| row.label < 2.0 || at % 8 == 0);
    kept.map(|(_, row)| row).collect()
}

fn fit(job: JobSpec, trainers: usize) -> Fit {
    let mut gang = Gang::start(job, trainers);
    let ledger = gang.feed_and_seal(&skewed());
    gang.train(ledger)
}

fn weights(fit: &Fit) -> Vec<f64> {
    serde_json::from_value(fit.class_weights.clone()).unwrap()
}

#[test]
fn balanced_weights_are_scikit_learns_and_the_same_on_any_number_of_trainers() {
    let mut counts = vec![0u64; CLASSES as usize];
    skewed().iter().for_each(|row| counts[row.label as usize] += 1);
    let wanted = ClassWeight::Balanced.weights(&counts);
    assert!(wanted[2] > 4.0 * wanted[0], "{wanted:?}");
    let balanced = || of_class(Some(ClassWeight::Balanced), job(2, 64));
    // One trainer alone exchanges nothing.
    let by = |job, trainers| Fit {
        exchange: Value::Null,
        ..fit(job, trainers)
    };
    let one = by(balanced(), 1);
    assert_eq!(weights(&one), wanted);
    for trainers in [2, 3] {
        assert_eq!(by(balanced(), trainers), one);
    }
    // The numbers themselves give the same bits, and without them there are others.
    let said = by(of_class(Some(ClassWeight::Of(wanted)), job(2, 64)), 2);
    assert_eq!(said, one);
    let plain = fit(of_class(None, job(2, 64)), 2);
    assert!(plain.weights_hash != one.weights_hash && plain.class_weights == Value::Null);
}

#[test]
fn a_loss_changes_no_count_and_rows_put_aside_are_not_counted() {
    let spec = || of_class(Some(ClassWeight::Balanced), evaluated_job(3));
    let undisturbed = fit(spec(), 3);
    let (recovered, _) = without_trainer_1(spec(), |_| 0);
    assert_eq!(recovered.class_weights, undisturbed.class_weights);
    assert_eq!(recovered.history, undisturbed.history);
    assert_eq!(recovered.weights_hash, undisturbed.weights_hash);
    // Rows that are put aside do not count: of a fifth of them, other shares are left.
    let all = fit(of_class(Some(ClassWeight::Balanced), job(1, 64)), 1);
    assert_ne!(undisturbed.class_weights, all.class_weights);
}

/// Kills trainer 1 where it stands before step 7; returns the rest of the fit.
fn without_trainer_1(spec: JobSpec, runs_on: fn(u32) -> usize) -> (Fit, u64) {
    let gates = Gates::new().unwrap();
    let held = |index: usize| (index == 1).then(|| "train.step=7".to_owned());
    let mut gang = Gang::start_held(spec, 3, &gates, held);
    gang.runs_on = runs_on;
    let ledger = gang.feed_and_seal(&skewed());
    gang.command(&json!({"cmd": "train"}));
    let hit = gates.hit("train.step", 7, WAIT).unwrap();
    gang.kill(1);
    drop(hit);
    let record = loop {
        let word = gang.event_where("a round to feed, or the end of a recovery", |event| {
            event["event"] == "needFeed" || event["event"] == "recovered"
        });
        if word["event"] == "recovered" {
            break word["record"].clone();
        }
        gang.serve_feed(&word, &skewed(), |_, _| {});
    };
    (gang.rest(ledger), record["rowsRefed"].as_u64().unwrap())
}

#[test]
fn rows_that_stay_where_they_are_read_are_counted_once_and_after_a_loss_too() {
    let spec = || {
        let mut job = of_class(Some(ClassWeight::Balanced), job(2, 64));
        job.data.data_shuffle = DataShuffle::None;
        job
    };
    let beside = |partition: u32| (partition % 3) as usize;
    let mut gang = Gang::start(spec(), 3);
    gang.runs_on = beside;
    let ledger = gang.feed_and_seal(&skewed());
    let undisturbed = gang.train(ledger);
    // The counts are those of all rows, wherever they are.
    let shuffled = fit(of_class(Some(ClassWeight::Balanced), job(2, 64)), 3);
    assert_eq!(undisturbed.class_weights, shuffled.class_weights);
    assert_ne!(undisturbed.weights_hash, shuffled.weights_hash);
    let (recovered, refed) = without_trainer_1(spec(), beside);
    assert!(refed > 0);
    assert_eq!(recovered.class_weights, undisturbed.class_weights);
    assert_eq!(recovered.weights_hash, undisturbed.weights_hash);
}

#[test]
fn copies_of_rows_are_not_counted() {
    let spec = || JobSpec {
        data_replicas: 2,
        ..of_class(Some(ClassWeight::Balanced), evaluated_job(3))
    };
    let once = fit(of_class(Some(ClassWeight::Balanced), evaluated_job(3)), 3);
    let twice = fit(spec(), 3);
    assert_eq!(twice.class_weights, once.class_weights);
    assert_eq!(twice.weights_hash, once.weights_hash);
    let (recovered, refed) = without_trainer_1(spec(), |partition| partition as usize % 3);
    assert_eq!(refed, 0);
    assert_eq!(recovered.class_weights, once.class_weights);
    assert_eq!(recovered.weights_hash, once.weights_hash);
}

#[test]
fn training_that_goes_on_from_a_state_weighs_as_before() {
    let spec = || JobSpec {
        snapshots: SnapshotSpec { epochs: 1, steps: 4 },
        ..of_class(Some(ClassWeight::Balanced), evaluated_job(3))
    };
    let whole = fit(spec(), 2);
    let gates = Gates::new().unwrap();
    // Nobody makes the step after it, so it is the youngest.
    let mut gang = Gang::start_held(spec(), 2, &gates, |_| Some("train.step=8".to_owned()));
    gang.feed_and_seal(&skewed());
    gang.command(&json!({"cmd": "train"}));
    gang.event_where("a state", |event| {
        event["event"] == "snapshot" && event["counter"]["step"] == 8
    });
    let snapshot = gang.coordinator.take_snapshot().unwrap();
    drop(gang);
    let mut gang = Gang::start(spec(), 3);
    let ledger = gang.feed_and_seal(&skewed());
    gang.coordinator.resume_from(0, &snapshot.state).unwrap();
    gang.command(&json!({"cmd": "train", "resume": snapshot.counter}));
    let rest = gang.rest(ledger);
    assert_eq!(rest.class_weights, whole.class_weights);
    assert_eq!(rest.weights_hash, whole.weights_hash);
    assert_eq!(rest.history, whole.history[snapshot.counter.epoch as usize..]);
}
