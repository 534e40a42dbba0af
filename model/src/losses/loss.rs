//! What a loss is to the engine.

use super::error::LossError;
use crate::arguments::Arguments;
use crate::kernels::SimdLevel;
use candlewick_protocol::Failure;
use std::fmt::Debug;

/// The rows of one slice.
#[derive(Debug)]
pub(crate) struct SliceRows<'a> {
    /// Outputs of the network, row after row.
    pub outputs: &'a [f32],
    /// Labels, row after row.
    pub labels: &'a [f64],
    /// A weight a row.
    pub weights: &'a [f64],
    /// Receives the gradient of the weighted sum with respect to the outputs.
    pub gradient: &'a mut [f32],
}

/// Weighted sum of the loss, and what to divide it by for the mean.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Sums {
    /// Numerator.
    pub loss: f64,
    /// Denominator.
    pub denominator: f64,
}

/// What a loss reads in a row's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Labels {
    /// One class.
    Class,
    /// So many real numbers.
    Values(usize),
    /// Nothing.
    Unused,
}

impl Labels {
    /// Values of the label, where the loss expects a number of them.
    pub fn width(self) -> Option<usize> {
        match self {
            Labels::Class => Some(1),
            Labels::Values(width) => Some(width),
            Labels::Unused => None,
        }
    }
}

/// A loss over rows of `width` outputs.
pub(crate) trait Loss: Debug + Send + Sync {
    /// What it reads in the label of a row of `width` outputs.
    ///
    /// # Errors
    /// What is wrong with that width, and which one it expects.
    fn labels(&self, width: usize) -> Result<Labels, LossError>;

    /// What a row of weight 1 adds to the denominator, where every row adds the same: its elements for a mean over
    /// elements, 1 for a mean over rows.
    fn elements(&self, width: usize) -> usize;

    /// Makes every row add [`Loss::elements`] times its weight to the denominator, as a term of a sum has to.
    ///
    /// # Errors
    /// Which argument forbids it.
    fn count_every_row(&mut self) -> Result<(), LossError> {
        Ok(())
    }

    /// Sums over the rows of one slice, in order.
    ///
    /// # Errors
    /// `InvalidData` where a label is not one of the loss's; `InvalidParameter` where an output is not.
    fn slice(&self, level: SimdLevel, width: usize, rows: SliceRows<'_>) -> Result<Sums, Failure>;
}

pub(super) type Make = fn(&Arguments) -> Result<Box<dyn Loss>, LossError>;

/// A count as a factor.
#[expect(clippy::cast_precision_loss, reason = "a row is far below 2^53 values")]
pub(super) fn real(count: usize) -> f64 {
    count as f64
}
