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
use candlewick_protocol::job::JobSpec;
use common::data::{job, rows};
use common::runs::{ROWS, fit, growth, resumed, same_bits, with_a_table};
use common::{Gang, WAIT};
use serde_json::json;
use std::time::Instant;

fn compressed(name: &str, epochs: u32, batch: u32) -> JobSpec {
    let mut job = job(epochs, batch);
    job.train.gradient_compression = GradientCompression::read(name).unwrap();
    job
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
        let fit = |trainers| with_a_table(compressed(name, 2, 32), trainers);
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
        growth(&|| compressed(name, 3, 64), name);
    }
}

#[test]
fn training_goes_on_from_a_state_that_holds_what_is_left() {
    // One of another compression is refused with what differs.
    let told = resumed(
        &|| compressed("topk:0.1", 1, 4),
        128,
        Some(&|job| job.train.gradient_compression = GradientCompression::None),
    );
    let told = told.unwrap();
    assert!(told.contains("compression.left"), "{told}");
}
