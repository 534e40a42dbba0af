//! Losses: numerator and denominator of a slice, and the gradient of the weighted sum, rule B6.
//!
//! A new loss is an entry in the catalogue, a type here and a line in [`LOSSES`]; neither the engine nor the trainer
//! knows any loss by name. Formulas, options and edge cases are those of `torch.nn` 2.13; a row's weight (weightCol)
//! multiplies what the row adds to the numerator and to the denominator.

mod classes;
mod distances;
mod gaussian;
mod multi;
mod pointwise;
mod quantile;

pub(crate) use classes::NO_CLASS;

use crate::arguments::Arguments;
use crate::catalogue::Kind;
use crate::kernels::Level;
use candlewick_protocol::Failure;
use serde_json::Value;
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
    /// Values of the label, where the loss wants a number of them.
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
    /// What is wrong with that width, and which one it wants; the message continues the loss's name.
    fn labels(&self, width: usize) -> Result<Labels, String>;

    /// What a row of weight 1 adds to the denominator, where every row adds the same: its elements for a mean over
    /// elements, 1 for a mean over rows.
    fn elements(&self, width: usize) -> usize;

    /// Makes every row add [`Loss::elements`] times its weight to the denominator, as a term of a sum has to.
    ///
    /// # Errors
    /// Which argument forbids it; the message continues the loss's name.
    fn count_every_row(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Sums over the rows of one slice, in order.
    ///
    /// # Errors
    /// `InvalidData` where a label is not one of the loss's; `InvalidParameter` where an output is not.
    fn slice(&self, level: Level, width: usize, rows: SliceRows<'_>) -> Result<Sums, Failure>;
}

type Make = fn(&Arguments) -> Result<Box<dyn Loss>, String>;

/// How the losses of the catalogue are made, in its order. An error continues the loss's name.
const LOSSES: &[(&str, Make)] = &[
    ("CrossEntropyLoss", classes::cross_entropy),
    ("NLLLoss", classes::negative_log_likelihood),
    ("BCEWithLogitsLoss", pointwise::binary_with_logits),
    ("BCELoss", pointwise::binary),
    ("MSELoss", pointwise::squared),
    ("L1Loss", pointwise::absolute),
    ("SmoothL1Loss", pointwise::smooth),
    ("HuberLoss", pointwise::huber),
    ("PoissonNLLLoss", pointwise::poisson),
    ("GaussianNLLLoss", gaussian::make),
    ("QuantileLoss", quantile::make),
    ("KLDivLoss", pointwise::divergence),
    ("HingeEmbeddingLoss", pointwise::hinge),
    ("CosineEmbeddingLoss", distances::cosine),
    ("TripletMarginLoss", distances::triplet),
    ("MultiLoss", multi::make),
    ("LossTerm", multi::lonely_term),
];

/// A loss and its reduction.
#[derive(Debug)]
pub(crate) struct Criterion {
    name: &'static str,
    loss: Box<dyn Loss>,
    sum: bool,
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
        self.loss
            .labels(width)
            .map_err(|wrong| Failure::parameter(format!("{} {wrong}", self.name)))
    }

    /// The number of outputs that reads labels of `width` values, if it is not far from that.
    pub fn outputs_for(&self, width: usize) -> Option<usize> {
        (1..=width.saturating_mul(64).min(1 << 16))
            .find(|outputs| self.loss.labels(*outputs) == Ok(Labels::Values(width)))
    }

    /// As [`Loss::slice`].
    pub fn slice(&self, level: Level, width: usize, rows: SliceRows<'_>) -> Result<Sums, Failure> {
        self.loss.slice(level, width, rows)
    }

    /// What the numerator of a step is divided by, given the sum of its slices' denominators: that sum for a mean, 1
    /// for reduction "sum"; 0 where no row counts.
    pub fn denominator(&self, total: f64) -> f64 {
        if self.sum && total != 0.0 { 1.0 } else { total }
    }
}

/// Makes the loss that `arguments` describe.
///
/// # Errors
/// `InvalidParameter` where arguments do not fit together.
pub(crate) fn make(arguments: &Arguments) -> Result<Criterion, Failure> {
    Ok(Criterion {
        name: arguments.name(),
        loss: make_loss(arguments).map_err(|wrong| Failure::parameter(format!("loss: {wrong}")))?,
        sum: arguments.text("reduction") == "sum",
    })
}

