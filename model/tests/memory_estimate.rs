//! What a trainer is said to need is what it allocates, within a tenth. A test binary of its own and without the usual
//! harness, because it counts what its whole process allocates, on all threads.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use candlewick_model::engine::{Batch, Engine, Features, Gradient, NodeGradient, Predictor, Slice};
use candlewick_model::job::complete;
use candlewick_model::kernels::Csr;
use candlewick_model::memory::{PART_VALUES, TrainingMemory};
use candlewick_model::metrics::SLICE_ROWS;
use candlewick_model::network::Network;
use candlewick_model::optim::Updates;
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::tree;
use serde_json::{Value, json};
use std::alloc::{GlobalAlloc, Layout, System};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's allocator, and what is held of it.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it is; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn job(params: &Value, shape: &[usize]) -> JobSpec {
    let width: usize = shape.iter().product();
    let input = json!({"job": "00", "task": "classifier", "featureWidth": width, "featureShape": shape, "params": params});
    complete(&serde_json::from_value(input).unwrap()).unwrap().job
}

fn network(layers: &Value) -> Value {
    json!({"format": "candlewick.network/1", "layers": layers})
}

fn linear(size: usize) -> Value {
    json!({"type": "Linear", "out_features": size})
}

fn relu() -> Value {
    json!({"type": "ReLU"})
}

/// Bytes that a trainer of these shards holds after a few steps, beside the rows themselves.
fn held(job: &JobSpec, shards: Range<u32>, batches: &Batch<'_>, judged: usize) -> usize {
    let before = LIVE.load(Relaxed);
    let network = Network::of_job(job).unwrap();
    let mut engine = Engine::new(&network, &job.train.loss, &job.data.label, 1, 1).unwrap();
    let mut weights = network.initial_weights(1);
    let mut updates = Updates::new(&job.train, &network, &engine, &weights).unwrap();
    updates.begin(100).unwrap();
    let mut gradient = Gradient::new(&network);
    let cover = tree::cover(shards.start, shards.end, job.train.logical_shards);
    let mut nodes: Vec<NodeGradient> = cover
        .into_iter()
        .map(|(lo, hi)| NodeGradient::new(lo, hi))
        .collect();
    for step in 0..3 {
        let batch = Batch { step, ..*batches };
        engine.step(&weights, &batch, &mut nodes).unwrap();
        gradient.set(nodes.iter().find(|node| node.present).unwrap());
        engine.update_buffers(&mut weights);
        updates.step(&mut weights, &mut gradient, 1.0, step).unwrap();
    }
    // What a trainer copies to exchange it part by part, where there are others.
    let others = shards.end - shards.start < job.train.logical_shards;
    let parts = others && network.num_dense() >= 2 * PART_VALUES;
    let parts: Vec<NodeGradient> = if parts { nodes.clone() } else { Vec::new() };
    let judge = (judged > 0).then(|| judge(&network, &mut engine, &weights, judged));
    let held = LIVE.load(Relaxed) - before;
    drop((engine, weights, updates, gradient, nodes, parts, judge));
    held
}

/// What judges rows that are put aside, once it has judged some; the rows themselves are no part of it.
fn judge(network: &Network, engine: &mut Engine, weights: &[f32], rows: usize) -> Predictor {
    let mut predictor = Predictor::new(network, 1).unwrap();
    let features = vec![0.5; rows * network.input_width()];
    let (labels, ones) = (vec![1.0; rows], vec![1.0; rows]);
    let outputs = predictor.predict(weights, &features, rows).unwrap();
    engine.evaluate(0, outputs, &labels, &ones).unwrap();
    predictor
}

/// Rows of so many values that are not zero, none of them in the same columns.
fn sparse(rows: usize, width: usize, nonzeros: usize) -> Csr {
    let mut all = Csr::default();
    for row in 0..rows {
        let part = width / nonzeros;
        (0..nonzeros).for_each(|at| all.push((at * part + row * 7919 % part) as u32, 0.5));
        all.end_row();
    }
    all
}

/// Whether what is told is what is held, within a tenth.
fn check(name: &str, job: &JobSpec, shards: Range<u32>) -> bool {
    let aside = if job.data.validation.is_some() {
        SLICE_ROWS
    } else {
        0
    };
    check_judging(name, job, shards, aside)
}

/// The same where so many rows of a shard are put aside.
fn check_judging(name: &str, job: &JobSpec, shards: Range<u32>, aside: usize) -> bool {
    let v = job.train.logical_shards;
    let each = job.train.batch_size / v;
    let rows = (each * (shards.end - shards.start)) as usize;
    let slice = |shard| Slice {
        shard,
        rows: each as usize,
    };
    let slices: Vec<Slice> = shards.clone().map(slice).collect();
    let width = job.data.feature_width as usize;
    // Values that are indices too, of many rows of a table.
    let dense: Vec<f32>;
    let zeros: Csr;
    let features: Features<'_> = match job.data.feature_encoding.nonzeros {
        Some(nonzeros) => {
            zeros = sparse(rows, width, nonzeros as usize);
            (&zeros).into()
        }
        None => {
            dense = (0..rows * width).map(|at| (at * 7919 % 1000) as f32).collect();
            (&dense).into()
        }
    };
    let (labels, weights) = (vec![1.0; rows], vec![1.0; rows]);
    let batch = Batch {
        step: 0,
        slices: &slices,
        features,
        labels: &labels,
        weights: &weights,
    };
    let told = TrainingMemory::judging(job, shards.clone(), aside).unwrap();
    let (wanted, found) = (
        told.beside_rows() - told.batches - told.states,
        held(job, shards, &batch, aside) as u64,
    );
    println!(
        "{name}: told {wanted}, held {found}, {:.3}, {told:?}",
        wanted as f64 / found as f64
    );
    wanted.abs_diff(found) * 10 <= found
}

