//! No step allocates more than it frees: the bytes that a training holds are the same after every step. A test binary
//! of its own and without the usual harness, because it counts what its whole process allocates, on all threads.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use candlewick_model::engine::{Batch, Engine, Gradient, NodeGradient, Slice};
use candlewick_model::network::Network;
use candlewick_model::optim::{Clip, Optimizer};
use candlewick_model::philox::{Key, uniform};
use candlewick_protocol::job::LabelKind;
use serde_json::{Value, json};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's allocator, and what was asked of it.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static CALLS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);
static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it is; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Relaxed);
        CALLS.fetch_add(1, Relaxed);
        BYTES.fetch_add(layout.size(), Relaxed);
        LARGEST.fetch_max(layout.size(), Relaxed);
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

const SHARDS: u32 = 8;
const STEPS: usize = 1_000;
/// Rows of the steps, in turn; the first are the most.
const ROWS: [usize; 3] = [29, 8, 17];
/// Steps before the memory must stand: every size of a batch has come several times.
const WARM_UP: usize = 30;
/// Bytes that a step may allocate for a while, all together and at once: lists of what is where, no values.
const TRANSIENT: usize = 32 << 10;
const PIECE: usize = 4 << 10;
/// Growth of the process's resident memory over a training that is taken for an allocator's own.
const RESIDENT: usize = 2 << 20;

struct Family {
    name: &'static str,
    layers: Value,
    shape: &'static [usize],
    /// Features are indices below this.
    indices: Option<usize>,
}

fn linear(size: usize) -> Value {
    json!({"type": "Linear", "out_features": size})
}

fn plain(name: &str) -> Value {
    json!({"type": name})
}

fn family(name: &'static str, layers: Vec<Value>, shape: &'static [usize]) -> Family {
    Family {
        name,
        layers: Value::from(layers),
        shape,
        indices: None,
    }
}

fn sequences() -> Vec<Family> {
    vec![
        family(
            "lstm",
            vec![
                json!({"type": "LSTM", "hidden_size": 24, "num_layers": 2, "bidirectional": true, "output": "last"}),
                linear(4),
            ],
            &[11, 13],
        ),
        family(
            "gru",
            vec![
                json!({"type": "GRU", "hidden_size": 24, "output": "last"}),
                linear(4),
            ],
            &[11, 13],
        ),
        family(
            "transformer",
            vec![
                json!({"type": "PositionalEncoding"}),
                json!({"type": "TransformerEncoderLayer", "nhead": 4, "dim_feedforward": 48}),
                plain("Flatten"),
                linear(4),
            ],
            &[12, 32],
        ),
    ]
}

fn families() -> Vec<Family> {
    let mut all = vec![
        family(
            "mlp",
            vec![
                linear(64),
                plain("ReLU"),
                plain("Dropout"),
                linear(48),
                plain("GELU"),
                linear(4),
            ],
            &[80],
        ),
        // Wide enough for work to be split over the threads.
        family("wide", vec![linear(700), plain("Tanh"), linear(4)], &[300]),
        family(
            "cnn",
            vec![
                json!({"type": "Conv2d", "out_channels": 8, "kernel_size": 3, "padding": 1}),
                plain("BatchNorm2d"),
                plain("ReLU"),
                json!({"type": "MaxPool2d", "kernel_size": 2}),
                json!({"type": "Conv2d", "out_channels": 6, "kernel_size": 3, "stride": 2}),
                plain("BatchNorm2d"),
                json!({"type": "AdaptiveAvgPool2d", "output_size": 2}),
                plain("Flatten"),
                linear(4),
            ],
            &[3, 16, 16],
        ),
    ];
    all.extend(sequences());
    for (name, layer) in [("embedding", "Embedding"), ("bag", "EmbeddingBag")] {
        let table = json!({"type": layer, "num_embeddings": 3000, "embedding_dim": 24, "padding_idx": 0});
        let mut own = family(name, vec![table, plain("Flatten"), linear(4)], &[10]);
        own.indices = Some(3000);
        all.push(own);
    }
    let bag = json!({"type": "EmbeddingBag", "num_embeddings": 300, "embedding_dim": 24, "input": "counts"});
    let mut counts = family("counts", vec![bag, linear(4)], &[300]);
    // Any values of at least 0.
    counts.indices = Some(9);
    all.push(counts);
    all
}

fn features(family: &Family, rows: usize) -> Vec<f32> {
    let mut values = vec![0.0; rows * family.shape.iter().product::<usize>()];
    uniform(Key::new(rows as u64, "memory"), 1.0, &mut values);
    if let Some(entries) = family.indices {
        for value in &mut values {
            *value = ((*value + 1.0) / 2.0 * entries as f32)
                .floor()
                .min(entries as f32 - 1.0);
        }
    }
    values
}

