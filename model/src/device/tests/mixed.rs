//! Networks of layers on the device and layers that stay, activations, random zeros, graphs, and their errors.

use super::support::{Case, SHARDS, assert_close, slices};
use super::{device, names, on_device, same_bits, same_numbers, twins};
use crate::device::{DeviceName, choose, open, placed};
use crate::engine::{Alone, Predictor};
use crate::network::Network;
use crate::philox::{Key, uniform};
use candlewick_protocol::ErrorKind;
use serde_json::{Value, json};

const ROWS: usize = 21;

fn chain(layers: Value) -> Value {
    json!({"format": "candlewick.network/1", "layers": layers})
}

/// A case with random weights, features and labels.
fn case(name: &str, document: &Value, shape: &[usize]) -> Case {
    let network =
        Network::from_document(document, shape).unwrap_or_else(|failure| panic!("{name}: {failure}"));
    let numbers = |what: &str, length: usize| {
        let mut values = vec![0.0f32; length];
        uniform(Key::new(4, what), 2.0, &mut values);
        values
    };
    let labels = numbers("labels", ROWS * network.output_width());
    Case {
        name: name.to_owned(),
        weights: network.initial_weights(2),
        features: numbers("features", ROWS * network.input_width()),
        labels: labels.into_iter().map(f64::from).collect(),
        row_weights: (0..ROWS).map(|row| 0.5 + (row % 3) as f64).collect(),
        network,
        own_loss: None,
        value: Value::Null,
    }
}

fn linear(size: usize) -> Value {
    json!({"type": "Linear", "out_features": size})
}

#[test]
fn a_network_of_lowered_layers_is_one_segment() {
    let layers = json!([linear(6), {"type": "ReLU"}, {"type": "Dropout", "p": 0.3}, linear(3), {"type": "LogSoftmax"}]);
    let (host, twin) = twins(case("a chain", &chain(layers), &[5]));
    assert_eq!(names(&twin.network), ["Segment"]);
    same_numbers(&host, &twin, 1e-5);
    same_bits(&twin);
}

#[test]
fn what_meets_sparse_rows_stays_on_the_host() {
    let mut case = case(
        "sparse rows",
        &chain(json!([linear(6), {"type": "ReLU"}, linear(3)])),
        &[5],
    );
    case.network = case.network.with_sparse_input().unwrap();
    let (host, twin) = twins(case);
    assert_eq!(names(&twin.network), ["Linear", "Segment"]);
    same_numbers(&host, &twin, 1e-5);
}

#[test]
fn every_activation() {
    let mut checked = Vec::new();
    for entry in crate::catalogue::entries() {
        let elementwise =
            entry.doc.contains("element by element") && entry.kind == crate::catalogue::Kind::Layer;
        if !elementwise || ["Add", "Multiply", "Threshold"].contains(&entry.name) {
            continue;
        }
        checked.push(entry.name);
        let layers = json!([linear(9), {"type": entry.name}, linear(2)]);
        let (host, twin) = twins(case(entry.name, &chain(layers), &[5]));
        same_numbers(&host, &twin, 1e-5);
    }
    assert!(checked.len() >= 17, "{checked:?}");
    for more in [
        json!({"type": "GELU", "approximate": "tanh"}),
        json!({"type": "LeakyReLU", "negative_slope": -0.3}),
        json!({"type": "ELU", "alpha": 0.4}),
        json!({"type": "CELU", "alpha": 2.5}),
        json!({"type": "Softplus", "beta": 3.0, "threshold": 1.5}),
        json!({"type": "Hardtanh", "min_val": -0.2, "max_val": 0.7}),
        json!({"type": "Threshold", "threshold": 0.1, "value": -0.4}),
    ] {
        let layers = json!([linear(9), more, linear(2)]);
        let (host, twin) = twins(case(&more.to_string(), &chain(layers), &[5]));
        same_numbers(&host, &twin, 1e-5);
    }
}

#[test]
fn far_away_values_stay_finite() {
    for name in [
        "Sigmoid",
        "SiLU",
        "Mish",
        "Softplus",
        "LogSigmoid",
        "ELU",
        "SELU",
        "GELU",
        "Tanh",
    ] {
        let layers = json!([{"type": "LayerNorm"}, {"type": name}]);
        let mut case = case(name, &chain(layers), &[6]);
        case.weights[..6].copy_from_slice(&[1e4, -1e4, 300.0, -300.0, 60.0, -60.0]);
        let (host, twin) = twins(case);
        let (_, nodes) = twin.step(&mut twin.engine(1), (0, 8), &mut Alone);
        assert!(nodes[0].values.iter().all(|value| value.is_finite()), "{name}");
        // Of an argument of 300 the last bit is 3e-5.
        same_numbers(&host, &twin, 2e-4);
    }
}

