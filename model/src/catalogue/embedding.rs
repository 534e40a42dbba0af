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
            keyword(arg(
                "input",
                ValueType::Text,
                "\"indices\"",
                Range::OneOf(&["indices", "counts"]),
                "What the input is: bags of indices, or a vector of num_embeddings values, each the count or weight of its index. \
                 PyTorch knows indices alone.",
            )),
        ],
        "Replaces the indices along the last dimension, a bag, by the sum, mean or largest values of their rows of a \
         learned table; a bag of nothing but padding_idx becomes 0. The table starts normal around 0 with deviation 1. \
         With input = \"counts\" the input is a vector of num_embeddings values, as HashingTF, CountVectorizer or IDF make it, dense or \
         sparse: an index is in the bag where its value is not zero. sum adds up the rows of the table, each times its value (PyTorch's \
         per_sample_weights), mean divides that by the sum of the values, which must be at least 0, and max does not look at how large \
         a value is. Only what is not zero is computed, and of the table only rows that a step touches are exchanged.",
    ),
];
