//! Pooling: maxima and means over windows.

use super::entry::{
    Arg, Entry, MAX_SIZE, POSITIVE, Range, SIZE, ValueType, arg, keyword, layer, nullable, required,
};

const COUNT: Range = Range::Ints {
    min: 0,
    max: MAX_SIZE,
};
const CEIL_MODE_DOC: &str =
    "Also count windows that begin inside the input or its left padding and end outside.";
const CEIL_MODE: Arg = arg("ceil_mode", ValueType::Bool, "false", Range::Any, CEIL_MODE_DOC);
const COUNT_INCLUDE_PAD: Arg = arg(
    "count_include_pad",
    ValueType::Bool,
    "true",
    Range::Any,
    "Count the zeros of the padding when dividing.",
);

const NORM_TYPE: Arg = required(arg(
    "norm_type",
    ValueType::Real,
    "",
    POSITIVE,
    "The power p; above 0. 1 makes it a sum, a large number nearly a maximum.",
));

const fn kernel(dimensions: usize) -> Arg {
    required(arg(
        "kernel_size",
        ValueType::Size(dimensions),
        "",
        SIZE,
        "Size of the window.",
    ))
}

const fn stride(dimensions: usize) -> Arg {
    nullable(arg(
        "stride",
        ValueType::Size(dimensions),
        "",
        SIZE,
        "Step of the window; without it, kernel_size.",
    ))
}

const fn padding(dimensions: usize, doc: &'static str) -> Arg {
    arg("padding", ValueType::Size(dimensions), "0", COUNT, doc)
}

const MAX_PADDING: &str =
    "Elements around the input that are never the largest; at most half of kernel_size.";
const AVG_PADDING: &str = "Zeros around the input; at most half of kernel_size.";

const fn dilation(dimensions: usize) -> Arg {
    arg(
        "dilation",
        ValueType::Size(dimensions),
        "1",
        SIZE,
        "Distance of the elements of the window.",
    )
}

/// The size of an output of one dimension.
const LENGTH: Arg = required(arg(
    "output_size",
    ValueType::Size(1),
    "",
    SIZE,
    "Size of the output.",
));

/// The size of an output of two dimensions.
const AREA: Arg = required(arg(
    "output_size",
    ValueType::OpenSize(2),
    "",
    SIZE,
    "Size of the output; in a list none stands for the size of the input.",
));

/// The entries.
pub(super) const ENTRIES: &[Entry] = &[
    layer(
        "MaxPool1d",
        &[
            kernel(1),
            stride(1),
            padding(1, MAX_PADDING),
            dilation(1),
            keyword(CEIL_MODE),
        ],
        "Largest element of every window of inputs of shape [channels, length]. NaN counts as the largest; of equal \
         elements the first gets the gradient.",
    ),
    layer(
        "MaxPool2d",
        &[
            kernel(2),
            stride(2),
            padding(2, MAX_PADDING),
            dilation(2),
            keyword(CEIL_MODE),
        ],
        "Largest element of every window of inputs of shape [channels, height, width]. NaN counts as the largest; of \
         equal elements the first gets the gradient.",
    ),
    layer(
        "AvgPool1d",
        &[
            kernel(1),
            stride(1),
            padding(1, AVG_PADDING),
            CEIL_MODE,
            COUNT_INCLUDE_PAD,
        ],
        "Mean of every window of inputs of shape [channels, length].",
    ),
    layer(
        "AvgPool2d",
        &[
            kernel(2),
            stride(2),
            padding(2, AVG_PADDING),
            CEIL_MODE,
            COUNT_INCLUDE_PAD,
            nullable(arg(
                "divisor_override",
                ValueType::Int,
                "",
                SIZE,
                "What sums are divided by; without it, the number of elements.",
            )),
        ],
        "Mean of every window of inputs of shape [channels, height, width].",
    ),
    layer(
        "AdaptiveMaxPool1d",
        &[LENGTH],
        "Largest elements of inputs of shape [channels, length] cut into windows that give an output of a size.",
    ),
    layer(
        "AdaptiveMaxPool2d",
        &[AREA],
        "Largest elements of inputs of shape [channels, height, width] cut into windows that give an output of a size.",
    ),
    layer(
        "AdaptiveAvgPool1d",
        &[LENGTH],
        "Means of inputs of shape [channels, length] cut into windows that give an output of a size; \
         AdaptiveAvgPool1d(1) is the mean of every channel (global pooling).",
    ),
    layer(
        "AdaptiveAvgPool2d",
        &[AREA],
        "Means of inputs of shape [channels, height, width] cut into windows that give an output of a size; \
         AdaptiveAvgPool2d(1) is the mean of every channel (global pooling).",
    ),
    layer(
        "LPPool1d",
        &[NORM_TYPE, kernel(1), stride(1), CEIL_MODE],
        "Power mean without its division of every window of inputs of shape [channels, length]: (Σ x^p)^(1/p). Where \
         the sum is 0, its gradient is 0.",
    ),
    layer(
        "LPPool2d",
        &[NORM_TYPE, kernel(2), stride(2), CEIL_MODE],
        "Power mean without its division of every window of inputs of shape [channels, height, width]: \
         (Σ x^p)^(1/p). Where the sum is 0, its gradient is 0.",
    ),
];
