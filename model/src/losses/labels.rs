//! What labels mean: which a loss reads, and which an estimator has.

use super::{Criterion, Labels};
use crate::arguments::{Arguments, excerpt};
use crate::catalogue::Kind;
use crate::numbers::clamp_u32;
use candlewick_protocol::Failure;
use candlewick_protocol::job::{LabelColumn, LabelKind};
use serde_json::Value;

/// Which estimator asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task<'a> {
    /// NeuralClassifier: the label is a class.
    Classifier,
    /// NeuralRegressor: the label is one or more real numbers.
    Regressor {
        /// Values in a label.
        label_width: usize,
    },
    /// NeuralEstimator: the loss says what the label means.
    Estimator {
        /// The label columns, whose values stand one after another; none where no loss reads a label.
        labels: &'a [LabelColumn],
    },
}

/// Values of the label of these columns; one that nothing reads where there are none.
pub(crate) fn width_of(labels: &[LabelColumn]) -> usize {
    let sum: usize = labels.iter().map(|column| column.width as usize).sum();
    sum.max(1)
}

/// The number of classes that `width` outputs tell apart under the loss called `name`, where its label is a class.
pub(super) fn classes_of(name: &str, width: usize) -> Option<u32> {
    match (name, width) {
        ("CrossEntropyLoss" | "NLLLoss" | "MultiMarginLoss", 2..) => Some(clamp_u32(width)),
        ("BCEWithLogitsLoss" | "BCELoss", 1) => Some(2),
        _ => None,
    }
}

pub(crate) fn label_kind(task: Task<'_>, loss: &Criterion, width: usize) -> Result<LabelKind, Failure> {
    match task {
        Task::Classifier => class_label(loss, width),
        Task::Regressor { label_width } => real_label(loss, width, label_width),
        Task::Estimator { labels } => any_label(loss, width, labels),
    }
}

/// The label of a single loss.
fn any_label(loss: &Criterion, width: usize, labels: &[LabelColumn]) -> Result<LabelKind, Failure> {
    let (name, values) = (loss.name(), width_of(labels));
    if loss.labels(width)? != Labels::Class && classes_of(name, width).is_none() {
        return real_label(loss, width, values);
    }
    if values != 1 {
        return Err(Failure::parameter(format!(
            "{name} reads one class, but the label has {values} values: name one label column, a number from 0"
        )));
    }
    class_label(loss, width)
}

fn class_label(loss: &Criterion, width: usize) -> Result<LabelKind, Failure> {
    if let Some(num_classes) = classes_of(loss.name(), width) {
        loss.labels(width)?;
        return Ok(LabelKind::class(num_classes));
    }
    Err(match (loss.name(), width) {
        (name @ ("CrossEntropyLoss" | "NLLLoss" | "MultiMarginLoss"), 1) => Failure::parameter(format!(
            "{name} needs one output per class, at least 2, but the network ends in width 1; end it with \
                 out_features=2 or more, or use BCEWithLogitsLoss for two classes"
        )),
        (name @ ("BCEWithLogitsLoss" | "BCELoss"), _) => Failure::parameter(format!(
            "{name} makes a classifier of two classes from one output, but the network ends in width {width}; end \
                 it with out_features=1, or use CrossEntropyLoss for {width} classes"
        )),
        (other, _) => Failure::parameter(format!(
            "{other} is not a classification loss; use CrossEntropyLoss, NLLLoss, MultiMarginLoss, BCEWithLogitsLoss or \
                 BCELoss, or a NeuralRegressor"
        )),
    })
}

fn real_label(loss: &Criterion, width: usize, label_width: usize) -> Result<LabelKind, Failure> {
    let name = loss.name();
    let kind = LabelKind::Real {
        width: clamp_u32(label_width),
    };
    match loss.labels(width)? {
        Labels::Class => Err(Failure::parameter(format!(
            "{name} is not a regression loss; use MSELoss, or a NeuralClassifier"
        ))),
        Labels::Unused => Ok(kind),
        Labels::Values(wanted) if wanted == label_width => Ok(kind),
        Labels::Values(wanted) => {
            let reads = if wanted == width {
                String::new()
            } else {
                format!(" ({name} reads {wanted} of it for them)")
            };
            let advice = match loss.outputs_for(label_width) {
                Some(outputs) => format!("end it with out_features={outputs}"),
                None => format!("give {name} a label of {wanted} value(s)"),
            };
            Err(Failure::parameter(format!(
                "the network ends in width {width}, but the label has {label_width} value(s){reads}; {advice}"
            )))
        }
    }
}

/// Checks that a loss, a label and a network's output width fit together.
pub(crate) fn check_loss(loss: &Criterion, label: &LabelKind, output_width: usize) -> Result<(), Failure> {
    let task = match label {
        LabelKind::Class { .. } => Task::Classifier,
        LabelKind::Real { width } | LabelKind::Targets { width, .. } => Task::Regressor {
            label_width: *width as usize,
        },
    };
    let wanted = label_kind(task, loss, output_width)?;
    let fits = match (&wanted, label) {
        (LabelKind::Real { .. }, LabelKind::Targets { .. }) => true,
        (
            LabelKind::Class {
                num_classes: wanted, ..
            },
            LabelKind::Class { num_classes, .. },
        ) => wanted == num_classes,
        (wanted, label) => wanted == label,
    };
    if fits {
        return Ok(());
    }
    Err(Failure::parameter(format!(
        "{} over a network that ends in width {output_width} expects a label of {wanted:?}, got {label:?}",
        loss.name()
    )))
}

/// Reads a loss document for an engine.
pub(crate) fn read_loss(document: &Value) -> Result<Arguments, Failure> {
    if document.is_null() {
        return Err(Failure::parameter(format!(
            "loss: expected a document, got {}",
            excerpt(document)
        )));
    }
    Arguments::read(Kind::Loss, document, "loss")
}
