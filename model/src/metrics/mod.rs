//! Metrics of a training run: what is reported of the rows beside the loss, the same bits on any cluster.
//!
//! A metric is computed in three steps. [`MetricSet::tally`] adds up one slice of rows in f64; [`MetricSet::reduce`]
//! merges slices, and then shards, along the tree of rule B5; [`MetricSet::values`] makes the numbers of what came
//! out. A slice is a function of the data and the tree one of the logical shards, so nothing depends on who computed
//! which part.
//!
//! Names and definitions are scikit-learn's, with the rows' weights as `sample_weight`. Areas under curves are no
//! sums: [`MetricSet::points`] returns a row's score, [`Areas::of`] sorts the points of all rows.
//!
//! A value that is not defined (an area where all rows are of one class, anything where all weights are 0) is null.

mod name;
mod parts;
mod plan;
mod rank;
mod rows;
mod score;
mod stopping;
mod tally;

pub(crate) use plan::check_metric;
pub use plan::evaluation;
pub use rank::Areas;
pub use rows::Rows;

use crate::head::Head;
use candlewick_protocol::Failure;
use candlewick_protocol::job::{JobSpec, LabelKind};
use candlewick_protocol::tree::{self, NodeValue};
use name::Metric;
use parts::Parts;
use serde_json::{Map, Value};
use std::sync::Arc;
use tally::Layout;

/// Rows of which a slice of an evaluation consists, but for the last of a shard (rule B9).
pub const SLICE_ROWS: usize = 1_024;

/// Classes whose counts travel with every step of a training run, at most.
const MOST_CLASSES: usize = 100;

/// The metrics that a job asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricSet {
    metrics: Vec<(String, Metric)>,
    head: Head,
    thresholds: Option<Vec<f64>>,
    layout: Layout,
    /// What the labels mean, where some rows do not count.
    ignoring: Option<LabelKind>,
    /// The parts of the loss, where it has some.
    parts: Option<Arc<Parts>>,
}

impl MetricSet {
    /// The metrics called `names` for a network whose outputs `head` reads; predictions follow `thresholds` where
    /// they are set, as those of a model do.
    ///
    /// ```
    /// use candlewick_model::{head::Head, metrics::{MetricSet, Rows}};
    /// let set = MetricSet::new(&["accuracy".into()], Head::BinaryLogit, None)?;
    /// let rows = Rows { outputs: &[2.0, -1.0, 3.0], labels: &[1.0, 0.0, 0.0], weights: &[1.0, 1.0, 2.0] };
    /// let values = set.values(&set.tally(&rows), &[]);
    /// assert_eq!(values["accuracy"], 0.5);
    /// # Ok::<(), candlewick_protocol::Failure>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidParameter` naming the metric that is unknown, does not fit the task or stands there twice, and the
    /// legal names.
    pub fn new(names: &[String], head: Head, thresholds: Option<&[f64]>) -> Result<Self, Failure> {
        let mut metrics: Vec<(String, Metric)> = Vec::with_capacity(names.len());
        for (at, name) in names.iter().enumerate() {
            if names[..at].contains(name) {
                return Err(Failure::parameter(format!(
                    "parameter metrics names \"{name}\" twice"
                )));
            }
            // The loss is always reported.
            if let Some(metric) = name::read(name, head)? {
                metrics.push((name.clone(), metric));
            }
        }
        Ok(Self::of(metrics, head, thresholds.map(<[f64]>::to_vec)))
    }

    /// Those of a job, for a network whose outputs `head` reads.
    ///
    /// # Errors
    /// As [`MetricSet::new`].
    pub fn of_job(job: &JobSpec, head: Head) -> Result<Self, Failure> {
        let asked = &job.train.evaluation;
        let set = MetricSet::new(&asked.metrics, head, asked.thresholds.as_deref())?;
        set.ignoring(&job.data.label).with_parts(&job.train.loss)
    }

    fn of(metrics: Vec<(String, Metric)>, head: Head, thresholds: Option<Vec<f64>>) -> Self {
        let layout = Layout::new(&metrics, head);
        MetricSet {
            metrics,
            head,
            thresholds,
            layout,
            ignoring: None,
            parts: None,
        }
    }

    /// Tells of a complete loss over several named outputs what each of them adds to it: `loss_digit`.
    ///
    /// # Errors
    /// `InvalidParameter` where it is no loss.
    pub fn with_parts(self, loss: &Value) -> Result<Self, Failure> {
        let parts = Parts::of(loss)?.map(Arc::new);
        Ok(MetricSet { parts, ..self })
    }