/// Makes a loss; an error starts with its name.
fn make_loss(arguments: &Arguments) -> Result<Box<dyn Loss>, String> {
    let name = arguments.name();
    match LOSSES.iter().find(|(listed, _)| *listed == name) {
        Some((_, make)) => make(arguments).map_err(|wrong| format!("{name} {wrong}")),
        None => Err(format!("{name} cannot be made by this version")),
    }
}

/// The complete document of a loss, those of the losses in it too.
pub(crate) fn complete(arguments: &Arguments) -> Value {
    let mut document = arguments.to_document();
    let read = |inner: &mut Value| {
        // What is no loss was refused when the loss was made.
        if let Ok(arguments) = Arguments::read(Kind::Loss, inner, "loss") {
            *inner = complete(&arguments);
        }
    };
    if let Some(inner) = document.get_mut("loss") {
        read(inner);
    }
    if let Some(inner) = document.get_mut("losses").and_then(Value::as_array_mut) {
        inner.iter_mut().for_each(read);
    }
    document
}

/// A gradient as it is kept.
#[expect(clippy::cast_possible_truncation, reason = "computed in f64, applied in f32")]
fn narrow(value: f64) -> f32 {
    value as f32
}

/// A count as a factor.
#[expect(clippy::cast_precision_loss, reason = "a row is far below 2^53 values")]
fn real(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::entries;
    use serde_json::json;

    #[test]
    fn every_loss_of_the_catalogue_can_be_made() {
        let listed: Vec<&str> = entries()
            .filter(|entry| entry.kind == Kind::Loss)
            .map(|entry| entry.name)
            .collect();
        let made: Vec<&str> = LOSSES.iter().map(|(name, _)| *name).collect();
        assert_eq!(listed, made);
    }

    #[test]
    fn a_sum_is_divided_by_one_where_any_row_counts() {
        let of = |reduction: &str| {
            let document = json!({"type": "L1Loss", "reduction": reduction});
            make(&Arguments::read(Kind::Loss, &document, "loss").unwrap()).unwrap()
        };
        assert_eq!(
            (of("sum").denominator(7.5), of("sum").denominator(0.0)),
            (1.0, 0.0)
        );
        assert_eq!(
            (of("mean").denominator(7.5), of("mean").denominator(0.0)),
            (7.5, 0.0)
        );
    }

    #[test]
    fn losses_within_losses_are_completed() {
        let document = json!({"type": "MultiLoss", "losses": [
            {"type": "HuberLoss"}, {"type": "LossTerm", "loss": {"type": "L1Loss"}, "weight": 0.5}]});
        let complete = complete(&Arguments::read(Kind::Loss, &document, "loss").unwrap());
        assert_eq!(complete["losses"][0]["delta"], 1.0);
        assert_eq!(complete["losses"][1]["loss"]["reduction"], "mean");
    }

    #[test]
    fn every_level_gives_the_same_bits() {
        let width = 37;
        let rows = 40;
        let outputs: Vec<f32> = (0..rows * width)
            .map(|at| ((at * 7919) % 2003) as f32 * 0.02 - 20.0)
            .collect();
        let weights: Vec<f64> = (0..rows).map(|row| 0.5 + real(row % 3)).collect();
        let positive: Vec<f64> = (0..width).map(|at| 0.5 + real(at) * 0.1).collect();
        for document in [
            json!({"type": "CrossEntropyLoss"}),
            json!({"type": "CrossEntropyLoss", "label_smoothing": 0.2, "weight": positive}),
            json!({"type": "BCEWithLogitsLoss"}),
            json!({"type": "BCEWithLogitsLoss", "pos_weight": [3]}),
            json!({"type": "BCEWithLogitsLoss", "pos_weight": positive}),
            json!({"type": "MSELoss"}),
        ] {
            let criterion = make(&Arguments::read(Kind::Loss, &document, "loss").unwrap()).unwrap();
            let count = match criterion.labels(width).unwrap() {
                Labels::Class => rows,
                _ => rows * width,
            };
            let labels: Vec<f64> = (0..count).map(|at| real(at % 2)).collect();
            let at_level = |level| {
                let mut gradient = vec![0.0; outputs.len()];
                let slice = SliceRows {
                    outputs: &outputs,
                    labels: &labels,
                    weights: &weights,
                    gradient: &mut gradient,
                };
                let sums = criterion.slice(level, width, slice).unwrap();
                let bits: Vec<u32> = gradient.iter().map(|g| g.to_bits()).collect();
                (sums.loss.to_bits(), sums.denominator.to_bits(), bits)
            };
            for level in Level::available() {
                assert_eq!(at_level(level), at_level(Level::Generic), "{document} {level:?}");
            }
        }
    }
}
