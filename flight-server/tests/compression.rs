//! Gradients that are compressed: the bits depend neither on the number of trainers nor on what happens to them, and what goes
//! over the wire is as little as it is said to be.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod common;

use candlewick_failpoint::Gates;
use candlewick_protocol::compression::GradientCompression;
use candlewick_protocol::job::{JobSpec, SnapshotSpec};
use common::data::{job, rows};
use common::{Fit, Gang, WAIT};
use serde_json::{Value, json};
use std::time::Instant;

const ROWS: usize = 700;

fn compressed(name: &str, epochs: u32, batch: u32) -> JobSpec {
    let mut job = job(epochs, batch);
    job.train.gradient_compression = GradientCompression::read(name).unwrap();
    job
}

fn fit(job: JobSpec, trainers: usize) -> Fit {
    let mut gang = Gang::start(job, trainers);
    let ledger = gang.feed_and_seal(&rows(ROWS));
    gang.train(ledger)
}

fn same_bits(fit: &Fit, expected: &Fit, what: &str) {
    assert_eq!(fit.weights_hash, expected.weights_hash, "{what}");
    assert_eq!(
        (fit.steps, &fit.history),
        (expected.steps, &expected.history),
        "{what}"
    );
}

#[test]
fn any_number_of_trainers_gives_the_same_bits_and_it_learns() {
    let plain = fit(job(2, 64), 1);
    for (name, all) in [
        ("bf16", &[2, 3, 8][..]),
        ("fp16", &[3]),
        ("topk:0.1", &[2, 3, 8]),
        ("1bit", &[2, 3]),
        ("powersgd:2", &[2, 3, 8]),
    ] {
        let one = fit(compressed(name, 2, 64), 1);
        assert_ne!(one.weights_hash, plain.weights_hash, "{name}");
        assert!(one.losses[1] < one.losses[0], "{name}: {:?}", one.losses);
        for trainers in all {
            let other = fit(compressed(name, 2, 64), *trainers);
            same_bits(&other, &one, &format!("{name}, {trainers} trainers"));
        }
    }
}

#[test]
fn tables_go_by_rows_beside_what_is_compressed() {
    for name in ["bf16", "topk:0.1", "powersgd:1"] {
        let fit = |trainers: usize| {
            let mut job = compressed(name, 2, 32);
            job.train.network = json!({"format": "candlewick.network/1", "layers": [
                {"type": "Embedding", "num_embeddings": 50, "embedding_dim": 4}, {"type": "Flatten"},
                {"type": "Linear", "out_features": 3},
            ]});
            let mut rows = rows(300);
            for value in rows.iter_mut().flat_map(|row| &mut row.features) {
                *value = ((*value + 1.0) * 24.9).floor();
            }
            let mut gang = Gang::start(job, trainers);
            let ledger = gang.feed_and_seal(&rows);
            gang.train(ledger)
        };
        same_bits(&fit(3), &fit(1), name);
    }
}

#[test]
fn a_value_takes_two_bytes_on_the_wire() {
    let mut gang = Gang::start(compressed("bf16", 2, 64), 2);
    let ledger = gang.feed_and_seal(&rows(ROWS));
    // 163 values, all of which the second trainer adds up: the first sends its node of 82 words behind a head of 3 in every
    // step, the second that head alone and the sum.
    gang.train_with(ledger, |gang| {
        let steps = 22;
        for (trainer, words) in gang.trainers.iter().zip([82 + 3, 82 + 3]) {
            let told = format!(
                "compressed gradients: {} bytes sent in the place of {}",
                steps * words * 4,
                steps * 163 * 4
            );
            // It is written before the end is told, and read by a thread of the test.
            let deadline = Instant::now() + WAIT;
            while !trainer.log().contains(&told) {
                assert!(Instant::now() < deadline, "no {told}\n{}", gang.logs());
                std::thread::yield_now();
            }
        }
    });
}

/// Steps of an epoch with batches of 4.
const LONG: u64 = 175;

