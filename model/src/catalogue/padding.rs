//! Layers that put elements around their input.

use super::entry::{Arg, Entry, MAX_SIZE, Range, ValueType, arg, layer, required};

const fn padding(sides: usize, doc: &'static str) -> Arg {
    required(arg(
        "padding",
        ValueType::Size(sides),
        "",
        Range::Ints {
            min: 0,
            max: MAX_SIZE,
        },
        doc,
    ))
}

const LINE: &str = "Elements on both sides, or a list: left, right.";
const PLANE: &str = "Elements on all sides, or a list: left, right, top, bottom.";
const LINE_BELOW: &str =
    "Elements on both sides, or a list: left, right; each less than the length of the input.";
const PLANE_BELOW: &str =
    "Elements on all sides, or a list: left, right, top, bottom; each less than the size of the input there.";
const LINE_WITHIN: &str =
    "Elements on both sides, or a list: left, right; each at most the length of the input.";
const PLANE_WITHIN: &str =
    "Elements on all sides, or a list: left, right, top, bottom; each at most the size of the input there.";
const VALUE: Arg = required(arg(
    "value",
    ValueType::Real,
    "",
    Range::Any,
    "What is put around the input.",
));

/// The entries.
pub(super) const ENTRIES: &[Entry] = &[
    layer(
        "ZeroPad1d",
        &[padding(2, LINE)],
        "Puts zeros around inputs of shape [channels, length].",
    ),
    layer(
        "ZeroPad2d",
        &[padding(4, PLANE)],
        "Puts zeros around inputs of shape [channels, height, width].",
    ),
    layer(
        "ConstantPad1d",
        &[padding(2, LINE), VALUE],
        "Puts a number around inputs of shape [channels, length].",
    ),
    layer(
        "ConstantPad2d",
        &[padding(4, PLANE), VALUE],
        "Puts a number around inputs of shape [channels, height, width].",
    ),
    layer(
        "ReflectionPad1d",
        &[padding(2, LINE_BELOW)],
        "Puts around inputs of shape [channels, length] their reflection in the first and the last element.",
    ),
    layer(
        "ReflectionPad2d",
        &[padding(4, PLANE_BELOW)],
        "Puts around inputs of shape [channels, height, width] their reflection in the elements at the edge.",
    ),
    layer(
        "ReplicationPad1d",
        &[padding(2, LINE)],
        "Puts around inputs of shape [channels, length] their first and last element again and again.",
    ),
    layer(
        "ReplicationPad2d",
        &[padding(4, PLANE)],
        "Puts around inputs of shape [channels, height, width] the elements at the edge again and again.",
    ),
    layer(
        "CircularPad1d",
        &[padding(2, LINE_WITHIN)],
        "Puts around inputs of shape [channels, length] what the other end has, as if they were a circle.",
    ),
    layer(
        "CircularPad2d",
        &[padding(4, PLANE_WITHIN)],
        "Puts around inputs of shape [channels, height, width] what the other end has, as if they were a torus.",
    ),
];
