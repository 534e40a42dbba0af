//! Layers that normalise.

use super::entry::{
    Arg, Entry, POSITIVE, Range, SIZE, ValueType, arg, inferred, keyword, layer, nullable, required,
};

const EPS: Arg = arg(
    "eps",
    ValueType::Real,
    "1e-5",
    POSITIVE,
    "Added to the variance before the root is taken.",
);
const AFFINE: Arg = arg(
    "affine",
    ValueType::Bool,
    "true",
    Range::Any,
    "Learn a factor and a summand for every channel; they start at 1 and 0.",
);
const NORMALIZED_SHAPE: Arg = inferred(arg(
    "normalized_shape",
    ValueType::Size(0),
    "",
    SIZE,
    "The last dimensions of the input, over which it is normalised together; a number for one. Left out, it is the \
     last dimension.",
));
const NUM_FEATURES: Arg = inferred(arg(
    "num_features",
    ValueType::Int,
    "",
    SIZE,
    "Channels of the input: its first dimension after the batch.",
));
const TRACK: Arg = arg(
    "track_running_stats",
    ValueType::Bool,
    "true",
    Range::Any,
    "Keep running statistics, which scoring normalises by. Only true is legal: without them what comes out for a \
     row would depend on the rows it is scored with.",
);
const BIAS: Arg = keyword(arg(
    "bias",
    ValueType::Bool,
    "true",
    Range::Any,
    "Learn the summand; without affine there is none.",
));
const BATCH_NORM: &[Arg] = &[
    NUM_FEATURES,
    EPS,
    Arg {
        nullable: true,
        ..arg(
            "momentum",
            ValueType::Real,
            "0.1",
            Range::Closed { min: 0.0, max: 1.0 },
            "Weight of a step's statistics in the running ones; null for the average of all steps.",
        )
    },
    AFFINE,
    TRACK,
    BIAS,
    keyword(arg(
        "scope",
        ValueType::Text,
        "\"step\"",
        Range::OneOf(&["step", "slice"]),
        "What is normalised together while training: \"step\" for all rows of the step, which is what PyTorch does in \
         one process and takes two small exchanges between the trainers; \"slice\" for the rows of every logical \
         shard by themselves, which takes one exchange, for the running statistics, and normalises by fewer rows.",
    )),
];

const INSTANCE_NORM: &[Arg] = &[
    NUM_FEATURES,
    EPS,
    Arg {
        nullable: true,
        ..arg(
            "momentum",
            ValueType::Real,
            "0.1",
            Range::Closed { min: 0.0, max: 1.0 },
            "Of no effect, since there are no running statistics.",
        )
    },
    Arg {
        default: Some("false"),
        ..AFFINE
    },
    arg(
        "track_running_stats",
        ValueType::Bool,
        "false",
        Range::Any,
        "Only false is legal: every row is normalised by its own statistics, also when scoring.",
    ),
    BIAS,
];

/// The entries.
pub(super) const ENTRIES: &[Entry] = &[
    layer(
        "BatchNorm1d",
        BATCH_NORM,
        "Normalises every channel of inputs of shape [C] or [C, L] over the rows of the step and the positions (Ioffe and \
         Szegedy 2015, arXiv:1502.03167). Rows of all trainers are normalised together, whatever their number; row weights do not \
         count. Scoring uses the running statistics, and so does a step with a single value per channel, which \
         leaves them as they are.",
    ),
    layer(
        "BatchNorm2d",
        BATCH_NORM,
        "Normalises every channel of inputs of shape [C, H, W] over the rows of the step and the positions; see \
         BatchNorm1d.",
    ),
    layer(
        "LayerNorm",
        &[
            NORMALIZED_SHAPE,
            EPS,
            arg(
                "elementwise_affine",
                ValueType::Bool,
                "true",
                Range::Any,
                "Learn a factor and a summand for every element of normalized_shape; they start at 1 and 0.",
            ),
            arg(
                "bias",
                ValueType::Bool,
                "true",
                Range::Any,
                "Learn the summand; without elementwise_affine there is none.",
            ),
        ],
        "Normalises the last dimensions of every row to mean 0 and variance 1 (Ba et al. 2016, arXiv:1607.06450).",
    ),
    layer(
        "RMSNorm",
        &[
            NORMALIZED_SHAPE,
            nullable(arg(
                "eps",
                ValueType::Real,
                "",
                POSITIVE,
                "Added to the mean square before the root is taken; null for the spacing of f32 at 1, 1.19e-7.",
            )),
            arg(
                "elementwise_affine",
                ValueType::Bool,
                "true",
                Range::Any,
                "Learn a factor for every element of normalized_shape; they start at 1.",
            ),
        ],
        "Divides the last dimensions of every row by the root of their mean square (Zhang and Sennrich 2019, \
         arXiv:1910.07467).",
    ),
    layer(
        "GroupNorm",
        &[
            required(arg(
                "num_groups",
                ValueType::Int,
                "",
                SIZE,
                "Groups that the channels are cut into; a divisor of their number.",
            )),
            inferred(arg(
                "num_channels",
                ValueType::Int,
                "",
                SIZE,
                "Channels of the input: its first dimension after the batch.",
            )),
            EPS,
            AFFINE,
            BIAS,
        ],
        "Normalises groups of channels of every row, with all their positions, to mean 0 and variance 1 (Wu and He \
         2018, arXiv:1803.08494).",
    ),
    layer(
        "InstanceNorm1d",
        INSTANCE_NORM,
        "Normalises every channel of every row of inputs of shape [C, L] over its positions; see InstanceNorm2d.",
    ),
    layer(
        "InstanceNorm2d",
        INSTANCE_NORM,
        "Normalises every channel of every row of inputs of shape [C, H, W] over its positions (Ulyanov et al. 2016, \
         arXiv:1607.08022).",
    ),
    layer(
        "LocalResponseNorm",
        &[
            required(arg(
                "size",
                ValueType::Int,
                "",
                SIZE,
                "Neighbouring channels whose squares are added up, the channel itself in the middle.",
            )),
            arg(
                "alpha",
                ValueType::Real,
                "0.0001",
                Range::Any,
                "Factor of the mean square.",
            ),
            arg(
                "beta",
                ValueType::Real,
                "0.75",
                Range::Any,
                "Power of the divisor.",
            ),
            arg(
                "k",
                ValueType::Real,
                "1.0",
                Range::Any,
                "Added to the mean square times alpha.",
            ),
        ],
        "Divides every element of inputs of shape [C, ...] by (k + alpha m)^beta, where m is the mean square of the \
         channels around it (Krizhevsky et al. 2012); channels that there are not count as 0.",
    ),
];
