//! `precision = "fp16"`: what becomes of the factor of the loss, and that it changes nothing else.

use super::*;
use crate::train::support::gang_over;
use candlewick_model::device::kind;
use candlewick_model::optim::LossScale;
use candlewick_protocol::plan::ownership;

fn job(precision: &str) -> Value {
    let layers = json!([{"type": "Linear", "out_features": 5}, {"type": "BatchNorm1d"}, {"type": "Tanh"}, {"type": "Linear", "out_features": 1}]);
    json!({"task": "regressor", "device": "cuda", "params": {
        "network": {"format": "candlewick.network/1", "layers": layers}, "precision": precision, "epochs": 3,
        "gradientAccumulationSteps": 2, "clipNorm": 0.5, "emaDecay": 0.9}})
}

fn scale_of(factor: f32) -> LossScale {
    let mut scale = LossScale::default();
    let mut state = scale.state();
    let found = state
        .counters
        .iter_mut()
        .find(|(name, _)| name == "scale")
        .unwrap();
    found.1 = u64::from(factor.to_bits());
    scale.restore(&state).unwrap();
    scale
}

/// So large that gradients are beyond the range of products for some steps: that of f32 on processors.
fn huge() -> LossScale {
    scale_of(2f32.powi(if kind() == "cpu" { 126 } else { 20 }))
}

/// Processors compute products of f32 whatever the precision: what is left is the factor, a power of two, which rounds nothing.
#[test]
fn the_factor_changes_no_bit() {
    let (short, _) = undisturbed(&plan(&job("fp16")));
    let (exact, _) = undisturbed(&plan(&job("f32")));
    if kind() == "cpu" {
        assert_eq!(short.model, exact.model);
    } else {
        assert_ne!(short.model, exact.model);
    }
    for (short, exact) in short.history.iter().zip(&exact.history) {
        let factor = short.metrics["lossScale"].as_f64().unwrap();
        assert!(
            factor == 65_536.0 || kind() != "cpu" && (256.0..65_536.0).contains(&factor),
            "{factor}"
        );
        assert!(!exact.metrics.contains_key("lossScale"));
        // Steps that are left out are missing.
        assert!((short.loss - exact.loss).abs() < 0.1 * exact.loss);
    }
    assert_ne!(short.trained.state_hash, exact.trained.state_hash);
}

/// A session that begins with such a factor, run over this part of the shards.
fn from_huge(plan: &TrainPlan, reduce: &mut dyn Reduce) -> (Session, End) {
    let mut session = Session::new(&plan.job, 1).unwrap();
    session.state.loss_scale = Some(huge());
    let fuse = Fuse::of(NEVER, Vec::new());
    let trained = session.run(plan, reduce, &fuse).unwrap();
    let end = ended(&session, trained, fuse);
    (session, end)
}

#[test]
fn steps_beyond_the_range_are_left_out_until_the_factor_fits_by_any_number_of_trainers() {
    let job = job("fp16");
    let whole = plan(&job);
    let (session, alone) = from_huge(&whole, &mut SingleProcess { logical_shards: 4 });
    let factors: Vec<f64> = alone
        .history
        .iter()
        .map(|record| record.metrics["lossScale"].as_f64().unwrap())
        .collect();
    let (first, last) = (factors[0], *factors.last().unwrap());
    let begun = f64::from(huge().factor());
    assert!(
        first < begun && last <= first && last > begun / 2f64.powi(14),
        "{factors:?}"
    );
    assert_eq!(session.state.loss_scale.as_ref().unwrap().factor(), last as f32);
    // What was left out changed nothing, and the rest did.
    assert_ne!(alone.model, undisturbed(&whole).0.model);
    assert!(session.model().unwrap().iter().all(|value| value.is_finite()));
    let bits: Vec<u32> = session
        .network()
        .initial_weights(5)
        .iter()
        .map(|value| value.to_bits())
        .collect();
    assert_ne!(alone.model, bits);
    for trainers in [2, 3] {
        let all = gang_over(
            &["127.0.0.1"; 3][..trainers],
            |host, port| (host.to_owned(), port),
            4,
            &|_| (),
            |rank, gang, _| {
                let (lo, hi) = ownership(4, trainers)[rank];
                let whole = plan(&job);
                let (sums, spec) = (whole.data.sums(), whole.job.clone());
                let mut data = whole.into_data();
                data.retain(&(lo..hi).into());
                let own = TrainPlan::over(spec, data, &sums, lo..hi).unwrap();
                from_huge(&own, gang).1
            },
        );
        for end in all {
            assert_eq!(
                (end.model, end.trained),
                (alone.model.clone(), alone.trained.clone()),
                "{trainers}"
            );
        }
    }
}