#[test]
fn random_zeros_are_the_engines() {
    let p = 0.4;
    for (name, layers, shape) in [
        (
            "Dropout",
            json!([linear(8), {"type": "Dropout", "p": p}, linear(2)]),
            vec![5],
        ),
        (
            "Dropout2d",
            json!([{"type": "Conv2d", "out_channels": 4, "kernel_size": 2}, {"type": "Dropout2d", "p": p}, {"type": "Flatten"},
                linear(2)]),
            vec![2, 4, 5],
        ),
        (
            "PositionalEncoding",
            json!([linear(4), {"type": "PositionalEncoding", "dropout": p}, linear(2)]),
            vec![3, 4],
        ),
        (
            "MultiheadAttention",
            json!([{"type": "MultiheadAttention", "num_heads": 2, "dropout": p}, linear(2)]),
            vec![5, 4],
        ),
        (
            "TransformerEncoderLayer",
            json!([{"type": "TransformerEncoderLayer", "nhead": 2, "dim_feedforward": 7, "dropout": p}, linear(1)]),
            vec![3, 4],
        ),
        (
            "LSTM",
            json!([{"type": "LSTM", "hidden_size": 3, "num_layers": 3, "dropout": p, "bidirectional": true}, linear(1)]),
            vec![4, 2],
        ),
    ] {
        let (host, twin) = twins(case(name, &chain(layers), &shape));
        assert_eq!(names(&twin.network), ["Segment"], "{name}");
        same_numbers(&host, &twin, 1e-5);
        same_bits(&twin);
    }
}

#[test]
fn normalisations_lie_between_segments_and_only_sums_of_them_cross() {
    let layers = json!([
        {"type": "Conv2d", "out_channels": 4, "kernel_size": 3, "bias": false}, {"type": "BatchNorm2d"}, {"type": "ReLU"},
        {"type": "MaxPool2d", "kernel_size": 2}, {"type": "Flatten"}, {"type": "Linear", "out_features": 6, "bias": false}, {"type": "BatchNorm1d"}, {"type": "Tanh"},
        linear(2)]);
    let (host, twin) = twins(case("convolutions with BatchNorm", &chain(layers), &[2, 8, 7]));
    let wanted = ["Segment", "BatchNorm2d", "Segment", "BatchNorm1d", "Segment"];
    assert_eq!(names(&twin.network), wanted);
    same_numbers(&host, &twin, 1e-5);
    same_bits(&twin);
    let mut engine = twin.engine(1);
    let before = twin.network.traffic().unwrap();
    twin.step(&mut engine, (0, SHARDS), &mut Alone);
    let crossed = twin.network.traffic().unwrap() - before;
    // Features, outputs and their gradient: nothing of what is normalised.
    let (features, outputs) = (4 * (ROWS * 2 * 8 * 7) as u64, 4 * (ROWS * 2) as u64);
    assert_eq!(
        (crossed.up.rows, crossed.down.rows),
        (features + outputs, outputs)
    );
    assert_eq!(
        crossed.up.constants, 0,
        "places to gather from went up in the steps before"
    );
    // Two sums a channel of every slice with rows, forward and backward.
    let slices = slices(ROWS).iter().filter(|slice| slice.rows > 0).count() as u64;
    assert_eq!(crossed.down.sums, 2 * slices * (4 + 6) * 2 * 8);
    let (mut own, mut same) = (host.weights.clone(), twin.weights.clone());
    let (mut engine, mut segments) = (host.engine(1), twin.engine(1));
    host.step(&mut engine, (0, 8), &mut Alone);
    twin.step(&mut segments, (0, 8), &mut Alone);
    engine.update_buffers(&mut own);
    segments.update_buffers(&mut same);
    assert_ne!(own, host.weights);
    assert_close(&same, &own, 1e-5, "running statistics");
}

#[test]
fn several_values_leave_a_segment() {
    // The first value goes to a layer that stays and to one behind it; branches join across.
    let node =
        |name: &str, inputs: &[&str], layer: Value| json!({"name": name, "inputs": inputs, "layer": layer});
    let document = json!({
        "format": "candlewick.network/1",
        "inputs": [{"name": "left", "shape": [3]}, {"name": "right", "shape": [2, 2]}],
        "nodes": [
            node("a", &["left"], linear(4)),
            node("b", &["right"], json!({"type": "Flatten"})),
            node("c", &["b"], linear(4)),
            node("normal", &["a"], json!({"type": "BatchNorm1d"})),
            // Layers that are called again in another run stay on the host.
            json!({"name": "more", "inputs": ["a"], "shares": "c"}),
            json!({"name": "other", "inputs": ["b"], "shares": "c"}),
            node("both", &["more", "other"], json!({"type": "Add"})),
            node("own", &["normal", "c"], json!({"type": "Add"})),
            node("sum", &["own", "both"], json!({"type": "Add"})),
            node("product", &["sum", "a"], json!({"type": "Multiply"})),
            node("again", &["product"], json!({"type": "BatchNorm1d", "scope": "slice"})),
            node("end", &["again"], linear(2)),
        ],
        "outputs": ["end", "sum"],
    });
    let (host, twin) = twins(case("a graph", &document, &[7]));
    let wanted = [
        "Segment",
        "Segment",
        "Segment",
        "BatchNorm1d",
        "Linear",
        "Linear",
        "Segment",
        "BatchNorm1d",
        "Segment",
    ];
    assert_eq!(
        names(&twin.network),
        wanted,
        "segments, and parts of what they put out"
    );
    same_numbers(&host, &twin, 2e-5);
    same_bits(&twin);
}

