//! Gangs of one, two and three processes train the same model; the feed's commit keeps every row once.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod common;

use candlewick_failpoint::Gates;
use candlewick_model::network::Network;
use candlewick_protocol::feed::StreamId;
use candlewick_protocol::job::{JobSpec, OnNonFinite};
use common::data::{Lcg, Row, job, rows};
use common::events::EventLog;
use common::{Fit, Gang};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::VecDeque;

fn fit(trainers: usize, shuffle: u64, split: usize) -> Fit {
    let mut rows = rows(700);
    Lcg(shuffle).shuffle(&mut rows);
    let gang = Gang::start(job(4, 64), trainers);
    let ledger = gang.seal(&gang.feed(&rows, split));
    gang.train(ledger)
}

#[test]
fn one_two_and_three_trainers_give_the_same_bits() {
    let one = fit(1, 1, 700);
    assert_eq!(one.steps, 4 * 11);
    assert_eq!(one.losses.len(), 4);
    assert!(one.losses[3] < one.losses[0], "it learns: {:?}", one.losses);
    assert_eq!(one.ledger["rowsSpooled"], 700);
    for (trainers, shuffle, split) in [(2, 2, 97), (3, 3, 33)] {
        let other = fit(trainers, shuffle, split);
        assert_eq!(other.weights_hash, one.weights_hash, "{trainers} trainers");
        assert_eq!(other.weights, one.weights);
        assert_eq!(
            other.losses, one.losses,
            "the history is the same bit for bit too"
        );
        assert_eq!(other.ledger["shardRows"], one.ledger["shardRows"]);
        assert_eq!(other.ledger["hashSum"], one.ledger["hashSum"]);
    }
    let job = job(4, 64);
    let network = Network::from_document(&job.train.network, &job.data.input_shape).unwrap();
    let weights = network.load_weights(&one.weights).unwrap();
    assert_eq!(network.weights_hash(&weights), one.weights_hash);
}

#[test]
fn a_table_of_which_steps_touch_few_rows_is_the_same_on_any_number_of_trainers() {
    let entries = 5_000;
    let mut rows = rows(300);
    for value in rows.iter_mut().flat_map(|row| &mut row.features) {
        // Large and small indices, so that steps and trainers share some rows and not others.
        let share = (*value + 1.0) / 2.0;
        *value = (share * share * share * entries as f32)
            .floor()
            .min(entries as f32 - 1.0);
    }
    for optimizer in [
        json!({"type": "SGD", "lr": 0.1}),
        json!({"type": "Adam", "lr": 0.01}),
    ] {
        let fit = |trainers: usize| {
            let mut job = job(3, 32);
            job.train.network = json!({"format": "candlewick.network/1", "layers": [
                {"type": "Embedding", "num_embeddings": entries, "embedding_dim": 8, "padding_idx": 0},
                {"type": "Flatten"}, {"type": "Tanh"}, {"type": "Linear", "out_features": 3},
            ]});
            job.train.optimizer = optimizer.clone();
            let gang = Gang::start(job, trainers);
            let ledger = gang.seal(&gang.feed(&rows, 100));
            gang.train(ledger)
        };
        let one = fit(1);
        assert!(one.losses[2] < one.losses[0], "it learns: {:?}", one.losses);
        for trainers in [2, 3] {
            let other = fit(trainers);
            assert_eq!(
                other.weights_hash, one.weights_hash,
                "{trainers} trainers, {optimizer}"
            );
            assert_eq!(other.losses, one.losses);
        }
    }
}

#[test]
fn losing_duplicate_and_zombie_attempts_change_nothing() {
    let rows = rows(300);
    let plain = {
        let gang = Gang::start(job(2, 32), 2);
        let ledger = gang.seal(&gang.feed(&rows, 100));
        gang.train(ledger)
    };
    let gang = Gang::start(job(2, 32), 2);
    let runtime = common::feed::runtime();
    let (ledgers, clients) = runtime.block_on(async {
        let clients = gang.clients().await;
        let mut winners = Vec::new();
        for (partition, part) in (0u32..).zip(rows.chunks(100)) {
            // A speculative copy that finishes first and loses, and an attempt that read only half.
            gang.feed_partition(&clients, partition, 1, part).await;
            gang.feed_partition(&clients, partition, 2, &part[..50]).await;
            winners.push(gang.feed_partition(&clients, partition, 3, part).await);
        }
        // An attempt number is good for one stream to a trainer.
        let again = StreamId {
            job: gang.job.job.clone(),
            round: 0,
            partition: 0,
            attempt: 3,
        };
        let (mine, _) = common::feed::route(&rows[..100], &gang.owners[0], 8);
        let twice = common::feed::put(&clients[0], common::feed::frames(&again, &mine))
            .await
            .unwrap_err();
        assert!(twice.message.contains("already has a stream"), "{twice}");
        (winners, clients)
    });
    let ledger = gang.seal(&ledgers);
    assert_eq!(ledger["rowsSpooled"], 300);
    runtime.block_on(async {
        let late = StreamId {
            job: gang.job.job.clone(),
            round: 0,
            partition: 9,
            attempt: 9,
        };
        let (mine, _) = common::feed::route(&rows, &gang.owners[1], 8);
        let refused = common::feed::put(&clients[1], common::feed::frames(&late, &mine))
            .await
            .unwrap_err();
        assert!(refused.message.contains("feed round 0 is sealed"), "{refused}");
    });
    assert_eq!(gang.train(ledger).weights_hash, plain.weights_hash);
}

