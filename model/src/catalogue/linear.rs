//! Layers over the last dimension.

use super::{ArgType, Entry, Range, SIZE, arg, inferred, layer, required};

/// The entries.
pub(super) const ENTRIES: &[Entry] = &[layer(
    "Linear",
    &[
        inferred(arg(
            "in_features",
            ArgType::Int,
            "",
            SIZE,
            "Size of the last dimension of the input.",
        )),
        required(arg(
            "out_features",
            ArgType::Int,
            "",
            SIZE,
            "Size of the last dimension of the output.",
        )),
        arg("bias", ArgType::Bool, "true", Range::Any, "Add a learned bias."),
    ],
    "Affine map of the last dimension: y = x Wᵀ + b. Weights and bias start uniform in ±1/√in_features.",
)];
