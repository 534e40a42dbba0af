//! Time of a training step over rows of zeros, as such and with their zeros: `cargo bench -p candlewick-model --bench sparse_input
//! [-- THREADS WIDTH NONZEROS OUTPUTS]`.

use candlewick_model::engine::{Batch, Engine, Features, Gradient, NodeGradient, Predictor, Slice};
use candlewick_model::kernels::Csr;
use candlewick_model::network::Network;
use candlewick_model::optim::{Clip, Optimizer};
use candlewick_protocol::Failure;
use candlewick_protocol::job::LabelKind;
use candlewick_protocol::order::mix;
use serde_json::{Value, json};
use std::time::Instant;

const ROWS: usize = 256;
const SHARDS: u32 = 8;
/// Batches that take turns: what one touched is not what the next one does.
const BATCHES: u64 = 8;

/// Rows whose indices are as those of hashed words: all alike.
fn rows(seed: u64, width: usize, nonzeros: usize) -> Csr {
    let mut rows = Csr::default();
    for row in 0..ROWS {
        let index = |at: usize| (mix((row * nonzeros + at) as u64, seed, 1) % width as u64) as u32;
        let mut indices: Vec<u32> = (0..nonzeros).map(index).collect();
        indices.sort_unstable();
        indices.dedup();
        indices.iter().for_each(|index| rows.push(*index, 1.0));
        rows.end_row();
    }
    rows
}

fn dense(rows: &Csr, width: usize) -> Vec<f32> {
    let mut values = vec![0.0; ROWS * width];
    for row in 0..ROWS {
        let (indices, own) = rows.row(row);
        for (index, value) in indices.iter().zip(own) {
            values[row * width + *index as usize] = *value;
        }
    }
    values
}

fn run(
    network: &Network,
    threads: usize,
    batches: &[Features<'_>],
    optimizer: &Value,
) -> Result<(), Failure> {
    let mut engine = Engine::new(
        network,
        &json!({"type": "BCEWithLogitsLoss"}),
        &LabelKind::class(2),
        1,
        threads,
    )?;
    let mut update = Optimizer::from_document(optimizer, network)?;
    update.use_threads_of(&engine);
    let mut weights = network.initial_weights(1);
    let labels: Vec<f64> = (0u32..).take(ROWS).map(|row| f64::from(row % 2)).collect();
    let rows = ROWS / SHARDS as usize;
    let slices: Vec<Slice> = (0..SHARDS).map(|shard| Slice { shard, rows }).collect();
    let mut nodes = [NodeGradient::new(0, SHARDS)];
    let mut gradient = Gradient::new(network);
    let mut times: [Vec<f64>; 3] = Default::default();
    for (step, features) in (0u64..).zip(batches.iter().cycle()).take(25) {
        let batch = Batch {
            step,
            slices: &slices,
            features: *features,
            labels: &labels,
            weights: &[1.0; ROWS],
        };
        let start = Instant::now();
        engine.step(&weights, &batch, &mut nodes)?;
        let stepped = Instant::now();
        gradient.set(&nodes[0]);
        let set = Instant::now();
        update.update_from(&mut weights, &mut gradient, ROWS as f64, &Clip::default())?;
        let ends = [stepped - start, set - stepped, set.elapsed()];
        for (times, end) in times.iter_mut().zip(ends) {
            times.push(end.as_secs_f64() * 1e3);
        }
    }
    times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
    let [step, set, update] = times.map(|times| times[times.len() / 2]);
    let kind = if network.has_sparse_input() {
        "sparse"
    } else {
        "dense"
    };
    println!(
        "{kind:6} {optimizer}: {:.2} ms (forward and backward {step:.2}, into the gradient {set:.2}, update {update:.2})",
        step + set + update
    );
    Ok(())
}

/// Median ms of scoring the rows, as such and with their zeros.
fn score(network: &Network, threads: usize, sparse: &Csr, dense: &[f32]) -> Result<(), Failure> {
    let weights = network.initial_weights(1);
    let mut predictor = Predictor::new(network, threads)?;
    let Some(entry) = predictor.entry(&weights) else {
        return Err(Failure::internal("a network that takes no sparse rows"));
    };
    let mut times: [Vec<f64>; 2] = Default::default();
    for _ in 0..25 {
        let start = Instant::now();
        predictor.predict_sparse(&weights, &entry, sparse, 0..ROWS)?;
        times[0].push(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        predictor.predict(&weights, dense, ROWS)?;
        times[1].push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
    let [sparse, dense] = times.map(|times| times[times.len() / 2]);
    println!("scoring: sparse {sparse:.2} ms, dense {dense:.2}");
    Ok(())
}

fn main() -> Result<(), Failure> {
    let mut numbers = std::env::args().filter_map(|text| text.parse::<usize>().ok());
    let threads = numbers.next().unwrap_or(1);
    let width = numbers.next().unwrap_or(1 << 18);
    let nonzeros = numbers.next().unwrap_or(60);
    let outputs = numbers.next().unwrap_or(16);
    let layers = json!([{"type": "Linear", "out_features": outputs}, {"type": "ReLU"},
        {"type": "Linear", "out_features": 1}]);
    let document = json!({"format": "candlewick.network/1", "layers": layers});
    let network = Network::from_document(&document, &[width])?;
    println!(
        "{width}-{outputs}-1, batch {ROWS} x {nonzeros} of {width}, V={SHARDS}, threads {threads}, medians"
    );
    let all: Vec<Csr> = (0..BATCHES).map(|seed| rows(seed, width, nonzeros)).collect();
    let sparse: Vec<Features<'_>> = all.iter().map(Features::from).collect();
    for optimizer in ["SGD", "Adagrad", "Adam"] {
        run(
            &network.with_sparse_input()?,
            threads,
            &sparse,
            &json!({"type": optimizer}),
        )?;
    }
    let values = dense(&all[0], width);
    for optimizer in ["SGD", "Adagrad", "Adam"] {
        run(
            &network,
            threads,
            &[Features::Dense(&values)],
            &json!({"type": optimizer}),
        )?;
    }
    score(&network, threads, &all[0], &values)
}