/// What the process held after every step; of what the steps allocated for a while, the most of any: calls, bytes, and
/// bytes of one call.
struct Measured {
    held: Vec<usize>,
    calls: usize,
    bytes: usize,
    piece: usize,
    /// Growth of resident memory, in bytes.
    resident: usize,
}

/// Resident memory of this process in bytes.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = pages.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// Features, labels, row weights and slices of a batch.
fn rows_of(family: &Family, rows: usize) -> (Vec<f32>, Vec<f64>, Vec<f64>, Vec<Slice>) {
    let labels: Vec<f64> = (0u32..).take(rows).map(|row| f64::from(row % 4)).collect();
    let share = |shard: usize| (shard + 1) * rows / SHARDS as usize - shard * rows / SHARDS as usize;
    let slice = |shard: u32| Slice {
        shard,
        rows: share(shard as usize),
    };
    let slices: Vec<Slice> = (0..SHARDS).map(slice).collect();
    (features(family, rows), labels, vec![1.0; rows], slices)
}

fn train(family: &Family, threads: usize) -> Measured {
    let document = json!({"format": "candlewick.network/1", "layers": family.layers});
    let network = Network::from_document(&document, family.shape).unwrap();
    let kind = LabelKind::class(4);
    let loss = json!({"type": "CrossEntropyLoss"});
    let mut engine = Engine::new(&network, &loss, &kind, 1, threads).unwrap();
    let mut optimizer = Optimizer::from_document(&json!({"type": "Adam"}), &network).unwrap();
    optimizer.use_threads_of(&engine);
    let clip = Clip {
        norm: Some(1.0),
        value: Some(0.1),
    };
    let batches = ROWS.map(|rows| rows_of(family, rows));
    let mut weights = network.initial_weights(1);
    let mut gradient = Gradient::new(&network);
    let mut nodes = [NodeGradient::new(0, SHARDS)];
    let mut held = Vec::with_capacity(STEPS);
    let (mut calls, mut bytes, mut piece, mut started) = (0, 0, 0, 0);
    for step in 0..STEPS + WARM_UP {
        let (features, labels, row_weights, slices) = &batches[step % ROWS.len()];
        let batch = Batch {
            step: step as u64,
            slices,
            features: features.into(),
            labels,
            weights: row_weights,
        };
        if step == WARM_UP {
            started = resident();
        }
        LARGEST.store(0, Relaxed);
        let before = (CALLS.load(Relaxed), BYTES.load(Relaxed));
        let sums = engine.step(&weights, &batch, &mut nodes).unwrap();
        drop(sums);
        gradient.set(&nodes[0]);
        optimizer
            .update_from(&mut weights, &mut gradient, labels.len() as f64, &clip)
            .unwrap();
        engine.update_buffers(&mut weights);
        if step >= WARM_UP {
            held.push(LIVE.load(Relaxed));
            calls = calls.max(CALLS.load(Relaxed) - before.0);
            bytes = bytes.max(BYTES.load(Relaxed) - before.1);
            piece = piece.max(LARGEST.load(Relaxed));
        }
    }
    Measured {
        held,
        calls,
        bytes,
        piece,
        resident: resident().saturating_sub(started),
    }
}

/// The threads of a pool that was dropped end when they like, and free memory then. Nobody tells of it.
fn wait_until_alone() {
    let began = std::time::Instant::now();
    while std::fs::read_dir("/proc/self/task").unwrap().count() > 1 {
        assert!(
            began.elapsed().as_secs() < 60,
            "threads of the pool before have not ended within 60 s"
        );
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

fn main() {
    for family in families() {
        for threads in [1, 2] {
            let name = format!("{}, {threads} threads", family.name);
            wait_until_alone();
            let measured = train(&family, threads);
            println!(
                "{name}: {} bytes held; a step allocates {} bytes in {} calls, {} at once; resident memory grew by {}",
                measured.held[0], measured.bytes, measured.calls, measured.piece, measured.resident
            );
            // The threads of a pool take their own time to get going; what they hold for themselves is no step's.
            let settled = measured.held[if threads == 1 { 0 } else { STEPS / 4 }];
            for (step, held) in measured.held.iter().enumerate() {
                let starting = threads > 1 && step < STEPS / 4;
                let exact = *held == settled;
                let close = starting && held.abs_diff(settled) <= TRANSIENT;
                assert!(
                    exact || close,
                    "{name}: {held} bytes held after step {step}, not {settled}"
                );
            }
            assert!(
                measured.bytes <= TRANSIENT,
                "{name}: {} bytes in a step",
                measured.bytes
            );
            assert!(
                measured.piece <= PIECE,
                "{name}: {} bytes at once",
                measured.piece
            );
            assert!(
                measured.resident <= RESIDENT,
                "{name}: resident memory grew by {}",
                measured.resident
            );
        }
    }
}
