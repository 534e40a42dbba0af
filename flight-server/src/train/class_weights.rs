//! What rows of each class weigh in the loss (parameter `classWeight`), a function of all rows of the job.
//!
//! Each trainer counts the rows that it owns, which are sealed and balance with the ledger of the feed; the counts of all
//! are added up as whole numbers. So the weights do not depend on the number of trainers, nor on what was lost before.

use super::{Interrupt, Reduce, TrainPlan};
use candlewick_protocol::class_weight::ClassWeight;
use candlewick_protocol::job::LabelKind;

/// By class.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ClassWeights(pub(super) Vec<f64>);

impl ClassWeights {
    /// The weights of a plan's job, where it has some: the same on every trainer.
    pub(super) fn of(plan: &TrainPlan, reduce: &mut dyn Reduce) -> Result<Option<Self>, Interrupt> {
        let (Some(rule), LabelKind::Class { num_classes, .. }) =
            (&plan.job.train.class_weight, &plan.job.data.label)
        else {
            return Ok(None);
        };
        let classes = *num_classes as usize;
        let rows = match rule {
            ClassWeight::Balanced => count(plan, classes, reduce)?,
            ClassWeight::Of(_) => Vec::new(),
        };
        Ok(Some(ClassWeights(rule.weights(&rows))))
    }

    /// What rows of these labels weigh in the loss, whose own weights are `weights`.
    pub(super) fn apply(&self, labels: &[f64], weights: &[f64], weighed: &mut Vec<f64>) {
        weighed.clear();
        weighed.extend(
            labels
                .iter()
                .zip(weights)
                .map(|(label, weight)| weight * self.of_label(*label)),
        );
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "labels are classes, or the loss ignores them and no class is like them"
    )]
    fn of_label(&self, label: f64) -> f64 {
        let class = if label >= 0.0 { Some(label as usize) } else { None };
        // A label that the loss ignores has none.
        class.and_then(|class| self.0.get(class)).copied().unwrap_or(1.0)
    }
}

/// The rows of each class that train, over all trainers.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts are whole numbers far below 2^53"
)]
fn count(plan: &TrainPlan, classes: usize, reduce: &mut dyn Reduce) -> Result<Vec<u64>, Interrupt> {
    let mut mine = vec![0u64; classes];
    let label = &plan.job.data.label;
    for shard in plan.owned() {
        plan.data.each_label(shard, &mut |value| {
            let counted = (!label.ignores(value)).then(|| mine.get_mut(value as usize));
            if let Some(rows) = counted.flatten() {
                *rows += 1;
            }
        })?;
    }
    let mine: Vec<f64> = mine.into_iter().map(|rows| rows as f64).collect();
    let all = reduce.gather("the rows of each class", &mine)?;
    let mut rows = vec![0u64; classes];
    for counts in all.chunks_exact(classes) {
        for (sum, count) in rows.iter_mut().zip(counts) {
            *sum += *count as u64;
        }
    }
    // One of them says it.
    if plan.owned().start == 0 {
        warn_of_none(&rows);
    }
    Ok(rows)
}

