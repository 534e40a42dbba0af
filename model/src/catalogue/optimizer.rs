//! Optimisers.

use super::entry::{Arg, Entry, Kind, POSITIVE, Range, ValueType, arg, keyword, nullable};

const BETA: Range = Range::HalfOpen { min: 0.0, below: 1.0 };

const fn real(name: &'static str, default: &'static str, doc: &'static str) -> Arg {
    arg(name, ValueType::Real, default, POSITIVE, doc)
}

const fn flag(name: &'static str, default: &'static str, doc: &'static str) -> Arg {
    arg(name, ValueType::Bool, default, Range::Any, doc)
}

const fn lr(default: &'static str) -> Arg {
    real("lr", default, "Learning rate.")
}

const fn betas(default: &'static str, doc: &'static str) -> Arg {
    arg("betas", ValueType::RealPair, default, BETA, doc)
}

const fn eps(default: &'static str) -> Arg {
    real(
        "eps",
        default,
        "Added to the denominator for numerical stability.",
    )
}

/// L2 penalty.
const PENALTY: Arg = real("weight_decay", "0", "L2 penalty: added to the gradient.");
const MEANS: Arg = betas(
    "[0.9, 0.999]",
    "Coefficients of the running means of the gradient and of its square.",
);
const AMSGRAD: Arg = flag(
    "amsgrad",
    "false",
    "Use the AMSGrad variant: the largest running mean of squares so far.",
);
const DECOUPLED: Arg = flag(
    "decoupled_weight_decay",
    "false",
    "Decay the weights themselves by lr times weight_decay, as AdamW does, instead of adding to the gradient.",
);
const MOMENTUM: Arg = real("momentum", "0", "Factor of the momentum.");
const DAMPENING: Arg = arg(
    "dampening",
    ValueType::Real,
    "0",
    Range::Any,
    "Dampening of the momentum.",
);
const NESTEROV: Arg = flag(
    "nesterov",
    "false",
    "Nesterov's momentum: needs a momentum above 0 and no dampening.",
);
const ALWAYS_ADAPT: Arg = flag(
    "always_adapt",
    "false",
    "Adapt the learning rate also of parameters without weight decay.",
);
const MAXIMIZE: Arg = keyword(flag(
    "maximize",
    "false",
    "Maximise the loss instead of minimising it.",
));
const GROUPS: Arg = keyword(nullable(arg(
    "groups",
    ValueType::Groups,
    "null",
    Range::Any,
    "Settings of some parameters: a list of {\"params\": pattern or patterns, ...}. Patterns match parameter names such \
     as 0.weight; * stands for any characters, ? for one. A group may set any number among the arguments, such as lr or \
     weight_decay, or \"frozen\": true, which leaves its parameters as they are. The first group that matches counts.",
)));

const fn optimizer(name: &'static str, args: &'static [Arg], doc: &'static str) -> Entry {
    Entry {
        kind: Kind::Optimizer,
        name,
        doc,
        args,
    }
}

const SGD: Entry = optimizer(
    "SGD",
    &[
        lr("0.001"),
        MOMENTUM,
        DAMPENING,
        PENALTY,
        NESTEROV,
        MAXIMIZE,
        GROUPS,
    ],
    "Stochastic gradient descent, with momentum where asked for.",
);

const ADAM: Entry = optimizer(
    "Adam",
    &[
        lr("0.001"),
        MEANS,
        eps("1e-08"),
        PENALTY,
        AMSGRAD,
        MAXIMIZE,
        keyword(DECOUPLED),
        GROUPS,
    ],
    "Adam: steps scaled by running means of the gradient and of its square.",
);

const ADAMW: Entry = optimizer(
    "AdamW",
    &[
        lr("0.001"),
        MEANS,
        eps("1e-08"),
        real(
            "weight_decay",
            "0.01",
            "Decay: weights shrink by lr times this a step.",
        ),
        AMSGRAD,
        MAXIMIZE,
        GROUPS,
    ],
    "Adam with decoupled weight decay.",
);

const NADAM: Entry = optimizer(
    "NAdam",
    &[
        lr("0.002"),
        MEANS,
        eps("1e-08"),
        PENALTY,
        real(
            "momentum_decay",
            "0.004",
            "How fast the momentum grows to betas[0]: it is betas[0] (1 - 0.96^(step momentum_decay) / 2).",
        ),
        DECOUPLED,
        MAXIMIZE,
        GROUPS,
    ],
    "Adam with Nesterov's momentum (Dozat 2016).",
);

const RADAM: Entry = optimizer(
    "RAdam",
    &[
        lr("0.001"),
        MEANS,
        eps("1e-08"),
        PENALTY,
        DECOUPLED,
        MAXIMIZE,
        GROUPS,
    ],
    "Adam with a rectified variance of its first steps (Liu et al. 2019).",
);

