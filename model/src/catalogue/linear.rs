//! Layers over the last dimension.

use super::entry::{Entry, Range, SIZE, ValueType, arg, inferred, layer, required};

/// The entries.
pub(super) const ENTRIES: &[Entry] = &[LINEAR, BILINEAR];

const LINEAR: Entry = layer(
    "Linear",
    &[
        inferred(arg(
            "in_features",
            ValueType::Int,
            "",
            SIZE,
            "Size of the last dimension of the input.",
        )),
        required(arg(
            "out_features",
            ValueType::Int,
            "",
            SIZE,
            "Size of the last dimension of the output.",
        )),
        arg("bias", ValueType::Bool, "true", Range::Any, "Add a learned bias."),
    ],
    "Affine map of the last dimension: y = x Wᵀ + b. Weights and bias start uniform in ±1/√in_features. Where all that reads the \
     features are such layers over whole rows, sparse vectors with at most one value in 128 that is not zero train as such: \
     only those values are computed.",
);

const BILINEAR: Entry = layer(
    "Bilinear",
    &[
        inferred(arg(
            "in1_features",
            ValueType::Int,
            "",
            SIZE,
            "Size of the last dimension of the first input.",
        )),
        inferred(arg(
            "in2_features",
            ValueType::Int,
            "",
            SIZE,
            "Size of the last dimension of the second input.",
        )),
        required(arg(
            "out_features",
            ValueType::Int,
            "",
            SIZE,
            "Size of the last dimension of the output.",
        )),
        arg("bias", ValueType::Bool, "true", Range::Any, "Add a learned bias."),
    ],
    "Bilinear map of the last dimensions of two inputs of a graph: y = x₁ᵀ A x₂ + b, with a matrix A for every value \
     of the output. Weights and bias start uniform in ±1/√in1_features.",
);
