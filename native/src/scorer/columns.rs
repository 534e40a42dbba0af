//! The columns that scoring appends: their types, and what of the network each is read from.

use super::{Model, Output, Part};
use crate::encode::OutputType;
use candlewick_model::head::Head;
use candlewick_protocol::Failure;
use std::ops::Range;

/// Where a column's values stand, and its type.
#[derive(Debug, Clone)]
pub(super) struct ColumnSlot {
    pub output: Output,
    pub range: Range<usize>,
    pub kind: OutputType,
    /// Which of the inner values it is, where it is one.
    pub inner: usize,
    /// How the outputs in `range` are read, where they are classes of their own: of one output of several.
    pub classes: Option<(Head, Part)>,
}

/// What of a row its columns are read from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reads {
    pub raw: bool,
    pub probabilities: bool,
    /// The class, by itself.
    pub prediction: bool,
    thresholds: bool,
}

impl Reads {
    pub fn of(slots: &[ColumnSlot], thresholds: bool) -> Reads {
        let is_class =
            |slot: &ColumnSlot| (&slot.output, slot.kind) == (&Output::Prediction, OutputType::Double);
        let of_head = |slot: &&ColumnSlot| slot.classes.is_none() && inner_node(&slot.output).is_none();
        let probability = |slot: &ColumnSlot| slot.output == Output::Probability;
        let mut of_heads = slots.iter().filter(of_head);
        Reads {
            raw: of_heads.any(|slot| !is_class(slot) && !probability(slot)),
            probabilities: slots.iter().any(probability),
            prediction: slots.iter().any(is_class),
            thresholds,
        }
    }

    /// The class of a row, where that is all that is asked of its probabilities and they need not be known.
    pub fn class(self, head: Head, outputs: &[f32]) -> Option<f64> {
        let alone = self.prediction && !self.probabilities && !self.thresholds;
        alone.then(|| head.clear_class(outputs)).flatten()
    }
}

/// The layer or node that an output is read from.
pub(super) fn inner_node(output: &Output) -> Option<&str> {
    match output {
        Output::Inner { node } => Some(node),
        _ => None,
    }
}

/// Gives the inner values among the columns their numbers.
pub(super) fn numbered(mut slots: Vec<ColumnSlot>) -> Vec<ColumnSlot> {
    let inner = slots.iter_mut().filter(|slot| inner_node(&slot.output).is_some());
    for (number, slot) in inner.enumerate() {
        slot.inner = number;
    }
    slots
}

pub(super) fn slot_of(output: &Output, model: &Model) -> Result<ColumnSlot, Failure> {
    let head = model.head;
    let width = head.width();
    let mut classes = None;
    let (range, kind) = match (output, head) {
        (Output::Inner { node }, _) => {
            let width = model.network.inner_width(node)?;
            (0..width, OutputType::Vector(width))
        }
        (Output::Named { output: name, part }, _) => {
            let found = model.network.outputs().iter().find(|known| known.name == *name);
            let found =
                found.ok_or_else(|| Failure::parameter(format!("the network has no output {name:?}")))?;
            let own = Head::of_output(&model.label, &model.network, found)?;
            classes = (!matches!(own, Head::Values { .. })).then_some((own, *part));
            let kind = match (classes, part) {
                (None, Part::Probability) => {
                    return Err(Failure::parameter(format!(
                        "the output {name:?} tells no classes apart, and so has no probability"
                    )));
                }
                (Some(_), Part::Prediction) => OutputType::Double,
                _ if own.width() == 1 => OutputType::Double,
                _ => OutputType::Vector(own.width()),
            };
            (found.range.clone(), kind)
        }
        (
            Output::Prediction,
            Head::ClassLogits { .. }
            | Head::BinaryLogit
            | Head::BinaryProbability
            | Head::Values { width: 1 },
        ) => (0..width, OutputType::Double),
        _ => (0..width, OutputType::Vector(width)),
    };
    Ok(ColumnSlot {
        output: output.clone(),
        range,
        kind,
        inner: 0,
        classes,
    })
}
