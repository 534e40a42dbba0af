//! Layers that act while training only.

use super::entry::{Entry, Range, ValueType, arg, layer};

/// The entries.
pub(super) const ENTRIES: &[Entry] = &[
    layer(
        "Dropout",
        &[arg(
            "p",
            ValueType::Real,
            "0.5",
            Range::Closed { min: 0.0, max: 1.0 },
            "Probability that an element is set to zero.",
        )],
        "While training, sets elements to zero with probability p and scales the others by 1 / (1 - p); the identity when scoring.",
    ),
    layer(
        "Dropout2d",
        &[arg(
            "p",
            ValueType::Real,
            "0.5",
            Range::Closed { min: 0.0, max: 1.0 },
            "Probability that a channel is set to zero.",
        )],
        "While training, sets whole channels of inputs of shape [channels, height, width] to zero with probability p \
         and scales the others by 1 / (1 - p); the identity when scoring.",
    ),
];
