//! Bilinear: PyTorch's numbers, the same bits, and its errors.

use crate::support;
use candlewick_model::network::Network;
use serde_json::{Value, json};

#[test]
fn bilinear() {
    support::check_layers(include_str!("../golden/bilinear.json"));
}

#[test]
fn inputs_that_do_not_fit_say_what_came() {
    let graph = |inputs: Value, layer: Value| {
        json!({"format": "candlewick.network/1",
            "inputs": [{"name": "a", "shape": [3]}, {"name": "b", "shape": [2, 2]}],
            "nodes": [{"name": "y", "inputs": inputs, "layer": layer}], "outputs": ["y"]})
    };
    let layer = json!({"type": "Bilinear", "out_features": 2});
    for (document, wanted) in [
        (
            graph(json!(["a"]), layer.clone()),
            "nodes.y (Bilinear): takes two inputs, got 1",
        ),
        (
            graph(json!(["a", "b"]), layer),
            "differ in the last dimension only, got [3] and [2, 2]",
        ),
        (
            graph(
                json!(["a", "a"]),
                json!({"type": "Bilinear", "out_features": 2, "in2_features": 4}),
            ),
            "expects 4 values in the last dimension (in2_features=4), but the inputs have shapes [3] and [3]",
        ),
    ] {
        let message = Network::from_document(&document, &[7]).unwrap_err().message;
        assert!(message.contains(wanted), "{message}");
    }
}
