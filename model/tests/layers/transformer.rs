//! TransformerEncoderLayer: PyTorch's numbers and names, the same bits, dropout, and errors.

use crate::support;
use candlewick_model::network::Network;
use candlewick_model::summary::summary;
use serde_json::{Value, json};

#[test]
fn encoder_layers() {
    support::check_layers(include_str!("../golden/transformer.json"));
}

fn network(layer: &Value, shape: &[usize]) -> Result<Network, String> {
    let document = json!({"format": "candlewick.network/1", "layers": [layer]});
    Network::from_document(&document, shape).map_err(|failure| failure.message)
}

#[test]
fn dropout_has_the_same_bits_and_the_right_slope() {
    for norm_first in [false, true] {
        let layer = json!({"type": "TransformerEncoderLayer", "nhead": 2, "dim_feedforward": 7, "dropout": 0.2,
            "norm_first": norm_first, "activation": "gelu"});
        let network = network(&layer, &[5, 4]).unwrap();
        let count = 13 * network.input_width();
        let case = support::Case {
            name: layer.to_string(),
            weights: network.initial_weights(3),
            features: (0..count)
                .map(|at| ((at * 29 % 23) as f32 - 11.0) * 0.1)
                .collect(),
            labels: (0..count).map(|at| ((at * 31 % 17) as f64 - 8.0) * 0.1).collect(),
            row_weights: (0..13).map(|row| 0.5 + f64::from(row) * 0.1).collect(),
            network,
            own_loss: None,
            value: Value::Null,
        };
        case.same_bits();
        case.differences(1e-2);
    }
}

#[test]
fn parts_have_pytorchs_names_and_documents_come_out_complete() {
    let network = network(&json!({"type": "TransformerEncoderLayer", "nhead": 2}), &[5, 4]).unwrap();
    let mut names: Vec<&str> = network
        .parameters()
        .iter()
        .map(|parameter| parameter.name.as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "0.linear1.bias",
            "0.linear1.weight",
            "0.linear2.bias",
            "0.linear2.weight",
            "0.norm1.bias",
            "0.norm1.weight",
            "0.norm2.bias",
            "0.norm2.weight",
            "0.self_attn.in_proj_bias",
            "0.self_attn.in_proj_weight",
            "0.self_attn.out_proj.bias",
            "0.self_attn.out_proj.weight",
        ]
    );
    assert_eq!(
        network.document()["layers"][0],
        json!({"type": "TransformerEncoderLayer", "d_model": 4, "nhead": 2, "dim_feedforward": 2048, "dropout": 0.1,
            "activation": "relu", "layer_norm_eps": 1e-5, "batch_first": true, "norm_first": false, "bias": true,
            "is_causal": false})
    );
    let again = Network::from_document(network.document(), &[5, 4]).unwrap();
    assert_eq!(again.document(), network.document());
    let summary = summary(&network).unwrap();
    assert!(summary.contains("0.self_attn"), "{summary}");
}

#[test]
fn sequences_that_do_not_fit_say_what_came() {
    let layer = |heads: u32| json!({"type": "TransformerEncoderLayer", "nhead": heads});
    for (layer, shape, wanted) in [
        (
            layer(2),
            &[6][..],
            "layers.0 (TransformerEncoderLayer): expects an input of shape [length, d_model], got [6]",
        ),
        (layer(4), &[5, 6], "expects a d_model that nhead=4 divides, got 6"),
        (
            json!({"type": "TransformerEncoderLayer", "nhead": 2, "d_model": 8}),
            &[5, 6],
            "expects 8 values in the last dimension (d_model=8), but the input has shape [5, 6]",
        ),
        (
            json!({"type": "TransformerEncoderLayer", "nhead": 2, "activation": "tanh"}),
            &[5, 6],
            "activation = \"tanh\" is not legal: expected \"relu\" or \"gelu\"",
        ),
    ] {
        let message = network(&layer, shape).unwrap_err();
        assert!(message.contains(wanted), "{message}");
    }
}
