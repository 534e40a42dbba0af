//! What a loss of single elements is, and how it becomes a loss of rows.

use crate::arguments::Arguments;
use crate::kernels::SimdLevel;
use crate::losses::error::{LossError, check_weights};
use crate::losses::loss::{Labels, Loss, SliceRows, Sums, real};
use crate::numbers::to_f32;
use candlewick_protocol::Failure;
use std::fmt::Debug;

/// Elements that are computed before they are added up: they stay in the cache.
pub(super) const BLOCK: usize = 512;

/// Outputs, their labels, and what is computed of each.
pub(super) struct Points<'a> {
    pub outputs: &'a [f32],
    pub labels: &'a [f64],
    pub losses: &'a mut [f64],
    pub slopes: &'a mut [f32],
}

/// Loss of one output and one number.
pub(super) trait Pointwise: Debug + Send + Sync {
    /// Its name, for messages.
    const NAME: &'static str;

    /// The labels it takes, if not all.
    fn labels(&self) -> Option<Legal<f64>> {
        None
    }

    /// The outputs it takes, if not all.
    fn outputs(&self) -> Option<Legal<f32>> {
        None
    }

    /// What is wrong with rows of `width` outputs.
    fn check_width(&self, _width: usize) -> Result<(), LossError> {
        Ok(())
    }

    /// A weight for each output; empty where all are 1.
    fn weights(&self) -> &[f64] {
        &[]
    }

    /// True where the mean is over rows instead of elements.
    fn by_row(&self) -> bool {
        false
    }

    /// Loss and slope of whole rows.
    fn compute(&self, level: SimdLevel, width: usize, points: Points<'_>);
}

/// Which numbers are legal.
pub(super) struct Legal<T> {
    pub test: fn(T) -> bool,
    /// What was expected, and what to change.
    pub expected: &'static str,
}

/// A loss of rows that a loss of elements makes.
#[derive(Debug)]
pub(super) struct Rows<P>(pub P);

impl<P: Pointwise> Rows<P> {
    pub(super) fn check(&self, rows: &SliceRows<'_>) -> Result<(), Failure> {
        if let Some(legal) = self.0.labels()
            && let Some(wrong) = rows.labels.iter().find(|label| !(legal.test)(**label))
        {
            return Err(Failure::data(format!(
                "label {wrong} is not legal: {} expects {}",
                P::NAME,
                legal.expected
            )));
        }
        if let Some(legal) = self.0.outputs()
            && let Some(wrong) = rows.outputs.iter().find(|output| !(legal.test)(**output))
        {
            return Err(Failure::parameter(format!(
                "the network produced the output {wrong}: {} expects {}",
                P::NAME,
                legal.expected
            )));
        }
        Ok(())
    }
}

impl<P: Pointwise> Loss for Rows<P> {
    fn labels(&self, width: usize) -> Result<Labels, LossError> {
        self.0.check_width(width)?;
        check_weights(
            "weight",
            self.0.weights().len(),
            width,
            "one number for each output",
        )?;
        Ok(Labels::Values(width))
    }

    fn elements(&self, width: usize) -> usize {
        if self.0.by_row() { 1 } else { width }
    }

    fn slice(&self, level: SimdLevel, width: usize, rows: SliceRows<'_>) -> Result<Sums, Failure> {
        self.check(&rows)?;
        let mut sums = Sums::default();
        let elements = real(self.elements(width));
        let block_rows = (BLOCK / width).max(1);
        let block = block_rows * width;
        let mut losses = vec![0.0; block.min(rows.outputs.len())];
        let sides = rows.outputs.chunks(block).zip(rows.labels.chunks(block));
        let lines = sides.zip(
            rows.gradient
                .chunks_mut(block)
                .zip(rows.weights.chunks(block_rows)),
        );
        for ((outputs, labels), (slopes, weights)) in lines {
            let losses = &mut losses[..outputs.len()];
            let points = Points {
                outputs,
                labels,
                losses,
                slopes,
            };
            self.0.compute(level, width, points);
            rescale(self.0.weights(), losses, slopes);
            let by_row = losses.chunks_exact(width).zip(slopes.chunks_exact_mut(width));
            for ((losses, slopes), weight) in by_row.zip(weights) {
                sums.loss += weight * losses.iter().sum::<f64>();
                sums.denominator += weight * elements;
                let factor = to_f32(*weight);
                slopes.iter_mut().for_each(|slope| *slope *= factor);
            }
        }
        Ok(sums)
    }
}

/// Multiplies the losses and slopes of whole rows by the weights of the outputs, where there are any.
fn rescale(weights: &[f64], losses: &mut [f64], slopes: &mut [f32]) {
    if weights.is_empty() {
        return;
    }
    let rows = losses
        .chunks_exact_mut(weights.len())
        .zip(slopes.chunks_exact_mut(weights.len()));
    for (losses, slopes) in rows {
        for (at, weight) in weights.iter().enumerate() {
            losses[at] *= weight;
            slopes[at] = to_f32(weight * f64::from(slopes[at]));
        }
    }
}

pub(super) fn boxed<P: Pointwise + 'static>(loss: P) -> Result<Box<dyn Loss>, LossError> {
    Ok(Box::new(Rows(loss)))
}

/// Applies a function of one element to all; inlined where the instruction set is known.
#[inline(always)]
pub(super) fn each(points: Points<'_>, point: impl Fn(f32, f64) -> (f64, f32)) {
    let sides = points.outputs.iter().zip(points.labels);
    for ((z, y), (loss, slope)) in sides.zip(points.losses.iter_mut().zip(points.slopes)) {
        (*loss, *slope) = point(*z, *y);
    }
}

/// A real argument that has to be above 0.
pub(super) fn above_zero(arguments: &Arguments, name: &'static str) -> Result<f64, LossError> {
    let value = arguments.real(name);
    if value > 0.0 {
        Ok(value)
    } else {
        Err(LossError::Argument {
            name,
            value: value.to_string(),
            expected: "a number above 0",
        })
    }
}
