//! Metrics over the outputs of an epoch's training steps, as Keras has them: of weights that change meanwhile, with
//! dropout. A tally of each slice travels with its gradient, so every trainer holds the sums (rule B10).

use candlewick_model::engine::Batch;
use candlewick_model::metrics::{MetricSet, Rows};
use serde_json::{Map, Value};

/// What is measured of a step.
#[derive(Debug)]
pub(super) struct TrainingMetrics {
    set: MetricSet,
    widths: Widths,
}

/// Values of a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Widths {
    pub(super) outputs: usize,
    pub(super) labels: usize,
}

impl TrainingMetrics {
    pub(super) fn new(set: MetricSet, widths: Widths) -> Self {
        TrainingMetrics { set, widths }
    }

    /// Appends the tally of every slice of a step, given the outputs of all its rows, to the slice's scalars.
    pub(super) fn append(&self, outputs: &[f32], batch: &Batch<'_>, scalars: &mut [(u32, Option<Vec<f64>>)]) {
        if self.set.is_empty() {
            return;
        }
        let mut start = 0;
        for (slice, (_, values)) in batch.slices.iter().zip(scalars) {
            let end = start + slice.rows;
            let Widths {
                outputs: o,
                labels: l,
            } = self.widths;
            let rows = Rows {
                outputs: &outputs[start * o..end * o],
                labels: &batch.labels[start * l..end * l],
                weights: &batch.weights[start..end],
            };
            if let Some(values) = values {
                values.extend(self.set.tally(&rows));
            }
            start = end;
        }
    }

    /// Adds a step to the tally of its epoch: the scalars of all shards, of which the first `skip` are not ours.
    pub(super) fn add(&self, tally: &mut Option<Vec<f64>>, by_shard: &[Option<Vec<f64>>], skip: usize) {
        if self.set.is_empty() {
            return;
        }
        let mut leaves: Vec<Option<Vec<f64>>> = by_shard
            .iter()
            .map(|values| {
                values
                    .as_ref()
                    .and_then(|values| values.get(skip..))
                    .map(<[f64]>::to_vec)
            })
            .collect();
        let Some(step) = self.set.reduce(&mut leaves) else {
            return;
        };
        match tally {
            Some(sums) => self.set.merge(sums, &step),
            empty => *empty = Some(step),
        }
    }

    /// The values of an epoch, from its tally.
    pub(super) fn values(&self, tally: Option<&[f64]>) -> Map<String, Value> {
        tally.map_or_else(Map::new, |sums| self.set.values(sums, &[]))
    }
}
