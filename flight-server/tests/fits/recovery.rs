//! Trainers that lose each other and live: the gang goes on in the next generation, with the same bits.

use crate::common::data::{Lcg, job, rows};
use crate::common::{Fit, Gang, WAIT, coordinator_config};
use candlewick_coordinator::CoordinatorConfig;
use candlewick_failpoint::{Gates, Hit};
use candlewick_protocol::job::JobSpec;
use serde_json::{Value, json};

const TRAINERS: usize = 3;
const STEPS: u64 = 4 * 11;

fn spec() -> JobSpec {
    JobSpec {
        // Peers wait longer than that before they blame each other: no test comes near it.
        failure_timeout_ms: 60_000,
        ..job(4, 64)
    }
}

fn fed(gang: &Gang) -> Value {
    gang.seal(&gang.feed(&rows(700), 97))
}

fn undisturbed() -> Fit {
    let gang = Gang::start(spec(), TRAINERS);
    let ledger = fed(&gang);
    gang.train(ledger)
}

/// A gang whose trainer `victim` loses its connections in step `step`, before its part of the sum is sent.
fn broken_at(victim: usize, step: u64, gates: &Gates) -> Gang {
    Gang::start_held(spec(), TRAINERS, gates, |index| {
        (index == victim).then(|| format!("train.exchange={step}"))
    })
}

/// The rest of a fit that goes on after a recovery, which is told once.
fn goes_on(gang: Gang, ledger: Value, expected: &Fit, resume: u64) {
    let record = gang.event("recovered")["record"].clone();
    assert_eq!(record["generation"], 2, "{record}");
    assert_eq!(record["resumeStep"], resume, "{record}");
    assert_eq!((&record["stepsRedone"], &record["lost"]), (&json!(0), &json!([])));
    let cause = record["cause"].as_str().unwrap();
    assert!(
        cause.contains(" lost trainer ") && cause.contains("during training, step"),
        "{cause}"
    );
    assert!(gang.events_named("failed").is_empty());
    let fit = gang.rest(ledger);
    assert_eq!(fit.weights_hash, expected.weights_hash);
    assert_eq!((fit.steps, &fit.history), (expected.steps, &expected.history));
    assert_eq!(fit.weights, expected.weights);
}

#[test]
fn a_broken_connection_costs_no_step_and_changes_no_bit() {
    let expected = undisturbed();
    let mut random = Lcg(20_261_126);
    let mut points = vec![(0, 0), (2, STEPS - 1)];
    points.extend((0..3).map(|_| ((random.next() % 3) as usize, random.next() % STEPS)));
    for (victim, step) in points {
        let gates = Gates::new().unwrap();
        let gang = broken_at(victim, step, &gates);
        let ledger = fed(&gang);
        gang.command(&json!({"cmd": "train"}));
        gates.hit("train.exchange", step, WAIT).unwrap().fail("cut");
        // It comes by again in the next generation.
        gates.hit("train.exchange", step, WAIT).unwrap().go();
        goes_on(gang, ledger, &expected, step);
    }
}

#[test]
fn who_misses_the_last_bytes_of_a_step_takes_the_state_of_another() {
    let expected = undisturbed();
    // Within an epoch, and with the first step of the next to come: the others have closed theirs.
    for (victim, step) in [(1, 5), (0, 20), (2, STEPS - 2)] {
        let gates = Gates::new().unwrap();
        let gang = Gang::start_held(spec(), TRAINERS, &gates, |index| {
            Some(if index == victim {
                format!("train.reduced={step}")
            } else {
                format!("train.step={}", step + 1)
            })
        });
        let ledger = fed(&gang);
        gang.command(&json!({"cmd": "train"}));
        let loses = gates.hit("train.reduced", step, WAIT).unwrap();
        let others: Vec<_> = (1..TRAINERS).map(|_| gang.stands_at(&gates, step + 1)).collect();
        loses.fail("cut");
        others.into_iter().for_each(Hit::go);
        // They come by again in the next generation.
        (1..TRAINERS).for_each(|_| gang.stands_at(&gates, step + 1).go());
        let behind = &gang.trainers[victim];
        let before = behind.pid();
        let record = gang.event_where("recovered", |event| event["event"] == "recovered");
        assert_eq!(record["record"]["resumeStep"], step + 1, "{record}");
        let fit = gang.rest_with(ledger, |gang| {
            let behind = &gang.trainers[victim];
            assert_eq!(behind.pid(), before);
            assert!(
                behind.log().contains("takes the state of trainer"),
                "{}",
                gang.logs()
            );
        });
        assert_eq!(fit.weights_hash, expected.weights_hash);
        assert_eq!(fit.history, expected.history);
    }
}

#[test]
fn where_no_recovery_is_left_the_fit_fails_with_both_names() {
    let gates = Gates::new().unwrap();
    let config = CoordinatorConfig {
        executor_grace_ms: 1,
        ..coordinator_config(&JobSpec {
            max_recoveries: 0,
            ..spec()
        })
    };
    let held = |index: usize| (index == 1).then(|| (&gates, "train.exchange=7".to_owned()));
    let mut gang = Gang::gather(config, TRAINERS, |_, address| address, &held);
    gang.fix_members(&[]);
    fed(&gang);
    gang.command(&json!({"cmd": "train"}));
    gates.hit("train.exchange", 7, WAIT).unwrap().fail("cut");
    let told = gang.failure();
    assert!(
        told.contains(" lost trainer ") && told.contains("neither of the two processes was seen to end"),
        "{told}"
    );
    gang.all_end();
}

/// How gradients are added up is the trainers' own business: chosen by what was measured or set, by groups or in all at once.
#[test]
fn every_algorithm_gives_the_same_weights_and_is_told() {
    let expected = undisturbed();
    let links = expected.exchange["links"]["host"].clone();
    assert!(
        links["latencySeconds"].as_f64().unwrap() > 0.0,
        "{}",
        expected.exchange
    );
    assert!(links["bytesPerSecond"].as_f64().unwrap() > 0.0);
    assert_eq!(expected.exchange["exchanges"], STEPS, "{}", expected.exchange);
    assert!(expected.exchange["predictedSeconds"].as_f64().unwrap() > 0.0);
    for algorithm in ["direct", "halving", "ring"] {
        let gates = Gates::new().unwrap();
        let gang = Gang::start_held(spec(), TRAINERS, &gates, |_| Some("gang.algorithm=1".to_owned()));
        let ledger = fed(&gang);
        gang.command(&json!({"cmd": "train"}));
        for _ in 0..TRAINERS {
            gates.hit("gang.algorithm", 1, WAIT).unwrap().fail(algorithm);
        }
        let fit = gang.rest(ledger);
        assert_eq!(fit.exchange["algorithm"], algorithm, "{}", fit.exchange);
        assert_eq!(fit.exchange["reason"], "it was set");
        assert!(fit.exchange["leastSeconds"].as_f64() <= fit.exchange["meanSeconds"].as_f64());
        if algorithm == "ring" {
            // Three trainers of four shards: in another order. All have the same, or the fit would have failed.
            let loss = |fit: &Fit| fit.history.last().unwrap()["loss"].as_f64().unwrap();
            assert!((loss(&fit) - loss(&expected)).abs() < 1e-3 * loss(&expected));
        } else {
            assert_eq!(fit.weights, expected.weights, "{algorithm}");
        }
    }
}
