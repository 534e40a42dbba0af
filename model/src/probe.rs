//! How long a step takes on this machine: a few of them, over rows that are made up.

use crate::engine::{Batch, Engine, Gradient, NodeGradient, Slice};
use crate::memory::step_rows;
use crate::network::Network;
use crate::optim::Updates;
use crate::philox::{Key, uniform};
use candlewick_protocol::job::{JobSpec, LabelKind};
use candlewick_protocol::{Failure, tree};
use std::ops::Range;
use std::time::{Duration, Instant};

/// Rows of a probe take no more than this: it runs in the driver. A step of more rows is taken to be as much slower.
const MOST_BYTES: u64 = 128 << 20;
/// Steps of a probe.
const MOST_STEPS: usize = 30;

/// Seconds that a step takes a trainer of these shards, without what it waits for others: the median of steps for about
/// `patience`, after a first one that does not count. The rows are random, their labels what the loss accepts.
///
/// # Errors
/// `InvalidParameter` where a document of the job is wrong; `Unavailable` where the operating system refuses threads.
#[expect(clippy::cast_precision_loss, reason = "a step has far fewer than 2^53 rows")]
pub fn seconds_of_step(
    job: &JobSpec,
    shards: Range<u32>,
    threads: usize,
    patience: Duration,
) -> Result<f64, Failure> {
    let (train, data) = (&job.train, &job.data);
    let network = Network::from_document(&train.network, &data.input_shape)?;
    let mut engine = Engine::new(&network, &train.loss, &data.label, train.seed, threads.max(1))?;
    let wanted = step_rows(job, &shards);
    let most = MOST_BYTES / (4 * network.input_width().max(1) as u64);
    let owned = u64::from(shards.end - shards.start);
    let rows = wanted.min(most.max(owned));
    let slices = slices(rows, &shards);
    let rows: usize = slices.iter().map(|slice| slice.rows).sum();
    let (features, labels) = (features(&network, rows), labels(&data.label, rows));
    let ones = vec![1.0; rows];
    let mut weights = network.initial_weights(train.seed);
    let mut updates = Updates::new(train, &network, &engine, &weights)?;
    updates.begin(MOST_STEPS as u64 + 1)?;
    let mut gradient = Gradient::new(&network);
    let mut nodes: Vec<NodeGradient> = tree::cover(shards.start, shards.end, train.logical_shards)
        .into_iter()
        .map(|(lo, hi)| NodeGradient::new(lo, hi))
        .collect();
    let (began, mut spent) = (Instant::now(), Vec::new());
    for step in 0..=MOST_STEPS {
        let start = Instant::now();
        let batch = Batch {
            step: step as u64,
            slices: &slices,
            features: (&features).into(),
            labels: &labels,
            weights: &ones,
        };
        engine.step(&weights, &batch, &mut nodes)?;
        if let Some(node) = nodes.iter().find(|node| node.present) {
            gradient.set(node);
        }
        engine.update_buffers(&mut weights);
        updates.step(&mut weights, &mut gradient, rows as f64, step as u64)?;
        spent.push(start.elapsed().as_secs_f64());
        if began.elapsed() > patience {
            break;
        }
    }
    if spent.len() > 1 {
        spent.remove(0);
    }
    spent.sort_by(f64::total_cmp);
    Ok(spent[spent.len() / 2] * wanted as f64 / rows.max(1) as f64)
}

/// The rows of a step, spread over the shards.
fn slices(rows: u64, shards: &Range<u32>) -> Vec<Slice> {
    let owned = u64::from(shards.end - shards.start).max(1);
    let all = shards.clone().zip(0u64..).map(|(shard, at)| {
        let rows = rows / owned + u64::from(at < rows % owned);
        Slice {
            shard,
            rows: usize::try_from(rows).unwrap_or(usize::MAX),
        }
    });
    all.filter(|slice| slice.rows > 0).collect()
}

/// Values between 0 and 1, and where the network wants indices, those.
#[expect(clippy::cast_precision_loss, reason = "any index will do")]
fn features(network: &Network, rows: usize) -> Vec<f32> {
    let width = network.input_width();
    let mut features = vec![0.0; rows * width];
    uniform(Key::new(1, "probe"), 1.0, &mut features);
    for limit in network.index_limits() {
        for row in features.chunks_mut(width) {
            for value in &mut row[limit.first..limit.first + limit.count] {
                // The fraction of a value that is anywhere in -1 to 1.
                *value = (value.abs() * limit.entries.saturating_sub(1) as f32).floor();
            }
        }
    }
    features.iter_mut().for_each(|value| *value = value.abs());
    features
}

/// Labels that every loss accepts: classes in turn, and 1 where it is a number.
#[expect(clippy::cast_precision_loss, reason = "classes are fewer than 2^53")]
fn labels(label: &LabelKind, rows: usize) -> Vec<f64> {
    let width = label.width();
    let value = |at: usize| match label.classes_at(at % width) {
        Some(classes) => (at / width % classes.max(1) as usize) as f64,
        None => 1.0,
    };
    (0..rows * width).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::complete;
    use serde_json::{Value, json};

    fn job(layers: &Value, width: usize) -> JobSpec {
        let input = json!({"job": "00", "task": "classifier", "featureWidth": width, "params": {
            "network": {"format": "candlewick.network/1", "layers": layers}, "batchSize": 30}});
        complete(&serde_json::from_value(input).unwrap()).unwrap().job
    }

    #[test]
    fn a_step_of_any_input_takes_time() {
        let linear = |size: usize| json!({"type": "Linear", "out_features": size});
        let embedding = json!({"type": "EmbeddingBag", "num_embeddings": 50, "embedding_dim": 3});
        for job in [
            job(&json!([linear(9), {"type": "BatchNorm1d"}, linear(3)]), 5),
            job(&json!([embedding, linear(2)]), 7),
        ] {
            for shards in [0..8, 0..3, 3..8] {
                let seconds = seconds_of_step(&job, shards, 1, Duration::from_millis(5)).unwrap();
                assert!(seconds > 0.0 && seconds < 60.0);
            }
        }
    }

    #[test]
    fn indices_are_in_their_range_and_all_rows_are_there() {
        let embedding = json!({"type": "EmbeddingBag", "num_embeddings": 50, "embedding_dim": 3});
        let job = job(&json!([embedding, {"type": "Linear", "out_features": 2}]), 7);
        let network = Network::from_document(&job.train.network, &job.data.input_shape).unwrap();
        let features = features(&network, 20);
        assert!(
            features
                .iter()
                .all(|index| index.fract() == 0.0 && (0.0..50.0).contains(index))
        );
        assert!(features.iter().any(|index| *index > 9.0));
        let rows: Vec<usize> = slices(10, &(2..5)).iter().map(|slice| slice.rows).collect();
        assert_eq!(rows, [4, 3, 3]);
        assert_eq!(labels(&LabelKind::class(3), 4), [0.0, 1.0, 2.0, 0.0]);
    }
}
