//! Schedules, accumulation, clipping, optimiser and moving average together, next to PyTorch.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "helpers of tests fail by panicking; the golden numbers are f32"
)]

use candlewick_model::engine::{Batch, Engine, Gradient, NodeGradient, Slice};
use candlewick_model::network::Network;
use candlewick_model::optim::Updates;
use candlewick_protocol::job::{LabelKind, TrainSpec};
use candlewick_protocol::message::EpochRecord;
use serde_json::{Map, Value};

const ROWS: usize = 4;
const TOLERANCE: f64 = 1e-5;

fn reals(value: &Value) -> Vec<f64> {
    let list = value.as_array().unwrap();
    list.iter().map(|item| item.as_f64().unwrap()).collect()
}

fn singles(value: &Value) -> Vec<f32> {
    reals(value).into_iter().map(|value| value as f32).collect()
}

/// Tensors by name, in the network's order.
fn flat(network: &Network, tensors: &Value) -> Vec<f32> {
    let parameters = network.parameters().iter();
    parameters
        .flat_map(|parameter| singles(&tensors[&parameter.name]))
        .collect()
}

fn near(what: &str, got: f64, wanted: f64) {
    assert!(
        (got - wanted).abs() <= TOLERANCE * wanted.abs().max(1.0),
        "{what}: {got}, PyTorch has {wanted}"
    );
}

struct Run {
    updates: Updates,
    weights: Vec<f32>,
    rates: Vec<f64>,
    losses: Vec<f64>,
    hashes: Vec<String>,
}

fn run(case: &Value, train: &TrainSpec, network: &Network) -> Run {
    let label = LabelKind::Real { width: 2 };
    let mut engine = Engine::new(network, &train.loss, &label, train.seed, 1).unwrap();
    let mut weights = flat(network, &case["parameters"]);
    let mut updates = Updates::new(train, network, &engine, &weights).unwrap();
    let per_epoch = case["stepsPerEpoch"].as_u64().unwrap();
    updates.begin(per_epoch).unwrap();
    let features = singles(&case["features"]);
    let (labels, row_weights) = (reals(&case["labels"]), reals(&case["weights"]));
    let mut nodes = [NodeGradient::new(0, 1)];
    let mut gradient = Gradient::new(network);
    let (mut rates, mut losses, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
    for epoch in 0..train.epochs {
        let (mut loss, mut denominator) = (0.0, 0.0);
        for at in 0..per_epoch {
            let start = at as usize * ROWS;
            let step = u64::from(epoch) * per_epoch + at;
            let batch = Batch {
                step,
                slices: &[Slice { shard: 0, rows: ROWS }],
                features: (&features[start * 3..(start + ROWS) * 3]).into(),
                labels: &labels[start * 2..(start + ROWS) * 2],
                weights: &row_weights[start..start + ROWS],
            };
            let sums = engine.step(&weights, &batch, &mut nodes).unwrap()[0];
            loss += sums.loss;
            denominator += sums.denominator;
            let before = weights.clone();
            gradient.set(&nodes[0]);
            updates
                .step(&mut weights, &mut gradient, sums.denominator, step)
                .unwrap();
            if weights != before {
                rates.push(updates.lr());
            }
        }
        losses.push(loss / denominator);
        let record = EpochRecord {
            epoch,
            step: 0,
            loss: loss / denominator,
            lr: updates.lr(),
            rows: 0,
            seconds: 0.0,
            metrics: Map::new(),
        };
        updates.epoch(&record);
        hashes.push(updates.state_hash(&weights).unwrap());
    }
    Run {
        updates,
        weights,
        rates,
        losses,
        hashes,
    }
}

#[test]
fn trainings_follow_pytorch() {
    let golden: Value = serde_json::from_str(include_str!("golden/updates.json")).unwrap();
    assert_eq!(golden["torch"], "2.13.0");
    let cases = golden["content"].as_array().unwrap();
    assert_eq!(cases.len(), 3);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let train: TrainSpec = serde_json::from_value(case["train"].clone()).unwrap();
        let network = Network::from_document(&train.network, &[3]).unwrap();
        let run_of = || run(case, &train, &network);
        let got = run_of();
        assert_eq!(
            got.hashes,
            run_of().hashes,
            "{name}: a hash of the state and nothing else"
        );
        let wanted = reals(&case["rates"]);
        assert_eq!(got.rates.len(), wanted.len(), "{name}: updates");
        for (at, (rate, wanted)) in got.rates.iter().zip(&wanted).enumerate() {
            assert!(
                (rate - wanted).abs() <= 1e-12,
                "{name}, update {at}: {rate}, PyTorch has {wanted}"
            );
        }
        for (loss, wanted) in got.losses.iter().zip(reals(&case["losses"])) {
            near(name, *loss, wanted);
        }
        for (weight, wanted) in got.weights.iter().zip(flat(&network, &case["end"])) {
            near(name, f64::from(*weight), f64::from(wanted));
        }
        let average = got.updates.judged(got.weights.as_slice().into()).all().unwrap();
        for (weight, wanted) in average.iter().zip(flat(&network, &case["average"])) {
            near(name, f64::from(*weight), f64::from(wanted));
        }
    }
}
