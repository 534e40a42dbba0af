//! Hot operations of the engine for `make bench-guard` (benchmarks/guard.py): see benchmarks/guard.rs. On one thread, which is the caller's.

#![allow(clippy::unwrap_used, reason = "a benchmark stops at the first error")]

#[path = "../../benchmarks/guard.rs"]
mod guard;

use candlewick_model::engine::{Batch, Engine, Features, Gradient, NodeGradient, Predictor, Slice};
use candlewick_model::kernels::Csr;
use candlewick_model::network::Network;
use candlewick_model::optim::{Clip, Optimizer};
use candlewick_model::philox::{Key, uniform};
use candlewick_protocol::job::LabelKind;
use guard::guarded;
use serde_json::{Value, json};

/// Batches cover few rows: instructions grow with them, what they tell does not.
const ROWS: usize = 32;
const SHARDS: u32 = 8;

fn random(count: usize) -> Vec<f32> {
    let mut values = vec![0.0; count];
    uniform(Key::new(1, "guard"), 1.0, &mut values);
    values
}

fn network(layers: &Value, shape: &[usize]) -> Network {
    Network::from_document(
        &json!({"format": "candlewick.network/1", "layers": layers}),
        shape,
    )
    .unwrap()
}

fn linear(size: usize) -> Value {
    json!({"type": "Linear", "out_features": size})
}

fn mlp() -> Network {
    let relu = json!({"type": "ReLU"});
    network(&json!([linear(128), relu, linear(64), relu, linear(10)]), &[784])
}

/// A training step: gradients of eight slices, their sum, and the update.
fn step(network: &Network, features: Features<'_>) {
    let kind = LabelKind::class(10);
    let mut engine = Engine::new(network, &json!({"type": "CrossEntropyLoss"}), &kind, 1, 1).unwrap();
    let mut optimizer = Optimizer::from_document(&json!({"type": "AdamW"}), network).unwrap();
    optimizer.use_threads_of(&engine);
    let mut weights = network.initial_weights(1);
    let labels: Vec<f64> = (0u32..).take(ROWS).map(|row| f64::from(row % 10)).collect();
    let rows = ROWS / SHARDS as usize;
    let slices: Vec<Slice> = (0..SHARDS).map(|shard| Slice { shard, rows }).collect();
    let mut nodes = [NodeGradient::new(0, SHARDS)];
    let mut gradient = Gradient::new(network);
    let mut run = |step| {
        let batch = Batch {
            step,
            slices: &slices,
            features,
            labels: &labels,
            weights: &[1.0; ROWS],
        };
        engine.step(&weights, &batch, &mut nodes).unwrap();
        gradient.set(&nodes[0]);
        optimizer
            .update_from(&mut weights, &mut gradient, ROWS as f64, &Clip::default())
            .unwrap();
    };
    // Buffers are made in the first step.
    run(0);
    guarded(&mut || run(1));
}

fn dense_step(network: &Network) {
    step(network, (&random(ROWS * network.input_width())).into());
}

fn step_of_sparse_rows() {
    const WIDTH: usize = 1 << 14;
    let mut rows = Csr::default();
    for row in 0..ROWS as u32 {
        for at in 0..60 {
            rows.push(at * 256 + row * 7 % 256, 0.5);
        }
        rows.end_row();
    }
    let network = network(&json!([linear(16), linear(10)]), &[WIDTH]);
    step(&network.with_sparse_input().unwrap(), Features::Sparse(&rows));
}

fn predict(network: &Network, rows: usize) {
    let features = random(rows * network.input_width());
    let weights = network.initial_weights(1);
    let mut predictor = Predictor::new(network, 1).unwrap();
    let mut run = || {
        predictor.predict(&weights, &features, rows).unwrap();
    };
    run();
    guarded(&mut run);
}

fn cnn() -> Network {
    let conv = json!({"type": "Conv2d", "out_channels": 8, "kernel_size": 3});
    let pool = json!({"type": "MaxPool2d", "kernel_size": 2});
    let layers =
        json!([conv, {"type": "BatchNorm2d"}, {"type": "ReLU"}, pool, {"type": "Flatten"}, linear(10)]);
    network(&layers, &[1, 28, 28])
}

fn lstm() -> Network {
    let lstm = json!({"type": "LSTM", "hidden_size": 32, "output": "last"});
    network(&json!([lstm, linear(10)]), &[16, 32])
}

fn encoder() -> Network {
    let layer = json!({"type": "TransformerEncoderLayer", "nhead": 4, "dim_feedforward": 64, "dropout": 0.0});
    network(&json!([layer, {"type": "Flatten"}, linear(10)]), &[16, 32])
}

fn main() {
    let operations: [guard::Operation; 7] = [
        ("step of an MLP", || dense_step(&mlp())),
        ("step of a CNN", || dense_step(&cnn())),
        ("step of an LSTM", || dense_step(&lstm())),
        ("step of an encoder", || dense_step(&encoder())),
        ("step of sparse rows", step_of_sparse_rows),
        ("prediction of 256 rows", || predict(&mlp(), 256)),
        ("prediction of a row", || predict(&mlp(), 1)),
    ];
    guard::main(&operations);
}
