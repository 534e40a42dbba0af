//! Rule B2: what is computed for all slices of a step together has the bits of slice by slice, for every loss and for
//! the elementwise layers; the files of the other layers check theirs. And losses behind the layers that they are made
//! for, next to PyTorch: `golden/make_combinations.py`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use candlewick_model::catalogue::{Kind, names};
use candlewick_model::engine::{Batch, Engine, NodeGradient, Slice, SliceSums};
use candlewick_model::network::Network;
use candlewick_model::philox::{Key, uniform};
use candlewick_protocol::job::LabelKind;
use serde_json::{Value, json};
use support::{Case, SHARDS, assert_close, bits, content, doubles, flat, floats, slices};

fn network(layers: &Value, inputs: usize) -> Network {
    let document = json!({"format": "candlewick.network/1", "layers": layers});
    Network::from_document(&document, &[inputs]).unwrap()
}

/// Rows of a step, and where they come from.
struct Rows<'a> {
    features: &'a [f32],
    labels: &'a [f64],
    weights: &'a [f64],
}

impl Rows<'_> {
    /// The sums and the gradients of every slice, where `together` says which slices an engine sees at once.
    fn run(
        &self,
        make: &dyn Fn() -> (Engine, Vec<f32>),
        slices: &[Slice],
        together: usize,
    ) -> (Vec<SliceSums>, Vec<Option<Vec<u32>>>) {
        let total: usize = slices.iter().map(|slice| slice.rows).sum();
        let (width, size) = (self.features.len() / total, self.labels.len() / total);
        let (mut sums, mut gradients, mut start) = (Vec::new(), Vec::new(), 0);
        for part in slices.chunks(together) {
            let end = start + part.iter().map(|slice| slice.rows).sum::<usize>();
            let (mut engine, weights) = make();
            let node = |slice: &Slice| NodeGradient::new(slice.shard, slice.shard + 1);
            let mut nodes: Vec<NodeGradient> = part.iter().map(node).collect();
            let batch = Batch {
                step: 2,
                slices: part,
                features: (&self.features[start * width..end * width]).into(),
                labels: &self.labels[start * size..end * size],
                weights: &self.weights[start..end],
            };
            sums.extend(engine.step(&weights, &batch, &mut nodes).unwrap());
            gradients.extend(nodes.iter().map(|node| node.present.then(|| bits(&node.values))));
            start = end;
        }
        (sums, gradients)
    }
}

#[test]
fn losses_of_all_slices_are_those_of_each() {
    let mut seen = Vec::new();
    for case in content(include_str!("golden/losses.json")) {
        let label: LabelKind = serde_json::from_value(case["label"].clone()).unwrap();
        let (width, loss) = (case["width"].as_u64().unwrap() as usize, &case["loss"]);
        seen.push(loss["type"].as_str().unwrap().to_owned());
        let network = network(&json!([{"type": "Linear", "out_features": width}]), width);
        // The identity, so that outputs are as legal as those of the file.
        let mut weights = vec![0.0; width * width + width];
        (0..width).for_each(|at| weights[at * (width + 1)] = 1.0);
        let rows = Rows {
            features: &floats(&case["outputs"]),
            labels: &doubles(&case["labels"]),
            weights: &doubles(&case["weights"]),
        };
        for threads in [1, 2] {
            let make = || {
                (
                    Engine::new(&network, loss, &label, 0, threads).unwrap(),
                    weights.clone(),
                )
            };
            let slices = slices(rows.weights.len());
            let all = rows.run(&make, &slices, slices.len());
            for together in [1, 3] {
                assert!(
                    rows.run(&make, &slices, together) == all,
                    "{loss}, {together} at once"
                );
            }
        }
    }
    // A LossTerm is a part of a sum of losses, which has cases.
    for name in names(Kind::Loss).into_iter().filter(|name| *name != "LossTerm") {
        assert!(seen.iter().any(|seen| seen == name), "{name} has no case");
    }
}

/// Layers that change every element by itself.
const ELEMENTWISE: [&str; 20] = [
    "CELU",
    "Dropout",
    "ELU",
    "GELU",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "Identity",
    "LeakyReLU",
    "LogSigmoid",
    "Mish",
    "PReLU",
    "ReLU",
    "ReLU6",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Softsign",
    "Tanh",
];