/// A gradient that the factor of the loss made infinite says nothing of the step.
#[test]
fn the_factor_is_lowered_where_steps_are_skipped_too() {
    let mut skipping = job("fp16");
    skipping["params"]["onNonFinite"] = json!("skip");
    let (session, end) = from_huge(&plan(&skipping), &mut SingleProcess { logical_shards: 4 });
    assert!(session.state.loss_scale.as_ref().unwrap().factor() < huge().factor());
    assert!(session.model().unwrap().iter().all(|value| value.is_finite()));
    let (_, strict) = from_huge(&plan(&job("fp16")), &mut SingleProcess { logical_shards: 4 });
    assert_eq!(end.model, strict.model);
    let skipped = end.history.iter().map(|record| &record.metrics["skippedSteps"]);
    assert!(skipped.into_iter().all(|steps| *steps == json!(0)));
}

#[test]
fn a_state_has_the_factor_and_the_steps_that_were_good() {
    let plan = plan(&job("fp16"));
    let (_, expected) = from_huge(&plan, &mut SingleProcess { logical_shards: 4 });
    let mut halted = Session::new(&plan.job, 1).unwrap();
    halted.state.loss_scale = Some(huge());
    let fuse = Fuse::of(25, Vec::new());
    assert_eq!(run(&mut halted, &plan, &fuse).unwrap_err(), Interrupt::Halted);
    let scale = halted.state.loss_scale.clone().unwrap();
    assert!(scale.factor() < huge().factor());
    let copy = restored(&plan, 1, &halted.save().unwrap());
    assert_eq!(copy.state.loss_scale, Some(scale));
    assert_eq!(
        run_to_the_end(copy, &plan, fuse.into_history()).model,
        expected.model
    );
    // One of another precision has none.
    let exact = self::plan(&job("f32"));
    let file = Session::new(&exact.job, 1).unwrap().save().unwrap();
    let refused = halted
        .restore(plan.step_plan.steps_per_epoch(), &file)
        .unwrap_err();
    assert!(
        refused.message.contains("the saved state of the loss scale"),
        "{refused}"
    );
}

/// The loss is finite, the gradient is not, whatever it is multiplied with: infinite values that a Tanh bounds.
#[test]
fn a_gradient_that_no_factor_helps_ends_training_with_a_reason() {
    let mut job = job("fp16");
    let linear = json!({"type": "Linear", "out_features": 2});
    job["params"]["network"]["layers"] =
        json!([linear, linear, linear, {"type": "Tanh"}, {"type": "Linear", "out_features": 1}]);
    let plan = plan(&job);
    // A bias near the largest number; sums of two such are infinite, and the Tanh of that is 1, with slope 0.
    let weights = [
        (0.0, 12),
        (3.4e38, 2),
        (1.0, 4),
        (0.0, 2),
        (1.0, 4),
        (0.0, 2),
        (1.0, 3),
    ];
    let weights = weights
        .iter()
        .flat_map(|(value, count)| std::iter::repeat_n(*value, *count));
    let weights: Vec<f32> = weights.collect();
    let from = |plan: &TrainPlan, scale: LossScale| {
        let mut session = Session::new(&plan.job, 1).unwrap();
        session.state.weights.set(&weights).unwrap();
        session.state.loss_scale = Some(scale);
        let fuse = Fuse::of(NEVER, Vec::new());
        let outcome = run(&mut session, plan, &fuse);
        (session, outcome)
    };
    // Factors that can be lowered are.
    let (session, outcome) = from(&plan, LossScale::default());
    assert_eq!(outcome.map(|trained| trained.steps), Ok(15));
    assert_eq!(
        session.state.loss_scale.unwrap().factor(),
        65_536.0 / 2f32.powi(15)
    );
    let Interrupt::Failed(failure) = from(&plan, scale_of(2f32.powi(-24))).1.unwrap_err() else {
        panic!("it was to fail");
    };
    let wanted = "the gradient is NaN or infinite whatever the loss is scaled with (precision \"fp16\") in epoch 0, step 0";
    assert!(failure.message.contains(wanted), "{failure}");
    // Such steps are those that can be skipped, until an epoch has no other.
    job["params"]["onNonFinite"] = json!("skip");
    let skipping = self::plan(&job);
    let Interrupt::Failed(failure) = from(&skipping, scale_of(2f32.powi(-24))).1.unwrap_err() else {
        panic!("it was to fail");
    };
    let wanted = "loss or gradient of all 5 steps of an epoch were NaN or infinite";
    assert!(failure.message.contains(wanted), "{failure}");
}
