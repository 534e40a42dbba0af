//! Layers that change the shape, or move elements.

use super::entry::{Entry, MAX_SIZE, Range, SIZE, ValueType, arg, layer, nullable, required};

const DIMENSION: Range = Range::Ints { min: -64, max: 64 };
const SIZE_OR_REST: Range = Range::Ints {
    min: -1,
    max: MAX_SIZE,
};

/// The entries.
pub(super) const ENTRIES: &[Entry] = &[
    layer(
        "Flatten",
        &[
            arg(
                "start_dim",
                ValueType::Int,
                "1",
                DIMENSION,
                "First dimension to flatten; 0 is the batch.",
            ),
            arg(
                "end_dim",
                ValueType::Int,
                "-1",
                DIMENSION,
                "Last dimension to flatten; -1 is the last.",
            ),
        ],
        "Merges dimensions into one. The batch dimension stays.",
    ),
    layer(
        "Unflatten",
        &[
            required(arg(
                "dim",
                ValueType::Int,
                "",
                DIMENSION,
                "Dimension to cut up; 0 is the batch, which cannot be.",
            )),
            required(arg(
                "unflattened_size",
                ValueType::IntList,
                "",
                SIZE_OR_REST,
                "Sizes it becomes; one may be -1 and takes what is left.",
            )),
        ],
        "Cuts a dimension up into several, such as 784 values into [1, 28, 28].",
    ),
    layer(
        "Reshape",
        &[required(arg(
            "shape",
            ValueType::IntList,
            "",
            SIZE_OR_REST,
            "The shape without the batch; one size may be -1 and takes what is left.",
        ))],
        "Gives the input another shape; the elements keep their order. As torch.reshape, whose batch dimension stays.",
    ),
    layer(
        "Permute",
        &[required(arg(
            "dims",
            ValueType::IntList,
            "",
            DIMENSION,
            "The dimensions in their new order, the batch, 0, in the first place: [0, 3, 1, 2] moves the last of an \
             image to the front.",
        ))],
        "Exchanges dimensions, as torch.permute; every one is named once.",
    ),
    layer(
        "Upsample",
        &[
            nullable(arg(
                "size",
                ValueType::Size(2),
                "",
                SIZE,
                "Height and width of the output; this or scale_factor is given.",
            )),
            nullable(arg(
                "scale_factor",
                ValueType::Size(2),
                "",
                SIZE,
                "By how much height and width grow.",
            )),
            arg(
                "mode",
                ValueType::Text,
                "\"nearest\"",
                Range::OneOf(&["nearest"]),
                "How elements between those of the input are found.",
            ),
        ],
        "Enlarges inputs of shape [channels, height, width] by repeating elements.",
    ),
];