#[test]
fn elementwise_layers_of_all_slices_are_those_of_each() {
    for name in ELEMENTWISE {
        let linear = |size: usize| json!({"type": "Linear", "out_features": size});
        check(name, network(&json!([linear(19), {"type": name}, linear(3)]), 11));
    }
    let layers = json!([{"type": "Linear", "out_features": 24},
        {"type": "Unflatten", "dim": 1, "unflattened_size": [6, 2, 2]},
        {"type": "Dropout2d"}, {"type": "Flatten"}, {"type": "Linear", "out_features": 3}]);
    check("Dropout2d", network(&layers, 11));
}

#[test]
fn no_layer_is_left_out() {
    let others = [
        include_str!("golden/attention.json"),
        include_str!("golden/bilinear.json"),
        include_str!("golden/convolution.json"),
        include_str!("golden/embedding.json"),
        include_str!("golden/further.json"),
        include_str!("golden/joins.json"),
        include_str!("golden/padding.json"),
        include_str!("golden/shared.json"),
        include_str!("golden/normalization.json"),
        include_str!("golden/pooling.json"),
        include_str!("golden/recurrent.json"),
        include_str!("golden/transformer.json"),
    ];
    for name in names(Kind::Layer) {
        let case = format!("\"type\": \"{name}\"");
        let own = ELEMENTWISE.contains(&name) || ["Dropout2d", "Flatten"].contains(&name);
        assert!(
            own || others.iter().any(|file| file.contains(&case)),
            "{name}: no file of support::check_layers has a case, and none is here"
        );
    }
}

/// Trainers of some shards, of one shard each, threads, and rows scored alone: all have the same bits.
fn check(name: &str, network: Network) {
    let random = |what: &str, count: usize| {
        let mut values = vec![0.0; count];
        uniform(Key::new(5, what), 4.0, &mut values);
        values
    };
    let rows = 13;
    let case = Case {
        name: name.to_owned(),
        weights: network.initial_weights(2),
        features: random("features", rows * network.input_width()),
        labels: random("labels", rows * network.output_width())
            .into_iter()
            .map(f64::from)
            .collect(),
        row_weights: (0..rows).map(|row| 0.5 + row as f64 * 0.1).collect(),
        network,
        own_loss: None,
        value: Value::Null,
    };
    case.same_bits();
}

#[test]
fn losses_behind_the_layers_they_are_made_for() {
    let mut groups: Vec<(String, f64, Vec<f32>)> = Vec::new();
    for case in content(include_str!("golden/combinations.json")) {
        let name = case["name"].as_str().unwrap();
        let label: LabelKind = serde_json::from_value(case["label"].clone()).unwrap();
        let network = Network::from_document(&case["network"], &[6]).unwrap();
        let (features, labels) = (floats(&case["features"]), doubles(&case["labels"]));
        let mut engine = Engine::new(&network, &case["loss"], &label, 0, 1).unwrap();
        let rows = features.len() / 6;
        let slices = slices(rows);
        let batch = Batch {
            step: 0,
            slices: &slices,
            features: (&features).into(),
            labels: &labels,
            weights: &vec![1.0; rows],
        };
        let mut nodes = [NodeGradient::new(0, SHARDS)];
        let sums = engine
            .step(&flat(&network, &case["parameters"]), &batch, &mut nodes)
            .unwrap();
        let denominator = engine.denominator(sums.iter().map(|sum| sum.denominator).sum());
        let value = sums.iter().map(|sum| sum.loss).sum::<f64>() / denominator;
        let gradient: Vec<f32> = nodes[0]
            .values
            .iter()
            .map(|g| (f64::from(*g) / denominator) as f32)
            .collect();
        let wanted = case["value"].as_f64().unwrap();
        assert!(
            (value - wanted).abs() <= 1e-6 * wanted.abs(),
            "{name}: {value}, PyTorch has {wanted}"
        );
        assert_close(&gradient, &flat(&network, &case["gradients"]), 2e-6, name);
        let group = case["group"].as_str().unwrap();
        match groups.iter().find(|(other, _, _)| other == group) {
            Some((_, other, same)) => {
                assert!(
                    (value - other).abs() <= 1e-6 * other.abs(),
                    "{name}: {value} and {other}"
                );
                assert_close(&gradient, same, 2e-6, name);
            }
            None => groups.push((group.to_owned(), value, gradient)),
        }
    }
    assert_eq!(groups.len(), 12);
}
