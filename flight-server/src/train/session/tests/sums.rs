//! A loss that is a sum over rows.

use super::*;

/// The weights after one update over all rows, in so many steps of so many rows each.
fn one_update(batch: u16, steps: u32, reduction: &str) -> Vec<f32> {
    let network =
        json!({"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 1}]});
    let job = json!({"task": "regressor", "params": {"network": network, "epochs": 1,
        "loss": {"type": "MSELoss", "reduction": reduction}, "optimizer": {"type": "SGD", "lr": 1e-4}}});
    let mut plan = plan(&job);
    // The same rows in each shard, however many a step has.
    let train = &mut plan.job.train;
    (train.batch_size, train.gradient_accumulation_steps) = (u32::from(batch), steps);
    plan.step_plan = candlewick_protocol::plan::StepPlan::new(
        plan.data.sums().iter().map(|sum| sum.rows).collect(),
        u32::from(batch),
        false,
    );
    assert_eq!(plan.step_plan.steps_per_epoch(), u64::from(steps));
    let mut session = Session::new(&plan.job, 1).unwrap();
    run(&mut session, &plan, &Fuse::of(NEVER, Vec::new())).unwrap();
    session.model().unwrap().into_owned()
}

#[test]
fn gradients_of_several_steps_add_up_to_that_of_one_step_over_their_rows() {
    for reduction in ["mean", "sum"] {
        let (one, several) = (
            one_update(ROWS, 1, reduction),
            one_update(ROWS.div_ceil(2), 2, reduction),
        );
        for (one, several) in one.iter().zip(&several) {
            assert!((one - several).abs() < 1e-5, "{reduction}: {one} and {several}");
        }
    }
    // A sum is as many times as large.
    let moved = |reduction| one_update(ROWS, 1, reduction)[0] - one_update(ROWS, 1, "mean")[0];
    assert!(moved("sum").abs() > 1e-3);
}