#[test]
fn no_epochs_give_the_initial_weights() {
    let gang = Gang::start(job(0, 32), 2);
    let ledger = gang.seal(&gang.feed(&rows(40), 20));
    let fit = gang.train(ledger);
    let job = job(0, 32);
    let network = Network::from_document(&job.train.network, &job.data.input_shape).unwrap();
    assert_eq!(
        fit.weights_hash,
        network.weights_hash(&network.initial_weights(42))
    );
    assert_eq!((fit.steps, fit.losses.len()), (0, 0));
}

#[test]
fn fewer_rows_than_trainers_and_empty_partitions_are_legal() {
    let two = rows(2);
    let one = {
        let gang = Gang::start(job(2, 8), 1);
        let ledger = gang.seal(&gang.feed(&two, 2));
        gang.train(ledger)
    };
    let gang = Gang::start(job(2, 8), 3);
    let mut ledgers = gang.feed(&two, 1);
    ledgers.push(common::feed::runtime().block_on(gang.feed_partition(&[], 7, 700, &[])));
    let ledger = gang.seal(&ledgers);
    assert_eq!(ledger["partitions"], 3);
    assert_eq!(gang.train(ledger).weights_hash, one.weights_hash);
}

fn trained(job: JobSpec, rows: &[Row], trainers: usize) -> Fit {
    let gang = Gang::start(job, trainers);
    let ledger = gang.seal(&gang.feed(rows, 100));
    gang.train(ledger)
}

#[test]
fn schedules_accumulation_and_averages_give_the_same_bits() {
    let rows = rows(300);
    let one_cycle = json!({"type": "OneCycleLR", "max_lr": 0.05, "warmup_steps": 2});
    let plateau = json!({"type": "ReduceLROnPlateau", "patience": 0, "threshold": 0.9, "metric": "loss"});
    for scheduler in [one_cycle, plateau] {
        let mut spec = job(3, 32);
        spec.train.lr_scheduler = Some(scheduler);
        spec.train.gradient_accumulation_steps = 4;
        spec.train.ema_decay = Some(0.9);
        let one = trained(spec.clone(), &rows, 1);
        let three = trained(spec.clone(), &rows, 3);
        assert_eq!(one.weights_hash, three.weights_hash);
        assert_eq!(one.history, three.history);
        let rates: Vec<f64> = one
            .history
            .iter()
            .map(|record| record["lr"].as_f64().unwrap())
            .collect();
        assert!(rates[0] != rates[2], "the learning rate moves: {rates:?}");
        // Each of the three is seen in the weights.
        for change in 0..3 {
            let mut other = spec.clone();
            match change {
                0 => other.train.lr_scheduler = None,
                1 => other.train.gradient_accumulation_steps = 1,
                _ => other.train.ema_decay = None,
            }
            assert_ne!(
                trained(other, &rows, 1).weights_hash,
                one.weights_hash,
                "change {change}"
            );
        }
    }
}

#[test]
fn steps_in_which_no_row_counts_are_counted() {
    let mut rows = rows(300);
    rows.iter_mut().for_each(|row| row.weight = 0.0);
    rows[17].weight = 1.0;
    let fit = trained(job(2, 32), &rows, 2);
    let counted: Vec<&Value> = fit
        .history
        .iter()
        .map(|record| &record["stepsWithoutWeight"])
        .collect();
    assert_eq!(counted, [9, 9], "of ten steps one has the row");
}

#[test]
fn a_step_that_is_not_finite_is_skipped_where_that_is_asked_for() {
    let mut rows = rows(300);
    // Its loss is finite, its gradient in f32 is not.
    rows[17].weight = 1e300;
    let mut spec = job(3, 32);
    spec.train.on_non_finite = OnNonFinite::Skip;
    let one = trained(spec.clone(), &rows, 1);
    let three = trained(spec, &rows, 3);
    assert_eq!(one.weights_hash, three.weights_hash);
    assert_eq!(one.history, three.history);
    let skipped: Vec<&Value> = one.history.iter().map(|record| &record["skippedSteps"]).collect();
    assert_eq!(skipped, [1, 1, 1], "the row comes once an epoch");
    assert!(
        one.losses[2] < one.losses[0],
        "it learns from the others: {:?}",
        one.losses
    );
}

