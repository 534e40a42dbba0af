//! Sequences whose ends are padding: PyTorch's numbers, the same bits on any number of trainers, and their errors.

use crate::support;
use candlewick_model::engine::Predictor;
use candlewick_model::network::Network;
use serde_json::{Value, json};

#[test]
fn padding_is_not_read() {
    support::check_layers(include_str!("../golden/padding.json"));
}

fn network(inputs: &Value, layer: &Value) -> Result<Network, String> {
    let document = json!({
        "format": "candlewick.network/1",
        "inputs": [{"name": "x", "shape": [3, 2]}, {"name": "words", "shape": [3]}],
        "nodes": [
            {"name": "padding", "inputs": ["words"], "layer": {"type": "Eq", "other": 9}},
            {"name": "layer", "inputs": inputs, "layer": layer},
        ],
        "outputs": ["layer"],
    });
    Network::from_document(&document, &[9]).map_err(|failure| failure.message)
}

/// What the network says of a sequence of which the steps with a 9 are padding.
fn outputs(network: &Network, x: [f32; 6], words: [f32; 3]) -> Vec<f32> {
    let mut predictor = Predictor::new(network, 1).unwrap();
    let features: Vec<f32> = x.into_iter().chain(words).collect();
    let weights = network.initial_weights(3);
    predictor.predict(&weights, &features, 1).unwrap().to_vec()
}

#[test]
fn what_stands_in_padding_does_not_matter() {
    let inputs = json!(["x", "padding"]);
    for layer in [
        json!({"type": "LSTM", "hidden_size": 2, "bidirectional": true}),
        json!({"type": "GRU", "hidden_size": 2, "output": "last"}),
        json!({"type": "MultiheadAttention", "num_heads": 1}),
    ] {
        let network = network(&inputs, &layer).unwrap();
        let words = [1.0, 2.0, 9.0];
        let one = outputs(&network, [0.5, -1.0, 0.25, 2.0, 7.0, 8.0], words);
        let other = outputs(&network, [0.5, -1.0, 0.25, 2.0, -3.0, 0.0], words);
        let seen = if layer["type"] == "MultiheadAttention" {
            4
        } else {
            one.len()
        };
        assert_eq!(
            support::bits(&one[..seen]),
            support::bits(&other[..seen]),
            "{layer}"
        );
        let all = outputs(&network, [0.5, -1.0, 0.25, 2.0, 7.0, 8.0], [1.0, 2.0, 3.0]);
        assert_ne!(
            support::bits(&one[..seen]),
            support::bits(&all[..seen]),
            "{layer}"
        );
    }
}

#[test]
fn nothing_but_padding_gives_numbers() {
    let attention = json!({"type": "MultiheadAttention", "num_heads": 2});
    let network = network(&json!(["x", "padding"]), &attention).unwrap();
    let values = outputs(&network, [1.0; 6], [9.0; 3]);
    // The bias of the output is 0 at first.
    assert_eq!(values, [0.0; 6]);
}

#[test]
fn masks_that_do_not_fit_say_so() {
    let lstm = json!({"type": "LSTM", "hidden_size": 2});
    for (inputs, layer, wanted) in [
        (
            json!(["x", "x"]),
            lstm.clone(),
            "nodes.layer (LSTM): expects a padding mask of shape [3], a number for each step",
        ),
        (
            json!(["x", "padding", "padding"]),
            lstm,
            "takes a sequence and, in a graph network, a padding mask behind it, got 3 inputs",
        ),
        (
            json!(["x", "x"]),
            json!({"type": "TransformerEncoderLayer", "nhead": 1}),
            "expects a padding mask of shape [3]",
        ),
        (
            json!(["x", "padding", "padding"]),
            json!({"type": "TransformerEncoderLayer", "nhead": 1}),
            "a src_key_padding_mask behind it, got 3 inputs",
        ),
    ] {
        let message = network(&inputs, &layer).unwrap_err();
        assert!(message.contains(wanted), "{message}");
    }
}
