//! Entries for the tests of the writers: every type of argument, in shapes that the catalogue may come to.

use candlewick_model::catalogue::{Arg, Entry, Kind};
use candlewick_protocol::value::{Range, ValueType};

const fn arg(name: &'static str, ty: ValueType, default: Option<&'static str>) -> Arg {
    Arg {
        name,
        ty,
        default,
        input: false,
        keyword: false,
        nullable: false,
        range: Range::Any,
        doc: "A sentence.",
    }
}

const fn input(name: &'static str, ty: ValueType) -> Arg {
    Arg {
        input: true,
        ..arg(name, ty, None)
    }
}

const fn nullable(arg: Arg) -> Arg {
    Arg {
        nullable: true,
        ..arg
    }
}

const fn entry(kind: Kind, name: &'static str, args: &'static [Arg]) -> Entry {
    Entry {
        kind,
        name,
        doc: "A sentence.",
        args,
    }
}

/// A convolution: an inferred size, required ones, sizes and a padding.
pub(crate) const CONV: Entry = entry(
    Kind::Layer,
    "Conv2d",
    &[
        input("in_channels", ValueType::Int),
        arg("out_channels", ValueType::Int, None),
        arg("kernel_size", ValueType::Size(2), None),
        arg("stride", ValueType::Size(2), Some("1")),
        arg("padding", ValueType::Padding(2), Some("0")),
        arg("dilation", ValueType::Size(2), Some("[1, 1]")),
    ],
);

/// Nothing but an inferred size and options, one of which may be None but is not by default.
pub(crate) const NORM: Entry = entry(
    Kind::Layer,
    "BatchNorm1d",
    &[
        input("num_features", ValueType::Int),
        arg("eps", ValueType::Real, Some("1e-05")),
        nullable(arg("momentum", ValueType::Real, Some("0.1"))),
    ],
);

/// No inferred size; None by default.
pub(crate) const EMBEDDING: Entry = entry(
    Kind::Layer,
    "Embedding",
    &[
        arg("num_embeddings", ValueType::Int, None),
        arg("embedding_dim", ValueType::Int, None),
        nullable(arg("padding_idx", ValueType::Int, Some("null"))),
        nullable(arg("max_norm", ValueType::Real, Some("null"))),
    ],
);

/// Inferred sizes at both ends.
pub(crate) const ATTENTION: Entry = entry(
    Kind::Layer,
    "MultiheadAttention",
    &[
        input("embed_dim", ValueType::Int),
        arg("num_heads", ValueType::Int, None),
        arg("dropout", ValueType::Real, Some("0")),
        input("kdim", ValueType::Int),
    ],
);

/// A loss of losses, and a schedule of schedules.
pub(crate) const WEIGHTED: Entry = entry(
    Kind::Loss,
    "WeightedLoss",
    &[
        arg("losses", ValueType::Documents(Kind::Loss), None),
        nullable(arg("weights", ValueType::RealList, Some("null"))),
    ],
);

/// A list of schedules and one of whole numbers.
pub(crate) const SEQUENTIAL_LR: Entry = entry(
    Kind::Scheduler,
    "SequentialLR",
    &[
        arg("schedulers", ValueType::Documents(Kind::Scheduler), None),
        arg("milestones", ValueType::IntList, None),
        arg("last_epoch", ValueType::Int, Some("-1")),
    ],
);

/// Two inferred sizes before one required.
pub(crate) const BILINEAR: Entry = entry(
    Kind::Layer,
    "Bilinear",
    &[
        input("in1_features", ValueType::Int),
        input("in2_features", ValueType::Int),
        arg("out_features", ValueType::Int, None),
        arg("bias", ValueType::Bool, Some("true")),
    ],
);

/// An inferred size after a required one.
pub(crate) const GROUP_NORM: Entry = entry(
    Kind::Layer,
    "GroupNorm",
    &[
        arg("num_groups", ValueType::Int, None),
        input("num_channels", ValueType::Int),
        arg("eps", ValueType::Real, Some("1e-05")),
    ],
);

/// All of them.
pub(crate) const ALL: [&Entry; 8] = [
    &CONV,
    &NORM,
    &EMBEDDING,
    &ATTENTION,
    &WEIGHTED,
    &SEQUENTIAL_LR,
    &BILINEAR,
    &GROUP_NORM,
];

/// Code without what only breaks its lines.
pub(crate) fn bare(code: &str) -> String {
    code.split_whitespace().collect::<String>().replace(",)", ")")
}
