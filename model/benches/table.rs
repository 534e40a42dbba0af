//! Time of a training step with a large table: `cargo bench -p candlewick-model --bench table [-- THREADS ENTRIES WIDTH]`.

use candlewick_model::engine::{Batch, Engine, Gradient, NodeGradient, Slice};
use candlewick_model::network::Network;
use candlewick_model::optim::{Clip, Optimizer};
use candlewick_model::philox::{Key, uniform};
use candlewick_protocol::Failure;
use candlewick_protocol::job::LabelKind;
use serde_json::{Value, json};
use std::time::Instant;

const ROWS: usize = 256;
const LENGTH: usize = 10;
const SHARDS: u32 = 8;

/// Indices of which small ones are frequent, as words are.
fn indices(entries: usize) -> Vec<f32> {
    let mut values = vec![0.0; ROWS * LENGTH];
    uniform(Key::new(1, "bench"), 1.0, &mut values);
    let index = |value: &f32| {
        let share = f64::from((*value + 1.0) / 2.0);
        (entries as f64 * share * share * share).floor() as f32
    };
    values
        .iter()
        .map(|value| index(value).min(entries as f32 - 1.0))
        .collect()
}

fn run(
    network: &Network,
    entries: usize,
    threads: usize,
    (optimizer, clip): (&Value, Clip),
) -> Result<(), Failure> {
    let kind = LabelKind::class(10);
    let mut engine = Engine::new(network, &json!({"type": "CrossEntropyLoss"}), &kind, 1, threads)?;
    let mut update = Optimizer::from_document(optimizer, network)?;
    update.use_threads_of(&engine);
    let mut weights = network.initial_weights(1);
    let features = indices(entries);
    let labels: Vec<f64> = (0u32..).take(ROWS).map(|row| f64::from(row % 10)).collect();
    let slices: Vec<Slice> = (0..SHARDS)
        .map(|shard| Slice {
            shard,
            rows: ROWS / SHARDS as usize,
        })
        .collect();
    let mut nodes = [NodeGradient::new(0, SHARDS)];
    let mut gradient = Gradient::new(network);
    let mut times: [Vec<f64>; 2] = Default::default();
    for step in 0..40 {
        let batch = Batch {
            step,
            slices: &slices,
            features: (&features).into(),
            labels: &labels,
            weights: &[1.0; ROWS],
        };
        let start = Instant::now();
        engine.step(&weights, &batch, &mut nodes)?;
        gradient.set(&nodes[0]);
        let middle = Instant::now();
        update.update_from(&mut weights, &mut gradient, ROWS as f64, &clip)?;
        times[0].push((middle - start).as_secs_f64() * 1e3);
        times[1].push(middle.elapsed().as_secs_f64() * 1e3);
    }
    times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
    let [gradients, updates] = times.map(|times| times[times.len() / 2]);
    println!("{optimizer} {clip:?}: gradient {gradients:.2} ms, update {updates:.2} ms");
    Ok(())
}

fn main() -> Result<(), Failure> {
    let mut numbers = std::env::args().filter_map(|text| text.parse::<usize>().ok());
    let threads = numbers.next().unwrap_or(1);
    let entries = numbers.next().unwrap_or(200_000);
    let width = numbers.next().unwrap_or(64);
    let layers = json!([{"type": "Embedding", "num_embeddings": entries, "embedding_dim": width},
        {"type": "Flatten"}, {"type": "Linear", "out_features": 10}]);
    let document = json!({"format": "candlewick.network/1", "layers": layers});
    let network = Network::from_document(&document, &[LENGTH])?;
    let none = Clip::default();
    let norm = Clip {
        norm: Some(1.0),
        value: None,
    };
    println!("table {entries} x {width}, batch {ROWS} x {LENGTH}, V={SHARDS}, threads {threads}, medians");
    for (optimizer, clip) in [
        (json!({"type": "SGD"}), none),
        (json!({"type": "SGD"}), norm),
        (json!({"type": "Adagrad"}), none),
        (json!({"type": "Adam"}), none),
        (json!({"type": "Adam"}), norm),
    ] {
        run(&network, entries, threads, (&optimizer, clip))?;
    }
    Ok(())
}