/// Bags of counts, of rows with and without zeros.
fn counts() -> Vec<bool> {
    let mut good = Vec::new();
    let layers = |mode: &str, width: usize| {
        let bag = json!({"type": "EmbeddingBag", "num_embeddings": width, "embedding_dim": 8, "mode": mode, "input": "counts"});
        network(&json!([bag, relu(), linear(4)]))
    };
    for mode in ["sum", "mean", "max"] {
        let input = json!({"job": "00", "task": "classifier", "featureWidth": 1 << 18, "featureTypes": ["vector"],
            "nonzeros": 60, "params": {"network": layers(mode, 1 << 18), "batchSize": 4096, "optimizer": {"type": "SGD"}}});
        let of_counts = complete(&serde_json::from_value(input).unwrap()).unwrap().job;
        good.push(check(mode, &of_counts, 0..8));
        let params = json!({"network": layers(mode, 1000), "batchSize": 256, "optimizer": {"type": "SGD"}});
        good.push(check("dense counts", &job(&params, &[1000]), 0..8));
    }
    good
}

/// A table whose weights lie between those of other layers.
fn dense_table_dense() -> Value {
    let bag = json!({"type": "EmbeddingBag", "num_embeddings": 2000, "embedding_dim": 8});
    json!({"format": "candlewick.network/1",
        "inputs": [{"name": "x", "shape": [590]}, {"name": "ids", "shape": [10]}],
        "nodes": [
            {"name": "deep", "inputs": ["x"], "layer": linear(600)},
            {"name": "wide", "inputs": ["ids"], "layer": bag},
            {"name": "both", "inputs": ["deep", "wide"], "layer": {"type": "Concat"}},
            {"name": "out", "inputs": ["both"], "layer": linear(400)}],
        "outputs": ["out"]})
}

/// Networks whose gradients are not as long as their weights, or not as a node has them.
fn packed() -> Vec<bool> {
    let params = json!({"network": dense_table_dense(), "batchSize": 64});
    let table = check("dense, table, dense", &job(&params, &[600]), 0..8);
    let shared =
        network(&json!([linear(512), relu(), linear(512), relu(), {"shares": "2"}, relu(), {"shares": "2"}]));
    let params = json!({"network": shared, "batchSize": 16});
    vec![table, check("shared", &job(&params, &[512]), 0..8)]
}

fn main() {
    let mut good = Vec::new();
    let mlp = network(&json!([linear(512), relu(), {"type": "Dropout"}, linear(256), relu(), linear(10)]));
    for optimizer in ["SGD", "Adam", "AdamW"] {
        let params = json!({"network": mlp, "optimizer": {"type": optimizer}, "batchSize": 256});
        good.push(check(optimizer, &job(&params, &[784]), 0..8));
    }
    let params = json!({"network": mlp, "batchSize": 4096});
    good.push(check("a large batch", &job(&params, &[784]), 0..8));
    good.push(check("shards 0 to 3", &job(&params, &[784]), 0..3));
    let more = json!({"network": mlp, "batchSize": 64, "emaDecay": 0.9, "gradientAccumulationSteps": 2});
    good.push(check("averages and sums", &job(&more, &[784]), 0..8));
    let conv =
        |channels: usize| json!({"type": "Conv2d", "out_channels": channels, "kernel_size": 3, "padding": 1});
    let pool = json!({"type": "MaxPool2d", "kernel_size": 2});
    let flatten = json!({"type": "Flatten"});
    let cnn = network(
        &json!([conv(16), {"type": "BatchNorm2d"}, relu(), pool, conv(32), relu(), pool, flatten, linear(10)]),
    );
    good.push(check(
        "cnn",
        &job(&json!({"network": cnn, "batchSize": 128}), &[1, 28, 28]),
        0..8,
    ));
    let params = json!({"network": cnn, "batchSize": 128, "precision": "bf16"});
    good.push(check("cnn in bf16", &job(&params, &[1, 28, 28]), 0..8));
    let lstm = network(&json!([{"type": "LSTM", "hidden_size": 64, "output": "last"}, linear(4)]));
    good.push(check(
        "lstm",
        &job(&json!({"network": lstm, "batchSize": 128}), &[20, 16]),
        0..8,
    ));
    let bag = json!({"type": "EmbeddingBag", "num_embeddings": 50_000, "embedding_dim": 32});
    let table = network(&json!([bag, linear(64), relu(), linear(4)]));
    good.extend(packed());
    good.push(check(
        "table",
        &job(&json!({"network": table, "batchSize": 64}), &[10]),
        0..8,
    ));
    let judged = |params: Value, shape: &[usize]| {
        let mut params = params;
        params["validationFraction"] = json!(0.1);
        job(&params, shape)
    };
    let of_mlp = judged(json!({"network": mlp, "batchSize": 32}), &[784]);
    good.push(check("judged", &of_mlp, 0..8));
    let of_cnn = judged(json!({"network": cnn, "batchSize": 128}), &[1, 28, 28]);
    good.push(check("judged pictures", &of_cnn, 0..8));
    good.push(check_judging("few judged", &of_cnn, 0..8, 40));
    let words = network(&json!([linear(4), relu(), linear(4)]));
    let input = json!({"job": "00", "task": "classifier", "featureWidth": 1 << 18, "featureTypes": ["vector"],
        "nonzeros": 60, "params": {"network": words, "batchSize": 4096, "optimizer": {"type": "SGD"}}});
    let of_words = complete(&serde_json::from_value(input).unwrap()).unwrap().job;
    good.push(check("rows of zeros", &of_words, 0..8));
    good.extend(counts());
    assert!(good.iter().all(|good| *good), "{good:?}");
}
