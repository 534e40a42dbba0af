//! The same numbers as PyTorch: outputs, losses, gradients, updates, training. The files are written by
//! `golden/make_golden.py`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use candlewick_model::engine::{Batch, Engine, NodeGradient, Predictor, Slice};
use candlewick_model::network::Network;
use candlewick_model::optim::{Clip, Optimizer};
use candlewick_model::parameter::Parameter;
use candlewick_protocol::job::LabelKind;
use serde_json::{Value, json};

fn content(text: &str) -> Value {
    let mut file: Value = serde_json::from_str(text).unwrap();
    assert_eq!(file["torch"], "2.13.0");
    file["content"].take()
}

fn doubles(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|number| number.as_f64().unwrap())
        .collect()
}

fn floats(value: &Value) -> Vec<f32> {
    doubles(value).iter().map(|number| *number as f32).collect()
}

/// Named tensors as flat weights.
fn flat(network: &Network, tensors: &Value) -> Vec<f32> {
    let tensors = tensors.as_object().unwrap();
    assert_eq!(tensors.len(), network.parameters().len());
    let mut weights = Vec::new();
    for parameter in network.parameters() {
        assert_eq!(weights.len(), parameter.offset);
        weights.extend(floats(&tensors[&parameter.name]));
    }
    assert_eq!(weights.len(), network.num_parameters());
    weights
}

/// Largest difference, relative to the largest element.
fn assert_close(got: &[f32], wanted: &[f32], tolerance: f32, what: &str) {
    assert_eq!(got.len(), wanted.len(), "{what}");
    let size = wanted.iter().fold(1e-3f32, |size, value| size.max(value.abs()));
    for (at, (g, w)) in got.iter().zip(wanted).enumerate() {
        let wrong = (g - w).abs() / size;
        assert!(
            wrong <= tolerance,
            "{what}: element {at} is {g}, PyTorch has {w} ({wrong:e})"
        );
    }
}

fn label_kind(loss: &str, width: usize) -> LabelKind {
    match (loss, width) {
        ("CrossEntropyLoss", _) => LabelKind::class(width as u32),
        ("BCEWithLogitsLoss", 1) => LabelKind::class(2),
        _ => LabelKind::Real { width: width as u32 },
    }
}

/// Cuts rows into slices over eight shards, some of them empty.
fn slices(rows: usize) -> Vec<Slice> {
    let mut left = rows;
    (0..8u32)
        .map(|shard| {
            let rows = if shard == 7 {
                left
            } else {
                left.min([2, 0, 1, 3][shard as usize % 4])
            };
            left -= rows;
            Slice { shard, rows }
        })
        .collect()
}

#[test]
fn layers_and_losses() {
    for case in content(include_str!("golden/layers.json")).as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let shape: Vec<usize> = doubles(&case["inputShape"])
            .iter()
            .map(|size| *size as usize)
            .collect();
        let network = Network::from_document(&case["network"], &shape).unwrap();
        let weights = flat(&network, &case["parameters"]);
        let (features, row_weights) = (floats(&case["features"]), doubles(&case["weights"]));
        let mut predictor = Predictor::new(&network, 1).unwrap();
        let outputs = predictor.predict(&weights, &features, row_weights.len()).unwrap();
        assert_close(outputs, &floats(&case["outputs"]), 2e-6, name);

        let loss = case["loss"].as_str().unwrap();
        let kind = label_kind(loss, network.output_width());
        let mut engine = Engine::new(&network, &json!({"type": loss}), &kind, 0, 1).unwrap();
        let slices = slices(row_weights.len());
        let labels = doubles(&case["labels"]);
        let batch = Batch {
            step: 0,
            slices: &slices,
            features: (&features).into(),
            labels: &labels,
            weights: &row_weights,
        };
        let mut nodes = [NodeGradient::new(0, 8)];
        let sums = engine.step(&weights, &batch, &mut nodes).unwrap();
        let denominator: f64 = sums.iter().map(|sum| sum.denominator).sum();
        let value = sums.iter().map(|sum| sum.loss).sum::<f64>() / denominator;
        assert_close(&[value as f32], &floats(&json!([case["value"]])), 2e-6, name);
        let gradient: Vec<f32> = nodes[0]
            .values
            .iter()
            .map(|g| (f64::from(*g) / denominator) as f32)
            .collect();
        assert_close(&gradient, &flat(&network, &case["gradients"]), 1e-5, name);
    }
}

#[test]
fn optimizers() {
    for case in content(include_str!("golden/optimizers.json"))
        .as_array()
        .unwrap()
    {
        let mut weights = floats(&case["start"]);
        let parameter = Parameter {
            name: "weight".to_owned(),
            shape: vec![weights.len()],
            offset: 0,
            trained: true,
            count: false,
        };
        let mut optimizer = Optimizer::for_parameters(&case["optimizer"], &[parameter]).unwrap();
        for gradient in case["gradients"].as_array().unwrap() {
            let mut gradient: Vec<f32> = floats(gradient).iter().map(|g| g * 4.0).collect();
            optimizer
                .update(&mut weights, &mut gradient, 4.0, &Clip::default())
                .unwrap();
        }
        assert_close(
            &weights,
            &floats(&case["end"]),
            1e-6,
            &case["optimizer"].to_string(),
        );
    }
}

#[test]
fn twenty_steps_of_training() {
    let case = content(include_str!("golden/training.json"));
    let network = Network::from_document(&case["network"], &[8]).unwrap();
    let mut weights = flat(&network, &case["start"]);
    let loss = json!({"type": "CrossEntropyLoss"});
    let mut engine = Engine::new(&network, &loss, &LabelKind::class(3), 0, 1).unwrap();
    let mut optimizer = Optimizer::from_document(&case["optimizer"], &network).unwrap();
    for (at, step) in case["steps"].as_array().unwrap().iter().enumerate() {
        let (features, labels) = (floats(&step["features"]), doubles(&step["labels"]));
        let slices = slices(labels.len());
        let batch = Batch {
            step: at as u64,
            slices: &slices,
            features: (&features).into(),
            labels: &labels,
            weights: &vec![1.0; labels.len()],
        };
        let mut nodes = [NodeGradient::new(0, 8)];
        let sums = engine.step(&weights, &batch, &mut nodes).unwrap();
        let value = sums.iter().map(|sum| sum.loss).sum::<f64>() / 16.0;
        assert_close(
            &[value as f32],
            &floats(&json!([step["loss"]])),
            1e-5,
            &format!("step {at}"),
        );
        optimizer
            .update(&mut weights, &mut nodes[0].values, 16.0, &Clip::default())
            .unwrap();
    }
    assert_close(
        &weights,
        &flat(&network, &case["end"]),
        1e-5,
        "weights after 20 steps",
    );
}
