//! What scoring cannot exceed: forward passes over rows that are in memory, each thread with a predictor of its own, as Spark's
//! tasks have. `forward WIDTHS ROWS THREADS RUNS`, for example `forward 784-512-256-10 60000 2 5`, prints one line of JSON with the
//! seconds of every run. `make bench-transform` runs it next to `transform` (benchmarks/transform.py).

use candlewick_model::engine::Predictor;
use candlewick_model::network::Network;
use candlewick_model::philox::{Key, uniform};
use candlewick_protocol::Failure;
use serde_json::json;
use std::time::Instant;

/// Rows of a call: what a predictor takes through its layers together.
const CALL_ROWS: usize = 1_024;

fn network(widths: &[usize]) -> Result<Network, Failure> {
    let mut layers = Vec::new();
    for width in &widths[1..] {
        layers.push(json!({"type": "Linear", "out_features": width}));
        layers.push(json!({"type": "ReLU"}));
    }
    layers.pop();
    let document = json!({"format": "candlewick.network/1", "layers": layers});
    Network::from_document(&document, &widths[..1])
}

/// Seconds of each of `runs` passes, all threads over their part of the rows, and of processors.
fn passes(
    widths: &[usize],
    rows: usize,
    threads: usize,
    runs: usize,
) -> Result<(Vec<f64>, Vec<f64>), Failure> {
    let network = network(widths)?;
    let weights = network.initial_weights(1);
    let mut features = vec![0.0; rows * widths[0]];
    uniform(Key::new(1, "bench"), 1.0, &mut features);
    let part = rows.div_ceil(threads.max(1)) * widths[0];
    let mut predictors = Vec::new();
    for _ in features.chunks(part) {
        predictors.push(Predictor::new(&network, 1)?);
    }
    let (mut seconds, mut processor) = (Vec::new(), Vec::new());
    for _ in 0..=runs {
        let (start, used) = (Instant::now(), on_processors());
        std::thread::scope(|scope| {
            let parts = predictors.iter_mut().zip(features.chunks(part));
            let passes =
                parts.map(|(predictor, part)| scope.spawn(|| pass(predictor, &weights, part, widths[0])));
            let passes: Vec<_> = passes.collect();
            let mut done = passes.into_iter().map(|pass| pass.join());
            done.try_for_each(|done| done.unwrap_or_else(|_| Err(Failure::internal("a thread panicked"))))
        })?;
        seconds.push(start.elapsed().as_secs_f64());
        processor.push(on_processors() - used);
    }
    // The first one faults the memory in.
    Ok((seconds.split_off(1), processor.split_off(1)))
}

/// Seconds that this process has had processors for; 0 where the system does not tell.
fn on_processors() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = text.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks = fields
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

fn pass(predictor: &mut Predictor, weights: &[f32], features: &[f32], width: usize) -> Result<(), Failure> {
    for block in features.chunks(CALL_ROWS * width) {
        std::hint::black_box(predictor.predict(weights, block, block.len() / width)?);
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    let given: Vec<String> = std::env::args()
        .skip(1)
        .filter(|text| text != "--bench")
        .collect();
    let text = |at: usize, default: &'static str| given.get(at).map_or(default, String::as_str);
    let number = |text: &str| {
        let number = text.parse::<usize>().ok().filter(|number| *number > 0);
        number.ok_or_else(|| Failure::parameter(format!("expected a whole number from 1, got {text:?}")))
    };
    let widths: Vec<usize> = text(0, "784-512-256-10")
        .split('-')
        .map(number)
        .collect::<Result<_, _>>()?;
    let (rows, threads, runs) = (text(1, "60000"), text(2, "1"), text(3, "5"));
    let (seconds, processor) = passes(&widths, number(rows)?, number(threads)?, number(runs)?)?;
    println!(
        "RESULT {}",
        json!({"level": candlewick_model::cpu_level(), "seconds": seconds, "processor": processor})
    );
    Ok(())
}
