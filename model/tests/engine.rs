//! The engine: what it computes does not depend on owners, threads or company; gradients are right.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use candlewick_model::engine::{Batch, Engine, Features, NodeGradient, Predictor, Slice, SliceSums};
use candlewick_model::network::Network;
use candlewick_model::optim::{Clip, Optimizer};
use candlewick_model::philox::{Key, uniform};
use candlewick_protocol::job::LabelKind;
use candlewick_protocol::tree;
use serde_json::{Value, json};

const CLASSES: u32 = 3;

fn network(layers: Value, inputs: usize) -> Network {
    let document = json!({"format": "candlewick.network/1", "layers": layers});
    Network::from_document(&document, &[inputs]).unwrap()
}

fn every_layer() -> Network {
    let layers = json!([
        {"type": "Linear", "out_features": 33}, {"type": "ReLU"}, {"type": "Dropout", "p": 0.3},
        {"type": "Linear", "out_features": 40}, {"type": "GELU"}, {"type": "Dropout"}, {"type": "Flatten"},
        {"type": "Sequential", "layers": [{"type": "Linear", "out_features": 17}, {"type": "Tanh"}]},
        {"type": "Linear", "out_features": 20, "bias": false}, {"type": "Sigmoid"},
        {"type": "Linear", "out_features": 19}, {"type": "GELU", "approximate": "tanh"},
        {"type": "Linear", "out_features": CLASSES}
    ]);
    network(layers, 30)
}

fn random(name: &str, count: usize) -> Vec<f32> {
    let mut values = vec![0.0; count];
    uniform(Key::new(11, name), 1.0, &mut values);
    values
}

/// Rows of a step over all shards.
struct Data {
    rows: Vec<usize>,
    features: Vec<f32>,
    labels: Vec<f64>,
    weights: Vec<f64>,
}

impl Data {
    fn new(rows: &[usize], inputs: usize) -> Self {
        let total: usize = rows.iter().sum();
        Data {
            rows: rows.to_vec(),
            features: random("features", total * inputs),
            labels: (0..total)
                .map(|row| f64::from(row as u32 * 7 % CLASSES))
                .collect(),
            weights: (0..total).map(|row| 0.5 + (row % 5) as f64 * 0.3).collect(),
        }
    }

    /// What the owner of shards `lo..hi` computes.
    fn step(
        &self,
        engine: &mut Engine,
        weights: &[f32],
        lo: u32,
        hi: u32,
    ) -> (Vec<SliceSums>, Vec<NodeGradient>) {
        let v = self.rows.len() as u32;
        let slices: Vec<Slice> = (lo..hi)
            .map(|shard| Slice {
                shard,
                rows: self.rows[shard as usize],
            })
            .collect();
        let start: usize = self.rows[..lo as usize].iter().sum();
        let end: usize = self.rows[..hi as usize].iter().sum();
        let width = self.features.len() / self.labels.len();
        let batch = Batch {
            step: 4,
            slices: &slices,
            features: (&self.features[start * width..end * width]).into(),
            labels: &self.labels[start..end],
            weights: &self.weights[start..end],
        };
        let mut nodes: Vec<NodeGradient> = tree::cover(lo, hi, v)
            .into_iter()
            .map(|(lo, hi)| NodeGradient::new(lo, hi))
            .collect();
        let sums = engine.step(weights, &batch, &mut nodes).unwrap();
        (sums, nodes)
    }
}