#[test]
fn a_layer_that_is_called_again_adds_its_gradients_up() {
    let node =
        |name: &str, input: &str, layer: Value| json!({"name": name, "inputs": [input], "layer": layer});
    let again = |name: &str, input: &str, of: &str| json!({"name": name, "inputs": [input], "shares": of});
    let document = json!({
        "format": "candlewick.network/1", "inputs": [{"name": "x", "shape": [4]}],
        "nodes": [
            node("a", "x", linear(4)), node("t", "a", json!({"type": "Tanh"})), again("b", "t", "a"),
            node("c", "b", linear(4)), again("d", "c", "a"), again("e", "d", "c"), node("end", "e", linear(2))],
        "outputs": ["end"]});
    let (host, twin) = twins(case("calls", &document, &[4]));
    assert_eq!(names(&twin.network), ["Segment"]);
    let places = twin.network.residence().places();
    assert_eq!(places, std::slice::from_ref(&(0..twin.network.num_parameters())));
    same_numbers(&host, &twin, 1e-5);
    same_bits(&twin);
}

#[test]
fn views_alone_stay() {
    let layers = json!([{"type": "Flatten"}, {"type": "BatchNorm1d"}, linear(2)]);
    let (host, twin) = twins(case("a view first", &chain(layers), &[2, 3]));
    assert_eq!(names(&twin.network), ["Flatten", "BatchNorm1d", "Segment"]);
    same_numbers(&host, &twin, 1e-5);
}

#[test]
fn an_index_that_is_none_is_named() {
    let layers = json!([{"type": "Embedding", "num_embeddings": 5, "embedding_dim": 2}, {"type": "Flatten"}, linear(1)]);
    let network = Network::from_document(&chain(layers), &[2]).unwrap();
    let weights = network.initial_weights(1);
    let mut predictor = Predictor::new(&on_device(&network), 1).unwrap();
    for wrong in [5.0, -1.0, 1.5, f32::NAN] {
        let failure = predictor.predict(&weights, &[0.0, wrong], 1).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::InvalidData);
        let wanted = format!(
            "Embedding \"0\": {wrong} is not an index of its table: expected whole numbers from 0 to 4"
        );
        assert!(failure.message.contains(&wanted), "{failure}");
    }
    assert!(predictor.predict(&weights, &[0.0, 4.0], 1).is_ok());
}

#[test]
fn nan_stays_nan() {
    let layers =
        json!([{"type": "ReLU"}, {"type": "MaxPool1d", "kernel_size": 2}, {"type": "Hardtanh"}, linear(1)]);
    let network = Network::from_document(&chain(layers), &[1, 4]).unwrap();
    let weights = network.initial_weights(1);
    let mut predictor = Predictor::new(&on_device(&network), 1).unwrap();
    let outputs = predictor
        .predict(&weights, &[1.0, f32::NAN, 2.0, 3.0], 1)
        .unwrap();
    assert!(outputs[0].is_nan());
}

#[test]
fn the_device_of_the_process() {
    let network = Network::from_document(&chain(json!([linear(2), {"type": "ReLU"}])), &[3]).unwrap();
    choose(DeviceName::Candle).unwrap();
    let there = placed(&network).unwrap();
    choose(DeviceName::Cpu).unwrap();
    let back = placed(&network).unwrap();
    assert_eq!(names(&there), ["Segment"]);
    assert_eq!(names(&back), ["Linear", "ReLU"]);
    assert_eq!(there.parameters(), network.parameters());
    assert_eq!(there.document(), network.document());
}

#[test]
fn a_device_that_is_not_there_is_told() {
    if device().is_cuda() {
        let failure = open(DeviceName::Cuda(4_096)).unwrap_err();
        assert!(failure.message.contains("cuda:4096 cannot be used"), "{failure}");
    } else {
        let failure = choose(DeviceName::Cuda(1)).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::InvalidParameter);
        assert!(failure.message.contains("cuda:1"), "{failure}");
    }
}
