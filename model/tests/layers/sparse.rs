//! Gradients of tables by the rows that a step touched: the same bits as whole tables give, for any number of
//! trainers and in every optimiser.

use crate::support;
use crate::support::{SHARDS, bits};
use candlewick_model::engine::{Batch, Engine, Gradient, NodeGradient, Slice};
use candlewick_model::network::Network;
use candlewick_model::optim::{Accumulator, Clip, Optimizer};
use candlewick_protocol::job::LabelKind;
use candlewick_protocol::order::mix;
use candlewick_protocol::rows::SparseRows;
use candlewick_protocol::tree::{NodeValue, assemble, cover};
use serde_json::{Value, json};

const ENTRIES: usize = 4_001;
const LENGTH: usize = 6;
const ROWS: usize = 21;
const CLASSES: u32 = 3;

/// A table between other parameters, or two of them, of rows that fit in no block.
fn network(kind: &str) -> Network {
    let table = |more: Value| {
        let mut layer = json!({"type": "EmbeddingBag", "num_embeddings": ENTRIES, "embedding_dim": 37});
        layer
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        layer
    };
    let linear = json!({"type": "Linear", "out_features": CLASSES});
    let (first, flatten) = match kind {
        "padding" => (
            json!({"type": "Embedding", "num_embeddings": ENTRIES, "embedding_dim": 37, "padding_idx": 7}),
            json!({"type": "Flatten"}),
        ),
        "both" => {
            let other = json!({"type": "EmbeddingBag", "num_embeddings": ENTRIES, "embedding_dim": 8});
            (
                json!({"type": "Concat", "layers": [table(json!({"mode": "sum"})), linear.clone(), other]}),
                json!({"type": "Tanh"}),
            )
        }
        mode => (table(json!({"mode": mode})), json!({"type": "Tanh"})),
    };
    let document = json!({"format": "candlewick.network/1", "layers": [first, flatten, linear]});
    Network::from_document(&document, &[LENGTH]).unwrap()
}

const KINDS: [&str; 5] = ["sum", "mean", "max", "padding", "both"];

struct Training {
    network: Network,
    engine: Engine,
    weights: Vec<f32>,
}

impl Training {
    fn new(network: &Network, threads: usize) -> Self {
        let (loss, kind) = (json!({"type": "CrossEntropyLoss"}), LabelKind::class(CLASSES));
        Training {
            engine: Engine::new(network, &loss, &kind, 1, threads).unwrap(),
            weights: network.initial_weights(1),
            network: network.clone(),
        }
    }

    /// The nodes of a trainer that owns the shards `lo..hi`.
    fn step(&mut self, step: u64, lo: u32, hi: u32) -> Vec<NodeGradient> {
        let slices = support::slices(ROWS);
        let start: usize = slices[..lo as usize].iter().map(|slice| slice.rows).sum();
        let own = &slices[lo as usize..hi as usize];
        let rows: usize = own.iter().map(|slice: &Slice| slice.rows).sum();
        // Small indices come often, so that trainers share rows.
        let feature = |at: usize| {
            let random = mix(at as u64, step, 3);
            let limit = if random.is_multiple_of(3) { ENTRIES } else { 12 };
            ((random >> 8) as usize % limit) as f32
        };
        let features: Vec<f32> = (start * LENGTH..(start + rows) * LENGTH).map(feature).collect();
        let label = |row: usize| (mix(row as u64, step, 4) % u64::from(CLASSES)) as f64;
        let labels: Vec<f64> = (start..start + rows).map(label).collect();
        let batch = Batch {
            step,
            slices: own,
            features: (&features).into(),
            labels: &labels,
            weights: &vec![1.0; rows],
        };
        let mut nodes: Vec<NodeGradient> = cover(lo, hi, SHARDS)
            .into_iter()
            .map(|(lo, hi)| NodeGradient::new(lo, hi))
            .collect();
        self.engine.step(&self.weights, &batch, &mut nodes).unwrap();
        nodes
    }
}

#[test]
fn trainers_add_up_to_the_rows_of_one() {
    for kind in KINDS {
        let network = network(kind);
        assert_eq!(
            network.sparse_parameters().len(),
            if kind == "both" { 2 } else { 1 }
        );
        let root = Training::new(&network, 1).step(5, 0, SHARDS).remove(0);
        for cut in [vec![0, 3, 8], vec![0, 1, 6, 8]] {
            let nodes: Vec<NodeGradient> = cut
                .windows(2)
                .flat_map(|ends| Training::new(&network, 2).step(5, ends[0], ends[1]))
                .collect();
            for (at, table) in root.sparse_rows.iter().enumerate() {
                assert!(!table.indices.is_empty() && table.indices.len() < ROWS * LENGTH);
                let mut find =
                    |lo: u32, hi: u32| match nodes.iter().find(|node| (node.lo, node.hi) == (lo, hi)) {
                        Some(node) => NodeValue::Known(node.present.then(|| node.sparse_rows[at].clone())),
                        None => NodeValue::Split,
                    };
                let sum = assemble(
                    0,
                    SHARDS,
                    &mut find,
                    &mut |left: SparseRows, right: SparseRows| {
                        let mut sum = SparseRows::new(left.entries, left.width);
                        sum.set_sum(left.view(), right.view());
                        sum
                    },
                );
                let sum = sum.unwrap();
                assert_eq!(sum.indices, table.indices, "{kind}, {cut:?}");
                assert_eq!(bits(&sum.values), bits(&table.values), "{kind}, {cut:?}");
                assert!(
                    table
                        .values
                        .iter()
                        .all(|value| value.to_bits() != (-0.0f32).to_bits())
                );
            }
        }
    }
}

