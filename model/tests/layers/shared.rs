//! Networks that call a layer more than once: PyTorch's numbers, the same bits on any number of trainers, and their errors.

use crate::support;
use candlewick_model::network::Network;
use serde_json::{Value, json};

#[test]
fn layers_that_are_called_again() {
    support::check_layers(include_str!("../golden/shared.json"));
}

fn graph(nodes: &Value) -> Value {
    json!({
        "format": "candlewick.network/1",
        "inputs": [{"name": "a", "shape": [3]}, {"name": "b", "shape": [4]}],
        "nodes": nodes,
        "outputs": [nodes.as_array().unwrap().last().unwrap()["name"]],
    })
}

fn tower() -> Value {
    json!({"name": "left", "inputs": ["a"], "layer": {"type": "Linear", "out_features": 3}})
}

#[test]
fn weights_are_there_once() {
    let nodes = json!([
        tower(),
        {"name": "right", "inputs": ["left"], "shares": "left"},
        {"name": "all", "inputs": ["right", "b"], "layer": {"type": "Concat"}},
        {"name": "score", "inputs": ["all"], "layer": {"type": "Linear", "out_features": 1}},
    ]);
    let network = Network::from_document(&graph(&nodes), &[7]).unwrap();
    let names: Vec<&str> = network
        .parameters()
        .iter()
        .map(|parameter| parameter.name.as_str())
        .collect();
    assert_eq!(names, ["left.weight", "left.bias", "score.weight", "score.bias"]);
    assert_eq!(network.num_parameters(), 12 + 8);
    let again = Network::from_document(network.document(), &[7]).unwrap();
    assert_eq!(again.document(), network.document());
    assert_eq!(network.document()["nodes"][1]["shares"], "left");
    let text = candlewick_model::summary::summary(&network).unwrap();
    assert!(
        text.contains("shared") && text.contains("20 parameters"),
        "{text}"
    );
}

#[test]
fn what_cannot_be_shared_says_why() {
    for (nodes, wanted) in [
        (
            json!([tower(), {"name": "right", "inputs": ["b"], "shares": "left"}]),
            "nodes.right (Linear): ",
        ),
        (
            json!([tower(), {"name": "right", "inputs": ["a"], "shares": "lefts"}]),
            "nodes.1 (right): \"shares\" must be the name of an earlier node, got \"lefts\"",
        ),
        (
            json!([tower(), {"name": "right", "inputs": ["a"], "shares": "a"}]),
            "\"shares\" must be the name of an earlier node, got \"a\"",
        ),
        (
            json!([
                tower(),
                {"name": "right", "inputs": ["a"], "shares": "left"},
                {"name": "third", "inputs": ["a"], "shares": "right"},
            ]),
            "\"right\", which has no layer of its own: name the node that it shares, \"left\"",
        ),
        (
            json!([tower(), {"name": "right", "inputs": ["a"], "shares": "left", "layer": {"type": "ReLU"}}]),
            "has both \"layer\" and \"shares\"",
        ),
        (
            json!([{"name": "left", "inputs": ["a"], "layer": {"type": "LayerNorm", "normalized_shape": [3]}},
                   {"name": "right", "inputs": ["b"], "shares": "left"}]),
            "nodes.right (LayerNorm): ",
        ),
    ] {
        let message = Network::from_document(&graph(&nodes), &[7]).unwrap_err().message;
        assert!(message.contains(wanted), "{message}");
    }
}

fn chain(layers: &Value) -> Result<Network, candlewick_protocol::Failure> {
    let document = json!({"format": "candlewick.network/1", "layers": layers});
    Network::from_document(&document, &[3])
}

#[test]
fn a_chain_has_the_weights_of_a_layer_once() {
    let linear = json!({"type": "Linear", "out_features": 3});
    let block = json!({"type": "Sequential", "layers": [linear, {"type": "Tanh"}, {"shares": "0.0"}]});
    let network =
        chain(&json!([block, {"shares": "0"}, {"shares": "0.1"}, {"shares": "0.0"}, linear])).unwrap();
    let names: Vec<&str> = network
        .parameters()
        .iter()
        .map(|parameter| parameter.name.as_str())
        .collect();
    assert_eq!(names, ["0.0.weight", "0.0.bias", "4.weight", "4.bias"]);
    let layers = &network.document()["layers"];
    assert_eq!(layers[0]["layers"][2], json!({"shares": "0.0"}));
    assert_eq!(layers[1], json!({"shares": "0"}));
    assert_eq!(layers[2]["type"], "Tanh", "what has no weights shares nothing");
    let again = Network::from_document(network.document(), &[3]).unwrap();
    assert_eq!(again.document(), network.document());
    let text = candlewick_model::summary::summary(&network).unwrap();
    assert!(
        text.contains("shared") && text.contains("24 parameters"),
        "{text}"
    );
}

#[test]
fn what_a_chain_cannot_share_says_why() {
    let linear = json!({"type": "Linear", "out_features": 3});
    let wide = json!({"type": "Linear", "out_features": 4});
    for (layers, wanted) in [
        (
            json!([linear, {"shares": "1"}]),
            "layers.1: \"shares\" must be the place of an earlier layer, such as \"0\", got \"1\"",
        ),
        (
            json!([linear, {"shares": 0}]),
            "the place of an earlier layer, such as \"0\", got 0",
        ),
        (
            json!([linear, {"shares": "0"}, {"shares": "1"}]),
            "\"shares\" is \"1\", which has no layer of its own: name the place that it shares, \"0\"",
        ),
        (
            json!([linear, {"shares": "0", "type": "Linear"}]),
            "layers.1: has both \"shares\" and \"type\"; remove one",
        ),
        (json!([wide, {"shares": "0"}]), "layers.1 (Linear): "),
    ] {
        let message = chain(&layers).unwrap_err().message;
        assert!(message.contains(wanted), "{message}");
    }
}

#[test]
fn a_node_of_a_graph_shares_a_part_of_another() {
    let block =
        json!({"type": "Sequential", "layers": [{"type": "Linear", "out_features": 3}, {"type": "Tanh"}]});
    let nodes = json!([
        {"name": "left", "inputs": ["a"], "layer": block},
        {"name": "right", "inputs": ["left"], "layer": {"type": "Sequential", "layers": [
            {"shares": "left.0"}, {"type": "ReLU"}]}},
        {"name": "third", "inputs": ["right"], "layer": {"shares": "left.0"}},
        {"name": "fourth", "inputs": ["third"], "shares": "right"},
        {"name": "all", "inputs": ["fourth", "b"], "layer": {"type": "Concat"}},
    ]);
    let network = Network::from_document(&graph(&nodes), &[7]).unwrap();
    assert_eq!(network.num_parameters(), 12);
    let again = Network::from_document(network.document(), &[7]).unwrap();
    assert_eq!(again.document(), network.document());
}
