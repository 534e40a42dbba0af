//! Losses.

use super::{Arg, ArgType, Entry, Kind, Range, arg, keyword};

const REDUCTION: Arg = keyword(arg(
    "reduction",
    ArgType::Text,
    "\"mean\"",
    Range::OneOf(&["mean"]),
    "How the rows' losses become one number: \"mean\" is the mean over the batch, weighted by weightCol.",
));

/// The entries.
pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        kind: Kind::Loss,
        name: "CrossEntropyLoss",
        doc: "Cross entropy between logits (one output per class) and the label's class.",
        args: &[REDUCTION],
    },
    Entry {
        kind: Kind::Loss,
        name: "BCEWithLogitsLoss",
        doc: "Binary cross entropy between a logit and a label of 0 or 1. A network with one output makes a classifier of two classes.",
        args: &[REDUCTION],
    },
    Entry {
        kind: Kind::Loss,
        name: "MSELoss",
        doc: "Mean of the squared difference between output and label.",
        args: &[REDUCTION],
    },
];
