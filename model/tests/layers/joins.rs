//! Layers that bring values together and graph networks: PyTorch's numbers, the same bits, and their errors.

use crate::support;
use candlewick_model::network::Network;
use serde_json::{Value, json};

#[test]
fn joins_and_graphs() {
    support::check_layers(include_str!("../golden/joins.json"));
}

fn refused(document: &Value) -> String {
    Network::from_document(document, &[7]).unwrap_err().message
}

fn graph(inputs: &Value, nodes: &Value, outputs: &Value) -> Value {
    json!({"format": "candlewick.network/1", "inputs": inputs, "nodes": nodes, "outputs": outputs})
}

fn two_inputs() -> Value {
    json!([{"name": "a", "shape": [3]}, {"name": "b", "shape": [4]}])
}

#[test]
fn a_graph_comes_out_complete() {
    let linear = |name: &str, from: &str| json!({"name": name, "inputs": [from], "layer": {"type": "Linear", "out_features": 2}});
    let nodes = json!([linear("x", "a"), linear("y", "b")]);
    let network = Network::from_document(&graph(&two_inputs(), &nodes, &json!(["x", "y"])), &[7]).unwrap();
    assert_eq!(network.outputs()[1].range, 2..4);
    assert_eq!(network.parameters()[0].name, "x.weight");
    let again = Network::from_document(network.document(), &[7]).unwrap();
    assert_eq!(again.document(), network.document());
}

#[test]
fn a_graph_that_is_wrong_says_where() {
    let inputs = two_inputs();
    let linear = |name: &str, from: &str| json!({"name": name, "inputs": [from], "layer": {"type": "Linear", "out_features": 2}});
    let nodes = json!([linear("x", "a"), linear("y", "b")]);
    for (document, wanted) in [
        (
            graph(&inputs, &nodes, &json!(["x"])),
            "nothing reads the node \"y\"",
        ),
        (
            graph(&inputs, &nodes, &json!(["z", "x"])),
            "outputs: there is no input or earlier node \"z\"; there are a, b, x, y",
        ),
        (
            graph(
                &inputs,
                &json!([linear("x", "y"), linear("y", "b")]),
                &json!(["x"]),
            ),
            "nodes.0 (x): there is no input or earlier node \"y\"",
        ),
        (
            graph(&inputs, &json!([linear("a", "a")]), &json!(["a"])),
            "nodes.0: the name \"a\" is taken",
        ),
        (
            graph(&inputs, &json!([linear("x.y", "a")]), &json!(["a"])),
            "\"name\" must be a text without",
        ),
        (
            graph(
                &json!([{"name": "a", "shape": [3]}]),
                &json!([linear("x", "a")]),
                &json!(["x"]),
            ),
            "do not have the 7 values",
        ),
        (
            graph(
                &inputs,
                &json!([{"name": "s", "inputs": ["a", "b"], "layer": {"type": "Add"}}]),
                &json!(["s"]),
            ),
            "nodes.s (Add): expects inputs of one shape, got [3] and [4]",
        ),
        (
            graph(
                &inputs,
                &json!([{"name": "s", "inputs": ["a", "b"], "layer": {"type": "ReLU"}}]),
                &json!(["s"]),
            ),
            "nodes.s (ReLU): takes one input, got 2",
        ),
    ] {
        let message = refused(&document);
        assert!(message.contains(wanted), "{message}");
    }
}

#[test]
fn joins_that_do_not_fit_say_what_came() {
    let one = |layer: Value| json!({"format": "candlewick.network/1", "layers": [layer]});
    let linear = |size: u32| json!({"type": "Linear", "out_features": size});
    for (layer, wanted) in [
        (
            json!({"type": "Residual", "layers": [linear(3)]}),
            "layers.0 (Residual): expects inputs of one shape, got [7] and [3]",
        ),
        (json!({"type": "Residual"}), "the argument layers is missing"),
        (
            json!({"type": "Add", "layers": [linear(3), linear(2)]}),
            "layers.0 (Add): expects inputs of one shape, got [3] and [2]",
        ),
        (
            json!({"type": "Concat", "layers": [linear(3)], "dim": 2}),
            "layers.0 (Concat): dim=2 is not a dimension",
        ),
        (
            json!({"type": "Concat", "layers": [{"type": "Unflatten", "dim": 1, "unflattened_size": [7, 1]}, linear(3)]}),
            "layers.0 (Concat): expects inputs that differ in dimension -1 only, got [7, 1] and [3]; bring them to one \
             number of dimensions, for example with a Flatten behind the one of shape [7, 1] (an Embedding of single numbers puts \
             out [1, embedding_dim])",
        ),
        (
            json!({"type": "Concat", "layers": [{"type": "Nope"}]}),
            "layers.0.layers.0: unknown type \"Nope\"",
        ),
        (
            json!({"type": "Concat", "layers": []}),
            "layers = [] is not legal",
        ),
    ] {
        let message = refused(&one(layer));
        assert!(message.contains(wanted), "{message}");
    }
}
