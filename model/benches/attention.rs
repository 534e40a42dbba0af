//! Time of a transformer encoder: `cargo bench -p candlewick-model --bench attention [-- THREADS] [-- RUNS]`.
//!
//! Four encoder layers of 256 values, 8 heads and 1,024 values between, 128 tokens, batch 16, no dropout.

use candlewick_model::engine::{Batch, Engine, NodeGradient, Predictor, Slice};
use candlewick_model::network::Network;
use candlewick_model::philox::{Key, uniform};
use candlewick_protocol::Failure;
use candlewick_protocol::job::LabelKind;
use serde_json::{Value, json};
use std::time::Instant;

const ROWS: usize = 16;
const TOKENS: usize = 128;
const SIZE: usize = 256;

fn document() -> Value {
    let layer = json!({"type": "TransformerEncoderLayer", "nhead": 8, "dim_feedforward": 1024, "dropout": 0});
    let mut layers = vec![layer; 4];
    layers.push(json!({"type": "Flatten"}));
    layers.push(json!({"type": "Linear", "out_features": 10}));
    json!({"format": "candlewick.network/1", "layers": layers})
}

/// Milliseconds that the threads of this process have computed, where the system tells.
fn computed() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let nanoseconds = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    nanoseconds.sum::<f64>() / 1e6
}

/// Median and least milliseconds of a call, and those that the threads computed: on a machine that does other work
/// the last say most.
fn time(what: &str, runs: usize, mut body: impl FnMut() -> Result<(), Failure>) -> Result<(), Failure> {
    body()?;
    let mut times = Vec::with_capacity(runs);
    let mut busy = Vec::with_capacity(runs);
    for _ in 0..runs {
        let (start, before) = (Instant::now(), computed());
        body()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        busy.push(computed() - before);
    }
    times.sort_by(f64::total_cmp);
    busy.sort_by(f64::total_cmp);
    println!(
        "{what}: median {:.1} ms, least {:.1}; computing {:.1}, least {:.1}",
        times[runs / 2],
        times[0],
        busy[runs / 2],
        busy[0]
    );
    Ok(())
}

fn main() -> Result<(), Failure> {
    let numbers: Vec<usize> = std::env::args().filter_map(|text| text.parse().ok()).collect();
    let threads = numbers.first().copied().unwrap_or(1);
    let runs = numbers.get(1).copied().unwrap_or(9);
    let network = Network::from_document(&document(), &[TOKENS, SIZE])?;
    let weights = network.initial_weights(1);
    let mut features = vec![0.0; ROWS * TOKENS * SIZE];
    uniform(Key::new(1, "bench"), 1.0, &mut features);
    let labels: Vec<f64> = (0..10u32).cycle().take(ROWS).map(f64::from).collect();
    let loss = json!({"type": "CrossEntropyLoss"});
    for shards in [8u32, 1] {
        let kind = LabelKind::class(10);
        let mut engine = Engine::new(&network, &loss, &kind, 1, threads)?;
        let rows = ROWS / shards as usize;
        let slices: Vec<Slice> = (0..shards).map(|shard| Slice { shard, rows }).collect();
        let mut nodes = [NodeGradient::new(0, shards)];
        let mut step = 0;
        let mut body = || {
            step += 1;
            let batch = Batch {
                step,
                slices: &slices,
                features: (&features).into(),
                labels: &labels,
                weights: &[1.0; ROWS],
            };
            engine.step(&weights, &batch, &mut nodes).map(|_| ())
        };
        let what = format!("threads {threads}, V = {shards}: forward and backward");
        time(&what, runs, &mut body)?;
    }
    let mut predictor = Predictor::new(&network, threads)?;
    let mut body = || predictor.predict(&weights, &features, ROWS).map(|_| ());
    time(&format!("threads {threads}: forward"), runs, &mut body)
}
