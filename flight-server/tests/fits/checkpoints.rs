//! States that a gang sends to the driver, and training that goes on from one of them in other processes.

use crate::common;
use crate::common::data::{evaluated_job, rows};
use crate::common::{Fit, Gang};
use candlewick_coordinator::Snapshot;
use candlewick_failpoint::Gates;
use candlewick_protocol::counter::ProgramCounter;
use candlewick_protocol::job::{JobSpec, SnapshotSpec};
use serde_json::{Value, json};
use std::sync::LazyLock;

const EPOCHS: u32 = 3;
const STEPS_PER_EPOCH: u64 = 9;
const STEPS: u64 = EPOCHS as u64 * STEPS_PER_EPOCH;
const ROWS: usize = 700;

/// A state at the end of every epoch and every fourth step.
fn spec() -> JobSpec {
    JobSpec {
        snapshots: SnapshotSpec { epochs: 1, steps: 4 },
        ..evaluated_job(EPOCHS)
    }
}

/// The fit that is neither kept nor ended.
static UNDISTURBED: LazyLock<Fit> = LazyLock::new(|| {
    let mut gang = Gang::start(evaluated_job(EPOCHS), 3);
    let ledger = gang.feed_and_seal(&rows(ROWS));
    gang.train(ledger)
});

/// The state that stands after `step` steps, from a gang of so many trainers that ends there.
fn kept_at(step: u64, trainers: usize) -> Snapshot {
    let gates = Gates::new().unwrap();
    // Nobody makes the step after it, so it is the youngest.
    let next = format!("train.step={step}");
    let mut gang = Gang::start_held(spec(), trainers, &gates, |_| Some(next.clone()));
    gang.feed_and_seal(&rows(ROWS));
    gang.command(&json!({"cmd": "train"}));
    gang.event_where("a state", |event| {
        event["event"] == "snapshot" && event["counter"]["step"] == step
    });
    let snapshot = gang.coordinator.take_snapshot().unwrap();
    assert_eq!((snapshot.counter.step, snapshot.last), (step, false));
    snapshot
}

/// Tells a gang that is fed to go on from a state.
fn resume(gang: &Gang, snapshot: &Snapshot) {
    let (first, rest) = snapshot.state.split_at(snapshot.state.len() / 3);
    gang.coordinator.resume_from(0, first).unwrap();
    gang.coordinator.resume_from(first.len() as u64, rest).unwrap();
    gang.command(&json!({"cmd": "train", "resume": snapshot.counter}));
}

/// The rest of a fit has the bits and the history of the undisturbed one.
fn is_the_rest(fit: &Fit, snapshot: &Snapshot) {
    let expected = &*UNDISTURBED;
    assert_eq!(fit.weights_hash, expected.weights_hash);
    assert_eq!((fit.steps, &fit.weights), (STEPS, &expected.weights));
    assert_eq!(fit.history, expected.history[snapshot.counter.epoch as usize..]);
}

#[test]
fn training_goes_on_from_any_state_in_any_number_of_other_processes() {
    for (step, before, after) in [(4, 1, 3), (9, 3, 2), (16, 2, 1)] {
        let snapshot = kept_at(step, before);
        let mut gang = Gang::start(spec(), after);
        let ledger = gang.feed_and_seal(&rows(ROWS));
        resume(&gang, &snapshot);
        is_the_rest(&gang.rest(ledger), &snapshot);
    }
}

#[test]
fn the_last_state_is_there_before_training_is_over_and_gives_the_model_at_once() {
    let mut gang = Gang::start(spec(), 2);
    let ledger = gang.feed_and_seal(&rows(ROWS));
    gang.command(&json!({"cmd": "train"}));
    gang.event("done");
    let told = gang.events_named("snapshot");
    let last = gang.coordinator.take_snapshot().unwrap();
    assert!(last.last && last.counter.step == STEPS, "{:?}", last.counter);
    assert_eq!(told.last().unwrap()["bytes"], last.state.len());
    drop((gang, ledger));
    let mut gang = Gang::start(spec(), 1);
    let ledger = gang.feed_and_seal(&rows(ROWS));
    resume(&gang, &last);
    is_the_rest(&gang.rest(ledger), &last);
    // More epochs go on from it.
    let longer = |epochs| JobSpec {
        snapshots: spec().snapshots,
        ..evaluated_job(epochs)
    };
    let mut gang = Gang::start(longer(5), 2);
    let ledger = gang.feed_and_seal(&rows(ROWS));
    let whole = gang.train(ledger);
    let mut gang = Gang::start(longer(5), 2);
    let ledger = gang.feed_and_seal(&rows(ROWS));
    resume(&gang, &last);
    let fit = gang.rest(ledger);
    assert_eq!(fit.weights_hash, whole.weights_hash);
    assert_eq!(fit.history, whole.history[3..]);
}

#[test]
fn who_takes_the_state_may_be_killed_and_so_may_who_gives_it() {
    let snapshot = kept_at(12, 1);
    for point in ["gang.restore=12", "gang.form=1"] {
        let gates = Gates::new().unwrap();
        let mut gang = Gang::start_held(spec(), 3, &gates, |index| (index == 0).then(|| point.to_owned()));
        let ledger = gang.feed_and_seal(&rows(ROWS));
        resume(&gang, &snapshot);
        let (name, at) = point.split_once('=').unwrap();
        let hit = gates.hit(name, at.parse().unwrap(), common::WAIT).unwrap();
        gang.kill(0);
        drop(hit);
        let asked = gang.event("needFeed");
        gang.serve_feed(&asked, &rows(ROWS), |_, _| {});
        let fit = gang.rest(ledger);
        is_the_rest(&fit, &snapshot);
    }
}

#[test]
fn rank_0_killed_while_it_sends_a_state_leaves_none_and_the_next_one_sends_its_own() {
    let gates = Gates::new().unwrap();
    // It stands before the step after it too: the state of a later step would take the place of one that waits to be sent.
    let mut gang = Gang::start_held(spec(), 3, &gates, |index| {
        (index == 0).then(|| "train.step=8,gang.snapshot=8".to_owned())
    });
    let ledger = gang.feed_and_seal(&rows(ROWS));
    gang.command(&json!({"cmd": "train"}));
    let hit = gates.hit("gang.snapshot", 8, common::WAIT).unwrap();
    gang.kill(0);
    drop(hit);
    let asked = gang.event("needFeed");
    gang.serve_feed(&asked, &rows(ROWS), |_, _| {});
    let of_step = |event: &Value, step: u64| event["event"] == "snapshot" && event["counter"]["step"] == step;
    gang.event_where("the last state", |event| of_step(event, STEPS));
    let fit = gang.rest(ledger);
    is_the_rest(&fit, &beginning());
}

fn beginning() -> Snapshot {
    Snapshot {
        counter: ProgramCounter::default(),
        last: false,
        state: Vec::new(),
    }
}

#[test]
fn a_state_of_another_job_fails_the_fit_with_what_differs() {
    let snapshot = kept_at(4, 1);
    let mut other = spec();
    other.train.optimizer = json!({"type": "SGD", "lr": 0.1});
    let mut gang = Gang::start(other, 2);
    gang.feed_and_seal(&rows(ROWS));
    resume(&gang, &snapshot);
    let told = gang.failure();
    assert!(told.contains("the saved state of the optimiser"), "{told}");
    gang.all_end();
}
