//! One benchmark for every operation that steps spend their time in: `cargo bench -p candlewick-model --bench operations
//! [-- FILTER]`, on as many threads as `THREADS` says (1). Layers are measured as networks of that layer alone, so a
//! step has the loss and the reduction over eight shards in it.

#![allow(clippy::unwrap_used, reason = "a benchmark stops at the first error")]

use candlewick_model::engine::{Batch, Engine, Gradient, NodeGradient, Predictor, Slice};
use candlewick_model::kernels::{Accumulate, Kernels, Matrix, Program, SimdLevel, add_into};
use candlewick_model::network::Network;
use candlewick_model::optim::{Clip, Optimizer};
use candlewick_model::philox::{Key, uniform};
use candlewick_protocol::job::LabelKind;
use criterion::{Criterion, Throughput};
use serde_json::{Value, json};
use std::hint::black_box;
use std::time::Duration;

const SHARDS: u32 = 8;
/// Weights of the benchmarks of updates and sums.
const WEIGHTS: usize = 1 << 20;

fn threads() -> usize {
    let text = std::env::var("THREADS").unwrap_or_default();
    text.parse().unwrap_or(1)
}

fn random(count: usize) -> Vec<f32> {
    let mut values = vec![0.0; count];
    uniform(Key::new(1, "bench"), 1.0, &mut values);
    values
}

/// A network and a batch for it.
struct Case {
    network: Network,
    weights: Vec<f32>,
    features: Vec<f32>,
    rows: usize,
}

impl Case {
    fn new(layers: &Value, shape: &[usize], rows: usize) -> Self {
        let document = json!({"format": "candlewick.network/1", "layers": layers});
        let network = Network::from_document(&document, shape).unwrap();
        Case {
            weights: network.initial_weights(1),
            features: random(rows * network.input_width()),
            network,
            rows,
        }
    }

    /// As features, whole numbers below `entries`.
    fn with_indices(mut self, entries: usize) -> Self {
        let largest = entries as f32 - 1.0;
        for value in &mut self.features {
            *value = ((*value + 1.0) / 2.0 * entries as f32).floor().min(largest);
        }
        self
    }

    fn forward(&self, criterion: &mut Criterion, name: &str) {
        let mut predictor = Predictor::new(&self.network, threads()).unwrap();
        criterion.bench_function(&format!("{name}/forward"), |bencher| {
            bencher.iter(|| {
                let outputs = predictor.predict(&self.weights, &self.features, self.rows);
                black_box(outputs.unwrap());
            });
        });
    }

    /// Forward, loss and backward.
    fn step(&self, criterion: &mut Criterion, name: &str, classes: bool) {
        let width = self.network.output_width();
        let size = u32::try_from(width).unwrap();
        let (loss, kind, labels) = if classes {
            ("CrossEntropyLoss", LabelKind::class(size), self.rows)
        } else {
            ("MSELoss", LabelKind::Real { width: size }, self.rows * width)
        };
        let mut engine = Engine::new(&self.network, &json!({"type": loss}), &kind, 1, threads()).unwrap();
        let labels: Vec<f64> = (0..labels).map(|at| (at % width.min(7)) as f64).collect();
        let count = SHARDS as usize;
        let slice = |shard: u32| Slice {
            shard,
            rows: (shard as usize + 1) * self.rows / count - shard as usize * self.rows / count,
        };
        let slices: Vec<Slice> = (0..SHARDS).map(slice).collect();
        let row_weights = vec![1.0; self.rows];
        let mut nodes = [NodeGradient::new(0, SHARDS)];
        criterion.bench_function(&format!("{name}/step"), |bencher| {
            bencher.iter(|| {
                let batch = Batch {
                    step: 0,
                    slices: &slices,
                    features: (&self.features).into(),
                    labels: &labels,
                    weights: &row_weights,
                };
                black_box(engine.step(&self.weights, &batch, &mut nodes).unwrap());
            });
        });
    }

    fn both(&self, criterion: &mut Criterion, name: &str) {
        self.forward(criterion, name);
        self.step(criterion, name, false);
    }
}

fn products(criterion: &mut Criterion) {
    let mut kernels = Kernels::at(SimdLevel::detect(), threads()).unwrap();
    let (m, k, n) = (256, 784, 512);
    let (a, b, mut c) = (random(m * k), random(n * k), vec![0.0; m * n]);
    let mut group = criterion.benchmark_group("product");
    group.throughput(Throughput::Elements((2 * m * k * n) as u64));
    group.bench_function("256x784x512", |bencher| {
        bencher.iter(|| {
            let b = Matrix::new(&b, n, k).transposed();
            kernels.product(Matrix::new(&a, m, k), b, Accumulate::Zero, &mut c);
        });
    });
    group.finish();
}

