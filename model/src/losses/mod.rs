//! Losses: numerator and denominator of a slice, and the gradient of the weighted sum, rule B6.

mod cross_entropy;
mod pointwise;

use crate::arguments::Arguments;
use crate::kernels::Level;
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
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sums {
    /// Numerator.
    pub loss: f64,
    /// Denominator.
    pub denominator: f64,
}

/// A loss over rows of `width` outputs.
pub(crate) trait Loss: Debug + Send + Sync {
    /// Sums over the rows of one slice, in order.
    ///
    /// # Errors
    /// `InvalidData` where a label is not one of the loss's.
    fn slice(&self, level: Level, width: usize, rows: SliceRows<'_>) -> Result<Sums, Failure>;
}

type Make = fn() -> Box<dyn Loss>;

/// How the losses of the catalogue are made.
const LOSSES: &[(&str, Make)] = &[
    ("CrossEntropyLoss", || Box::new(cross_entropy::CrossEntropy)),
    ("BCEWithLogitsLoss", || Box::new(pointwise::BinaryCrossEntropy)),
    ("MSELoss", || Box::new(pointwise::SquaredError)),
];

/// Makes the loss that `arguments` describe.
pub(crate) fn make(arguments: &Arguments) -> Result<Box<dyn Loss>, Failure> {
    match LOSSES.iter().find(|(name, _)| *name == arguments.name()) {
        Some((_, make)) => Ok(make()),
        None => Err(Failure::internal(format!(
            "{} cannot be made by this version",
            arguments.name()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{Kind, entries};

    #[test]
    fn every_loss_of_the_catalogue_can_be_made() {
        let listed: Vec<&str> = entries()
            .filter(|entry| entry.kind == Kind::Loss)
            .map(|entry| entry.name)
            .collect();
        let made: Vec<&str> = LOSSES.iter().map(|(name, _)| *name).collect();
        assert_eq!(listed, made);
    }
}
