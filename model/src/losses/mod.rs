//! Losses: numerator and denominator of a slice, and the gradient of the weighted sum, rule B6.
//!
//! A new loss is an entry in the catalogue, a type here and a line in [`LOSSES`]; neither the engine nor the trainer
//! knows any loss by name. Formulas, options and edge cases are those of `torch.nn` 2.13; a row's weight (weightCol)
//! multiplies what the row adds to the numerator and to the denominator.

mod classes;
mod criterion;
mod distances;
mod error;
mod gaussian;
mod labels;
mod loss;
mod margins;
mod multi;
mod named;
mod pointwise;
mod quantile;
mod targets;

pub(crate) use classes::NO_CLASS;

pub(crate) use criterion::Criterion;
pub use labels::Task;
pub(crate) use labels::{check_loss, label_kind, read_loss, width_of as label_width};
pub(crate) use loss::{Labels, SliceRows};
pub(crate) use named::{Names, all_are_read, ranges};
pub use targets::output_classes;
pub(crate) use targets::{OTHER_LABELS, read as read_terms, targets};

use crate::arguments::Arguments;
use crate::catalogue::Kind;
use candlewick_protocol::Failure;
use error::LossError;
use loss::{Loss, Make};
use serde_json::Value;

/// How the losses of the catalogue are made, in its order.
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
    ("MarginRankingLoss", margins::ranking),
    ("SoftMarginLoss", pointwise::soft_margin),
    ("MultiLabelSoftMarginLoss", pointwise::multi_label_soft_margin),
    ("MultiMarginLoss", margins::multi_margin),
    ("MultiLabelMarginLoss", margins::multi_label),
    ("MultiLoss", |arguments| multi::make(arguments, make_loss)),
    ("LossTerm", multi::lonely_term),
];

/// Makes the loss that `arguments` describe.
///
/// # Errors
/// `InvalidParameter` where arguments do not fit together.
pub(crate) fn make(arguments: &Arguments) -> Result<Criterion, Failure> {
    let name = arguments.name();
    Ok(Criterion {
        name,
        loss: make_loss(arguments).map_err(|error| error.failure(&format!("loss: {name}")))?,
        sum: arguments.text("reduction") == "sum",
    })
}

/// Makes a loss.
fn make_loss(arguments: &Arguments) -> Result<Box<dyn Loss>, LossError> {
    let name = arguments.name();
    match LOSSES.iter().find(|(listed, _)| *listed == name) {
        Some((_, make)) => make(arguments),
        None => Err(LossError::Unknown),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::entries;
    use crate::kernels::SimdLevel;
    use crate::losses::loss::real;
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
            for level in SimdLevel::available() {
                assert_eq!(
                    at_level(level),
                    at_level(SimdLevel::Generic),
                    "{document} {level:?}"
                );
            }
        }
    }
}
