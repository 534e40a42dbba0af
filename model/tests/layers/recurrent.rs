//! RNN, LSTM and GRU: PyTorch's numbers, the same bits, dropout between layers, and their errors.

use crate::support;
use crate::support::{Case, SHARDS, bits};
use candlewick_model::engine::{Alone, Predictor};
use candlewick_model::network::Network;
use serde_json::{Value, json};

#[test]
fn recurrent_layers() {
    support::check_layers(include_str!("../golden/recurrent.json"));
}

fn network(layer: &Value, shape: &[usize]) -> Result<Network, String> {
    let document = json!({"format": "candlewick.network/1", "layers": [layer]});
    Network::from_document(&document, shape).map_err(|failure| failure.message)
}

/// Some numbers between -1 and 1.
fn numbers(count: usize, salt: usize) -> Vec<f32> {
    (0..count)
        .map(|at| ((at * 7_919 + salt * 104_729) % 2_003) as f32 / 1_001.5 - 1.0)
        .collect()
}

fn case(layer: &Value, shape: &[usize], rows: usize) -> Case {
    let network = network(layer, shape).unwrap();
    Case {
        name: layer.to_string(),
        weights: network.initial_weights(4),
        features: numbers(rows * network.input_width(), 1),
        labels: numbers(rows * network.output_width(), 2)
            .into_iter()
            .map(f64::from)
            .collect(),
        row_weights: vec![1.0; rows],
        network,
        own_loss: None,
        value: Value::Null,
    }
}

#[test]
fn dropout_between_layers_is_the_same_for_any_owner_and_differentiable() {
    for (kind, projected) in [("RNN", None), ("LSTM", None), ("LSTM", Some(4)), ("GRU", None)] {
        let layer = |dropout: f64| {
            let mut layer = json!({"type": kind, "hidden_size": 6, "num_layers": 3, "dropout": dropout,
                "bidirectional": true});
            if let Some(size) = projected {
                layer["proj_size"] = json!(size);
            }
            layer
        };
        let with = case(&layer(0.4), &[5, 3], 13);
        with.same_bits();
        with.differences(1e-2);
        let without = case(&layer(0.0), &[5, 3], 13);
        let loss = |case: &Case| case.step(&mut case.engine(1), (0, SHARDS), &mut Alone).0;
        assert_ne!(loss(&with), loss(&without), "{kind}");
        let score = |case: &Case| {
            let mut predictor = Predictor::new(&case.network, 1).unwrap();
            bits(predictor.predict(&case.weights, &case.features, 13).unwrap())
        };
        assert_eq!(score(&with), score(&without), "{kind}");
        let all = case(&layer(1.0), &[5, 3], 13);
        let (_, nodes) = all.step(&mut all.engine(1), (0, SHARDS), &mut Alone);
        assert!(nodes[0].values.iter().all(|value| value.is_finite()), "{kind}");
    }
}

#[test]
fn many_rows_on_threads_have_the_bits_of_one_thread() {
    for kind in ["RNN", "LSTM", "GRU"] {
        let layer = json!({"type": kind, "hidden_size": 33, "num_layers": 2, "output": "last", "bidirectional": true});
        case(&layer, &[9, 20], 101).same_bits();
        // Two blocks of the sum over the hidden state, and of that over the gates.
        let wide = json!({"type": kind, "hidden_size": 520});
        case(&wide, &[3, 2], 9).same_bits();
    }
    let projected = json!({"type": "LSTM", "hidden_size": 33, "proj_size": 18, "num_layers": 2, "output": "last",
        "bidirectional": true});
    case(&projected, &[9, 20], 101).same_bits();
    let wide = json!({"type": "LSTM", "hidden_size": 520, "proj_size": 515});
    case(&wide, &[3, 2], 9).same_bits();
}

#[test]
fn parameters_have_the_names_and_shapes_of_pytorch() {
    let layer = json!({"type": "LSTM", "hidden_size": 4, "num_layers": 2, "bidirectional": true});
    let network = network(&layer, &[5, 3]).unwrap();
    let named: Vec<(String, Vec<usize>)> = network
        .parameters()
        .iter()
        .map(|parameter| (parameter.name.clone(), parameter.shape.clone()))
        .collect();
    assert_eq!(named.len(), 16);
    assert_eq!(named[0], ("0.weight_ih_l0".to_owned(), vec![16, 3]));
    assert_eq!(named[5], ("0.weight_hh_l0_reverse".to_owned(), vec![16, 4]));
    assert_eq!(named[8], ("0.weight_ih_l1".to_owned(), vec![16, 8]));
    assert_eq!(named[15], ("0.bias_hh_l1_reverse".to_owned(), vec![16]));
    let weights = network.initial_weights(1);
    assert!(weights.iter().all(|weight| weight.abs() <= 0.5));
    assert!(weights.iter().any(|weight| weight.abs() > 0.45));
    assert_eq!(network.document()["layers"][0]["input_size"], 3);
}

#[test]
fn what_does_not_fit_says_what_came() {
    for (layer, shape, wanted) in [
        (
            json!({"type": "LSTM", "hidden_size": 4}),
            vec![7],
            "layers.0 (LSTM): expects a sequence of shape [time, features] a row, got shape [7]",
        ),
        (
            json!({"type": "GRU", "hidden_size": 4, "input_size": 5}),
            vec![7, 3],
            "expects 5 features a step (input_size=5), but the input has shape [7, 3]; set input_size to 3",
        ),
        (
            json!({"type": "RNN", "hidden_size": 4, "batch_first": false}),
            vec![7, 3],
            "batch_first = false is not legal: expected true",
        ),
        (
            json!({"type": "RNN", "hidden_size": 4, "nonlinearity": "sigmoid"}),
            vec![7, 3],
            "expected \"tanh\" or \"relu\"",
        ),
        (
            json!({"type": "GRU", "hidden_size": 4, "output": "first"}),
            vec![7, 3],
            "expected \"all\" or \"last\"",
        ),
        (
            json!({"type": "LSTM"}),
            vec![7, 3],
            "the argument hidden_size is missing",
        ),
        (
            json!({"type": "LSTM", "hidden_size": 4, "proj_size": 4}),
            vec![7, 3],
            "expects a proj_size below hidden_size=4",
        ),
        (
            json!({"type": "GRU", "hidden_size": 4, "proj_size": 2}),
            vec![7, 3],
            "unknown argument \"proj_size\"",
        ),
    ] {
        let message = network(&layer, &shape).unwrap_err();
        assert!(message.contains(wanted), "{message}");
    }
}
