//! Several trainers of a network that takes rows of zeros: over the network go the columns that a step touched, and all have the
//! weights that one trainer gets from the rows with their zeros.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../collective/tests/support/mod.rs"]
mod support;

use candlewick_collective::Node;
use candlewick_model::engine::{Batch, Engine, Features, Gradient, NodeGradient, Slice};
use candlewick_model::kernels::Csr;
use candlewick_model::network::Network;
use candlewick_model::optim::{Clip, Optimizer};
use candlewick_protocol::job::LabelKind;
use candlewick_protocol::order::mix;
use candlewick_protocol::plan::ownership;
use candlewick_protocol::tree::cover;
use serde_json::{Value, json};
use support::{LONG, gang};

const WIDTH: usize = 5_000;
const SHARDS: u32 = 8;
const ROWS: usize = 5;
const STEPS: u64 = 6;

/// A linear layer, or a bag of counts, over the rows.
fn network(first: &Value) -> Network {
    let layers = json!([first, {"type": "ReLU"}, {"type": "Linear", "out_features": 1}]);
    Network::from_document(
        &json!({"format": "candlewick.network/1", "layers": layers}),
        &[WIDTH],
    )
    .unwrap()
}

/// Rows of the shards `lo..hi`, as such and with their zeros. The first columns are touched by many of them.
fn rows(step: u64, lo: u32, hi: u32) -> (Csr, Vec<f32>) {
    let (mut sparse, mut dense) = (Csr::default(), Vec::new());
    for row in (lo * ROWS as u32..hi * ROWS as u32).map(u64::from) {
        for column in 0..WIDTH as u64 {
            let random = mix(row * WIDTH as u64 + column, step, 1);
            let some = random.is_multiple_of(if column < 5 { 2 } else { 500 });
            let value = if some {
                (random >> 40) as f32 * 1e-7 - 0.8
            } else {
                0.0
            };
            sparse.push(column as u32, value);
            dense.push(value);
        }
        sparse.end_row();
    }
    (sparse, dense)
}

/// Trains the shards `lo..hi`; `sum` makes the gradient of all of the nodes of these. Returns the hash of the weights.
fn train(
    network: &Network,
    sparse: bool,
    (lo, hi): (u32, u32),
    mut sum: impl FnMut(u64, &[NodeGradient], &mut Gradient),
) -> String {
    let mut engine = Engine::new(
        network,
        &json!({"type": "BCEWithLogitsLoss"}),
        &LabelKind::class(2),
        1,
        1,
    )
    .unwrap();
    let mut optimizer = Optimizer::from_document(&json!({"type": "Adagrad", "lr": 0.1}), network).unwrap();
    let mut weights = network.initial_weights(1);
    let mut gradient = Gradient::new(network);
    let owned = cover(lo, hi, SHARDS).into_iter();
    let mut nodes: Vec<NodeGradient> = owned.map(|(lo, hi)| NodeGradient::new(lo, hi)).collect();
    let slices: Vec<Slice> = (lo..hi).map(|shard| Slice { shard, rows: ROWS }).collect();
    for step in 0..STEPS {
        let (csr, values) = rows(step, lo, hi);
        let label = |row: usize| f64::from((lo * ROWS as u32 + row as u32) % 2);
        let count = csr.rows();
        let batch = Batch {
            step,
            slices: &slices,
            features: if sparse {
                Features::Sparse(&csr)
            } else {
                Features::Dense(&values)
            },
            labels: &(0..count).map(label).collect::<Vec<f64>>(),
            weights: &vec![1.0; count],
        };
        engine.step(&weights, &batch, &mut nodes).unwrap();
        sum(step, &nodes, &mut gradient);
        let all = f64::from(SHARDS) * ROWS as f64;
        optimizer
            .update_from(&mut weights, &mut gradient, all, &Clip::default())
            .unwrap();
    }
    network.weights_hash(&weights)
}

/// As the collective takes it.
fn part(node: &NodeGradient) -> Node<'_> {
    Node {
        lo: node.lo,
        hi: node.hi,
        values: node.present.then_some(node.values.as_slice()),
        tables: &node.sparse_rows,
    }
}

#[test]
fn trainers_of_sparse_rows_have_the_weights_of_one_with_dense_rows() {
    let linear = json!({"type": "Linear", "out_features": 6});
    let bag = json!({"type": "EmbeddingBag", "num_embeddings": WIDTH, "embedding_dim": 6, "mode": "sum", "input": "counts"});
    for first in [linear, bag] {
        same_weights(&first);
    }
}

fn same_weights(first: &Value) {
    let dense = network(first);
    let wanted = train(&dense, false, (0, SHARDS), |_, nodes, gradient| {
        gradient.set(&nodes[0])
    });
    let sparse = dense.with_sparse_input().unwrap();
    for ranks in 1..=3 {
        let hashes = gang(ranks, SHARDS, LONG, |rank, gang, _| {
            train(
                &sparse,
                true,
                ownership(SHARDS, ranks)[rank],
                |step, nodes, gradient| {
                    let few = |node: &NodeGradient| node.sparse_rows[0].indices.len() < WIDTH / 10;
                    assert!(nodes.iter().all(few), "columns that no row touched");
                    let nodes: Vec<Node<'_>> = nodes.iter().map(part).collect();
                    let sum =
                        gradient.assign(|values, tables| gang.all_reduce(step, &[], &nodes, values, tables));
                    sum.unwrap();
                },
            )
        });
        assert!(
            hashes.iter().all(|hash| *hash == wanted),
            "{first}, {ranks} trainers: {hashes:?}, not {wanted}"
        );
    }
}