#[test]
fn a_gradient_knows_the_rows_that_were_set() {
    let network = network("both");
    let mut training = Training::new(&network, 1);
    let mut gradient = Gradient::new(&network);
    for step in 0..4 {
        let root = training.step(step, 0, SHARDS).remove(0);
        gradient.set(&root);
        assert_eq!(bits(&gradient), bits(&root.flat(&network)), "step {step}");
        if step == 1 {
            // Whoever may change any element makes the next step clear all.
            gradient.as_mut_dense().fill(f32::NAN);
        }
        for (table, rows) in network.sparse_parameters().iter().zip(&root.sparse_rows) {
            let values = &gradient[table.offset..table.offset + table.len()];
            for (row, values) in values.chunks(table.width).enumerate() {
                let there = rows.indices.contains(&(row as u32));
                assert!(step == 1 || there || values.iter().all(|value| value.to_bits() == 0));
            }
        }
    }
}

#[test]
fn accumulated_gradients_are_those_of_whole_tables() {
    let network = network("both");
    let mut training = Training::new(&network, 1);
    let (mut rows, mut whole) = (Accumulator::new(3), Accumulator::new(3));
    let mut gradient = Gradient::new(&network);
    for step in 0..7 {
        let root = training.step(step, 0, SHARDS).remove(0);
        let mut flat = root.flat(&network);
        gradient.set(&root);
        let denominator = rows.add(gradient.as_mut_dense(), 21.0);
        assert_eq!(denominator, whole.add(&mut flat, 21.0));
        assert_eq!(denominator.is_some(), step % 3 == 2);
        if denominator.is_some() {
            assert_eq!(bits(&gradient), bits(&flat), "step {step}");
        }
    }
}

fn optimizers() -> Vec<Value> {
    let names = [
        "SGD", "LARS", "Adam", "AdamW", "NAdam", "RAdam", "Adagrad", "Adadelta", "RMSprop", "Adamax", "LAMB",
        "Lion",
    ];
    let mut all: Vec<Value> = names
        .iter()
        .map(|name| json!({"type": name, "lr": 0.1}))
        .collect();
    all.extend([
        json!({"type": "SGD", "lr": 0.1, "momentum": 0.9, "nesterov": true}),
        json!({"type": "SGD", "lr": 0.1, "weight_decay": 0.01}),
        json!({"type": "SGD", "lr": 0.1, "maximize": true}),
        json!({"type": "SGD", "lr": 0}),
        json!({"type": "LARS", "lr": 0.1, "always_adapt": true}),
        json!({"type": "LAMB", "lr": 0.1, "weight_decay": 0, "max_grad_norm": 0.1}),
        json!({"type": "Adagrad", "lr": 0.1, "weight_decay": 0.01}),
        json!({"type": "Adagrad", "lr": 0.1, "initial_accumulator_value": 0.1, "lr_decay": 0.1}),
        json!({"type": "Adam", "amsgrad": true, "groups": [{"params": "0.weight", "frozen": true}]}),
    ]);
    all
}

/// Trains a few steps, with the rows known or not; gives weights and the hash of the state.
fn train(
    network: &Network,
    optimizer: &Value,
    clip: &Clip,
    (threads, known): (usize, bool),
) -> (Vec<u32>, String) {
    let mut training = Training::new(network, threads);
    let mut optimizer = Optimizer::from_document(optimizer, network).unwrap();
    optimizer.use_threads_of(&training.engine);
    // Zeros of both signs must stay what they are.
    for (at, weight) in training.weights[300..9_000].iter_mut().enumerate() {
        *weight = [*weight, 0.0, -0.0][at % 3];
    }
    let mut gradient = Gradient::new(network);
    for step in 0..5 {
        let nodes = training.step(step, 0, SHARDS);
        let weights = &mut training.weights;
        if known {
            gradient.set(&nodes[0]);
            optimizer.update_from(weights, &mut gradient, 21.0, clip).unwrap();
        } else {
            let mut flat = nodes[0].flat(&training.network);
            optimizer.update(weights, &mut flat, 21.0, clip).unwrap();
        }
    }
    (
        bits(&training.weights),
        optimizer.state_hash(&training.weights).unwrap(),
    )
}

#[test]
fn every_optimiser_makes_the_updates_of_whole_tables() {
    let clips = [
        (None, None),
        (Some(0.01), None),
        (None, Some(0.001)),
        (Some(0.02), Some(0.001)),
    ];
    for kind in ["padding", "both", "mean"] {
        let network = network(kind);
        for optimizer in optimizers() {
            if kind == "both" && optimizer.get("groups").is_some() {
                continue;
            }
            for (norm, value) in clips {
                let clip = Clip { norm, value };
                let whole = train(&network, &optimizer, &clip, (1, false));
                for threads in [1, 2] {
                    let rows = train(&network, &optimizer, &clip, (threads, true));
                    assert!(whole == rows, "{kind}, {optimizer}, {clip:?}, {threads} threads");
                }
            }
        }
    }
}
