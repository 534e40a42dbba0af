//! Rules that end training early.

use super::entry::{Entry, Kind, MAX_SIZE, POSITIVE, Range, ValueType, arg};

/// The entries. Names of arguments are those of Spark's parameters.
pub(super) const ENTRIES: &[Entry] = &[Entry {
    kind: Kind::Stopping,
    name: "EarlyStopping",
    doc: "Ends training before its last epoch, once a metric gets no better.",
    args: &[
        arg(
            "metric",
            ValueType::Text,
            "\"val_loss\"",
            Range::Any,
            "Name in the history: \"val_loss\", \"val_<metric>\", \"loss\" or \"<metric>\".",
        ),
        arg(
            "patience",
            ValueType::Int,
            "3",
            Range::Ints {
                min: 0,
                max: MAX_SIZE,
            },
            "Epochs without a better value after which training ends; 0 counts as 1.",
        ),
        arg(
            "minDelta",
            ValueType::Real,
            "0.0",
            POSITIVE,
            "A value counts as better where it is so by more than this.",
        ),
        arg(
            "mode",
            ValueType::Text,
            "\"auto\"",
            Range::OneOf(&["auto", "min", "max"]),
            "\"min\" where less is better, \"max\" where more is; \"auto\" is \"min\" for losses and errors, else \"max\".",
        ),
        arg(
            "restoreBest",
            ValueType::Bool,
            "true",
            Range::Any,
            "The model gets the weights of the best epoch, not of the last; takes a copy of the weights in every trainer.",
        ),
    ],
}];
