//! Shards that make several steps by themselves: the bits depend neither on the number of trainers nor on what happens to them.

use crate::common::data::{evaluated_job, job, rows};
use crate::common::runs::{ROWS, fit, growth, resumed, same_bits};
use crate::common::{Gang, WAIT};
use candlewick_failpoint::Gates;
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::local_steps::LocalSteps;
use serde_json::json;

fn local(steps: u32, mut job: JobSpec) -> JobSpec {
    job.train.local_steps = Some(LocalSteps {
        steps,
        outer_learning_rate: 0.7,
        outer_momentum: 0.9,
    });
    job
}

#[test]
fn any_number_of_trainers_gives_the_same_bits_and_it_learns() {
    let one = fit(local(4, job(3, 64)), 1);
    assert_ne!(one.weights_hash, fit(job(3, 64), 1).weights_hash);
    assert!(one.losses[2] < one.losses[0], "{:?}", one.losses);
    for trainers in [2, 3, 8] {
        let other = fit(local(4, job(3, 64)), trainers);
        same_bits(&other, &one, &format!("{trainers} trainers"));
    }
}

#[test]
fn shards_without_rows_bring_nothing_and_the_others_meet() {
    // Three rows a step for eight shards: in no step has every shard rows.
    let one = fit(local(2, job(1, 3)), 1);
    same_bits(&fit(local(2, job(1, 3)), 3), &one, "3 trainers");
}

#[test]
fn evaluations_and_statistics_are_of_what_shards_agreed_on() {
    let evaluated = || {
        let mut job = local(5, evaluated_job(3));
        job.train.evaluation.validation_steps = 2;
        job
    };
    let normalized = || {
        let mut job = local(4, job(2, 64));
        job.train.network = json!({"format": "candlewick.network/1", "layers": [
            {"type": "Linear", "out_features": 6}, {"type": "BatchNorm1d"}, {"type": "Linear", "out_features": 3}]});
        job
    };
    for (name, job) in [
        ("validation, early stopping", &evaluated as &dyn Fn() -> JobSpec),
        ("BatchNorm", &normalized),
    ] {
        same_bits(&fit(job(), 3), &fit(job(), 1), name);
    }
}

#[test]
fn a_trainer_that_is_killed_within_a_round_costs_its_steps_and_no_bit() {
    let expected = fit(local(8, job(1, 4)), 1);
    for (point, step) in [("train.step", 100), ("train.exchange", 103)] {
        let gates = Gates::new().unwrap();
        let held = format!("{point}={step}");
        let mut gang = Gang::start_held(local(8, job(1, 4)), 3, &gates, |_| Some(held.clone()));
        let ledger = gang.feed_and_seal(&rows(ROWS));
        gang.command(&json!({"cmd": "train"}));
        let hits: Vec<_> = (0..3).map(|_| gates.hit(point, step, WAIT).unwrap()).collect();
        gang.kill(1);
        drop(hits);
        let asked = gang.event("needFeed");
        gang.serve_feed(&asked, &rows(ROWS), |_, _| {});
        // The survivors come by again.
        (0..2).for_each(|_| drop(gates.hit(point, step, WAIT).unwrap()));
        let record = gang.event("recovered")["record"].clone();
        assert_eq!(record["resumeStep"], 96, "{point}: {record}");
        // Survivors go on by themselves until they are halted; in an exchange the round is computed to its end.
        let redone = record["stepsRedone"].as_u64().unwrap();
        let least = if point == "train.exchange" { 8 } else { 4 };
        assert!((least..=8).contains(&redone), "{point}: {record}");
        same_bits(&gang.rest(ledger), &expected, point);
    }
}

#[test]
fn who_comes_at_the_end_of_an_epoch_takes_part() {
    growth(&|| local(4, job(3, 64)), "growth");
}

#[test]
fn training_goes_on_from_a_state_that_was_kept_at_a_meeting() {
    // A state without an outer step's momentum is refused with what differs.
    let told = resumed(
        &|| local(8, job(1, 4)),
        104,
        Some(&|job| job.train.local_steps = None),
    );
    let told = told.unwrap();
    assert!(told.contains("outer.momentum_buffer"), "{told}");
}