fn engine(network: &Network, threads: usize) -> Engine {
    let loss = json!({"type": "CrossEntropyLoss"});
    Engine::new(network, &loss, &LabelKind::class(CLASSES), 3, threads).unwrap()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// left + right of the tree, from the nodes that are known.
fn assemble(nodes: &[NodeGradient], lo: u32, hi: u32) -> Option<Vec<f32>> {
    if let Some(node) = nodes.iter().find(|node| (node.lo, node.hi) == (lo, hi)) {
        return node.present.then(|| node.values.clone());
    }
    let middle = tree::split(lo, hi);
    match (assemble(nodes, lo, middle), assemble(nodes, middle, hi)) {
        (Some(left), Some(right)) => Some(left.iter().zip(&right).map(|(l, r)| l + r).collect()),
        (left, right) => left.or(right),
    }
}

#[test]
fn any_owners_and_threads_give_the_same_bits() {
    let network = every_layer();
    let weights = network.initial_weights(9);
    for rows in [
        vec![3, 0, 5, 1, 4, 2, 0, 6],
        vec![0, 0, 7],
        vec![90, 100, 81, 77, 0],
    ] {
        let data = Data::new(&rows, 30);
        let v = rows.len() as u32;
        let (sums, whole) = data.step(&mut engine(&network, 1), &weights, 0, v);
        let cuts = [vec![0, v], vec![0, 1, v], vec![0, v / 2, v], vec![0, 1, 2, v]];
        for (cut, threads) in cuts.iter().zip([2, 1, 3, 2]) {
            let (mut lines, mut nodes) = (Vec::new(), Vec::new());
            for ends in cut.windows(2) {
                let (part, gradients) = data.step(&mut engine(&network, threads), &weights, ends[0], ends[1]);
                lines.extend(part);
                nodes.extend(gradients);
            }
            assert_eq!(lines, sums, "{rows:?} {cut:?}");
            let root = assemble(&nodes, 0, v).unwrap();
            assert_eq!(
                bits(&root),
                bits(&whole[0].values),
                "{rows:?} {cut:?} {threads} threads"
            );
        }
    }
}

#[test]
fn memory_of_a_larger_step_leaves_no_trace() {
    let network = every_layer();
    let weights = network.initial_weights(9);
    let (large, small) = (Data::new(&[40, 30], 30), Data::new(&[2, 1], 30));
    let mut reused = engine(&network, 1);
    large.step(&mut reused, &weights, 0, 2);
    assert_eq!(
        small.step(&mut reused, &weights, 0, 2),
        small.step(&mut engine(&network, 1), &weights, 0, 2)
    );
}

#[test]
fn a_step_without_rows_has_no_gradient() {
    let network = every_layer();
    let weights = network.initial_weights(9);
    let data = Data::new(&[0, 0, 3], 30);
    let (sums, nodes) = data.step(&mut engine(&network, 1), &weights, 0, 2);
    assert!(!nodes[0].present);
    assert!(sums.iter().all(|sum| sum.rows == 0 && sum.denominator == 0.0));
}

#[test]
fn a_row_scored_alone_is_the_row_scored_in_a_batch() {
    let network = every_layer();
    let weights = network.initial_weights(2);
    let features = random("rows", 1_500 * 30);
    let mut predictor = Predictor::new(&network, 1).unwrap();
    let all = predictor.predict(&weights, &features, 1_500).unwrap().to_vec();
    let prepared = predictor.prepare(&weights);
    for (first, count) in [(0, 1_500), (7, 1), (100, 300)] {
        let rows = &features[first * 30..(first + count) * 30];
        let found = predictor.predict_prepared(&weights, Some(&prepared), rows, count);
        let wanted = &all[first * 3..(first + count) * 3];
        assert_eq!(
            bits(found.unwrap()),
            bits(wanted),
            "rows {first} + {count}, prepared"
        );
    }
    assert_eq!(
        bits(&all),
        bits(
            Predictor::new(&network, 3)
                .unwrap()
                .predict(&weights, &features, 1_500)
                .unwrap()
        )
    );
    for (first, count) in [
        (0, 1),
        (7, 1),
        (1_499, 1),
        (3, 2),
        (20, 15),
        (100, 300),
        (470, 1_030),
    ] {
        let some = predictor
            .predict(&weights, &features[first * 30..(first + count) * 30], count)
            .unwrap();
        assert_eq!(
            bits(some),
            bits(&all[first * 3..(first + count) * 3]),
            "rows {first} + {count}"
        );
    }
    assert!(predictor.predict(&weights, &[], 0).unwrap().is_empty());
    assert!(predictor.predict(&weights, &features, 3).is_err());
}

/// Loss of a batch as a mean over the weights.
fn loss_at(engine: &mut Engine, data: &Data, weights: &[f32]) -> f64 {
    let (sums, _) = data.step(engine, weights, 0, data.rows.len() as u32);
    sums.iter().map(|sum| sum.loss).sum()
}

#[test]
fn gradients_are_finite_differences() {
    let network = every_layer();
    let weights = network.initial_weights(5);
    let data = Data::new(&[5, 6], 30);
    let mut engine = engine(&network, 1);
    let (_, nodes) = data.step(&mut engine, &weights, 0, 2);
    let size = nodes[0].values.iter().fold(0.0f32, |size, g| size.max(g.abs()));
    let mut worst = 0.0f64;
    for at in (0..weights.len()).step_by(23) {
        let mut moved = weights.clone();
        let mut loss = |step: f32| {
            moved[at] = weights[at] + step;
            (loss_at(&mut engine, &data, &moved), f64::from(moved[at]))
        };
        let ((high, right), (low, left)) = (loss(4e-3), loss(-4e-3));
        let difference = (high - low) / (right - left);
        worst = worst.max((difference - f64::from(nodes[0].values[at])).abs() / f64::from(size));
    }
    assert!(worst < 2e-3, "{worst}");
}

#[test]
fn dropout_follows_seed_step_shard_and_row() {
    let network = network(
        json!([{"type": "Dropout"}, {"type": "Linear", "out_features": CLASSES}]),
        64,
    );
    let weights = network.initial_weights(1);
    let data = Data::new(&[4, 4], 64);
    let gradient = |seed: u64, step: u64, shard: u32| {
        let loss = json!({"type": "CrossEntropyLoss"});
        let kind = LabelKind::class(CLASSES);
        let mut engine = Engine::new(&network, &loss, &kind, seed, 1).unwrap();
        let mut nodes = [NodeGradient::new(0, 8)];
        let slices = [Slice { shard, rows: 4 }];
        let batch = Batch {
            step,
            slices: &slices,
            features: (&data.features[..4 * 64]).into(),
            labels: &data.labels[..4],
            weights: &data.weights[..4],
        };
        engine.step(&weights, &batch, &mut nodes).unwrap();
        bits(&nodes[0].values)
    };
    let base = gradient(1, 1, 1);
    assert_eq!(base, gradient(1, 1, 1));
    for other in [gradient(2, 1, 1), gradient(1, 2, 1), gradient(1, 1, 2)] {
        assert_ne!(base, other);
    }
}

#[test]
fn updates_on_threads_have_the_same_bits() {
    let network = network(json!([{"type": "Linear", "out_features": 700}]), 300);
    let threaded = Engine::new(
        &network,
        &json!({"type": "MSELoss"}),
        &LabelKind::Real { width: 700 },
        0,
        3,
    )
    .unwrap();
    for document in [
        json!({"type": "AdamW", "amsgrad": true}),
        json!({"type": "SGD", "momentum": 0.5, "nesterov": true}),
        json!({"type": "SGD"}),
    ] {
        let run = |threads: bool| {
            let mut optimizer = Optimizer::from_document(&document, &network).unwrap();
            if threads {
                optimizer.use_threads_of(&threaded);
            }
            let mut weights = network.initial_weights(1);
            for step in 0..3 {
                let mut gradient = random(&format!("gradient {step}"), weights.len());
                optimizer
                    .update(&mut weights, &mut gradient, 2.0, &Clip::default())
                    .unwrap();
            }
            (
                network.weights_hash(&weights),
                optimizer.state_hash(&weights).unwrap(),
            )
        };
        assert_eq!(run(true), run(false), "{document}");
    }
}

#[test]
fn a_loss_that_does_not_fit_the_label_is_refused() {
    let network = network(json!([{"type": "Linear", "out_features": 3}]), 4);
    let failure = |loss: &str, label: LabelKind| {
        Engine::new(&network, &json!({"type": loss}), &label, 0, 1)
            .unwrap_err()
            .message
    };
    assert!(failure("CrossEntropyLoss", LabelKind::class(4)).contains("ends in width 3"));
    assert!(failure("CrossEntropyLoss", LabelKind::Real { width: 3 }).contains("not a regression loss"));
    assert!(failure("MSELoss", LabelKind::class(3)).contains("not a classification loss"));
    assert!(failure("MSELoss", LabelKind::Real { width: 2 }).contains("label has 2 value(s)"));
}

#[test]
fn wrong_calls_are_refused_with_the_reason() {
    let network = every_layer();
    let weights = network.initial_weights(1);
    let data = Data::new(&[2], 30);
    let mut engine = engine(&network, 1);
    let slices = [Slice { shard: 0, rows: 2 }];
    let batch = Batch {
        step: 0,
        slices: &slices,
        features: (&data.features).into(),
        labels: &data.labels,
        weights: &data.weights,
    };
    let mut failure = |weights: &[f32], batch: &Batch<'_>, nodes: &mut [NodeGradient]| {
        engine.step(weights, batch, nodes).unwrap_err().message
    };
    let mut node = [NodeGradient::new(0, 1)];
    assert!(failure(&weights[1..], &batch, &mut node).contains("weights, not"));
    assert!(failure(&weights, &batch, &mut []).contains("lies in 0 nodes"));
    assert!(
        failure(
            &weights,
            &Batch {
                labels: &[0.0, 3.0],
                ..batch
            },
            &mut node
        )
        .contains("label 3 is not a class")
    );
    assert!(
        failure(
            &weights,
            &Batch {
                features: Features::Dense(&[]),
                ..batch
            },
            &mut node
        )
        .contains("0 features")
    );
}
