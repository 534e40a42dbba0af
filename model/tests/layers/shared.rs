//! Networks that call a layer more than once: PyTorch's numbers, the same bits on any number of trainers, and their errors.

use crate::support;
use crate::support::bits;
use candlewick_model::engine::Predictor;
use candlewick_model::network::Network;
use candlewick_model::philox::{Key, uniform};
use candlewick_protocol::job::Precision;
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

/// Networks that apply one Linear to a row so many times here and so many there.
fn at_places_of_other_sizes() -> [(Network, &'static str); 3] {
    let linear = |outputs: u32| json!({"type": "Linear", "out_features": outputs});
    let of = |document: Value, width: usize| Network::from_document(&document, &[width]).unwrap();
    let two_towers = json!({
        "format": "candlewick.network/1",
        "inputs": [{"name": "item", "shape": [4]}, {"name": "history", "shape": [5, 4]}],
        "nodes": [
            {"name": "e", "inputs": ["item"], "layer": linear(4)},
            {"name": "seen", "inputs": ["history"], "shares": "e"},
            {"name": "flat", "inputs": ["seen"], "layer": {"type": "Flatten"}},
            {"name": "all", "inputs": ["e", "flat"], "layer": {"type": "Concat"}},
            {"name": "score", "inputs": ["all"], "layer": linear(1)}],
        "outputs": ["score"]});
    let gru = json!({"type": "GRU", "hidden_size": 4, "output": "last"});
    let around_gru = json!({
        "format": "candlewick.network/1", "inputs": [{"name": "x", "shape": [5, 4]}],
        "nodes": [
            {"name": "e", "inputs": ["x"], "layer": linear(4)},
            {"name": "last", "inputs": ["e"], "layer": gru},
            {"name": "again", "inputs": ["last"], "shares": "e"}],
        "outputs": ["again"]});
    let chain = json!({"format": "candlewick.network/1", "layers": [
        linear(4), linear(20), {"type": "Unflatten", "dim": 1, "unflattened_size": [5, 4]}, {"shares": "0"},
        {"type": "Flatten"}, linear(1)]});
    [
        (of(two_towers, 24), "first once, then 5 times"),
        (of(around_gru, 20), "first 5 times, then once"),
        (of(chain, 4), "in a chain"),
    ]
}

#[test]
fn prepared_weights_serve_every_place_of_a_layer() {
    for (network, what) in at_places_of_other_sizes() {
        let weights = network.initial_weights(3);
        let width = network.input_width();
        let mut features = vec![0.0; 40 * width];
        uniform(Key::new(5, what), 2.0, &mut features);
        for precision in [Precision::F32, Precision::Bf16, Precision::Bf16Amx] {
            let network = network.with_precision(precision);
            let mut used = Predictor::new(&network, 1).unwrap();
            for rows in [1, 3, 40, 1, 3] {
                let features = &features[..rows * width];
                let mut fresh = Predictor::new(&network, 1).unwrap();
                let wanted = bits(fresh.predict(&weights, features, rows).unwrap());
                let prepared = fresh.prepare(&weights);
                for predictor in [&mut used, &mut fresh] {
                    let found = predictor.predict_prepared(&weights, Some(&prepared), features, rows);
                    assert_eq!(bits(found.unwrap()), wanted, "{what}, {rows} rows, {precision:?}");
                }
            }
        }
    }
}

/// None of an adaptive pool stands for the size that comes in at each place.
#[test]
fn an_open_size_follows_the_input_of_each_place() {
    let tower = json!({"type": "Sequential", "layers": [
        {"type": "Conv2d", "out_channels": 2, "kernel_size": 3},
        {"type": "AdaptiveAvgPool2d", "output_size": [null, 1]}]});
    let document = json!({
        "format": "candlewick.network/1",
        "inputs": [{"name": "a", "shape": [1, 8, 8]}, {"name": "b", "shape": [1, 12, 12]}],
        "nodes": [
            {"name": "left", "inputs": ["a"], "layer": tower},
            {"name": "right", "inputs": ["b"], "shares": "left"},
            {"name": "x", "inputs": ["left"], "layer": {"type": "Flatten"}},
            {"name": "y", "inputs": ["right"], "layer": {"type": "Flatten"}},
            {"name": "all", "inputs": ["x", "y"], "layer": {"type": "Concat"}}],
        "outputs": ["all"]});
    let network = Network::from_document(&document, &[64 + 144]).unwrap();
    assert_eq!(network.output_shape(), [2 * 6 + 2 * 10]);
    let told = &network.document()["nodes"][0]["layer"]["layers"][1]["output_size"];
    assert_eq!(*told, json!([null, 1]));
    let again = Network::from_document(network.document(), &[64 + 144]).unwrap();
    assert_eq!(again.document(), network.document());
}
