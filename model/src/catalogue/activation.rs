//! Functions of single elements.

use super::{ArgType, Entry, Range, arg, layer};

/// The entries.
pub(super) const ENTRIES: &[Entry] = &[
    layer(
        "ReLU",
        &[],
        "Rectified linear unit: max(x, 0), element by element.",
    ),
    layer("Tanh", &[], "Hyperbolic tangent, element by element."),
    layer(
        "Sigmoid",
        &[],
        "Logistic function 1 / (1 + exp(-x)), element by element.",
    ),
    layer(
        "GELU",
        &[arg(
            "approximate",
            ArgType::Text,
            "\"none\"",
            Range::OneOf(&["none", "tanh"]),
            "\"none\" for the exact function, \"tanh\" for the approximation by tanh.",
        )],
        "Gaussian error linear unit: x Φ(x), element by element.",
    ),
];
