//! Rows that come often are dealt among the shards (rule A7): alike on any number of trainers, in any order, and through
//! losses, in the round of dealing too.

use crate::common::data::{Lcg, Row, job, rows};
use crate::common::{Fit, Gang, WAIT};
use candlewick_failpoint::{Gates, Hit};
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::validation::Validation;
use serde_json::{Value, json};
use std::sync::LazyLock;

const SHARDS: u32 = 16;
const TRAINERS: usize = 3;

fn spec() -> JobSpec {
    let mut job = job(2, 512);
    job.train.logical_shards = SHARDS;
    job
}

/// Shuffled rows, each of the first `distinct` as often as `copies` says of its position.
fn table(distinct: usize, shuffle: u64, copies: impl Fn(usize) -> usize) -> Vec<Row> {
    // Those at the end are there twice.
    let base = rows(distinct * 2);
    let times = |(at, row): (usize, &Row)| vec![row.clone(); copies(at)];
    let mut table: Vec<Row> = base.iter().take(distinct).enumerate().flat_map(times).collect();
    Lcg(shuffle).shuffle(&mut table);
    table
}

fn hundred(shuffle: u64) -> Vec<Row> {
    table(100, shuffle, |_| 100)
}

fn zipf(shuffle: u64) -> Vec<Row> {
    table(2_000, shuffle, |at| 1_500 / (at + 1) + 1)
}

fn fit(rows: &[Row], trainers: usize, job: JobSpec) -> Fit {
    let mut gang = Gang::start(job, trainers);
    let ledger = gang.feed_and_seal(rows);
    gang.train(ledger)
}