fn warn_of_none(rows: &[u64]) {
    let none = rows.iter().enumerate().filter(|(_, rows)| **rows == 0);
    let none: Vec<String> = none.map(|(class, _)| class.to_string()).collect();
    if !none.is_empty() {
        let (few, more) = none.split_at(none.len().min(10));
        let more = if more.is_empty() {
            String::new()
        } else {
            format!(" and {} more", more.len())
        };
        tracing::warn!(
            "classWeight is \"balanced\", but no row to train on has the label {}{more}: these classes get no weight",
            few.join(", ")
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Observer, Onward, Session, SingleProcess, Trained};
    use super::*;
    use crate::chunk::{ChunkBuilder, Shape};
    use crate::dataset::Dataset;
    use candlewick_model::job::complete;
    use candlewick_protocol::counter::ProgramCounter;
    use candlewick_protocol::message::EpochRecord;
    use candlewick_protocol::shards::ShardSet;
    use serde_json::{Value, json};
    use std::sync::{Arc, Mutex};

    /// Keeps the history.
    #[derive(Default)]
    struct History(Mutex<Vec<EpochRecord>>);

    impl Observer for History {
        fn boundary(&self, _: ProgramCounter) -> Result<Onward, Interrupt> {
            Ok(Onward::Go)
        }

        fn progress(&self, _: ProgramCounter) {}

        fn epoch(&self, record: &EpochRecord) -> Result<(), Interrupt> {
            self.0.lock().unwrap().push(record.clone());
            Ok(())
        }

        fn epochs_acknowledged(&self) -> u32 {
            0
        }
    }

    /// A training over rows of three classes, one of them rare, and of the label that the loss ignores. What a row weighs
    /// is not part of its hash here, so that rows that weigh otherwise keep their places.
    fn trained(
        class_weight: &Value,
        classes: u32,
        weigh: impl Fn(f64) -> f64,
    ) -> (Trained, Vec<EpochRecord>) {
        let layers = json!([{"type": "Linear", "out_features": 5}, {"type": "Tanh"}, {"type": "Linear", "out_features": classes}]);
        let input = json!({"job": "00", "task": "classifier", "featureWidth": 3, "params": {
            "network": {"format": "candlewick.network/1", "layers": layers}, "classWeight": class_weight, "batchSize": 16,
            "loss": {"type": "CrossEntropyLoss", "ignore_index": 7}, "metrics": ["accuracy"], "epochs": 3,
            "validationFraction": 0.25, "logicalShards": 4}});
        let job = complete(&serde_json::from_value(input).unwrap()).unwrap().job;
        let shape = Shape::of(&job.data, 4);
        let mut builder = ChunkBuilder::new(&shape, 90);
        for row in 0..90u16 {
            let features = (0..3).map(|at| f32::from((row * 13 + at * 7 + row / 4) % 31) / 31.0);
            let label = match row % 12 {
                11 => 7.0,
                5 => 2.0,
                other => f64::from(other % 2),
            };
            builder
                .push(features, std::iter::once(label), 1.0 + f64::from(row % 2))
                .unwrap();
        }
        let mut chunk = builder.finish();
        for (weight, label) in chunk.weights.iter_mut().zip(&chunk.labels) {
            *weight *= weigh(*label);
        }
        let (all, none) = ((0..4).into(), ShardSet::default());
        let data = Dataset::build(shape, &all, &none, vec![Arc::new(chunk)], 1).unwrap();
        let sums = data.sums();
        let plan = TrainPlan::new(job, data, &sums).unwrap();
        let history = History::default();
        let mut alone = SingleProcess { logical_shards: 4 };
        let mut session = Session::new(&plan.job, 1).unwrap();
        let trained = session.run(&plan, &mut alone, &history).unwrap();
        (trained, history.0.into_inner().unwrap())
    }

    #[test]
    fn they_are_what_the_rows_own_weights_would_be_bit_for_bit_and_metrics_do_not_know_them() {
        let (balanced, told) = trained(&json!("balanced"), 3, |_| 1.0);
        let weights = balanced.class_weights.clone().unwrap();
        assert!(weights[2] > 2.0 * weights[0], "{weights:?}");
        let of_label = |label: f64| weights.get(label as usize).copied().unwrap_or(1.0);
        let (own, judged) = trained(&Value::Null, 3, of_label);
        assert_eq!(
            (own.weights_hash, own.class_weights),
            (balanced.weights_hash, None)
        );
        let (plain, _) = trained(&Value::Null, 3, |_| 1.0);
        assert_ne!(plain.state_hash, balanced.state_hash);
        let losses = |history: &[EpochRecord]| -> Vec<(f64, f64)> {
            history
                .iter()
                .map(|record| (record.loss, record.value("val_loss")))
                .collect()
        };
        assert_eq!(losses(&told), losses(&judged));
        for name in ["accuracy", "val_accuracy"] {
            let of = |history: &[EpochRecord]| -> Vec<f64> {
                history.iter().map(|record| record.value(name)).collect()
            };
            assert_ne!(
                of(&told),
                of(&judged),
                "{name} weighs rows by their own weight alone"
            );
        }
    }

    #[test]
    fn a_class_without_rows_divides_by_nothing() {
        let (three, _) = trained(&json!("balanced"), 3, |_| 1.0);
        let (four, history) = trained(&json!("balanced"), 4, |_| 1.0);
        let (three, four) = (three.class_weights.unwrap(), four.class_weights.unwrap());
        assert_eq!(four[3].to_bits(), 1f64.to_bits());
        for (of_three, of_four) in three.iter().zip(&four) {
            assert!(
                (of_three * 3.0 - of_four * 4.0).abs() < 1e-12,
                "{three:?} {four:?}"
            );
        }
        assert!(history.iter().all(|record| record.loss.is_finite()));
    }
}