const ADAGRAD: Entry = optimizer(
    "Adagrad",
    &[
        lr("0.01"),
        real(
            "lr_decay",
            "0",
            "Decay of the learning rate: at step t it is lr / (1 + (t - 1) lr_decay).",
        ),
        PENALTY,
        real(
            "initial_accumulator_value",
            "0",
            "What the sum of squares starts from.",
        ),
        eps("1e-10"),
        MAXIMIZE,
        GROUPS,
    ],
    "Steps scaled by the sum of all squared gradients (Duchi et al. 2011).",
);

const ADADELTA: Entry = optimizer(
    "Adadelta",
    &[
        lr("1.0"),
        arg(
            "rho",
            ValueType::Real,
            "0.9",
            Range::Closed { min: 0.0, max: 1.0 },
            "Coefficient of the running means of squares.",
        ),
        eps("1e-06"),
        PENALTY,
        MAXIMIZE,
        GROUPS,
    ],
    "Steps scaled by the ratio of the running means of squared steps and gradients (Zeiler 2012).",
);

const RMSPROP: Entry = optimizer(
    "RMSprop",
    &[
        lr("0.01"),
        real(
            "alpha",
            "0.99",
            "Coefficient of the running mean of squared gradients.",
        ),
        eps("1e-08"),
        PENALTY,
        MOMENTUM,
        flag(
            "centered",
            "false",
            "Divide by the standard deviation of the gradient instead of its root mean square.",
        ),
        MAXIMIZE,
        GROUPS,
    ],
    "Steps scaled by the running root mean square of the gradient (Hinton 2012).",
);

const ADAMAX: Entry = optimizer(
    "Adamax",
    &[
        lr("0.002"),
        betas(
            "[0.9, 0.999]",
            "Coefficients of the running mean of the gradient and of its largest absolute value.",
        ),
        eps("1e-08"),
        PENALTY,
        MAXIMIZE,
        GROUPS,
    ],
    "Adam with the infinity norm in place of squares (Kingma and Ba 2015).",
);

const LAMB: Entry = optimizer(
    "LAMB",
    &[
        lr("0.001"),
        flag(
            "bias_correction",
            "true",
            "Divide the running means by 1 - beta^step.",
        ),
        MEANS,
        eps("1e-06"),
        real(
            "weight_decay",
            "0.01",
            "Decay: this times the weights is added to the step.",
        ),
        flag(
            "grad_averaging",
            "true",
            "Take the gradient into its running mean by 1 - betas[0]; without, by 1.",
        ),
        Arg {
            nullable: true,
            ..real(
                "max_grad_norm",
                "1.0",
                "Largest Euclidean norm of the whole gradient: beyond it the gradient is scaled down. 0 or none: no bound.",
            )
        },
        flag("trust_clip", "false", "Bound the ratio of norms by 1 (LAMBC)."),
        ALWAYS_ADAPT,
        keyword(flag(
            "decoupled_decay",
            "false",
            "Decay the weights themselves by lr times weight_decay, as AdamW does.",
        )),
        GROUPS,
    ],
    "Adam whose step on each parameter is as long as its weights: for large batches (You et al. 2019). Not in PyTorch; \
     arguments and defaults are timm's, max_grad_norm = 1 included: 0 switches it off.",
);

const LARS: Entry = optimizer(
    "LARS",
    &[
        lr("1.0"),
        MOMENTUM,
        DAMPENING,
        PENALTY,
        NESTEROV,
        real(
            "trust_coeff",
            "0.001",
            "Length of a step relative to that of a parameter's weights.",
        ),
        eps("1e-08"),
        flag(
            "trust_clip",
            "false",
            "Bound the learning rate of each parameter by lr (LARC).",
        ),
        ALWAYS_ADAPT,
        GROUPS,
    ],
    "SGD with a learning rate for each parameter from the norms of its weights and gradient: for large batches (You et \
     al. 2017). Not in PyTorch; arguments and defaults are timm's, so without weight_decay or always_adapt it is SGD.",
);

const LION: Entry = optimizer(
    "Lion",
    &[
        lr("0.0001"),
        betas(
            "[0.9, 0.99]",
            "Coefficients of the running mean of the gradient: in the step, and in what is kept.",
        ),
        real(
            "weight_decay",
            "0",
            "Decay: weights shrink by lr times this a step.",
        ),
        MAXIMIZE,
        GROUPS,
    ],
    "Steps of equal size in the sign of the running mean of the gradient (Chen et al. 2023). Not in PyTorch; arguments \
     and defaults are timm's.",
);

/// The entries.
pub(super) const ENTRIES: &[Entry] = &[
    SGD, ADAM, ADAMW, NADAM, RADAM, ADAGRAD, ADADELTA, RMSPROP, ADAMAX, LAMB, LARS, LION,
];
