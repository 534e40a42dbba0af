//! What the terms of a loss say of outputs and label: which values of the label are classes, and which outputs predict
//! them.

use super::labels::classes_of;
use super::loss::Labels;
use super::{LossError, make_loss};
use crate::arguments::Arguments;
use crate::catalogue::{Kind, names};
use crate::network::Output;
use candlewick_protocol::Failure;
use candlewick_protocol::job::Target;
use serde_json::Value;
use std::ops::Range;

/// Losses whose label is no value that the network is to put out.
pub(crate) const OTHER_LABELS: [&str; 4] = [
    "TripletMarginLoss",
    "CosineEmbeddingLoss",
    "HingeEmbeddingLoss",
    "MultiLabelMarginLoss",
];

/// A loss in a sum, or one that stands alone, with what it reads.
#[derive(Debug)]
pub(crate) struct Read {
    /// Where it stands in the document.
    pub place: String,
    /// The loss.
    pub arguments: Arguments,
    /// Outputs that it reads.
    pub outputs: Range<usize>,
    /// Label that it reads; none where it reads none.
    pub labels: Option<Range<usize>>,
    /// What it expects there.
    kind: Labels,
}

/// The losses of a document whose names are ranges, over outputs of `width` and a label of `label_width` values.
///
/// # Errors
/// `InvalidParameter` where one is not legal, or does not fit the outputs that it reads.
pub(crate) fn read(document: &Value, width: usize, label_width: usize) -> Result<Vec<Read>, Failure> {
    let one = |document: &Value, place: &str| {
        let term = document["type"] == "LossTerm";
        let inner = if term { &document["loss"] } else { document };
        let range = |name: &str, whole: usize| match numbers(&document[name]) {
            Some([from, to]) if term => from..to,
            _ => 0..whole,
        };
        let outputs = range("outputs", width);
        let arguments = Arguments::read(Kind::Loss, inner, place)?;
        let name = arguments.name();
        let wrong = |error: LossError| error.failure(&format!("{place}: {name}"));
        let kind = make_loss(&arguments)
            .and_then(|loss| loss.labels(outputs.len()))
            .map_err(wrong)?;
        if kind == Labels::Class && classes_of(name, outputs.len()).is_none() {
            let error = LossError::Outputs {
                reads: "one output for each class, at least 2".to_owned(),
                width: outputs.len(),
                end: "out_features=2 or more for this output, or use BCEWithLogitsLoss for two classes"
                    .to_owned(),
            };
            return Err(wrong(error));
        }
        Ok(Read {
            place: place.to_owned(),
            arguments,
            labels: (kind != Labels::Unused).then(|| range("labels", label_width)),
            outputs,
            kind,
        })
    };
    match document["losses"]
        .as_array()
        .filter(|_| document["type"] == "MultiLoss")
    {
        Some(terms) => terms
            .iter()
            .enumerate()
            .map(|(at, term)| one(term, &format!("loss: losses.{at}")))
            .collect(),
        None => Ok(vec![one(document, "loss")?]),
    }
}

/// The ranges of the label that the losses read.
pub(super) fn label_ranges(
    document: &Value,
    width: usize,
    label_width: usize,
) -> Result<Vec<Range<usize>>, Failure> {
    let all = read(document, width, label_width)?;
    Ok(all.into_iter().filter_map(|one| one.labels).collect())
}

/// What outputs are compared with.
pub(crate) fn targets(losses: &[Read]) -> Vec<Target> {
    losses.iter().filter_map(Read::target).collect()
}

impl Read {
    /// What its outputs are compared with: a class, or values one by one.
    fn target(&self) -> Option<Target> {
        let name = self.arguments.name();
        let num_classes = classes_of(name, self.outputs.len());
        let by_value = self.kind == Labels::Values(self.outputs.len()) && !OTHER_LABELS.contains(&name);
        let ends = |range: &Range<usize>| [range.start, range.end].map(crate::numbers::clamp_u32);
        (num_classes.is_some() || by_value).then_some(Target {
            labels: ends(self.labels.as_ref()?),
            outputs: ends(&self.outputs),
            num_classes,
        })
    }
}

/// The number of classes that each output tells apart, as its loss says: before there are rows, so that labels are not
/// known.
///
/// ```
/// use candlewick_model::resolve::output_classes;
/// use candlewick_model::network::Output;
/// let output = Output { name: "digit".into(), shape: vec![10], range: 0..10 };
/// let loss = serde_json::json!({"type": "MultiLoss", "losses": [
///     {"type": "LossTerm", "output": "digit", "loss": {"type": "CrossEntropyLoss"}}]});
/// assert_eq!(output_classes(&loss, &[output]), [Some(10)]);
/// ```
#[must_use]
pub fn output_classes(loss: &Value, outputs: &[Output]) -> Vec<Option<u32>> {
    let whole = outputs.last().map_or(0, |output| output.range.end);
    let one = |output: &Output, term: &Value| {
        let inner = if term["type"] == "LossTerm" {
            &term["loss"]
        } else {
            term
        };
        let said = &term["output"];
        let named = *said == output.name.as_str() || *said == Value::from(vec![output.name.as_str()]);
        let reads = match numbers(&term["outputs"]) {
            _ if said.is_string() || said.is_array() => named,
            Some([from, to]) => output.range == (from..to),
            None => output.range == (0..whole),
        };
        let name = inner
            .as_str()
            .or_else(|| inner["type"].as_str())
            .filter(|_| reads)?;
        // A loss may be given by its name alone, in any case of letters.
        let known = names(Kind::Loss)
            .into_iter()
            .find(|known| known.eq_ignore_ascii_case(name))?;
        classes_of(known, output.range.len())
    };
    let alone = std::slice::from_ref(loss);
    let terms = loss["losses"].as_array().map_or(alone, Vec::as_slice);
    let of = |output: &Output| terms.iter().find_map(|term| one(output, term));
    outputs.iter().map(of).collect()
}

fn numbers(value: &Value) -> Option<[usize; 2]> {
    let number = |at: usize| usize::try_from(value.get(at)?.as_u64()?).ok();
    Some([number(0)?, number(1)?])
}
