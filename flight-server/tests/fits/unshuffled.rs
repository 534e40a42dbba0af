//! Rows that stay where they are read (`dataShuffle="none"`): a partition goes to the trainer beside its executor, and goes there
//! again whatever is lost.

use crate::common;
use crate::common::data::{Row, evaluated_job, rows};
use crate::common::feed::{connect, frames, put, runtime, within};
use crate::common::{Fit, Gang, WAIT};
use candlewick_failpoint::Gates;
use candlewick_protocol::feed::StreamId;
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::shuffle::{DataShuffle, Home};
use serde_json::{Value, json};
use std::sync::LazyLock;

const TRAINERS: usize = 3;

fn spec() -> JobSpec {
    let mut job = evaluated_job(3);
    job.data.data_shuffle = DataShuffle::None;
    job
}

/// Rows of eight partitions, of which the one with number 4 has one row many times.
fn all_rows() -> Vec<Row> {
    let mut rows = rows(700);
    for at in 4 * common::feed::PARTITION_ROWS + 1..5 * common::feed::PARTITION_ROWS {
        rows[at] = rows[4 * common::feed::PARTITION_ROWS].clone();
    }
    rows
}

/// Three partitions are read beside trainer 0, five beside trainer 1, none beside trainer 2.
fn squares(partition: u32) -> usize {
    (partition * partition % 3) as usize
}

fn placed(mut gang: Gang, runs_on: fn(u32) -> usize) -> Gang {
    gang.runs_on = runs_on;
    gang
}

fn undisturbed(runs_on: fn(u32) -> usize) -> Fit {
    let mut gang = placed(Gang::start(spec(), TRAINERS), runs_on);
    let ledger = gang.feed_and_seal(&all_rows());
    gang.train(ledger)
}

static UNDISTURBED: LazyLock<Fit> = LazyLock::new(|| undisturbed(squares));

fn shard_rows(ledger: &Value) -> Vec<u64> {
    let rows = ledger["shardRows"].as_array().unwrap().iter();
    rows.map(|rows| rows.as_u64().unwrap()).collect()
}

/// Feeds what is asked for until training goes on or the fit fails; that event.
fn recovers(gang: &mut Gang) -> Value {
    loop {
        let word = gang.event_where("a round to feed, or its end", |event| {
            ["needFeed", "recovered", "failed"]
                .iter()
                .any(|name| event["event"] == *name)
        });
        if word["event"] != "needFeed" {
            return word;
        }
        gang.serve_feed(&word, &all_rows(), |_, _| {});
    }
}

fn has_the_same_bits(gang: Gang, ledger: Value) {
    let expected = &*UNDISTURBED;
    let fit = gang.rest(ledger);
    assert_eq!(fit.weights_hash, expected.weights_hash);
    assert_eq!((fit.steps, &fit.history), (expected.steps, &expected.history));
    assert_eq!(fit.ledger, expected.ledger);
}

#[test]
fn rows_are_where_they_were_read_equal_ones_too_and_a_trainer_without_rows_takes_part() {
    let fit = &*UNDISTURBED;
    let rows = shard_rows(&fit.ledger);
    // Shards 0 and 1, 2 to 4, 5 to 7.
    let of: Vec<u64> = [0..2, 2..5, 5..8]
        .map(|shards| rows[shards].iter().sum())
        .to_vec();
    assert_eq!(
        of.iter().sum::<u64>() + fit.ledger["validationRows"].as_u64().unwrap(),
        700
    );
    assert!(of[0] > 200 && of[1] > 300 && of[2] == 0, "{rows:?}");
    // 97 copies of one row, all in one shard of trainer 1.
    assert_eq!(fit.ledger["rowsDealt"], 0);
    let most = rows[2..5].iter().max().unwrap();
    assert!(*most > 97 + rows[2..5].iter().min().unwrap() / 2, "{rows:?}");
    // Other places, another placement and another model.
    let other = undisturbed(|partition| partition as usize % 2);
    assert_eq!(other.ledger["hashSum"], fit.ledger["hashSum"]);
    assert_ne!(other.ledger["placement"], fit.ledger["placement"]);
    assert_ne!(other.weights_hash, fit.weights_hash);
}

