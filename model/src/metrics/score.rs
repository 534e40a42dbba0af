//! From sums to values.

use super::name::{Average, Metric};
use super::rank::Areas;
use super::tally::{ABSOLUTE, Layout, M2, PER_VALUE, RELATIVE, ROWS, SQUARED, WEIGHT};
use crate::head::Head;
use serde_json::Value;

/// What the values are made of.
pub(super) struct Scores<'a> {
    pub layout: &'a Layout,
    pub head: Head,
    pub tally: &'a [f64],
    pub areas: &'a [Areas],
}

/// One class: right, predicted, there.
#[derive(Clone, Copy)]
struct Counts {
    right: f64,
    predicted: f64,
    there: f64,
}

impl Scores<'_> {
    /// The value of a metric; null where it is not defined.
    pub(super) fn of(&self, metric: &Metric) -> Value {
        if *metric == Metric::ConfusionMatrix {
            return self.matrix();
        }
        // Infinite and NaN have no place in JSON: null.
        self.number(metric).map_or(Value::Null, Value::from)
    }

    fn number(&self, metric: &Metric) -> Option<f64> {
        let weight = self.tally[WEIGHT];
        if weight <= 0.0 {
            return None;
        }
        let mean = |at: Option<usize>| at.map(|at| self.tally[at] / weight);
        match *metric {
            Metric::Accuracy => mean(self.layout.correct),
            Metric::LogLoss => mean(self.layout.log_loss),
            Metric::TopK(k) => {
                let found = self.layout.top.iter().find(|(of, _)| *of == k);
                mean(found.map(|(_, at)| *at))
            }
            Metric::Precision(average) => {
                self.averaged(average, &|class| ratio(class.right, class.predicted))
            }
            Metric::Recall(average) => self.averaged(average, &|class| ratio(class.right, class.there)),
            Metric::F1(average) => self.averaged(average, &|class| {
                ratio(2.0 * class.right, class.predicted + class.there)
            }),
            Metric::RocAuc => self.mean_area(|areas| areas.roc),
            Metric::PrAuc => self.mean_area(|areas| areas.pr),
            Metric::ConfusionMatrix => None,
            Metric::Mae => self.over_values(&|sums| sums[ABSOLUTE] / weight),
            Metric::Mse => self.over_values(&|sums| sums[SQUARED] / weight),
            Metric::Rmse => self.over_values(&|sums| (sums[SQUARED] / weight).sqrt()),
            Metric::Mape => self.over_values(&|sums| sums[RELATIVE] / weight),
            Metric::R2 if self.tally[ROWS] < 2.0 => None,
            Metric::R2 => self.over_values(&r2),
        }
    }

    /// The mean over the outputs of a regressor.
    fn over_values(&self, value: &dyn Fn(&[f64]) -> f64) -> Option<f64> {
        let sums = &self.tally[self.layout.values.clone()?];
        let outputs = sums.chunks_exact(PER_VALUE);
        let count = outputs.len();
        Some(outputs.map(value).sum::<f64>() / whole(count))
    }

    /// One-vs-rest, the mean of the classes that have an area.
    fn mean_area(&self, area: impl Fn(&Areas) -> Option<f64>) -> Option<f64> {
        let known: Vec<f64> = self.areas.iter().filter_map(area).collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / whole(known.len()))
    }

    fn averaged(&self, average: Average, value: &dyn Fn(Counts) -> f64) -> Option<f64> {
        let place = self.layout.counts.clone()?;
        let sums = &self.tally[place];
        let classes = self.head.width();
        let counts: Vec<Counts> = (0..classes)
            .map(|class| Counts {
                right: sums[class],
                predicted: sums[classes + class],
                there: sums[2 * classes + class],
            })
            .collect();
        let average = match average {
            Average::Plain if classes == 2 => return counts.get(1).map(|class| value(*class)),
            Average::Plain => Average::Weighted,
            other => other,
        };
        let total = |part: &dyn Fn(&Counts) -> f64| counts.iter().map(part).sum::<f64>();
        Some(match average {
            Average::Macro => {
                let seen = counts.iter().filter(|class| class.predicted + class.there > 0.0);
                let number = seen.clone().count();
                seen.map(|class| value(*class)).sum::<f64>() / whole(number)
            }
            Average::Micro => value(Counts {
                right: total(&|class| class.right),
                predicted: total(&|class| class.predicted),
                there: total(&|class| class.there),
            }),
            Average::Weighted | Average::Plain => {
                total(&|class| class.there * value(*class)) / total(&|class| class.there)
            }
        })
    }

    fn matrix(&self) -> Value {
        let Some(place) = self.layout.matrix.clone() else {
            return Value::Null;
        };
        let lines = self.tally[place].chunks_exact(self.head.width());
        Value::from(lines.map(Value::from).collect::<Vec<_>>())
    }
}

/// 0 where nothing is there to be divided by, as scikit-learn's `zero_division` does by default.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// A label that never varies is explained in full or not at all.
fn r2(sums: &[f64]) -> f64 {
    match (sums[SQUARED], sums[M2]) {
        (error, spread) if spread > 0.0 => 1.0 - error / spread,
        (error, _) if error > 0.0 => 0.0,
        _ => 1.0,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "classes and outputs are far below 2^53"
)]
fn whole(count: usize) -> f64 {
    count as f64
}
