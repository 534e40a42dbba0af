//! Time of a training step and of scoring of a recurrent network: `cargo bench -p candlewick-model --bench recurrent
//! [-- THREADS [cpu] [lstm]]`. LSTM over 128 steps of 64 features, hidden 128, batch 64, Linear(128, 10) on its last output.

use candlewick_model::engine::{Batch, Engine, NodeGradient, Predictor, Slice};
use candlewick_model::network::Network;
use candlewick_model::philox::{Key, uniform};
use candlewick_protocol::Failure;
use candlewick_protocol::job::LabelKind;
use serde_json::json;
use std::time::Instant;

const ROWS: usize = 64;
const STEPS: usize = 128;
const FEATURES: usize = 64;
const RUNS: u64 = 15;

/// Milliseconds of this thread on a processor, where they are asked for (`cpu`) and the system tells: with one thread
/// the time to compare on a machine that is busy with other things.
fn on_processor() -> Option<f64> {
    if !std::env::args().any(|text| text == "cpu") {
        return None;
    }
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds: f64 = text.split(' ').next()?.parse().ok()?;
    Some(nanoseconds / 1e6)
}

/// Least and median milliseconds of a call.
fn milliseconds(mut body: impl FnMut(u64) -> Result<(), Failure>) -> Result<(f64, f64), Failure> {
    let mut times = Vec::new();
    for run in 0..RUNS + 2 {
        let start = (Instant::now(), on_processor());
        body(run)?;
        times.push(match (start.1, on_processor()) {
            (Some(start), Some(end)) => end - start,
            _ => start.0.elapsed().as_secs_f64() * 1e3,
        });
    }
    // The first two runs make the memory.
    let times = &mut times[2..];
    times.sort_by(f64::total_cmp);
    Ok((times[0], times[times.len() / 2]))
}

fn recurrent(layer: &str, threads: usize, shards: u32) -> Result<(), Failure> {
    let layers = json!([{"type": layer, "hidden_size": 128, "output": "last"}, {"type": "Linear", "out_features": 10}]);
    let document = json!({"format": "candlewick.network/1", "layers": layers});
    let network = Network::from_document(&document, &[STEPS, FEATURES])?;
    let loss = json!({"type": "CrossEntropyLoss"});
    let mut engine = Engine::new(&network, &loss, &LabelKind::class(10), 1, threads)?;
    let weights = network.initial_weights(1);
    let mut features = vec![0.0; ROWS * STEPS * FEATURES];
    uniform(Key::new(1, "bench"), 1.7, &mut features);
    let labels: Vec<f64> = (0..ROWS as u32).map(|row| f64::from(row % 10)).collect();
    let slices: Vec<Slice> = (0..shards)
        .map(|shard| Slice {
            shard,
            rows: ROWS / shards as usize,
        })
        .collect();
    let mut nodes = [NodeGradient::new(0, shards)];
    let (step, step_median) = milliseconds(|step| {
        let batch = Batch {
            step,
            slices: &slices,
            features: (&features).into(),
            labels: &labels,
            weights: &[1.0; ROWS],
        };
        engine.step(&weights, &batch, &mut nodes).map(|_| ())
    })?;
    let mut predictor = Predictor::new(&network, threads)?;
    let (forward, forward_median) =
        milliseconds(|_| predictor.predict(&weights, &features, ROWS).map(|_| ()))?;
    println!(
        "{layer} threads {threads} V={shards}: step best {step:.1} median {step_median:.1} ms, forward best \
         {forward:.1} median {forward_median:.1} ms"
    );
    Ok(())
}

fn main() -> Result<(), Failure> {
    let threads = std::env::args().find_map(|text| text.parse().ok()).unwrap_or(1);
    recurrent("LSTM", threads, 8)?;
    if std::env::args().any(|text| text == "lstm") {
        return Ok(());
    }
    recurrent("LSTM", threads, 1)?;
    recurrent("GRU", threads, 8)?;
    recurrent("RNN", threads, 8)
}