#[test]
fn a_trainer_that_is_killed_at_a_step_changes_no_bit() {
    for (victim, step) in [(0, 0), (1, 12), (2, 20)] {
        let gates = Gates::new().unwrap();
        let gang = Gang::start_held(spec(), TRAINERS, &gates, |index| {
            (index == victim).then(|| format!("train.step={step}"))
        });
        let mut gang = placed(gang, squares);
        let ledger = gang.feed_and_seal(&all_rows());
        gang.command(&json!({"cmd": "train"}));
        let hit = gates.hit("train.step", step, WAIT).unwrap();
        gang.kill(victim);
        drop(hit);
        let word = recovers(&mut gang);
        assert_eq!(word["event"], "recovered", "{word}");
        // Who had none left nothing to be fed.
        let refed = word["record"]["rowsRefed"].as_u64().unwrap();
        assert_eq!(refed == 0, victim == 2, "{word}");
        has_the_same_bits(gang, ledger);
    }
}

#[test]
fn a_trainer_that_is_killed_in_the_first_round_changes_no_bit() {
    for when in [0, 3, 8] {
        let mut gang = placed(Gang::start(spec(), TRAINERS), squares);
        let owners = gang.owners.clone();
        let ledgers = gang.feed_round(0, &owners, &all_rows(), |gang, partition| {
            if partition == when {
                gang.kill(1);
            }
        });
        if when == 8 {
            gang.kill(1);
        }
        gang.command(&json!({"cmd": "seal", "round": 0, "ledgers": ledgers}));
        let asked = gang.event("needFeed");
        gang.serve_feed(&asked, &all_rows(), |_, _| {});
        let ledger = gang.event("sealed")["ledger"].clone();
        gang.command(&json!({"cmd": "train"}));
        has_the_same_bits(gang, ledger);
    }
}

#[test]
fn a_partition_that_is_fed_elsewhere_fails_the_fit() {
    let gates = Gates::new().unwrap();
    let gang = Gang::start_held(spec(), TRAINERS, &gates, |index| {
        (index == 1).then(|| "train.step=5".to_owned())
    });
    let mut gang = placed(gang, squares);
    gang.feed_and_seal(&all_rows());
    gang.command(&json!({"cmd": "train"}));
    let hit = gates.hit("train.step", 5, WAIT).unwrap();
    gang.kill(1);
    drop(hit);
    let mut asked = gang.event("needFeed");
    let of = asked["homes"]["of"].as_array_mut().unwrap();
    of.swap(2, 3);
    let round = asked["round"].clone();
    let owners = serde_json::from_value::<Vec<_>>(asked["owners"].clone()).unwrap();
    gang.homes = Some(serde_json::from_value(asked["homes"].clone()).unwrap());
    let ledgers = gang.feed_round(1, &owners, &all_rows(), |_, _| {});
    let seal = json!({"cmd": "seal", "round": round, "ledgers": ledgers});
    let refused = gang.coordinator.command(&seal.to_string());
    let told = refused.unwrap_err().message;
    assert!(
        told.contains("partition 2 went to other shards than in the first round"),
        "{told}"
    );
    gang.all_end();
}

#[test]
fn a_trainer_refuses_rows_whose_home_is_not_here() {
    let mut gang = Gang::start(spec(), TRAINERS);
    let owner = gang.owners[0].clone();
    let told = runtime().block_on(async {
        let client = connect(&owner, &gang.job.job, &gang.secret).await.unwrap();
        let id = StreamId {
            job: gang.job.job.clone(),
            round: 0,
            partition: 0,
            attempt: 1,
        };
        let elsewhere = Some(Home { lo: 5, hi: 8 });
        put(&client, within(frames(&id, &rows(20)), elsewhere))
            .await
            .unwrap_err()
            .message
    });
    assert!(
        told.contains("row 0 of frame 0 of partition 0: it belongs to shard "),
        "{told}"
    );
    assert!(told.contains("this trainer takes 0 and 1"), "{told}");
    gang.command(&json!({"cmd": "cancel", "reason": "over"}));
    gang.all_end();
}
