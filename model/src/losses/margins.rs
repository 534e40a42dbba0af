//! Hinges: losses that want one output to be larger than another by a margin.
//!
//! A hinge has no slope where it is 0; where margin and difference are equal the slope is PyTorch's.

use super::classes::class_of;
use super::error::{LossError, check_weights};
use super::loss::{Labels, Loss, SliceRows, Sums, real};
use crate::arguments::Arguments;
use crate::kernels::SimdLevel;
use crate::numbers::to_f32;
use candlewick_protocol::Failure;

/// `torch.nn.MarginRankingLoss`: a row has as many first numbers as second ones, one after the other.
#[derive(Debug)]
struct Ranking {
    margin: f64,
}

/// `torch.nn.MultiMarginLoss`.
#[derive(Debug)]
struct MultiMargin {
    squared: bool,
    margin: f64,
    /// A weight a class; empty where all are 1.
    weights: Vec<f64>,
}

/// `torch.nn.MultiLabelMarginLoss`.
#[derive(Debug)]
struct MultiLabel;

pub(super) fn ranking(arguments: &Arguments) -> Result<Box<dyn Loss>, LossError> {
    Ok(Box::new(Ranking {
        margin: arguments.real("margin"),
    }))
}

pub(super) fn multi_margin(arguments: &Arguments) -> Result<Box<dyn Loss>, LossError> {
    Ok(Box::new(MultiMargin {
        squared: arguments.int("p") == 2,
        margin: arguments.real("margin"),
        weights: arguments.reals("weight"),
    }))
}

pub(super) fn multi_label(_arguments: &Arguments) -> Result<Box<dyn Loss>, LossError> {
    Ok(Box::new(MultiLabel))
}

/// Values of a row.
#[derive(Debug, Clone, Copy)]
struct Widths {
    outputs: usize,
    label: usize,
}

/// Calls `row` with the outputs, labels, weight and gradient of every row; it returns the row's loss of weight 1. What
/// a row adds to the denominator is `elements` times its weight.
fn over_rows(
    widths: Widths,
    elements: usize,
    rows: SliceRows<'_>,
    mut row: impl FnMut(&[f32], &[f64], f64, &mut [f32]) -> Result<f64, Failure>,
) -> Result<Sums, Failure> {
    let mut sums = Sums::default();
    let outputs = rows.outputs.chunks_exact(widths.outputs);
    let sides = outputs.zip(rows.labels.chunks_exact(widths.label.max(1)));
    let lines = sides.zip(rows.gradient.chunks_exact_mut(widths.outputs));
    for (((outputs, labels), gradient), weight) in lines.zip(rows.weights) {
        gradient.fill(0.0);
        sums.loss += weight * row(outputs, labels, *weight, gradient)?;
        sums.denominator += weight * real(elements);
    }
    Ok(sums)
}

impl Loss for Ranking {
    fn labels(&self, width: usize) -> Result<Labels, LossError> {
        if !width.is_multiple_of(2) {
            return Err(LossError::Outputs {
                reads: "a row of outputs as two halves of equal length".to_owned(),
                width,
                end: "a multiple of 2".to_owned(),
            });
        }
        Ok(Labels::Values(width / 2))
    }

    fn elements(&self, width: usize) -> usize {
        width / 2
    }

    fn slice(&self, _level: SimdLevel, width: usize, rows: SliceRows<'_>) -> Result<Sums, Failure> {
        let half = width / 2;
        over_rows(
            Widths {
                outputs: width,
                label: half,
            },
            half,
            rows,
            |outputs, labels, weight, gradient| {
                let (first, second) = outputs.split_at(half);
                let (by_first, by_second) = gradient.split_at_mut(half);
                let mut loss = 0.0;
                for (at, label) in labels.iter().enumerate() {
                    if ![1.0, 0.0, -1.0].contains(label) {
                        return Err(Failure::data(format!(
                            "label {label} is not legal: MarginRankingLoss expects 1 (the first is the larger one), -1 \
                         (the second is) or 0 (neither)"
                        )));
                    }
                    let left = self.margin - label * (f64::from(first[at]) - f64::from(second[at]));
                    if left < 0.0 {
                        continue;
                    }
                    loss += left;
                    by_first[at] = to_f32(-weight * label);
                    by_second[at] = to_f32(weight * label);
                }
                Ok(loss)
            },
        )
    }
}

impl Loss for MultiMargin {
    fn labels(&self, width: usize) -> Result<Labels, LossError> {
        check_weights("weight", self.weights.len(), width, "one number for each class")?;
        Ok(Labels::Class)
    }

    fn elements(&self, _width: usize) -> usize {
        1
    }

    fn slice(&self, _level: SimdLevel, width: usize, rows: SliceRows<'_>) -> Result<Sums, Failure> {
        let classes = real(width);
        over_rows(
            Widths {
                outputs: width,
                label: 1,
            },
            1,
            rows,
            |outputs, labels, weight, gradient| {
                let class = class_of(labels[0], width)?;
                let share = self.weights.get(class).copied().unwrap_or(1.0) / classes;
                let own = f64::from(outputs[class]);
                let (mut loss, mut own_slope) = (0.0, 0.0);
                for (other, output) in outputs.iter().enumerate() {
                    let left = self.margin - own + f64::from(*output);
                    if other == class || left <= 0.0 {
                        continue;
                    }
                    let (term, slope) = if self.squared {
                        (left * left, 2.0 * left)
                    } else {
                        (left, 1.0)
                    };
                    loss += share * term;
                    own_slope -= share * slope;
                    gradient[other] = to_f32(weight * share * slope);
                }
                gradient[class] = to_f32(weight * own_slope);
                Ok(loss)
            },
        )
    }
}

/// The classes of a row: those before the first -1.
fn classes_of(labels: &[f64]) -> Result<Vec<usize>, Failure> {
    let given = labels.iter().take_while(|label| **label != -1.0);
    given.map(|label| class_of(*label, labels.len())).collect()
}

impl Loss for MultiLabel {
    fn labels(&self, width: usize) -> Result<Labels, LossError> {
        Ok(Labels::Values(width))
    }

    fn elements(&self, _width: usize) -> usize {
        1
    }

    fn slice(&self, _level: SimdLevel, width: usize, rows: SliceRows<'_>) -> Result<Sums, Failure> {
        let share = 1.0 / real(width);
        let mut slopes = vec![0.0f64; width];
        let mut of_row = vec![false; width];
        over_rows(
            Widths {
                outputs: width,
                label: width,
            },
            1,
            rows,
            |outputs, labels, weight, gradient| {
                let classes = classes_of(labels)?;
                let mut loss = 0.0;
                slopes.fill(0.0);
                classes.iter().for_each(|class| of_row[*class] = true);
                for class in &classes {
                    for (other, output) in outputs.iter().enumerate() {
                        let left = 1.0 - f64::from(outputs[*class]) + f64::from(*output);
                        if left <= 0.0 || of_row[other] {
                            continue;
                        }
                        loss += share * left;
                        slopes[other] += share;
                        slopes[*class] -= share;
                    }
                }
                classes.iter().for_each(|class| of_row[*class] = false);
                for (gradient, slope) in gradient.iter_mut().zip(&slopes) {
                    *gradient = to_f32(weight * slope);
                }
                Ok(loss)
            },
        )
    }
}
