//! Pads, activations, and variants of other families' layers: PyTorch's numbers, the same bits for
//! any owners, and their errors.

use crate::support;
use candlewick_model::network::Network;
use serde_json::{Value, json};

#[test]
fn numbers_and_bits() {
    support::check_layers(include_str!("../golden/further.json"));
    support::check_layers(include_str!("../golden/elementwise.json"));
}

fn refusal(layer: Value, shape: &[usize]) -> String {
    let document = json!({"format": "candlewick.network/1", "layers": [layer]});
    Network::from_document(&document, shape).unwrap_err().message
}

#[test]
fn what_does_not_fit_is_named() {
    let pad = |kind: &str, padding: Value| refusal(json!({"type": kind, "padding": padding}), &[2, 3]);
    for (message, expected) in [
        (pad("ReflectionPad1d", json!([3, 0])), "at most 2"),
        (pad("CircularPad1d", json!(4)), "at most 3"),
        (pad("ZeroPad1d", json!([1, -1])), "padding = [1,-1] is not legal"),
        (pad("ZeroPad2d", json!(1)), "[channels, height, width]"),
        (refusal(json!({"type": "GLU"}), &[4, 3]), "an even size"),
        (refusal(json!({"type": "GLU", "dim": 0}), &[4]), "dim=0"),
        (
            refusal(json!({"type": "InstanceNorm1d"}), &[2, 3, 4]),
            "shape [C, L]",
        ),
        (
            refusal(json!({"type": "LocalResponseNorm", "size": 3}), &[4]),
            "at least one dimension after the channels",
        ),
        (
            refusal(
                json!({"type": "LPPool1d", "norm_type": 0, "kernel_size": 2}),
                &[1, 4],
            ),
            "norm_type = 0",
        ),
        (
            refusal(
                json!({"type": "AdaptiveAvgPool2d", "output_size": [0, null]}),
                &[1, 4, 4],
            ),
            "output_size = [0,null] is not legal",
        ),
        (
            refusal(
                json!({"type": "MultiheadAttention", "num_heads": 1, "batch_first": false}),
                &[4, 2],
            ),
            "batch_first = false is not legal: expected true",
        ),
        (
            refusal(
                json!({"type": "TransformerEncoderLayer", "nhead": 1, "batch_first": false}),
                &[4, 2],
            ),
            "batch_first = false is not legal: expected true",
        ),
        (
            refusal(json!({"type": "TransformerDecoderLayer", "nhead": 1}), &[4, 2]),
            "takes two inputs of a graph",
        ),
        (
            refusal(
                json!({"type": "TransformerEncoder", "encoder_layer": {"type": "ReLU"}, "num_layers": 2}),
                &[4, 2],
            ),
            "a TransformerEncoderLayer as encoder_layer",
        ),
    ] {
        assert!(message.contains(expected), "{message}");
    }
}

/// Layers that hold something for every element of their output: refused before they ask for the memory.
#[test]
fn an_output_that_is_too_large_is_refused_before_it_is_built() {
    let much = 1u64 << 31;
    for (layer, shape) in [
        (
            json!({"type": "Upsample", "scale_factor": 2_000_000}),
            &[3, 32, 32][..],
        ),
        (json!({"type": "Upsample", "size": much}), &[1, 2, 2]),
        (json!({"type": "ZeroPad1d", "padding": [0, much]}), &[1, 4]),
        (
            json!({"type": "ReplicationPad2d", "padding": much / 4}),
            &[2, 3, 4],
        ),
        (json!({"type": "AdaptiveAvgPool1d", "output_size": much}), &[2, 4]),
        (
            json!({"type": "AdaptiveMaxPool2d", "output_size": much / 2}),
            &[1, 4, 4],
        ),
    ] {
        let message = refusal(layer.clone(), shape);
        assert!(
            message.contains("has more than 2147483648 elements a row"),
            "{layer}: {message}"
        );
    }
}

/// What a layer holds for every place of its output is bounded too: its memory is asked for where a network is only read, in the driver.
#[test]
fn a_table_that_is_too_large_is_refused_before_it_is_built() {
    let much = 2_000_000_000u64;
    for (layer, shape, argument) in [
        (
            json!({"type": "AdaptiveAvgPool1d", "output_size": much}),
            &[1, 8][..],
            "output_size",
        ),
        (
            json!({"type": "AdaptiveMaxPool2d", "output_size": [1, much]}),
            &[1, 8, 8],
            "output_size",
        ),
        (
            json!({"type": "MaxPool1d", "kernel_size": 1}),
            &[1, 2_000_000_000],
            "stride",
        ),
        (
            json!({"type": "LPPool1d", "kernel_size": 2, "norm_type": 2.0}),
            &[1, 2_000_000_000],
            "stride",
        ),
        (
            json!({"type": "ZeroPad1d", "padding": [0, much]}),
            &[1, 4],
            "padding",
        ),
        (
            json!({"type": "ReflectionPad2d", "padding": [9, 9, 0, 0]}),
            &[1, 80_000, 20_000],
            "padding",
        ),
        (json!({"type": "Upsample", "size": [1, much]}), &[1, 2, 2], "size"),
        (
            json!({"type": "Upsample", "scale_factor": 20_000}),
            &[1, 2, 2],
            "scale_factor",
        ),
        (
            json!({"type": "Permute", "dims": [0, 2, 1]}),
            &[1_000_000, 2_000],
            "dims",
        ),
    ] {
        let message = refusal(layer.clone(), shape);
        let name = layer["type"].as_str().unwrap();
        let wanted = format!("layers.0 ({name}): {argument}=");
        assert!(
            message.contains(&wanted) && message.contains("places"),
            "{layer}: {message}"
        );
    }
}

#[test]
fn the_complete_document_has_the_sizes() {
    let layer = json!({"type": "AdaptiveAvgPool2d", "output_size": [3, null]});
    let end = [
        json!({"type": "Flatten"}),
        json!({"type": "Linear", "out_features": 1}),
    ];
    let document = json!({"format": "candlewick.network/1", "layers": [layer, end[0], end[1]]});
    let network = Network::from_document(&document, &[2, 7, 5]).unwrap();
    // But for one that follows the input.
    assert_eq!(network.document()["layers"][0]["output_size"], json!([3, null]));
    assert_eq!(network.document()["layers"][2]["in_features"], 2 * 3 * 5);
    let stack = json!({"type": "TransformerEncoder", "num_layers": 2,
        "encoder_layer": {"type": "TransformerEncoderLayer", "nhead": 2}});
    let document = json!({"format": "candlewick.network/1", "layers": [stack]});
    let network = Network::from_document(&document, &[5, 4]).unwrap();
    assert_eq!(network.document()["layers"][0]["encoder_layer"]["d_model"], 4);
    // Made anew from its complete document it is the same.
    let again = Network::from_document(network.document(), &[5, 4]).unwrap();
    assert_eq!(again.document(), network.document());
}
