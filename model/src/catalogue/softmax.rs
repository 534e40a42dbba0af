//! Softmax and its relatives, and the activation that learns.

use super::entry::{Arg, Entry, Range, SIZE, ValueType, arg, layer};

const DIM: Arg = arg(
    "dim",
    ValueType::Int,
    "-1",
    Range::Ints { min: -64, max: 64 },
    "Dimension along which the results add up to 1; 0 is the batch, which is not legal, -1 the last.",
);

/// The entries.
pub(super) const ENTRIES: &[Entry] = &[
    layer(
        "Softmax",
        &[DIM],
        "exp(x) / Σ exp(x) along a dimension. Not for the end of a classifier: CrossEntropyLoss applies it itself.",
    ),
    layer(
        "LogSoftmax",
        &[DIM],
        "Logarithm of the softmax along a dimension: x - log Σ exp(x).",
    ),
    layer(
        "Softmin",
        &[DIM],
        "Softmax of -x: exp(-x) / Σ exp(-x) along a dimension.",
    ),
    layer(
        "GLU",
        &[arg(
            "dim",
            ValueType::Int,
            "-1",
            Range::Ints { min: -64, max: 64 },
            "Dimension that is halved; 0 is the batch, which is not legal, -1 the last.",
        )],
        "Gated linear unit (Dauphin et al. 2017, arXiv:1612.08083): the first half of a dimension times the logistic \
         function of the second.",
    ),
    layer(
        "PReLU",
        &[
            arg(
                "num_parameters",
                ValueType::Int,
                "1",
                SIZE,
                "Slopes that are learned: 1 for all, or one for every channel, the first dimension after the batch.",
            ),
            arg(
                "init",
                ValueType::Real,
                "0.25",
                Range::Any,
                "What the slopes start at.",
            ),
        ],
        "x where x is positive, else a learned slope times x (He et al. 2015, arXiv:1502.01852).",
    ),
];
