//! Losses that compare every output with a number of its own.

use super::{Loss, SliceRows, Sums};
use crate::kernels::{Level, exp};
use candlewick_protocol::Failure;

/// Binary cross entropy with logits.
#[derive(Debug)]
pub(super) struct BinaryCrossEntropy;

/// Mean squared error.
#[derive(Debug)]
pub(super) struct SquaredError;

/// Sums over the rows; `point` gives loss and gradient of one output.
fn sums(width: usize, rows: SliceRows<'_>, point: impl Fn(f32, f64) -> (f64, f32)) -> Sums {
    let mut sums = Sums {
        loss: 0.0,
        denominator: 0.0,
    };
    let lines = rows
        .outputs
        .chunks_exact(width)
        .zip(rows.gradient.chunks_exact_mut(width));
    for ((outputs, gradient), (labels, weight)) in
        lines.zip(rows.labels.chunks_exact(width).zip(rows.weights))
    {
        #[expect(clippy::cast_possible_truncation, reason = "gradients are f32")]
        let factor = *weight as f32;
        let mut row = 0.0;
        for ((z, y), g) in outputs.iter().zip(labels).zip(gradient) {
            let (loss, slope) = point(*z, *y);
            row += loss;
            *g = factor * slope;
        }
        sums.loss += weight * row;
        // PyTorch's mean is over all elements.
        #[expect(clippy::cast_precision_loss, reason = "a row is far below 2^53 values")]
        let elements = width as f64;
        sums.denominator += weight * elements;
    }
    sums
}

impl Loss for BinaryCrossEntropy {
    fn slice(&self, _level: Level, width: usize, rows: SliceRows<'_>) -> Result<Sums, Failure> {
        if let Some(label) = rows.labels.iter().find(|label| !(0.0..=1.0).contains(*label)) {
            return Err(Failure::data(format!(
                "label {label} is not legal: BCEWithLogitsLoss expects 0 to 1"
            )));
        }
        Ok(sums(width, rows, |z, y| {
            let wide = f64::from(z);
            let loss = wide.max(0.0) - wide * y + libm::log1p(libm::exp(-wide.abs()));
            #[expect(clippy::cast_possible_truncation, reason = "gradients are f32")]
            let slope = 1.0 / (1.0 + exp(-z)) - y as f32;
            (loss, slope)
        }))
    }
}

impl Loss for SquaredError {
    fn slice(&self, _level: Level, width: usize, rows: SliceRows<'_>) -> Result<Sums, Failure> {
        Ok(sums(width, rows, |z, y| {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "labels meet the outputs in f32, as in PyTorch"
            )]
            let difference = z - y as f32;
            (f64::from(difference) * f64::from(difference), 2.0 * difference)
        }))
    }
}
