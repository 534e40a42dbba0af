//! Steps that shards make by themselves, next to a plain loop of PyTorch (`golden/make_local.py`), and next to steps of all.

use super::*;
use candlewick_protocol::local_steps::LocalSteps;
use serde_json::from_str;

/// More than there are rows, so that each of them has a shard of its own.
const SHARDS: u32 = 16;

fn golden() -> Value {
    from_str(include_str!("golden/local.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

/// The plan of a case: copies of two rows, each of which has a shard of its own.
fn plan_of(golden: &Value, case: &Value) -> TrainPlan {
    device::chosen();
    let mut input = json!({"job": "00", "task": "regressor", "featureWidth": 3, "params": {
        "network": {"format": "candlewick.network/1", "layers": golden["layers"]}, "batchSize": golden["batch"],
        "epochs": golden["epochs"], "logicalShards": SHARDS, "clipNorm": golden["clip"], "seed": 5}});
    for (name, value) in case["params"].as_object().unwrap() {
        input["params"][name] = value.clone();
    }
    let job = complete(&serde_json::from_value(input).unwrap()).unwrap().job;
    let (shape, copies) = (Shape::of(&job.data, SHARDS), golden["copies"].as_u64().unwrap());
    let mut builder = ChunkBuilder::new(&shape, 64);
    for at in 0..2 {
        let features: Vec<f32> = serde_json::from_value(golden["features"][at].clone()).unwrap();
        let [label, weight] = ["labels", "rowWeights"].map(|name| golden[name][at].as_f64().unwrap());
        for _ in 0..copies {
            builder
                .push(features.iter().copied(), std::iter::once(label), weight)
                .unwrap();
        }
    }
    let chunk = Arc::new(builder.finish());
    let (all, none) = ((0..SHARDS).into(), ShardSet::default());
    let data = Dataset::build(shape, &all, &none, vec![chunk], 1).unwrap();
    let sums = data.sums();
    let filled: Vec<u64> = sums.iter().map(|sum| sum.rows).filter(|rows| *rows > 0).collect();
    assert_eq!(filled, [copies; 2], "a shard for each row");
    TrainPlan::new(job, data, &sums).unwrap()
}

fn close(got: &[f64], expected: &[f64], what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (got, expected) in got.iter().zip(expected) {
        assert!(
            (got - expected).abs() < 2e-5 * expected.abs().max(1.0),
            "{what}: {got} {expected}"
        );
    }
}

#[test]
fn it_is_what_a_plain_loop_does() {
    let golden = golden();
    for case in golden["cases"].as_array().unwrap() {
        let (name, plan) = (case["name"].as_str().unwrap(), plan_of(&golden, case));
        let mut session = Session::new(&plan.job, 1).unwrap();
        let start: Vec<f32> = serde_json::from_value(golden["start"].clone()).unwrap();
        session.state.weights = start.into();
        let fuse = Fuse::of(NEVER, Vec::new());
        let mut reduce = SingleProcess {
            logical_shards: SHARDS,
        };
        session.run(&plan, &mut reduce, &fuse).unwrap();
        let weights: Vec<f64> = session
            .model()
            .unwrap()
            .iter()
            .map(|value| f64::from(*value))
            .collect();
        close(&weights, &numbers(&case["weights"]), name);
        let losses: Vec<f64> = fuse.into_history().iter().map(|record| record.loss).collect();
        close(&losses, &numbers(&case["losses"]), name);
    }
}

#[test]
fn one_step_each_with_a_plain_outer_step_is_a_step_of_all() {
    for momentum in [0.0, 0.9] {
        let mut plan = plan(&json!({"task": "classifier", "params": {
            "network": {"format": "candlewick.network/1", "layers": [
                {"type": "Linear", "out_features": 5}, {"type": "Dropout", "p": 0.3}, {"type": "Linear", "out_features": 3}]},
            "optimizer": {"type": "SGD", "lr": 0.1, "momentum": momentum, "weight_decay": 0.01}, "epochs": 3}}));
        let (all, _) = undisturbed(&plan);
        plan.job.train.local_steps = Some(LocalSteps {
            steps: 1,
            outer_learning_rate: 1.0,
            outer_momentum: 0.0,
        });
        let (each, _) = undisturbed(&plan);
        assert_ne!(each.model, all.model);
        let values = |end: &End| -> Vec<f64> {
            end.model
                .iter()
                .map(|bits| f64::from(f32::from_bits(*bits)))
                .collect()
        };
        close(&values(&each), &values(&all), "weights");
        let losses = |end: &End| -> Vec<f64> { end.history.iter().map(|record| record.loss).collect() };
        close(&losses(&each), &losses(&all), "losses");
    }
}

#[test]
fn a_halt_within_a_round_leaves_the_state_of_the_last_meeting() {
    let (_, job) = jobs()
        .into_iter()
        .find(|(_, job)| job["params"]["localSteps"] == 3)
        .unwrap();
    let plan = plan(&job);
    let (_, points) = undisturbed(&plan);
    let steps = plan.step_plan.steps_per_epoch();
    let mut seen = Vec::new();
    halted_everywhere(&plan, points, |_, session, _| {
        seen.push(session.counter().step % steps);
    });
    assert!(seen.iter().all(|within| within.is_multiple_of(3)), "{seen:?}");
    assert!(seen.contains(&3) && seen.contains(&0), "{seen:?}");
}

#[test]
fn a_loss_that_is_not_finite_fails_with_the_step_of_the_shard() {
    let job = json!({"task": "regressor", "huge": true, "params": {
        "network": {"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 1}]},
        "localSteps": 4, "epochs": 1}});
    let plan = plan(&job);
    let mut session = Session::new(&plan.job, 1).unwrap();
    let failed = run(&mut session, &plan, &Fuse::of(NEVER, Vec::new())).unwrap_err();
    let Interrupt::Failed(failure) = failed else {
        panic!("{failed:?}");
    };
    assert!(
        failure.message.contains("became") && failure.message.contains("in epoch 0, step"),
        "{failure}"
    );
}
