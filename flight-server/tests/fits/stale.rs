//! Trainers that do not wait for each other at every step: none is further ahead than the bound, and losses, newcomers and checkpoints
//! are as with any other fit. The bits are given up; what is looked at are counts and losses.

use crate::common::data::{Row, evaluated_job, job, rows};
use crate::common::runs::{LONG, ROWS, fit, grown, kept, same_bits};
use crate::common::{Fit, Gang, WAIT, coordinator_config};
use candlewick_coordinator::CoordinatorConfig;
use candlewick_failpoint::Gates;
use candlewick_protocol::asynchrony::Asynchrony;
use candlewick_protocol::job::JobSpec;
use serde_json::{Value, json};

/// The last point before step 100 on which all agree.
const AGREED: u64 = 64;

fn stale(staleness: u32, mut job: JobSpec) -> JobSpec {
    job.train.asynchrony = Asynchrony::Stale(staleness);
    job
}

fn long() -> JobSpec {
    stale(4, job(1, 4))
}

/// The largest of what an epoch tells.
fn most(fit: &Fit, name: &str) -> f64 {
    let told = fit.history.iter().map(|record| record[name].as_f64().unwrap());
    told.fold(0.0, f64::max)
}

/// Losses of a fit are about as small as those of one whose trainers wait; from run to run they differ by a few tenths.
fn about(fit: &Fit, waiting: &Fit, what: &str) {
    let (got, expected) = (fit.losses.last().unwrap(), waiting.losses.last().unwrap());
    assert!(
        *got < 2.0 * expected,
        "{what}: {:?}, with waiting {expected}",
        fit.losses
    );
}

#[test]
fn it_learns_about_as_well_as_with_waiting_and_says_how_stale_it_was() {
    let waiting = fit(job(6, 64), 2);
    assert!(
        waiting.losses[5] < 0.6 * waiting.losses[0],
        "{:?}",
        waiting.losses
    );
    for trainers in [2, 3] {
        let fit = fit(stale(4, job(6, 64)), trainers);
        about(&fit, &waiting, &format!("{trainers} trainers"));
        assert!(fit.losses[5] < 0.75 * fit.losses[0], "{:?}", fit.losses);
        assert_eq!(fit.steps, waiting.steps);
        let (mean, most) = (most(&fit, "stalenessMean"), most(&fit, "stalenessMax"));
        assert!(mean <= most && most <= 4.0, "{mean} {most}");
    }
}

#[test]
fn one_trainer_alone_has_the_bits_of_one_that_could_wait() {
    same_bits(&fit(stale(4, job(2, 64)), 1), &fit(job(2, 64), 1), "one trainer");
}

/// SGD is linear: where nothing may be missing, the updates of all trainers are those of all rows, at the same learning rate. Nearly so:
/// with momentum a trainer's share of the rows is not that of the step before, and an update may come sooner than it must.
#[test]
fn with_a_bound_of_0_it_is_nearly_the_training_that_waits() {
    let rows: Vec<Row> = rows(ROWS)
        .into_iter()
        .map(|row| Row { weight: 1.0, ..row })
        .collect();
    let fit = |asynchrony| {
        let mut job = job(3, 64);
        job.train.asynchrony = asynchrony;
        job.train.optimizer = json!({"type": "SGD", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.01});
        job.train.clip_norm = None;
        let mut gang = Gang::start(job, 3);
        let ledger = gang.feed_and_seal(&rows);
        gang.train(ledger)
    };
    let (stale, waiting) = (fit(Asynchrony::Stale(0)), fit(Asynchrony::None));
    assert_eq!(most(&stale, "stalenessMax"), 0.0);
    for (got, expected) in stale.losses.iter().zip(&waiting.losses) {
        assert!((got - expected).abs() < 0.1 * expected, "{got} {expected}");
    }
    assert!(
        waiting.losses[2] < 0.8 * waiting.losses[0],
        "{:?}",
        waiting.losses
    );
}

#[test]
fn who_is_slow_holds_nobody_up_within_the_bound_and_everybody_at_it() {
    let gates = Gates::new().unwrap();
    let mut gang = Gang::start_held(stale(3, job(1, 4)), 3, &gates, |index| {
        Some(format!("train.step={}", if index == 0 { 10 } else { 13 }))
    });
    let ledger = gang.feed_and_seal(&rows(ROWS));
    gang.command(&json!({"cmd": "train"}));
    // While it stands before its step 10, the others come to their step 13.
    let slow = gates.hit("train.step", 10, WAIT).unwrap();
    let others: Vec<_> = (1..3)
        .map(|_| gates.hit("train.step", 13, WAIT).unwrap())
        .collect();
    drop(others);
    drop(slow);
    // And it its own, in its turn.
    let fit = gang.rest(ledger);
    assert_eq!((fit.steps, most(&fit, "stalenessMax")), (LONG, 3.0));
}

#[test]
fn a_trainer_that_is_killed_in_a_step_or_in_an_exchange_costs_the_steps_since_all_agreed() {
    let waiting = fit(job(1, 4), 3);
    for (point, step) in [("train.step", 100), ("train.exchange", 127)] {
        let gates = Gates::new().unwrap();
        let mut gang = Gang::start_held(long(), 3, &gates, |index| {
            (index == 1).then(|| format!("{point}={step}"))
        });
        let ledger = gang.feed_and_seal(&rows(ROWS));
        gang.command(&json!({"cmd": "train"}));
        let hit = gates.hit(point, step, WAIT).unwrap();
        gang.kill(1);
        drop(hit);
        let asked = gang.event("needFeed");
        gang.serve_feed(&asked, &rows(ROWS), |_, _| {});
        let record = gang.event("recovered")["record"].clone();
        assert_eq!(record["resumeStep"], AGREED, "{point}: {record}");
        assert!(record["stepsRedone"].as_u64().unwrap() <= 64, "{point}: {record}");
        let fit = gang.rest(ledger);
        assert_eq!(fit.steps, LONG);
        about(&fit, &waiting, point);
    }
}

