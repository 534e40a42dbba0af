//! Layers that bring several values together.

use super::entry::{Arg, Entry, Kind, Range, ValueType, arg, layer, nullable, required};

const LAYERS: Arg = nullable(arg(
    "layers",
    ValueType::Documents(Kind::Layer),
    "",
    Range::Any,
    "The branches, each of which reads the layer's input. Without them the layer joins the inputs it has in a graph.",
));

/// The entries.
pub(super) const ENTRIES: &[Entry] = &[
    layer(
        "Residual",
        &[required(arg(
            "layers",
            ValueType::Documents(Kind::Layer),
            "",
            Range::Any,
            "The layers, one after another; their output has the shape of the input.",
        ))],
        "Adds its input to the output of its layers (He et al. 2016, arXiv:1512.03385).",
    ),
    layer(
        "Add",
        &[LAYERS],
        "Sum of inputs of one shape, element by element.",
    ),
    layer(
        "Multiply",
        &[LAYERS],
        "Product of inputs of one shape, element by element.",
    ),
    layer(
        "Concat",
        &[
            LAYERS,
            arg(
                "dim",
                ValueType::Int,
                "-1",
                Range::Ints { min: -64, max: 64 },
                "Dimension along which the inputs are put one after another; 0 is the batch, -1 the last.",
            ),
        ],
        "Puts its inputs one after another.",
    ),
];
