//! Gradients that are exchanged while the next step is computed: the bits depend neither on the number of trainers nor on what
//! happens to them.

use crate::common::data::{evaluated_job, job, rows};
use crate::common::runs::{ROWS, fit, growth, resumed, same_bits, with_a_table};
use crate::common::{Gang, WAIT};
use candlewick_failpoint::Gates;
use candlewick_protocol::asynchrony::Asynchrony;
use candlewick_protocol::compression::GradientCompression;
use candlewick_protocol::job::JobSpec;
use serde_json::json;

/// The settled point before step 100.
const SETTLED: u64 = 64;

fn delayed(mut job: JobSpec) -> JobSpec {
    job.train.asynchrony = Asynchrony::Delayed;
    job
}

fn long() -> JobSpec {
    delayed(job(1, 4))
}

#[test]
fn any_number_of_trainers_gives_the_same_bits_and_it_learns() {
    let one = fit(delayed(job(2, 64)), 1);
    assert_ne!(one.weights_hash, fit(job(2, 64), 1).weights_hash);
    assert!(one.losses[1] < one.losses[0], "{:?}", one.losses);
    for trainers in [2, 3, 8] {
        let other = fit(delayed(job(2, 64)), trainers);
        same_bits(&other, &one, &format!("{trainers} trainers"));
    }
}

#[test]
fn what_asks_for_exchanges_within_a_step_or_beside_it_waits_for_the_one_under_way() {
    let evaluated = || {
        let mut job = delayed(evaluated_job(3));
        job.train.evaluation.validation_steps = 2;
        job
    };
    let normalized = || {
        let mut job = delayed(job(2, 64));
        job.train.network = json!({"format": "candlewick.network/1", "layers": [
            {"type": "Linear", "out_features": 6}, {"type": "BatchNorm1d"}, {"type": "Linear", "out_features": 3}]});
        job
    };
    let compressed = || {
        let mut job = delayed(job(2, 64));
        job.train.gradient_compression = GradientCompression::read("topk:0.1").unwrap();
        job
    };
    for (name, job) in [
        ("validation, early stopping", &evaluated as &dyn Fn() -> JobSpec),
        ("BatchNorm", &normalized),
        ("compression", &compressed),
    ] {
        same_bits(&fit(job(), 3), &fit(job(), 1), name);
    }
}

#[test]
fn tables_go_by_rows_as_ever() {
    let fit = |trainers| with_a_table(delayed(job(2, 32)), trainers);
    same_bits(&fit(3), &fit(1), "a table");
}

#[test]
fn a_trainer_that_is_killed_in_a_step_or_in_an_exchange_costs_the_steps_since_the_last_settled_point_and_no_bit()
 {
    let expected = fit(long(), 1);
    for point in ["train.step", "train.exchange"] {
        let gates = Gates::new().unwrap();
        let mut gang = Gang::start_held(long(), 3, &gates, |_| Some(format!("{point}=100")));
        let ledger = gang.feed_and_seal(&rows(ROWS));
        gang.command(&json!({"cmd": "train"}));
        let stand = || -> Vec<_> { (0..3).map(|_| gates.hit(point, 100, WAIT).unwrap()).collect() };
        let hits = stand();
        gang.kill(1);
        drop(hits);
        let asked = gang.event("needFeed");
        gang.serve_feed(&asked, &rows(ROWS), |_, _| {});
        // The survivors come by again.
        (0..2).for_each(|_| drop(gates.hit(point, 100, WAIT).unwrap()));
        let record = gang.event("recovered")["record"].clone();
        assert_eq!(record["resumeStep"], SETTLED, "{point}: {record}");
        same_bits(&gang.rest(ledger), &expected, point);
    }
}

#[test]
fn who_comes_at_the_end_of_an_epoch_takes_part() {
    growth(&|| delayed(job(3, 64)), "growth");
}

#[test]
fn training_goes_on_from_a_state_that_was_kept_at_a_settled_point() {
    // At step 100 a gradient is under way.
    resumed(&long, 2 * SETTLED, None);
}
