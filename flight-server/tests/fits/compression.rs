//! Gradients that are compressed: the bits depend neither on the number of trainers nor on what happens to them, and what goes
//! over the wire is as little as it is said to be.

use crate::common::data::{job, rows};
use crate::common::runs::{ROWS, fit, growth, resumed, same_bits, with_a_table};
use crate::common::{Fit, Gang, WAIT};
use candlewick_failpoint::Gates;
use candlewick_protocol::compression::GradientCompression;
use candlewick_protocol::job::{JobSpec, SnapshotSpec};
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

/// Trainers whose links are said to be so slow that they decide for bf16; they also stop at these points.
fn deciding(spec: JobSpec, trainers: usize, gates: &Gates, also: &str) -> Gang {
    let points = format!("train.links=0{also}");
    let mut gang = Gang::start_held(spec, trainers, gates, |_| Some(points.clone()));
    gang.feed_and_seal(&rows(ROWS));
    gang.command(&json!({"cmd": "train"}));
    // 10 microseconds, 10 bytes a second.
    (0..trainers).for_each(|_| gates.hit("train.links", 0, WAIT).unwrap().fail("0.00001 10"));
    gang
}

fn decided(fit: &Fit, kind: &str, reason: &str) {
    let told = &fit.compression;
    assert_eq!(told["kind"], kind, "{told}");
    assert!(told["reason"].as_str().unwrap().contains(reason), "{told}");
}

#[test]
fn what_trainers_decide_by_their_links_stays_through_losses_of_them() {
    let auto = || compressed("auto", 1, 4);
    // One sends nothing, and links of one machine are fast.
    let plain = fit(compressed("none", 1, 4), 1);
    let (one, two) = (fit(auto(), 1), fit(auto(), 2));
    decided(&one, "none", "one trainer sends nothing");
    decided(&two, "none", "with bf16");
    same_bits(&one, &plain, "one trainer");
    same_bits(&two, &plain, "two trainers");
    let expected = fit(compressed("bf16", 1, 4), 1);
    let gates = Gates::new().unwrap();
    let mut gang = deciding(auto(), 3, &gates, ",train.step=100");
    let hits: Vec<_> = (0..3).map(|_| gang.stands_at(&gates, 100)).collect();
    gang.kill(1);
    drop(hits);
    let asked = gang.event("needFeed");
    gang.serve_feed(&asked, &rows(ROWS), |_, _| {});
    // The survivors come by again, and not by the links.
    (0..2).for_each(|_| gang.stands_at(&gates, 100).go());
    assert_eq!(gang.event("recovered")["record"]["resumeStep"], 100);
    let fit = gang.rest(json!({}));
    decided(&fit, "bf16", "ms with it");
    same_bits(&fit, &expected, "a loss");
}

/// Steps are tried with all that they exchange in the middle, and leave nothing behind.
#[test]
fn steps_that_exchange_statistics_are_tried_too() {
    let layers = json!([
        {"type": "Linear", "out_features": 6}, {"type": "BatchNorm1d"}, {"type": "Dropout"}, {"type": "Linear", "out_features": 3}]);
    let normalized = |name: &str| {
        let mut job = compressed(name, 2, 64);
        job.train.network = json!({"format": "candlewick.network/1", "layers": layers});
        job
    };
    let expected = fit(normalized("bf16"), 1);
    let gates = Gates::new().unwrap();
    let decides = deciding(normalized("auto"), 2, &gates, "").rest(json!({}));
    decided(&decides, "bf16", "ms with it");
    same_bits(&decides, &expected, "two trainers");
}

#[test]
fn who_comes_later_and_who_goes_on_from_a_checkpoint_follow_what_was_decided() {
    let spec = || JobSpec {
        snapshots: SnapshotSpec { epochs: 1, steps: 0 },
        ..compressed("auto", 3, 64)
    };
    let expected = fit(compressed("bf16", 3, 64), 1);
    let gates = Gates::new().unwrap();
    let mut gang = deciding(spec(), 2, &gates, ",train.step=3");
    let hits: Vec<_> = (0..2).map(|_| gang.stands_at(&gates, 3)).collect();
    gang.join(None);
    drop(hits);
    assert_eq!(gang.event("rescaled")["record"]["trainers"], 3);
    let grown = gang.rest(json!({}));
    decided(&grown, "bf16", "ms with it");
    same_bits(&grown, &expected, "growth");
    // One trainer alone, of which it would have decided otherwise.
    let gates = Gates::new().unwrap();
    let gang = deciding(spec(), 2, &gates, ",train.step=15");
    gang.event_where("the state", |event| {
        event["event"] == "snapshot" && event["counter"]["epoch"] == 1
    });
    let snapshot = gang.coordinator.take_snapshot().unwrap();
    drop(gang);
    let mut gang = Gang::start(spec(), 1);
    let ledger = gang.feed_and_seal(&rows(ROWS));
    gang.coordinator.resume_from(0, &snapshot.state).unwrap();
    gang.command(&json!({"cmd": "train", "resume": snapshot.counter}));
    let resumed = gang.rest(ledger);
    decided(&resumed, "bf16", "ms with it");
    assert_eq!(resumed.weights_hash, expected.weights_hash);
}
