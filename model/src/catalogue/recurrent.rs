//! Layers over sequences that carry a state from step to step.

use super::entry::{
    Arg, BATCH_FIRST, Entry, MAX_SIZE, Range, SIZE, ValueType, arg, inferred, keyword, layer, required,
};

const INPUT: Arg = inferred(arg(
    "input_size",
    ValueType::Int,
    "",
    SIZE,
    "Features of a step: size of the last dimension of the input.",
));
const HIDDEN: Arg = required(arg(
    "hidden_size",
    ValueType::Int,
    "",
    SIZE,
    "Features of the hidden state.",
));
const LAYERS: Arg = arg(
    "num_layers",
    ValueType::Int,
    "1",
    Range::Ints { min: 1, max: 1_024 },
    "Layers on top of each other: each reads the hidden states of the one below.",
);
const BIAS: Arg = arg("bias", ValueType::Bool, "true", Range::Any, "Add learned biases.");
const DROPOUT: Arg = arg(
    "dropout",
    ValueType::Real,
    "0.0",
    Range::Closed { min: 0.0, max: 1.0 },
    "Probability that an element between two layers is set to zero while training.",
);
const BIDIRECTIONAL: Arg = arg(
    "bidirectional",
    ValueType::Bool,
    "false",
    Range::Any,
    "Read the sequence a second time from its end, with weights of its own; the hidden states of both directions are \
     put one after another.",
);
const OUTPUT: Arg = keyword(arg(
    "output",
    ValueType::Text,
    "\"all\"",
    Range::OneOf(&["all", "last"]),
    "What comes out: \"all\" for the top layer's hidden state of every step, [time, hidden_size], twice as wide where \
     bidirectional; \"last\" for the hidden state after the last step, [hidden_size], where bidirectional followed by \
     the hidden state of the other direction after it has read the first step. PyTorch returns both, as output and h_n.",
));

const PROJECTION: Arg = arg(
    "proj_size",
    ValueType::Int,
    "0",
    Range::Ints {
        min: 0,
        max: MAX_SIZE,
    },
    "Features of the hidden state after a learned projection (Sak et al. 2014, arXiv:1402.1128), less than hidden_size; \
     0 for none.",
);

/// The entries.
pub(super) const ENTRIES: &[Entry] = &[
    layer(
        "RNN",
        &[
            INPUT,
            HIDDEN,
            LAYERS,
            arg(
                "nonlinearity",
                ValueType::Text,
                "\"tanh\"",
                Range::OneOf(&["tanh", "relu"]),
                "The function of the sum.",
            ),
            BIAS,
            BATCH_FIRST,
            DROPOUT,
            BIDIRECTIONAL,
            OUTPUT,
        ],
        "Recurrent network over a sequence [time, features] (Elman 1990, doi:10.1207/s15516709cog1402_1): \
         h = tanh(W_ih x + b_ih + W_hh h + b_hh), from h = 0 on. Weights start uniform in ±1/√hidden_size. A second \
         input in a graph, of shape [time], is not 0 where a step is padding: such steps leave the state as it is and put \
         out 0, as packed sequences do in PyTorch.",
    ),
    layer(
        "LSTM",
        &[
            INPUT,
            HIDDEN,
            LAYERS,
            BIAS,
            BATCH_FIRST,
            DROPOUT,
            BIDIRECTIONAL,
            PROJECTION,
            OUTPUT,
        ],
        "Long short-term memory over a sequence [time, features] (Hochreiter and Schmidhuber 1997, \
         doi:10.1162/neco.1997.9.8.1735), with forget gates: states start at 0, gates are in PyTorch's order i, f, g, \
         o, c = f c + i g, h = o tanh(c). Weights start uniform in ±1/√hidden_size. A second \
         input in a graph, of shape [time], is not 0 where a step is padding: such steps leave the state as it is and put \
         out 0, as packed sequences do in PyTorch.",
    ),
    layer(
        "GRU",
        &[
            INPUT,
            HIDDEN,
            LAYERS,
            BIAS,
            BATCH_FIRST,
            DROPOUT,
            BIDIRECTIONAL,
            OUTPUT,
        ],
        "Gated recurrent unit over a sequence [time, features] (Cho et al. 2014, arXiv:1406.1078): the state starts at \
         0, gates are in PyTorch's order r, z, n, and r scales the hidden state's product: \
         n = tanh(W_in x + b_in + r (W_hn h + b_hn)), h = (1 - z) n + z h. Weights start uniform in ±1/√hidden_size. A second \
         input in a graph, of shape [time], is not 0 where a step is padding: such steps leave the state as it is and put \
         out 0, as packed sequences do in PyTorch.",
    ),
];
