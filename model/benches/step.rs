//! Time of products and of a training step: `cargo bench -p candlewick-model [-- THREADS] [-- step]`.

use candlewick_model::engine::{Batch, Engine, NodeGradient, Predictor, Slice};
use candlewick_model::kernels::{Accumulate, Kernels, Matrix, SimdLevel, has_amx};
use candlewick_model::network::Network;
use candlewick_model::optim::{Clip, Optimizer};
use candlewick_model::philox::{Key, uniform};
use candlewick_protocol::Failure;
use candlewick_protocol::job::{LabelKind, Precision};
use serde_json::json;
use std::time::Instant;

/// Least seconds of a call: what the machine can do when nothing disturbs it.
fn best(runs: usize, mut body: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            body();
            start.elapsed().as_secs_f64()
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[0]
}

fn values(count: usize) -> Vec<f32> {
    let mut values = vec![0.0; count];
    uniform(Key::new(1, "bench"), 1.0, &mut values);
    values
}

fn products(threads: usize) -> Result<(), Failure> {
    for (m, k, n) in [
        (256, 784, 512),
        (1024, 1024, 1024),
        (256, 512, 256),
        (256, 256, 10),
        (1, 784, 512),
        (2048, 256, 768),
        (2048, 256, 1024),
        (2048, 1024, 256),
        (256, 2048, 1024),
        (128, 32, 128),
        (128, 128, 32),
    ] {
        let (x, w, mut c) = (values(m * k), values(n * k), vec![0.0; m * n]);
        let levels = SimdLevel::available().into_iter();
        for (level, precision) in
            levels.flat_map(|level| Precision::ON_PROCESSORS.map(|precision| (level, precision)))
        {
            let mut kernels = Kernels::at(level, threads)?.with_precision(precision);
            // What is emulated is slow: it is for the same bits.
            let native = level == SimdLevel::Avx512Bf16;
            let emulated = match precision {
                Precision::Bf16 => !native,
                Precision::Bf16Amx => !native || !has_amx(),
                _ => false,
            };
            if emulated && m * k * n > 1 << 27 {
                continue;
            }
            let runs = if level == SimdLevel::Generic || emulated {
                1
            } else {
                51
            };
            let seconds = best(runs, || {
                kernels.product(
                    Matrix::new(&x, m, k),
                    Matrix::new(&w, n, k).transposed(),
                    Accumulate::Zero,
                    &mut c,
                );
            });
            let giga = 2.0 * (m * k * n) as f64 / seconds / 1e9;
            println!(
                "product {m}x{k}x{n} {:11} {:4} {giga:7.1} GFLOP/s  {:8.1} us",
                level.name(),
                precision.name(),
                seconds * 1e6
            );
        }
    }
    Ok(())
}

fn step(threads: usize, shards: u32) -> Result<(), Failure> {
    let layers = json!([{"type": "Linear", "out_features": 512}, {"type": "ReLU"},
        {"type": "Linear", "out_features": 256}, {"type": "ReLU"}, {"type": "Linear", "out_features": 10}]);
    let document = json!({"format": "candlewick.network/1", "layers": layers});
    let network = Network::from_document(&document, &[784])?;
    let loss = json!({"type": "CrossEntropyLoss"});
    let mut engine = Engine::new(&network, &loss, &LabelKind::class(10), 1, threads)?;
    let mut optimizer = Optimizer::from_document(&json!({"type": "AdamW"}), &network)?;
    optimizer.use_threads_of(&engine);
    let mut weights = network.initial_weights(1);
    let features = values(256 * 784);
    let labels: Vec<f64> = (0..256).map(|row| f64::from(row % 10)).collect();
    let slices: Vec<Slice> = (0..shards)
        .map(|shard| Slice {
            shard,
            rows: 256 / shards as usize,
        })
        .collect();
    let mut nodes = [NodeGradient::new(0, shards)];
    let mut times = [Vec::new(), Vec::new()];
    for step in 0..200 {
        let batch = Batch {
            step,
            slices: &slices,
            features: (&features).into(),
            labels: &labels,
            weights: &[1.0; 256],
        };
        let start = Instant::now();
        engine.step(&weights, &batch, &mut nodes)?;
        let middle = Instant::now();
        optimizer.update(&mut weights, &mut nodes[0].values, 256.0, &Clip::default())?;
        times[0].push((middle - start).as_secs_f64() * 1e3);
        times[1].push(middle.elapsed().as_secs_f64() * 1e3);
    }
    times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
    let [engine_ms, update_ms] = [times[0][0], times[1][0]];
    println!(
        "step 784-512-256-10 batch 256, V={shards}: {:.2} ms (gradients {engine_ms:.2}, update {update_ms:.2})",
        engine_ms + update_ms
    );
    let mut predictor = Predictor::new(&network, threads)?;
    let many = values(4096 * 784);
    let seconds = best(15, || {
        let _ = predictor.predict(&weights, &many, 4096);
    });
    println!("scoring 4096 rows: {:.0} rows/s", 4096.0 / seconds);
    let seconds = best(101, || {
        let _ = predictor.predict(&weights, &many[..784], 1);
    });
    println!("scoring 1 row: {:.0} us", seconds * 1e6);
    Ok(())
}

fn main() -> Result<(), Failure> {
    let threads = std::env::args().find_map(|text| text.parse().ok()).unwrap_or(1);
    println!("level {}, threads {threads}", candlewick_model::cpu_level());
    if !std::env::args().any(|text| text == "step") {
        products(threads)?;
    }
    step(threads, 8)?;
    step(threads, 1)
}
