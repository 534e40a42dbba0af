//! Attention over sequences.

use super::entry::{
    Arg, BATCH_FIRST, Entry, Kind, POSITIVE, Range, SIZE, ValueType, arg, inferred, keyword, layer, nullable,
    required,
};

const PROBABILITY: Range = Range::Closed { min: 0.0, max: 1.0 };

const BIAS: Arg = arg("bias", ValueType::Bool, "true", Range::Any, "Add learned biases.");

const IS_CAUSAL: Arg = keyword(arg(
    "is_causal",
    ValueType::Bool,
    "false",
    Range::Any,
    "Hide from every position those after it.",
));

const D_MODEL: Arg = inferred(arg(
    "d_model",
    ValueType::Int,
    "",
    SIZE,
    "Size of the last dimension of the input.",
));

/// The entries.
pub(super) const ENTRIES: &[Entry] = &[MULTIHEAD, ENCODER, STACK, DECODER, SINES, LEARNED];

const MULTIHEAD: Entry = layer(
    "MultiheadAttention",
    &[
        inferred(arg(
            "embed_dim",
            ValueType::Int,
            "",
            SIZE,
            "Size of the last dimension of the queries and of the output.",
        )),
        required(arg(
            "num_heads",
            ValueType::Int,
            "",
            SIZE,
            "Heads; each has embed_dim / num_heads values.",
        )),
        arg(
            "dropout",
            ValueType::Real,
            "0.0",
            PROBABILITY,
            "Probability that an attention weight is set to zero while training.",
        ),
        BIAS,
        keyword(inferred(arg(
            "kdim",
            ValueType::Int,
            "",
            SIZE,
            "Size of the last dimension of the keys.",
        ))),
        keyword(inferred(arg(
            "vdim",
            ValueType::Int,
            "",
            SIZE,
            "Size of the last dimension of the values.",
        ))),
        keyword(BATCH_FIRST),
        IS_CAUSAL,
    ],
    "Attention of several heads (Vaswani et al. 2017, arXiv:1706.03762): softmax(Q Kᵀ / √d) V for each, between learned \
     projections. One input of shape [length, embed_dim] attends to itself; a node of a graph with three inputs takes \
     query, key and value. A further input of shape [length] is the key_padding_mask: what is not 0 there is padding, which \
     nothing attends to; where there is nothing else, 0 comes out before the last projection. The batch comes first.",
);

/// Of an encoder layer and of a decoder layer.
const TRANSFORMER: &[Arg] = &[
    D_MODEL,
    required(arg(
        "nhead",
        ValueType::Int,
        "",
        SIZE,
        "Heads of the attention; each has d_model / nhead values.",
    )),
    arg(
        "dim_feedforward",
        ValueType::Int,
        "2048",
        SIZE,
        "Size between the two Linear layers.",
    ),
    arg(
        "dropout",
        ValueType::Real,
        "0.1",
        PROBABILITY,
        "Probability of dropout: of attention weights, after the attention, and twice in the feed-forward part.",
    ),
    arg(
        "activation",
        ValueType::Text,
        "\"relu\"",
        Range::OneOf(&["relu", "gelu"]),
        "What comes between the two Linear layers.",
    ),
    arg(
        "layer_norm_eps",
        ValueType::Real,
        "1e-5",
        POSITIVE,
        "Added to the variances of both LayerNorms.",
    ),
    BATCH_FIRST,
    arg(
        "norm_first",
        ValueType::Bool,
        "false",
        Range::Any,
        "Normalise before attention and feed-forward part, not after.",
    ),
    BIAS,
    IS_CAUSAL,
];

const ENCODER: Entry = layer(
    "TransformerEncoderLayer",
    TRANSFORMER,
    "Self-attention and a feed-forward network, each with a residual connection and LayerNorm (Vaswani et al. 2017, \
     arXiv:1706.03762), over a sequence of shape [length, d_model]. A second input in a graph, of shape [length], is the \
     src_key_padding_mask of PyTorch: what is not 0 there is padding. The batch comes first.",
);

const STACK: Entry = layer(
    "TransformerEncoder",
    &[
        required(arg(
            "encoder_layer",
            ValueType::Document(Kind::Layer),
            "",
            Range::Any,
            "The TransformerEncoderLayer that is repeated. Every layer starts from numbers of its own; in PyTorch all \
             start from the same.",
        )),
        required(arg(
            "num_layers",
            ValueType::Int,
            "",
            Range::Ints { min: 1, max: 1_024 },
            "How many of them there are.",
        )),
        nullable(arg(
            "norm",
            ValueType::Document(Kind::Layer),
            "",
            Range::Any,
            "A layer after the last one, such as LayerNorm.",
        )),
    ],
    "Transformer encoder layers one after another (Vaswani et al. 2017, arXiv:1706.03762), over a sequence of shape \
     [length, d_model].",
);

const DECODER: Entry = layer(
    "TransformerDecoderLayer",
    TRANSFORMER,
    "Self-attention, attention to another sequence and a feed-forward network, each with a residual connection and \
     LayerNorm (Vaswani et al. 2017, arXiv:1706.03762). A node of a graph with two inputs: the sequence of shape \
     [length, d_model] and the one it attends to, of a length of its own. A third input is the mask of padding of the \
     other sequence (memory_key_padding_mask of PyTorch); with four the third is the one of the sequence itself. is_causal is \
     for the self-attention.",
);

const SINES: Entry = layer(
    "PositionalEncoding",
    &[
        D_MODEL,
        arg(
            "dropout",
            ValueType::Real,
            "0.1",
            PROBABILITY,
            "Probability that an element of the sum is set to zero while training.",
        ),
        arg(
            "max_len",
            ValueType::Int,
            "5000",
            SIZE,
            "Positions that a sequence has at most.",
        ),
    ],
    "Adds sines and cosines of every position to a sequence of shape [length, d_model] (Vaswani et al. 2017, \
     arXiv:1706.03762): sin(p / 10000^(2i / d_model)) to value 2i of position p, the cosine to value 2i + 1.",
);

const LEARNED: Entry = layer(
    "LearnedPositionalEncoding",
    &[
        D_MODEL,
        nullable(arg(
            "max_len",
            ValueType::Int,
            "",
            SIZE,
            "Positions of the table; without it the length of the input.",
        )),
    ],
    "Adds a learned vector for every position to a sequence of shape [length, d_model]. The table starts normal around \
     0 with deviation 0.02 (Devlin et al. 2019, arXiv:1810.04805).",
);