#[test]
fn a_step_that_is_not_finite_ends_training_with_step_and_cause() {
    let told = |spec: JobSpec, rows: &[Row]| {
        let mut gang = Gang::start(spec, 2);
        gang.seal(&gang.feed(rows, 100));
        gang.command(&json!({"cmd": "train"}));
        let told = gang.failure();
        gang.all_end();
        told
    };
    let mut wide = rows(300);
    for row in &mut wide {
        row.features.iter_mut().for_each(|value| *value *= 1e30);
        row.weight = 1e300;
    }
    let message = told(job(3, 32), &wide);
    assert!(
        message.starts_with("the loss became ")
            && message.contains("epoch 0, step 0 of it (step 0 of the training run)"),
        "{message}"
    );
    assert!(message.contains("the features are as large as"), "{message}");
    let mut steep = job(9, 32);
    steep.train.optimizer["lr"] = json!(1e30);
    let message = told(steep.clone(), &rows(300));
    assert!(
        message.contains("lower the learning rate (1e30)") && message.contains("The last finite loss was"),
        "{message}"
    );
    steep.train.on_non_finite = OnNonFinite::Skip;
    let message = told(steep, &rows(300));
    assert!(
        message.contains("steps of an epoch were NaN or infinite") || message.contains("became NaN"),
        "{message}"
    );
}

/// Resident memory of a process, in bytes.
fn resident(pid: u32) -> usize {
    let pages = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
    let pages: usize = pages.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[test]
fn resident_memory_stays_over_thousands_of_steps() {
    let mut job = job(600, 64);
    // A table, so that the size of what is sent differs from step to step.
    job.train.network = json!({"format": "candlewick.network/1", "layers": [
        {"type": "Embedding", "num_embeddings": 900, "embedding_dim": 16},
        {"type": "Flatten"}, {"type": "Linear", "out_features": 64}, {"type": "BatchNorm1d"}, {"type": "ReLU"},
        {"type": "Dropout", "p": 0.1}, {"type": "Linear", "out_features": 3},
    ]});
    let mut rows = rows(300);
    for value in rows.iter_mut().flat_map(|row| &mut row.features) {
        *value = ((*value + 1.0) * 449.0).floor();
    }
    let gates = Gates::new().unwrap();
    let gang = Gang::start_held(job, 2, &gates, |index| {
        (index == 0).then(|| "train.step=500".to_owned())
    });
    gang.seal(&gang.feed(&rows, 100));
    gang.command(&json!({"cmd": "train"}));
    // The other waits for it within the same step.
    let held = gang.stands_at(&gates, 500);
    let pids: Vec<u32> = gang.trainers.iter().map(common::Trainer::pid).collect();
    let before: Vec<usize> = pids.iter().map(|pid| resident(*pid)).collect();
    held.go();
    let done = gang.event("done");
    assert_eq!(done["steps"], 3_000);
    for (pid, before) in pids.iter().zip(before) {
        let after = resident(*pid);
        println!("{before} bytes after 500 steps, {after} after 3,000");
        assert!(
            after <= before + (1 << 20),
            "resident memory grew from {before} to {after} bytes within 2,500 steps"
        );
    }
}

#[test]
fn an_event_that_a_wait_passes_over_is_there_for_the_next() {
    let events = EventLog::default();
    let told = RefCell::new(VecDeque::from([
        r#"{"event": "progress", "n": 1}"#,
        r#"{"event": "epoch"}"#,
        r#"{"event": "progress", "n": 2}"#,
        r#"{"event": "done"}"#,
    ]));
    let take = |name: &str, n: Option<u64>| {
        let poll = |_| told.borrow_mut().pop_front().map(str::to_owned);
        events.take(name, common::WAIT, poll, |event| {
            event["event"] == name && n.is_none_or(|n| event["n"] == n)
        })
    };
    assert_eq!(take("progress", Some(2)).unwrap()["n"], 2);
    assert_eq!(take("epoch", None).unwrap()["event"], "epoch");
    assert_eq!(take("progress", None).unwrap()["n"], 1);
    // What does not come before the end is told at once, with what came instead; the end itself is still there.
    let missing = take("progress", Some(500)).unwrap_err();
    assert_eq!(
        missing,
        r#"waiting for progress, but the job has ended: {"event":"done"}"#
    );
    assert_eq!(take("done", None).unwrap()["event"], "done");
    assert!(take("done", None).is_err(), "an event is taken once");
}