fn linear(criterion: &mut Criterion) {
    let linear = json!({"type": "Linear", "out_features": 512});
    Case::new(&json!([linear]), &[784], 256).both(criterion, "linear");
    for name in ["ReLU", "GELU", "Tanh", "Sigmoid", "SiLU"] {
        // The product is small, so that bias and activation show.
        let layers = json!([{"type": "Linear", "out_features": 2048}, {"type": name}]);
        Case::new(&layers, &[16], 256).both(criterion, &format!("bias and {name}"));
    }
    let layers = json!([{"type": "Linear", "out_features": 1000}]);
    Case::new(&layers, &[16], 256).step(criterion, "softmax and cross entropy of 1000", true);
    let layers = json!([{"type": "Linear", "out_features": 1024}, {"type": "Softmax", "dim": 1}]);
    Case::new(&layers, &[16], 256).both(criterion, "softmax");
    let layers = json!([{"type": "Linear", "out_features": 2048}, {"type": "Dropout", "p": 0.5}]);
    Case::new(&layers, &[16], 256).step(criterion, "dropout", false);
}

fn normalization(criterion: &mut Criterion) {
    let layers = json!([{"type": "LayerNorm", "normalized_shape": [512]}]);
    Case::new(&layers, &[512], 256).both(criterion, "layer norm");
    let layers = json!([{"type": "BatchNorm1d"}]);
    Case::new(&layers, &[512], 256).both(criterion, "batch norm 1d");
    let layers = json!([{"type": "BatchNorm2d"}]);
    Case::new(&layers, &[32, 26, 26], 64).both(criterion, "batch norm 2d");
}

fn convolution(criterion: &mut Criterion) {
    let layers = json!([{"type": "Conv2d", "out_channels": 64, "kernel_size": 3}]);
    Case::new(&layers, &[32, 13, 13], 64).both(criterion, "conv 2d");
    let layers = json!([{"type": "BatchNorm2d"}, {"type": "MaxPool2d", "kernel_size": 2}]);
    Case::new(&layers, &[32, 26, 26], 64).both(criterion, "batch norm and max pool 2d");
}

fn sequences(criterion: &mut Criterion) {
    let layers = json!([{"type": "LSTM", "hidden_size": 128, "output": "last"}]);
    Case::new(&layers, &[32, 64], 64).both(criterion, "lstm");
    let layers = json!([{"type": "GRU", "hidden_size": 128, "output": "last"}]);
    Case::new(&layers, &[32, 64], 64).both(criterion, "gru");
    let layers = json!([{"type": "MultiheadAttention", "num_heads": 8}]);
    Case::new(&layers, &[128, 256], 4).both(criterion, "attention");
    let table = json!({"type": "Embedding", "num_embeddings": 20_000, "embedding_dim": 64});
    let case = Case::new(&json!([table]), &[10], 256).with_indices(20_000);
    case.both(criterion, "embedding");
    let table = json!({"type": "EmbeddingBag", "num_embeddings": 20_000, "embedding_dim": 64});
    let case = Case::new(&json!([table]), &[10], 256).with_indices(20_000);
    case.both(criterion, "embedding bag");
}

fn updates(criterion: &mut Criterion) {
    let layers = json!([{"type": "Linear", "out_features": 1024, "bias": false}]);
    let case = Case::new(&layers, &[WEIGHTS / 1024], 1);
    // Lends its threads to the optimisers.
    let kind = LabelKind::Real { width: 1024 };
    let engine = Engine::new(&case.network, &json!({"type": "MSELoss"}), &kind, 1, threads()).unwrap();
    let names = [
        "SGD", "LARS", "Adam", "AdamW", "NAdam", "RAdam", "Adagrad", "Adadelta", "RMSprop", "Adamax", "LAMB",
        "Lion",
    ];
    let norm = Clip {
        norm: Some(1.0),
        value: None,
    };
    let plain = names.map(|name| (name, "", Clip::default()));
    let mut group = criterion.benchmark_group("update");
    group.throughput(Throughput::Elements(WEIGHTS as u64));
    for (name, what, clip) in plain.into_iter().chain([("SGD", " with clipped norm", norm)]) {
        let mut optimizer = Optimizer::from_document(&json!({"type": name}), &case.network).unwrap();
        optimizer.use_threads_of(&engine);
        let (mut weights, mut gradient) = (case.weights.clone(), Gradient::new(&case.network));
        gradient.as_mut_dense().copy_from_slice(&random(WEIGHTS));
        group.bench_function(format!("{name}{what}"), |bencher| {
            bencher.iter(|| {
                optimizer
                    .update_from(&mut weights, &mut gradient, 2.0, &clip)
                    .unwrap()
            });
        });
    }
    group.finish();
}

fn tree(criterion: &mut Criterion) {
    let program = Program::of(0, SHARDS, &|shard| (shard as usize, 1));
    let leaves = random(WEIGHTS * SHARDS as usize);
    let (mut sum, mut spare, level) = (vec![0.0; WEIGHTS], Vec::new(), SimdLevel::detect());
    let mut group = criterion.benchmark_group("tree sum");
    group.throughput(Throughput::Elements(leaves.len() as u64));
    group.bench_function("8 leaves", |bencher| {
        bencher.iter(|| {
            let leaf = |start: usize, _: usize, into: &mut [f32]| {
                into.copy_from_slice(&leaves[start * WEIGHTS..(start + 1) * WEIGHTS]);
            };
            program.evaluate(&mut sum, &mut spare, leaf, |left, right| {
                add_into(level, left, right)
            });
        });
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    println!("level {}, threads {}", candlewick_model::cpu_level(), threads());
    for body in [
        products,
        linear,
        normalization,
        convolution,
        sequences,
        updates,
        tree,
    ] {
        body(&mut criterion);
    }
    criterion.final_summary();
}