#[test]
fn a_connection_that_breaks_costs_the_round_and_no_process() {
    let gates = Gates::new().unwrap();
    let mut gang = Gang::start_held(long(), 2, &gates, |index| {
        (index == 1).then(|| "train.exchange=127".to_owned())
    });
    let ledger = gang.feed_and_seal(&rows(ROWS));
    gang.command(&json!({"cmd": "train"}));
    gates.hit("train.exchange", 127, WAIT).unwrap().fail("cut");
    // It comes by again as often as it exchanges in that round; nobody holds it.
    drop(gates);
    let record = gang.event("recovered");
    let record = &record["record"];
    assert_eq!(
        (&record["resumeStep"], &record["lost"]),
        (&json!(AGREED), &json!([]))
    );
    assert_eq!(gang.rest(ledger).steps, LONG);
}

/// Its thread that exchanges goes on, so no link is silent; who waits for its steps names it. It may have more to compute than others for
/// as long as it may anywhere, and the coordinator takes nobody meanwhile that only waits.
#[test]
fn who_makes_no_step_while_others_wait_for_it_is_named() {
    let job = JobSpec {
        progress_timeout_ms: 3_000,
        max_recoveries: 0,
        ..long()
    };
    let config = CoordinatorConfig {
        executor_grace_ms: 100,
        ..coordinator_config(&job)
    };
    let gates = Gates::new().unwrap();
    let mut gang = Gang::gather(config, 3, |_, address| address, &|index| {
        (index == 1).then(|| (&gates, "train.step=70".to_owned()))
    });
    gang.fix_members(&[]);
    gang.feed_and_seal(&rows(ROWS));
    gang.command(&json!({"cmd": "train"}));
    let hit = gang.stands_at(&gates, 70);
    let told = gang.failure();
    drop(hit);
    for part in [
        "lost trainer 1 (",
        "made no step for",
        "in the round of the steps 64 to 127",
        "maxRecoveries = 0",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn who_comes_at_the_end_of_an_epoch_takes_part() {
    let fit = grown(stale(4, job(5, 64)), "growth");
    assert!(fit.losses[4] < fit.losses[0], "{:?}", fit.losses);
    assert_eq!(fit.steps, 55);
}

#[test]
fn training_goes_on_from_a_state_that_was_kept_where_all_agreed() {
    let from = kept(&long, 2 * AGREED);
    let waiting = fit(job(1, 4), 3);
    for trainers in [1, 3] {
        let (gang, ledger) = from(long(), trainers);
        let fit = gang.rest(ledger);
        assert_eq!(fit.steps, LONG);
        about(&fit, &waiting, "resumed");
    }
}

#[test]
fn evaluations_statistics_and_steps_without_rows_of_a_trainer_are_as_ever() {
    let evaluated = || {
        let mut job = evaluated_job(3);
        job.train.evaluation.validation_steps = 2;
        job.train.ema_decay = Some(0.5);
        job
    };
    let normalized = || {
        let mut job = job(2, 64);
        job.train.network = json!({"format": "candlewick.network/1", "layers": [
            {"type": "Linear", "out_features": 6}, {"type": "BatchNorm1d"}, {"type": "Linear", "out_features": 3}]});
        job
    };
    // Two rows a step for three trainers.
    let few = || job(1, 2);
    for (name, job) in [
        (
            "validation, early stopping, a moving average",
            &evaluated as &dyn Fn() -> JobSpec,
        ),
        ("BatchNorm", &normalized),
        ("few rows", &few),
    ] {
        let (fit, waiting) = (fit(stale(4, job()), 3), fit(job(), 3));
        assert_eq!(fit.steps, waiting.steps, "{name}");
        about(&fit, &waiting, name);
        let of = |fit: &Fit, field: &str| -> Vec<Value> {
            fit.history.iter().map(|record| record[field].clone()).collect()
        };
        assert_eq!(of(&fit, "rows"), of(&waiting, "rows"), "{name}");
    }
}

/// All of it is known to one trainer, or at the end of an epoch to all.
#[test]
fn a_loss_that_is_no_number_and_rows_that_do_not_count_fail_the_fit() {
    let failure = |job: JobSpec, weight: f64| {
        let rows: Vec<Row> = rows(ROWS).into_iter().map(|row| Row { weight, ..row }).collect();
        let mut gang = Gang::start(stale(4, job), 2);
        gang.feed_and_seal(&rows);
        gang.command(&json!({"cmd": "train"}));
        gang.failure()
    };
    let mut far = job(1, 64);
    far.train.optimizer = json!({"type": "SGD", "lr": 1e38});
    far.train.clip_norm = None;
    let told = failure(far, 1.0);
    assert!(
        told.contains("the loss became ") && told.contains("of the training run"),
        "{told}"
    );
    let told = failure(job(1, 64), 0.0);
    assert!(told.contains("no row of epoch 0 counts in the loss"), "{told}");
}
