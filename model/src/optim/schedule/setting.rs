//! What a schedule says about a step, and what it reads.

use crate::arguments::Arguments;

/// What a schedule says about a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LrSetting {
    /// Learning rate relative to the optimiser's; that of a group moves by the same factor.
    pub factor: f64,
    /// Momentum, or the first of the betas; `None`: the optimiser's.
    pub momentum: Option<f64>,
}

/// Length of a training run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Length {
    pub epochs: u64,
    pub steps_per_epoch: u64,
}

/// A whole number that the catalogue has checked to be at least 0.
pub(super) fn count(arguments: &Arguments, name: &str) -> u64 {
    arguments.int(name).try_into().unwrap_or(0)
}
