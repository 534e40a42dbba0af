//! Layers that look rows of a table up.

use super::entry::{Arg, Entry, MAX_SIZE, Range, SIZE, ValueType, arg, keyword, layer, nullable, required};

/// Indices come as f32, which counts exactly up to 2^24.
const MAX_ROWS: i64 = 1 << 24;

const ROWS: Arg = required(arg(
    "num_embeddings",
    ValueType::Int,
    "",
    Range::Ints {
        min: 1,
        max: MAX_ROWS,
    },
    "Rows of the table: indices are whole numbers from 0 to num_embeddings - 1.",
));

const WIDTH: Arg = required(arg(
    "embedding_dim",
    ValueType::Int,
    "",
    SIZE,
    "Size of a row of the table.",
));

const PADDING: Range = Range::Ints {
    min: -MAX_ROWS,
    max: MAX_SIZE,
};

/// The entries.
pub(super) const ENTRIES: &[Entry] = &[
    layer(
        "Embedding",
        &[
            ROWS,
            WIDTH,
            nullable(arg(
                "padding_idx",
                ValueType::Int,
                "",
                PADDING,
                "Index whose row starts at 0 and gets no gradient, so that it stays there; negative counts from the end.",
            )),
        ],
        "Replaces every index by its row of a learned table: an input of whole numbers gains a last dimension of \
         embedding_dim values. The table starts normal around 0 with deviation 1.",
    ),
    layer(
        "EmbeddingBag",
        &[
            ROWS,
            WIDTH,
            keyword(arg(
                "mode",
                ValueType::Text,
                "\"mean\"",
                Range::OneOf(&["sum", "mean", "max"]),
                "How the rows of a bag become one.",
            )),
            keyword(nullable(arg(
                "padding_idx",
                ValueType::Int,
                "",
                PADDING,
                "Index that counts as absent: bags leave it out; its row starts at 0; negative counts from the end.",
            ))),
        ],
        "Replaces the indices along the last dimension, a bag, by the sum, mean or largest values of their rows of a \
         learned table; a bag of nothing but padding_idx becomes 0. The table starts normal around 0 with deviation 1. \
         A sparse vector is no bag, since its zeros are indices too; rows of a table, each times a value of the vector, are added up \
         by Linear with bias = false.",
    ),
];
