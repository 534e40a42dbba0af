//! `classWeight`: counted exactly, the same on any number of trainers and after a loss.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod common;

use candlewick_failpoint::Gates;
use candlewick_protocol::class_weight::ClassWeight;
use candlewick_protocol::job::JobSpec;
use common::data::{CLASSES, Row, evaluated_job, job, rows};
use common::{Fit, Gang, WAIT};
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
    let one = fit(balanced(), 1);
    assert_eq!(weights(&one), wanted);
    for trainers in [2, 3] {
        assert_eq!(fit(balanced(), trainers), one);
    }
    // The numbers themselves give the same bits, and without them there are others.
    let said = fit(of_class(Some(ClassWeight::Of(wanted)), job(2, 64)), 2);
    assert_eq!(said, one);
    let plain = fit(of_class(None, job(2, 64)), 2);
    assert!(plain.weights_hash != one.weights_hash && plain.class_weights == Value::Null);
}

#[test]
fn a_loss_changes_no_count_and_rows_put_aside_are_not_counted() {
    let spec = || of_class(Some(ClassWeight::Balanced), evaluated_job(3));
    let undisturbed = fit(spec(), 3);
    let gates = Gates::new().unwrap();
    let held = |index: usize| (index == 1).then(|| "train.step=7".to_owned());
    let mut gang = Gang::start_held(spec(), 3, &gates, held);
    let ledger = gang.feed_and_seal(&skewed());
    gang.command(&json!({"cmd": "train"}));
    let hit = gates.hit("train.step", 7, WAIT).unwrap();
    gang.kill(1);
    drop(hit);
    loop {
        let word = gang.event_where("a round to feed, or the end of a recovery", |event| {
            event["event"] == "needFeed" || event["event"] == "recovered"
        });
        if word["event"] == "recovered" {
            break;
        }
        gang.serve_feed(&word, &skewed(), |_, _| {});
    }
    let recovered = gang.rest(ledger);
    assert_eq!(recovered.class_weights, undisturbed.class_weights);
    assert_eq!(recovered.history, undisturbed.history);
    assert_eq!(recovered.weights_hash, undisturbed.weights_hash);
    // Rows that are put aside do not count: of a fifth of them, other shares are left.
    let all = fit(of_class(Some(ClassWeight::Balanced), job(1, 64)), 1);
    assert_ne!(undisturbed.class_weights, all.class_weights);
}
