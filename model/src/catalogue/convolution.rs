//! Convolutions.

use super::entry::{Arg, Entry, MAX_SIZE, Range, SIZE, ValueType, arg, inferred, layer, required};

const COUNT: Range = Range::Ints {
    min: 0,
    max: MAX_SIZE,
};
const PADDING_MODE: Arg = arg(
    "padding_mode",
    ValueType::Text,
    "\"zeros\"",
    Range::OneOf(&["zeros"]),
    "What lies around the input.",
);
const IN_CHANNELS: Arg = inferred(arg(
    "in_channels",
    ValueType::Int,
    "",
    SIZE,
    "Channels of the input: its first dimension after the batch.",
));
const OUT_CHANNELS: Arg = required(arg(
    "out_channels",
    ValueType::Int,
    "",
    SIZE,
    "Channels of the output.",
));
const GROUPS: Arg = arg(
    "groups",
    ValueType::Int,
    "1",
    SIZE,
    "Groups of channels that do not see each other; divides both numbers of channels.",
);
const BIAS: Arg = arg(
    "bias",
    ValueType::Bool,
    "true",
    Range::Any,
    "Add a learned bias to every channel.",
);

const fn kernel(dimensions: usize) -> Arg {
    required(arg(
        "kernel_size",
        ValueType::Size(dimensions),
        "",
        SIZE,
        "Size of the kernel.",
    ))
}

const fn stride(dimensions: usize) -> Arg {
    arg(
        "stride",
        ValueType::Size(dimensions),
        "1",
        SIZE,
        "Step of the kernel.",
    )
}

const fn dilation(dimensions: usize) -> Arg {
    arg(
        "dilation",
        ValueType::Size(dimensions),
        "1",
        SIZE,
        "Distance of the elements of the kernel.",
    )
}

const fn padding(dimensions: usize) -> Arg {
    arg(
        "padding",
        ValueType::Padding(dimensions),
        "0",
        COUNT,
        "Zeros on each side of the input; \"valid\" is 0, \"same\" keeps the size and needs a stride of 1.",
    )
}

/// The padding of a transposed convolution.
const fn cut(dimensions: usize) -> Arg {
    arg(
        "padding",
        ValueType::Size(dimensions),
        "0",
        COUNT,
        "Elements cut off each side of the output: the padding of the convolution that this one turns round.",
    )
}

const fn more(dimensions: usize) -> Arg {
    arg(
        "output_padding",
        ValueType::Size(dimensions),
        "0",
        COUNT,
        "Elements added to the lower and right side of the output; less than the stride or the dilation.",
    )
}

/// The entries.
pub(super) const ENTRIES: &[Entry] = &[
    layer(
        "Conv1d",
        &[
            IN_CHANNELS,
            OUT_CHANNELS,
            kernel(1),
            stride(1),
            padding(1),
            dilation(1),
            GROUPS,
            BIAS,
            PADDING_MODE,
        ],
        "Convolution (cross-correlation) of inputs of shape [channels, length]. Weights and bias start uniform in \
         ±1/√(in_channels / groups · kernel_size).",
    ),
    layer(
        "Conv2d",
        &[
            IN_CHANNELS,
            OUT_CHANNELS,
            kernel(2),
            stride(2),
            padding(2),
            dilation(2),
            GROUPS,
            BIAS,
            PADDING_MODE,
        ],
        "Convolution (cross-correlation) of inputs of shape [channels, height, width]. Weights and bias start uniform \
         in ±1/√(in_channels / groups · kernel height · kernel width).",
    ),
    layer(
        "ConvTranspose1d",
        &[
            IN_CHANNELS,
            OUT_CHANNELS,
            kernel(1),
            stride(1),
            cut(1),
            more(1),
            GROUPS,
            BIAS,
            dilation(1),
            PADDING_MODE,
        ],
        "Transposed convolution of inputs of shape [channels, length]: the gradient of Conv1d as a layer, which \
         enlarges its input by the stride. Weights and bias start uniform in ±1/√(out_channels / groups · kernel_size).",
    ),
    layer(
        "ConvTranspose2d",
        &[
            IN_CHANNELS,
            OUT_CHANNELS,
            kernel(2),
            stride(2),
            cut(2),
            more(2),
            GROUPS,
            BIAS,
            dilation(2),
            PADDING_MODE,
        ],
        "Transposed convolution of inputs of shape [channels, height, width]: the gradient of Conv2d as a layer, which \
         enlarges its input by the stride. Weights and bias start uniform in ±1/√(out_channels / groups · kernel \
         height · kernel width).",
    ),
];