/// The busiest shard over the mean of all.
fn skew(ledger: &Value) -> f64 {
    let rows: Vec<f64> = ledger["shardRows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rows| rows.as_f64().unwrap())
        .collect();
    assert_eq!(rows.len(), SHARDS as usize);
    rows.iter().copied().fold(0.0, f64::max) * rows.len() as f64 / rows.iter().sum::<f64>()
}

fn same(fit: &Fit, expected: &Fit, what: &str) {
    assert_eq!(fit.weights_hash, expected.weights_hash, "{what}");
    assert_eq!(fit.history, expected.history, "{what}");
    assert_eq!(fit.ledger, expected.ledger, "{what}");
}

#[test]
fn skewed_tables_fill_the_shards_evenly_and_alike_on_any_number_of_trainers() {
    for (name, table) in [("100 rows", hundred as fn(u64) -> Vec<Row>), ("Zipf", zipf)] {
        let one = fit(&table(1), 1, spec());
        let (ledger, all) = (&one.ledger, table(1).len());
        assert!(skew(ledger) <= 1.05, "{name}: {}", ledger["shardRows"]);
        assert_eq!(ledger["rowsSpooled"], all);
        let dealt = ledger["rowsDealt"].as_u64().unwrap() as usize;
        assert!(dealt > all / 2 && dealt <= all, "{name}: {dealt} of {all}");
        for trainers in [2, 3] {
            let other = fit(&table(trainers as u64), trainers, spec());
            let mut ledger = other.ledger.clone();
            // How they lie in partitions is of no account.
            ledger["partitions"] = one.ledger["partitions"].clone();
            same(&Fit { ledger, ..other }, &one, name);
        }
    }
}

#[test]
fn copies_stay_together_where_rows_are_put_aside_and_rows_of_other_weight_are_other_rows() {
    let mut job = spec();
    job.data.validation = Some(Validation::fraction(0.25, 3));
    let one = fit(&hundred(1), 1, job.clone());
    same(&fit(&hundred(1), 3, job.clone()), &one, "3 trainers");
    let aside = one.ledger["validationRows"].as_u64().unwrap();
    assert!(aside.is_multiple_of(100) && aside > 0, "{aside}");
    // Copies of which each has a weight of its own are no copies.
    let mut others = hundred(1);
    for (row, weight) in others.iter_mut().zip(1..) {
        row.weight = f64::from(weight);
    }
    let ledger = fit(&others, 2, job).ledger;
    assert_eq!(ledger["rowsDealt"], 0, "{ledger}");
    assert_ne!(ledger["validationRows"].as_u64().unwrap() % 100, 0);
}

static UNDISTURBED: LazyLock<Fit> = LazyLock::new(|| fit(&hundred(1), TRAINERS, spec()));

fn stands_at(gang: &Gang, gates: &Gates, point: &str, at: u64) -> Hit {
    match gates.hit(point, at, WAIT) {
        Ok(hit) => hit,
        Err(why) => panic!("{why}\n{}", gang.logs()),
    }
}

/// Feeds what is asked for until an event of that name comes.
fn serves(gang: &mut Gang, until: &str) -> Value {
    loop {
        let word = gang.event_where(until, |event| {
            event["event"] == "needFeed" || event["event"] == until
        });
        if word["event"] == until {
            return word;
        }
        gang.serve_feed(&word, &hundred(1), |_, _| {});
    }
}

fn goes_on(gang: Gang, ledger: Value, what: &str) {
    assert!(gang.events_named("failed").is_empty(), "{what}");
    same(&gang.rest(ledger), &UNDISTURBED, what);
}

#[test]
fn a_loss_in_the_round_of_dealing_changes_no_bit() {
    // It deals, or it has dealt and seals what others dealt to it.
    for (point, victim) in [("gang.deal", 0), ("gang.deal", 2), ("gang.seal", 1)] {
        let gates = Gates::new().unwrap();
        let mut gang = Gang::start_held(spec(), TRAINERS, &gates, |index| {
            (index == victim).then(|| format!("{point}=1"))
        });
        let owners = gang.owners.clone();
        let ledgers = gang.feed_round(0, &owners, &hundred(1), |_, _| {});
        gang.command(&json!({"cmd": "seal", "round": 0, "ledgers": ledgers}));
        let hit = stands_at(&gang, &gates, point, 1);
        gang.kill(victim);
        drop(hit);
        let ledger = serves(&mut gang, "sealed")["ledger"].clone();
        gang.command(&json!({"cmd": "train"}));
        serves(&mut gang, "recovered");
        goes_on(gang, ledger, &format!("{point} of trainer {victim}"));
    }
}

#[test]
fn shards_that_are_lost_in_training_are_dealt_to_again_and_so_if_another_one_is_lost_on_the_way() {
    for second in [None, Some("gang.deal=3"), Some("gang.seal=3")] {
        let gates = Gates::new().unwrap();
        let mut gang = Gang::start_held(spec(), TRAINERS, &gates, |index| match index {
            0 => Some("train.step=12".to_owned()),
            1 => second.map(str::to_owned),
            _ => None,
        });
        let ledger = gang.feed_and_seal(&hundred(1));
        gang.command(&json!({"cmd": "train"}));
        let hit = stands_at(&gang, &gates, "train.step", 12);
        gang.kill(0);
        drop(hit);
        if let Some((point, at)) = second.and_then(|point| point.split_once('=')) {
            let asked = gang.event("needFeed");
            gang.serve_feed(&asked, &hundred(1), |_, _| {});
            let hit = stands_at(&gang, &gates, point, at.parse().unwrap());
            gang.kill(1);
            drop(hit);
        }
        let record = serves(&mut gang, "recovered")["record"].clone();
        // Who was killed may have been the only one that had finished the step before.
        let resume = record["resumeStep"].as_u64().unwrap();
        assert!(resume == 11 || resume == 12, "{record}");
        let lost = if second.is_some() { 2 } else { 1 };
        assert_eq!(record["lost"].as_array().unwrap().len(), lost, "{record}");
        goes_on(gang, ledger, second.unwrap_or("one lost"));
    }
}

#[test]
fn dealt_rows_move_to_who_joins_as_they_are() {
    let gates = Gates::new().unwrap();
    let mut gang = Gang::start_held(spec(), 2, &gates, |index| {
        (index == 0).then(|| "train.step=3".to_owned())
    });
    let ledger = gang.feed_and_seal(&hundred(1));
    gang.command(&json!({"cmd": "train"}));
    let hit = gang.stands_at(&gates, 3);
    gang.join(None);
    drop(hit);
    let record = gang.event("rescaled")["record"].clone();
    let moved = record["rowsMoved"].as_u64().unwrap();
    assert!((2_000..8_000).contains(&moved), "{record}");
    assert!(gang.events_named("needFeed").is_empty());
    goes_on(gang, ledger, "one joined");
}