#[test]
fn a_trainer_that_is_killed_between_two_points_costs_the_steps_since_the_first_and_no_bit() {
    for (name, resume) in [("topk:0.1", 64u64), ("powersgd:1", 64), ("bf16", 100)] {
        let expected = fit(compressed(name, 1, 4), 1);
        let gates = Gates::new().unwrap();
        let mut gang = Gang::start_held(compressed(name, 1, 4), 3, &gates, |_| {
            Some("train.step=100".to_owned())
        });
        let ledger = gang.feed_and_seal(&rows(ROWS));
        gang.command(&json!({"cmd": "train"}));
        let hits: Vec<_> = (0..3).map(|_| gang.stands_at(&gates, 100)).collect();
        gang.kill(1);
        drop(hits);
        let asked = gang.event("needFeed");
        gang.serve_feed(&asked, &rows(ROWS), |_, _| {});
        // The survivors come by again.
        (0..2).for_each(|_| gang.stands_at(&gates, 100).go());
        let record = gang.event("recovered")["record"].clone();
        assert_eq!(record["resumeStep"], resume, "{record}");
        assert_eq!(record["stepsRedone"], 100 - resume, "{record}");
        same_bits(&gang.rest(ledger), &expected, name);
    }
}

#[test]
fn who_comes_at_the_end_of_an_epoch_gets_its_part_of_what_is_left() {
    for name in ["topk:0.1", "1bit", "powersgd:2"] {
        let expected = fit(compressed(name, 3, 64), 1);
        let gates = Gates::new().unwrap();
        let mut gang = Gang::start_held(compressed(name, 3, 64), 2, &gates, |index| {
            (index == 0).then(|| "train.step=3".to_owned())
        });
        let ledger = gang.feed_and_seal(&rows(ROWS));
        gang.command(&json!({"cmd": "train"}));
        let hit = gates.hit("train.step", 3, WAIT).unwrap();
        gang.join(None);
        drop(hit);
        let record = gang.event("rescaled")["record"].clone();
        assert_eq!(record["trainers"], 3, "{record}");
        let at = record["resumeStep"].as_u64().unwrap();
        assert!(at.is_multiple_of(11), "the end of an epoch: {record}");
        same_bits(&gang.rest(ledger), &expected, name);
    }
}

#[test]
fn training_goes_on_from_a_state_that_holds_what_is_left() {
    let spec = || JobSpec {
        snapshots: SnapshotSpec {
            epochs: 0,
            steps: 100,
        },
        ..compressed("topk:0.1", 1, 4)
    };
    let expected = fit(compressed("topk:0.1", 1, 4), 2);
    let gates = Gates::new().unwrap();
    let mut gang = Gang::start_held(spec(), 2, &gates, |_| Some("train.step=128".to_owned()));
    gang.feed_and_seal(&rows(ROWS));
    gang.command(&json!({"cmd": "train"}));
    // Due at step 100, kept at the next point that can be gone on from.
    let of_step = |event: &Value| event["event"] == "snapshot" && event["counter"]["step"] == 128;
    gang.event_where("the state", of_step);
    let snapshot = gang.coordinator.take_snapshot().unwrap();
    drop(gang);
    let mut gang = Gang::start(spec(), 3);
    let ledger = gang.feed_and_seal(&rows(ROWS));
    gang.coordinator.resume_from(0, &snapshot.state).unwrap();
    gang.command(&json!({"cmd": "train", "resume": snapshot.counter}));
    let rest = gang.rest(ledger);
    assert_eq!((&rest.weights_hash, rest.steps), (&expected.weights_hash, LONG));
    // One of another compression is refused with what differs.
    let mut other = spec();
    other.train.gradient_compression = GradientCompression::None;
    let mut gang = Gang::start(other, 1);
    gang.feed_and_seal(&rows(ROWS));
    gang.coordinator.resume_from(0, &snapshot.state).unwrap();
    gang.command(&json!({"cmd": "train", "resume": snapshot.counter}));
    let told = gang.failure();
    assert!(told.contains("compression.left"), "{told}");
    gang.all_end();
}
