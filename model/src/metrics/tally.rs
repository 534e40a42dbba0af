//! Sums over the rows of a slice, and how two of them become one.

use super::Rows;
use super::name::Metric;
use crate::head::Head;
use std::ops::Range;

/// Sum of the weights, number of rows.
pub(super) const WEIGHT: usize = 0;
pub(super) const ROWS: usize = 1;
const FIRST: usize = 2;

/// Sums of every output of a regressor: weighted absolute, squared and relative errors; then mean and M2 of the label.
pub(super) const PER_VALUE: usize = 5;
pub(super) const ABSOLUTE: usize = 0;
pub(super) const SQUARED: usize = 1;
pub(super) const RELATIVE: usize = 2;
const MEAN: usize = 3;
pub(super) const M2: usize = 4;

/// Which sums a tally holds, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub correct: Option<usize>,
    pub log_loss: Option<usize>,
    /// k, place.
    pub top: Vec<(usize, usize)>,
    /// By class: right, predicted, there.
    pub counts: Option<Range<usize>>,
    /// By class of the label, then of the prediction.
    pub matrix: Option<Range<usize>>,
    pub values: Option<Range<usize>>,
    width: usize,
}

impl Layout {
    pub(super) fn new(metrics: &[(String, Metric)], head: Head) -> Self {
        let has = |test: &dyn Fn(&Metric) -> bool| metrics.iter().any(|(_, metric)| test(metric));
        let mut width = FIRST;
        let mut take = |count: usize| {
            width += count;
            width - count..width
        };
        let mut one = |wanted: bool| wanted.then(|| take(1).start);
        let correct = one(has(&|metric| *metric == Metric::Accuracy));
        let log_loss = one(has(&|metric| *metric == Metric::LogLoss));
        let tops = metrics.iter().filter_map(|(_, metric)| match metric {
            Metric::TopK(k) => Some(*k),
            _ => None,
        });
        let top = tops.map(|k| (k, take(1).start)).collect();
        let classes = head.width();
        let by_class =
            has(&|metric| matches!(metric, Metric::Precision(_) | Metric::Recall(_) | Metric::F1(_)));
        let counts = by_class.then(|| take(3 * classes));
        let matrix = has(&|metric| *metric == Metric::ConfusionMatrix).then(|| take(classes * classes));
        let values = match head {
            Head::Values { width } if !metrics.is_empty() => Some(take(width * PER_VALUE)),
            _ => None,
        };
        Layout {
            correct,
            log_loss,
            top,
            counts,
            matrix,
            values,
            width,
        }
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn tally(&self, head: Head, thresholds: Option<&[f64]>, rows: &Rows<'_>) -> Vec<f64> {
        let mut sums = vec![0.0; self.width];
        for weight in rows.weights {
            sums[WEIGHT] += weight;
            sums[ROWS] += 1.0;
        }
        if let Some(place) = &self.values {
            values(head.width(), rows, &mut sums[place.clone()]);
        } else if self.width > FIRST {
            self.classes(head, thresholds, rows, &mut sums);
        }
        sums
    }

    fn classes(&self, head: Head, thresholds: Option<&[f64]>, rows: &Rows<'_>, sums: &mut [f64]) {
        let classes = head.width();
        let mut probabilities = vec![0.0; rows.weights.len() * classes];
        head.probabilities(rows.outputs, &mut probabilities);
        let lines = probabilities.chunks_exact(classes);
        for (line, (label, weight)) in lines.zip(rows.labels.iter().zip(rows.weights)) {
            let label = class_of(*label);
            let predicted = class_of(head.prediction(line, thresholds));
            let right = if label == predicted { *weight } else { 0.0 };
            if let Some(at) = self.correct {
                sums[at] += right;
            }
            let own = line.get(label).copied().unwrap_or(0.0);
            if let Some(at) = self.log_loss {
                // scikit-learn's clipping: no row counts for more than 36 nats.
                sums[at] -= weight * libm::log(own.clamp(f64::EPSILON, 1.0 - f64::EPSILON));
            }
            for (k, at) in &self.top {
                // Of equal ones the lower class comes first, as it does where the class is told.
                let before = |(class, p): (usize, &f64)| *p > own || *p == own && class < label;
                if line.iter().enumerate().filter(|entry| before(*entry)).count() < *k {
                    sums[*at] += weight;
                }
            }
            if let Some(place) = &self.counts {
                sums[place.start + label] += right;
                sums[place.start + classes + predicted] += weight;
                sums[place.start + 2 * classes + label] += weight;
            }
            if let Some(place) = &self.matrix {
                sums[place.start + label * classes + predicted] += weight;
            }
        }
    }

    /// Sums are added; mean and M2 are merged by Chan's formula.
    pub(super) fn merge(&self, left: &mut [f64], right: &[f64]) {
        let (a, b) = (left[WEIGHT], right[WEIGHT]);
        let moments = self.values.clone().unwrap_or(0..0);
        for (at, (into, from)) in left.iter_mut().zip(right).enumerate() {
            if !(moments.contains(&at) && (at - moments.start) % PER_VALUE >= MEAN) {
                *into += from;
            }
        }
        if b <= 0.0 {
            return;
        }
        for output in moments.step_by(PER_VALUE) {
            let (mean, m2) = (output + MEAN, output + M2);
            let apart = right[mean] - left[mean];
            left[mean] += apart * (b / (a + b));
            left[m2] += right[m2] + apart * apart * (a * (b / (a + b)));
        }
    }
}

/// The class in a label or prediction; the feed has checked it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a whole number from 0"
)]
pub(super) fn class_of(label: f64) -> usize {
    label as usize
}

fn values(width: usize, rows: &Rows<'_>, sums: &mut [f64]) {
    let mut total = 0.0;
    let lines = rows
        .outputs
        .chunks_exact(width)
        .zip(rows.labels.chunks_exact(width));
    // The mean as a distance from the first label: exact where the label never varies.
    let first = rows.labels.get(..width).unwrap_or_default();
    for ((outputs, labels), weight) in lines.clone().zip(rows.weights) {
        total += weight;
        let columns = sums.chunks_exact_mut(PER_VALUE).zip(first);
        for ((output, label), (sums, first)) in outputs.iter().zip(labels).zip(columns) {
            let error = (label - f64::from(*output)).abs();
            sums[ABSOLUTE] += weight * error;
            sums[SQUARED] += weight * (error * error);
            sums[RELATIVE] += weight * (error / label.abs().max(f64::EPSILON));
            sums[MEAN] += weight * (label - first);
        }
    }
    if total <= 0.0 {
        return;
    }
    for (sums, first) in sums.chunks_exact_mut(PER_VALUE).zip(first) {
        sums[MEAN] = first + sums[MEAN] / total;
    }
    for ((_, labels), weight) in lines.zip(rows.weights) {
        for (label, sums) in labels.iter().zip(sums.chunks_exact_mut(PER_VALUE)) {
            let apart = label - sums[MEAN];
            sums[M2] += weight * (apart * apart);
        }
    }
}