    /// Leaves out the rows whose label `kind` ignores.
    #[must_use]
    pub fn ignoring(self, kind: &LabelKind) -> Self {
        MetricSet {
            ignoring: Some(kind.clone())
                .filter(|kind| matches!(kind, LabelKind::Class { ignored: Some(_), .. })),
            ..self
        }
    }

    /// Calls `body` with the rows; those that are ignored have weight 0 and label 0.
    fn counted<R>(&self, rows: &Rows<'_>, body: impl FnOnce(&Rows<'_>) -> R) -> R {
        let Some(kind) = &self.ignoring else {
            return body(rows);
        };
        let mut labels = rows.labels.to_vec();
        let mut weights = rows.weights.to_vec();
        for (label, weight) in labels.iter_mut().zip(&mut weights) {
            if kind.ignores(*label) {
                (*label, *weight) = (0.0, 0.0);
            }
        }
        body(&Rows {
            outputs: rows.outputs,
            labels: &labels,
            weights: &weights,
        })
    }

    /// Those that are sums of a few numbers, fit to travel with every step of a training run: all but areas and the
    /// confusion matrix, and with more than 100 classes but precision, recall and f1.
    #[must_use]
    pub fn of_training(&self) -> Self {
        let many = self.head.width() > MOST_CLASSES;
        let few = |metric: &Metric| match metric {
            Metric::RocAuc | Metric::PrAuc | Metric::ConfusionMatrix => false,
            Metric::Precision(_) | Metric::Recall(_) | Metric::F1(_) => !many,
            _ => true,
        };
        let metrics = self.metrics.iter().filter(|(_, metric)| few(metric));
        MetricSet {
            ignoring: self.ignoring.clone(),
            parts: self.parts.clone(),
            ..Self::of(metrics.cloned().collect(), self.head, self.thresholds.clone())
        }
    }

    /// True where nothing is measured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.metrics.is_empty() && self.parts.is_none()
    }

    /// Names of the metrics.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let parts = self.parts.iter().flat_map(|parts| parts.names());
        self.metrics.iter().map(|(name, _)| name.as_str()).chain(parts)
    }

    /// Names of the metrics whose value is one number.
    pub fn numbers(&self) -> impl Iterator<Item = &str> {
        let one = |metric: &Metric| *metric != Metric::ConfusionMatrix;
        self.metrics
            .iter()
            .filter(move |(_, metric)| one(metric))
            .map(|(name, _)| name.as_str())
            .chain(self.parts.iter().flat_map(|parts| parts.names()))
    }

    /// f64 values of a tally.
    #[must_use]
    pub fn width(&self) -> usize {
        self.layout.width() + self.parts.as_ref().map_or(0, |parts| parts.width())
    }

    /// Adds up the rows of one slice, in order.
    #[must_use]
    pub fn tally(&self, rows: &Rows<'_>) -> Vec<f64> {
        self.counted(rows, |rows| {
            let mut sums = self.layout.tally(self.head, self.thresholds.as_deref(), rows);
            if let Some(parts) = &self.parts {
                parts.tally(rows, &mut sums);
            }
            sums
        })
    }

    /// Adds `right` to `left`: sums are added, means and variances merged by Chan's formula.
    pub fn merge(&self, left: &mut [f64], right: &[f64]) {
        self.layout.merge(left, right);
    }

    /// Merges tallies along the tree of rule B5; a leaf without rows is absent.
    #[must_use]
    pub fn reduce(&self, leaves: &mut [Option<Vec<f64>>]) -> Option<Vec<f64>> {
        let count = u32::try_from(leaves.len()).ok()?;
        let mut find = |lo: u32, hi: u32| match hi - lo {
            1 => NodeValue::Known(leaves[lo as usize].take()),
            _ => NodeValue::Split,
        };
        tree::assemble(0, count, &mut find, &mut |mut left, right| {
            self.merge(&mut left, &right);
            left
        })
    }

    /// The classes whose curves are needed: none without an area among the metrics, class 1 of two, else all.
    #[must_use]
    pub fn curves(&self) -> Vec<usize> {
        let wanted = |(_, metric): &(String, Metric)| matches!(metric, Metric::RocAuc | Metric::PrAuc);
        match self.head {
            Head::Values { .. } => Vec::new(),
            _ if !self.metrics.iter().any(wanted) => Vec::new(),
            head if head.width() == 2 => vec![1],
            head => (0..head.width()).collect(),
        }
    }

    /// Appends the points of rows to the curves of [`MetricSet::curves`]: (score, weight), 16 bytes a row and curve,
    /// the weight negative where the row is of another class. Rows of weight 0 have none.
    pub fn points(&self, rows: &Rows<'_>, curves: &mut [Vec<(f64, f64)>]) {
        self.counted(rows, |rows| self.points_of(rows, curves));
    }

    fn points_of(&self, rows: &Rows<'_>, curves: &mut [Vec<(f64, f64)>]) {
        let classes = self.curves();
        let mut probabilities = vec![0.0; rows.weights.len() * self.head.width()];
        self.head.probabilities(rows.outputs, &mut probabilities);
        let lines = probabilities.chunks_exact(self.head.width());
        for (line, (label, weight)) in lines.zip(rows.labels.iter().zip(rows.weights)) {
            if *weight == 0.0 {
                continue;
            }
            for (class, curve) in classes.iter().zip(curves.iter_mut()) {
                let own = tally::class_of(*label) == *class;
                curve.push((line[*class], if own { *weight } else { -*weight }));
            }
        }
    }

    /// The values by name, in the order they were asked for: numbers, and lists of lists for the confusion matrix.
    /// `areas` are those of [`MetricSet::curves`].
    #[must_use]
    pub fn values(&self, tally: &[f64], areas: &[Areas]) -> Map<String, Value> {
        let scores = score::Scores {
            layout: &self.layout,
            head: self.head,
            tally,
            areas,
        };
        let named = self
            .metrics
            .iter()
            .map(|(name, metric)| (name.clone(), scores.of(metric)));
        let parts = self.parts.iter().flat_map(|parts| parts.names());
        let mean = |sum: &f64| Value::from(sum / tally[tally::WEIGHT]);
        let sums = tally.get(self.layout.width()..).unwrap_or_default();
        named
            .chain(parts.zip(sums).map(|(name, sum)| (name.to_owned(), mean(sum))))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_cannot_be_measured_lists_what_can() {
        let class = Head::ClassLogits { n: 3 };
        let told = |list: &[&str], head| MetricSet::new(&names(list), head, None).unwrap_err().message;
        let unknown = told(&["acuracy"], class);
        assert!(
            unknown.contains("\"acuracy\"") && unknown.contains("top_<k>_accuracy"),
            "{unknown}"
        );
        let real = told(&["accuracy"], Head::Values { width: 1 });
        assert!(
            real.contains("classifiers") && real.contains("mae, mse, rmse, r2, mape"),
            "{real}"
        );
        assert!(told(&["mae"], class).contains("regressors"));
        assert!(told(&["mae", "mae"], Head::Values { width: 1 }).contains("twice"));
        assert!(told(&["top_3_accuracy"], class).contains("k from 1 to 2"));
        assert!(told(&["top_0_accuracy"], class).contains("k from 1 to 2"));
        assert!(MetricSet::new(&names(&["loss"]), class, None).unwrap().is_empty());
    }

    #[test]
    fn training_leaves_out_what_is_no_short_sum() {
        let set = MetricSet::new(
            &names(&["roc_auc", "accuracy", "confusion_matrix", "f1_macro"]),
            Head::ClassLogits { n: 3 },
            None,
        )
        .unwrap();
        assert_eq!(
            set.numbers().collect::<Vec<_>>(),
            ["roc_auc", "accuracy", "f1_macro"]
        );
        let training = set.of_training();
        assert_eq!(training.numbers().collect::<Vec<_>>(), ["accuracy", "f1_macro"]);
        assert!(training.width() < set.width() + 1 && training.curves().is_empty());
        assert_eq!(set.curves(), [0, 1, 2]);
    }

    #[test]
    fn what_is_not_defined_is_null() {
        let set = MetricSet::new(&names(&["accuracy", "roc_auc"]), Head::BinaryLogit, None).unwrap();
        let rows = Rows {
            outputs: &[1.0, 2.0],
            labels: &[1.0, 1.0],
            weights: &[0.0, 0.0],
        };
        let mut curves = vec![Vec::new()];
        set.points(&rows, &mut curves);
        let values = set.values(&set.tally(&rows), &[Areas::of(&mut curves[0])]);
        assert!(
            values["accuracy"].is_null() && values["roc_auc"].is_null(),
            "{values:?}"
        );
    }

    #[test]
    fn thresholds_move_the_prediction() {
        let rows = Rows {
            outputs: &[1.0, 0.0],
            labels: &[1.0],
            weights: &[1.0],
        };
        let accuracy = |thresholds: Option<&[f64]>| {
            let head = Head::ClassLogits { n: 2 };
            let set = MetricSet::new(&names(&["accuracy"]), head, thresholds).unwrap();
            set.values(&set.tally(&rows), &[])["accuracy"].as_f64()
        };
        assert_eq!(accuracy(None), Some(0.0));
        assert_eq!(accuracy(Some(&[0.9, 0.1])), Some(1.0));
    }
}
