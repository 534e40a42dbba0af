//! Optimisers.

use super::{Arg, ArgType, Entry, Kind, POSITIVE, Range, arg, keyword};

const LR: Arg = arg("lr", ArgType::Real, "0.001", POSITIVE, "Learning rate.");
const MAXIMIZE: Arg = keyword(arg(
    "maximize",
    ArgType::Bool,
    "false",
    Range::Any,
    "Maximise the loss instead of minimising it.",
));
const BETAS: Arg = arg(
    "betas",
    ArgType::RealPair,
    "[0.9, 0.999]",
    Range::HalfOpen { min: 0.0, below: 1.0 },
    "Coefficients of the running means of the gradient and of its square.",
);
const EPS: Arg = arg(
    "eps",
    ArgType::Real,
    "1e-08",
    POSITIVE,
    "Added to the denominator for numerical stability.",
);
const AMSGRAD: Arg = arg(
    "amsgrad",
    ArgType::Bool,
    "false",
    Range::Any,
    "Use the AMSGrad variant: the largest running mean of squares so far.",
);

/// The entries.
pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        kind: Kind::Optimizer,
        name: "SGD",
        doc: "Stochastic gradient descent, with momentum where asked for.",
        args: &[
            LR,
            arg(
                "momentum",
                ArgType::Real,
                "0",
                POSITIVE,
                "Factor of the momentum.",
            ),
            arg(
                "dampening",
                ArgType::Real,
                "0",
                Range::Any,
                "Dampening of the momentum.",
            ),
            arg(
                "weight_decay",
                ArgType::Real,
                "0",
                POSITIVE,
                "L2 penalty: added to the gradient.",
            ),
            arg(
                "nesterov",
                ArgType::Bool,
                "false",
                Range::Any,
                "Nesterov's momentum: needs a momentum above 0 and no dampening.",
            ),
            MAXIMIZE,
        ],
    },
    Entry {
        kind: Kind::Optimizer,
        name: "Adam",
        doc: "Adam: steps scaled by running means of the gradient and of its square.",
        args: &[
            LR,
            BETAS,
            EPS,
            arg(
                "weight_decay",
                ArgType::Real,
                "0",
                POSITIVE,
                "L2 penalty: added to the gradient.",
            ),
            AMSGRAD,
            MAXIMIZE,
        ],
    },
    Entry {
        kind: Kind::Optimizer,
        name: "AdamW",
        doc: "Adam with decoupled weight decay.",
        args: &[
            LR,
            BETAS,
            EPS,
            arg(
                "weight_decay",
                ArgType::Real,
                "0.01",
                POSITIVE,
                "Decay: weights shrink by lr times this a step.",
            ),
            AMSGRAD,
            MAXIMIZE,
        ],
    },
];
