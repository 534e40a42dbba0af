//! Gradients that are applied a step late, next to a plain loop of PyTorch (`golden/make_delayed.py`): its rows are all equal, so
//! that any order of them gives the same batches.

use super::super::super::settled::INTERVAL;
use super::*;
use serde_json::from_str;

fn golden() -> Value {
    from_str(include_str!("golden/delayed.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

/// The plan of a case over copies of the row.
fn plan_of(golden: &Value, case: &Value) -> TrainPlan {
    device::chosen();
    let input = json!({"job": "00", "task": "regressor", "featureWidth": 3, "params": {
        "network": {"format": "candlewick.network/1", "layers": golden["layers"]}, "optimizer": case["optimizer"],
        "asynchrony": case["asynchrony"], "batchSize": golden["batch"], "epochs": golden["epochs"], "logicalShards": 4,
        "clipNorm": golden["clip"]}});
    let job = complete(&serde_json::from_value(input).unwrap()).unwrap().job;
    let shape = Shape::of(&job.data, 4);
    let rows = golden["rows"].as_u64().unwrap();
    let mut builder = ChunkBuilder::new(&shape, rows as usize);
    for _ in 0..rows {
        let features = numbers(&golden["features"]).into_iter().map(|value| value as f32);
        let label = golden["label"].as_f64().unwrap();
        builder.push(features, std::iter::once(label), 1.0).unwrap();
    }
    let chunk = Arc::new(builder.finish());
    let (all, none) = ((0..4).into(), ShardSet::default());
    let data = Dataset::build(shape, &all, &none, vec![chunk], 1).unwrap();
    let sums = data.sums();
    TrainPlan::new(job, data, &sums).unwrap()
}

#[test]
fn a_gradient_is_that_of_the_weights_before_the_last_update_but_for_the_first_after_a_settled_point() {
    let golden = golden();
    assert_eq!(golden["interval"], INTERVAL);
    for case in golden["cases"].as_array().unwrap() {
        let plan = plan_of(&golden, case);
        let mut session = Session::new(&plan.job, 1).unwrap();
        let start = numbers(&golden["weights"]);
        let start: Vec<f32> = start.iter().map(|value| *value as f32).collect();
        session.state.weights.set(&start).unwrap();
        let fuse = Fuse::of(NEVER, Vec::new());
        run(&mut session, &plan, &fuse).unwrap();
        let near = |what: &str, got: &[f64], wanted: &[f64]| {
            assert_eq!(got.len(), wanted.len(), "{what}");
            for (got, wanted) in got.iter().zip(wanted) {
                let most = 1e-5 * wanted.abs().max(1e-2);
                assert!(
                    (got - wanted).abs() < most,
                    "{}: {what}: {got}, not {wanted}",
                    case["name"]
                );
            }
        };
        let weights: Vec<f64> = session
            .model()
            .unwrap()
            .iter()
            .map(|value| f64::from(*value))
            .collect();
        near("weights", &weights, &numbers(&case["weights"]));
        let losses: Vec<f64> = fuse.into_history().iter().map(|record| record.loss).collect();
        near("losses", &losses, &numbers(&case["losses"]));
    }
}

#[test]
fn a_state_between_two_settled_points_is_never_told() {
    let (_, job) = jobs()
        .into_iter()
        .find(|(name, _)| name.contains("under way, comp"))
        .unwrap();
    let plan = plan(&job);
    let (_, points) = undisturbed(&plan);
    let steps = plan.step_plan.steps_per_epoch();
    let mut seen = Vec::new();
    halted_everywhere(&plan, points, |_, session, _| {
        let counter = session.counter();
        let within = counter.step % steps;
        assert!(within.is_multiple_of(INTERVAL), "{counter}");
        seen.push(within);
    });
    assert!(seen.contains(&INTERVAL) && seen.contains(&0), "{seen:?}");
}
