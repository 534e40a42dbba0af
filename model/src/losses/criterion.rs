//! A loss with its reduction.

use super::loss::{Labels, Loss, SliceRows, Sums};
use crate::kernels::SimdLevel;
use candlewick_protocol::Failure;

/// A loss and its reduction.
#[derive(Debug)]
pub(crate) struct Criterion {
    pub name: &'static str,
    pub loss: Box<dyn Loss>,
    pub sum: bool,
}

impl Criterion {
    /// The loss's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What the loss reads in the label of a row of `width` outputs.
    ///
    /// # Errors
    /// `InvalidParameter` where there is no label for that width.
    pub fn labels(&self, width: usize) -> Result<Labels, Failure> {
        self.loss.labels(width).map_err(|error| error.failure(self.name))
    }

    /// The number of outputs that reads labels of `width` values, if it is not far from that.
    pub fn outputs_for(&self, width: usize) -> Option<usize> {
        (1..=width.saturating_mul(64).min(1 << 16))
            .find(|outputs| self.loss.labels(*outputs) == Ok(Labels::Values(width)))
    }

    /// As [`Loss::slice`].
    pub fn slice(&self, level: SimdLevel, width: usize, rows: SliceRows<'_>) -> Result<Sums, Failure> {
        self.loss.slice(level, width, rows)
    }

    /// What the numerator of a step is divided by, given the sum of its slices' denominators: that sum for a mean, 1
    /// for reduction "sum"; 0 where no row counts.
    pub fn denominator(&self, total: f64) -> f64 {
        if self.sum && total != 0.0 { 1.0 } else { total }
    }

    /// The same for rows that are a share of the step's.
    pub fn denominator_of(&self, total: f64, share: f64) -> f64 {
        if self.sum && total != 0.0 { share } else { total }
    }
}
