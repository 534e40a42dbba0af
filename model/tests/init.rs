//! How parameters start: torch.nn.init's definitions, and rules of a network's document.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking"
)]

use candlewick_model::network::Network;
use serde_json::{Value, json};

/// One layer whose weight of shape [80, 50] starts by a rule.
fn network(rule: &Value) -> Network {
    let document = json!({"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 80}], "init": [rule]});
    Network::from_document(&document, &[50]).unwrap()
}

fn weight(rule: Value) -> Vec<f64> {
    let mut rule = rule;
    rule["params"] = json!("*.weight");
    let weights = network(&rule).initial_weights(3);
    weights[..4000].iter().map(|value| f64::from(*value)).collect()
}

fn moments(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

fn close(what: &str, got: f64, wanted: f64, tolerance: f64) {
    assert!(
        (got - wanted).abs() <= tolerance,
        "{what}: {got}, wanted {wanted}"
    );
}

#[test]
fn uniform_ones_fill_their_range() {
    // fan_in 50, fan_out 80.
    for (rule, low, high) in [
        (json!({"type": "uniform_", "a": -1, "b": 3}), -1.0, 3.0),
        (
            json!({"type": "xavier_uniform_"}),
            -(6.0f64 / 130.0).sqrt(),
            (6.0f64 / 130.0).sqrt(),
        ),
        (
            json!({"type": "kaiming_uniform_", "nonlinearity": "relu"}),
            -(6.0f64 / 50.0).sqrt(),
            (6.0f64 / 50.0).sqrt(),
        ),
        (
            json!({"type": "kaiming_uniform_", "a": 2.0, "mode": "fan_out"}),
            -(1.2f64 / 80.0).sqrt(),
            (1.2f64 / 80.0).sqrt(),
        ),
    ] {
        let values = weight(rule.clone());
        let range = high - low;
        let (least, most) = values
            .iter()
            .fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
        assert!(
            least >= low - 1e-6 && most <= high + 1e-6,
            "{rule}: {least}..{most}"
        );
        close("lower end", least, low, range / 500.0);
        close("upper end", most, high, range / 500.0);
        let (mean, deviation) = moments(&values);
        close("mean", mean, low + range / 2.0, range / 50.0);
        close("deviation", deviation, range / 12f64.sqrt(), range / 50.0);
    }
}

#[test]
fn normal_ones_have_their_deviation() {
    for (rule, mean, deviation) in [
        (json!({"type": "normal_", "mean": 2.0, "std": 0.5}), 2.0, 0.5),
        (
            json!({"type": "xavier_normal_", "gain": 3.0}),
            0.0,
            3.0 * (2.0f64 / 130.0).sqrt(),
        ),
        (
            json!({"type": "kaiming_normal_", "nonlinearity": "tanh", "mode": "fan_out"}),
            0.0,
            5.0 / 3.0 / 80f64.sqrt(),
        ),
        // The deviation of a standard normal number between ±1, and ±2.
        (json!({"type": "trunc_normal_", "a": -1.0, "b": 1.0}), 0.0, 0.5396),
        (json!({"type": "trunc_normal_"}), 0.0, 0.8796),
    ] {
        let values = weight(rule.clone());
        let (got_mean, got) = moments(&values);
        close(&format!("{rule}, mean"), got_mean, mean, deviation / 20.0);
        close(&format!("{rule}, deviation"), got, deviation, deviation / 20.0);
        if rule["type"] == "trunc_normal_" {
            let bound = rule["b"].as_f64().unwrap_or(2.0);
            let most = values.iter().fold(0.0f64, |most, value| most.max(value.abs()));
            assert!(most <= bound && most > 0.99 * bound, "{rule}: {most}");
        }
    }
    assert!(
        weight(json!({"type": "constant_", "val": 0.25}))
            .iter()
            .all(|value| *value == 0.25)
    );
    assert!(weight(json!({"type": "ones_"})).iter().all(|value| *value == 1.0));
    assert!(
        weight(json!({"type": "zeros_"}))
            .iter()
            .all(|value| *value == 0.0)
    );
}

#[test]
fn orthogonal_vectors_are_orthogonal() {
    // 80 rows, 50 columns: the columns are.
    let values = weight(json!({"type": "orthogonal_", "gain": 2.0}));
    let column = |at: usize| (0..80).map(|row| values[row * 50 + at]).collect::<Vec<f64>>();
    for (left, right) in [(0, 0), (0, 1), (3, 49), (49, 49)] {
        let dot: f64 = column(left).iter().zip(column(right)).map(|(a, b)| a * b).sum();
        close("product", dot, if left == right { 4.0 } else { 0.0 }, 1e-5);
    }
    let document = json!({"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 3}],
        "init": [{"params": "0.weight", "type": "orthogonal_"}]});
    let wide = Network::from_document(&document, &[5])
        .unwrap()
        .initial_weights(1);
    let dot = |a: usize, b: usize| -> f32 { (0..5).map(|at| wide[a * 5 + at] * wide[b * 5 + at]).sum() };
    assert!((dot(0, 0) - 1.0).abs() < 1e-6 && dot(0, 2).abs() < 1e-6);
}

#[test]
fn the_first_rule_that_fits_counts_and_the_rest_stays() {
    let document = |init: Value| {
        json!({"format": "candlewick.network/1", "init": init, "layers": [
            {"type": "Linear", "out_features": 2}, {"type": "BatchNorm1d"}, {"type": "Linear", "out_features": 1}]})
    };
    let rules = json!([
        {"params": "0.bias", "type": "constant_", "val": 7},
        {"params": ["0.*", "1.weight"], "type": "zeros_"},
    ]);
    let with = Network::from_document(&document(rules), &[2]).unwrap();
    let without = Network::from_document(&document(Value::Null), &[2]).unwrap();
    let (with_weights, plain) = (with.initial_weights(5), without.initial_weights(5));
    for parameter in with.parameters() {
        let place = parameter.offset..parameter.offset + parameter.len();
        match parameter.name.as_str() {
            "0.bias" => assert_eq!(with_weights[place], [7.0, 7.0]),
            "0.weight" | "1.weight" => assert!(with_weights[place].iter().all(|value| *value == 0.0)),
            _ => assert_eq!(with_weights[place.clone()], plain[place], "{}", parameter.name),
        }
    }
    // The complete document says the same.
    let again = Network::from_document(with.document(), &[2]).unwrap();
    assert_eq!(again.document(), with.document());
    assert_eq!(again.initial_weights(5), with_weights);
    assert!(without.document().get("init").is_none());
    let other_seed =
        Network::from_document(&document(json!([{"params": "*", "type": "normal_"}])), &[2]).unwrap();
    assert_ne!(other_seed.initial_weights(1), other_seed.initial_weights(2));
    assert_eq!(other_seed.initial_weights(1)[10], 0.0, "buffers stay");
}

#[test]
fn what_is_wrong_is_named() {
    let told = |rule: Value| {
        let document = json!({"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 2}], "init": rule});
        Network::from_document(&document, &[3]).unwrap_err().message
    };
    for (rule, part) in [
        (json!({}), "\"init\" must be a list"),
        (json!([1]), "init[0] must be an object"),
        (
            json!([{"type": "zeros_"}]),
            "init[0]: \"params\" must be a pattern",
        ),
        (json!([{"params": "*", "type": "kaiming"}]), "kaiming_normal_"),
        (
            json!([{"params": "5.*", "type": "zeros_"}]),
            "the pattern \"5.*\" matches no parameter",
        ),
        (
            json!([{"params": "*", "type": "xavier_normal_"}]),
            "parameter 0.bias: its shape is [2]",
        ),
        (json!([{"params": "*", "type": "constant_"}]), "val"),
        (
            json!([{"params": "*", "type": "uniform_", "a": 1, "b": 0}]),
            "a = 1 is above b = 0",
        ),
        (
            json!([{"params": "*", "type": "trunc_normal_", "a": 1, "b": 1}]),
            "a = 1 is not below b = 1",
        ),
        (json!([{"params": "*", "type": "normal_", "std": -1}]), "std = -1"),
    ] {
        let message = told(rule.clone());
        assert!(message.contains(part), "{rule}: {message}");
    }
}
