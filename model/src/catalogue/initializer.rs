//! How parameters start: the functions of torch.nn.init.

use super::entry::{Arg, Entry, Kind, POSITIVE, Range, ValueType, arg, required};

const fn real(name: &'static str, default: &'static str, range: Range, doc: &'static str) -> Arg {
    arg(name, ValueType::Real, default, range, doc)
}

const fn initializer(name: &'static str, args: &'static [Arg], doc: &'static str) -> Entry {
    Entry {
        kind: Kind::Initializer,
        name,
        doc,
        args,
    }
}

const MEAN: Arg = real("mean", "0.0", Range::Any, "Mean.");
const STD: Arg = real("std", "1.0", POSITIVE, "Standard deviation.");
const GAIN: Arg = real("gain", "1.0", Range::Any, "Factor.");
const SLOPE: Arg = real(
    "a",
    "0",
    Range::Any,
    "Negative slope of the LeakyReLU that follows; only with nonlinearity \"leaky_relu\".",
);
const MODE: Arg = arg(
    "mode",
    ValueType::Text,
    "\"fan_in\"",
    Range::OneOf(&["fan_in", "fan_out"]),
    "\"fan_in\" keeps the variance in the forward pass, \"fan_out\" in the backward pass.",
);
const NONLINEARITY: Arg = arg(
    "nonlinearity",
    ValueType::Text,
    "\"leaky_relu\"",
    Range::OneOf(&["linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"]),
    "What follows the layer; the factor is torch.nn.init.calculate_gain of it.",
);

/// The entries.
pub(super) const ENTRIES: &[Entry] = &[
    initializer(
        "uniform_",
        &[
            real("a", "0.0", Range::Any, "Lower bound."),
            real("b", "1.0", Range::Any, "Upper bound."),
        ],
        "Uniform between a and b.",
    ),
    initializer("normal_", &[MEAN, STD], "Normal."),
    initializer(
        "trunc_normal_",
        &[
            MEAN,
            STD,
            real("a", "-2.0", Range::Any, "Smallest value."),
            real("b", "2.0", Range::Any, "Largest value."),
        ],
        "Normal, but between a and b only.",
    ),
    initializer(
        "constant_",
        &[required(real("val", "0", Range::Any, "The value."))],
        "One value everywhere.",
    ),
    initializer("ones_", &[], "1 everywhere."),
    initializer("zeros_", &[], "0 everywhere."),
    initializer(
        "xavier_uniform_",
        &[GAIN],
        "Uniform in ±gain √(6 / (fan_in + fan_out)) (Glorot and Bengio 2010). For parameters of two and more dimensions.",
    ),
    initializer(
        "xavier_normal_",
        &[GAIN],
        "Normal of deviation gain √(2 / (fan_in + fan_out)) (Glorot and Bengio 2010). For parameters of two and more \
         dimensions.",
    ),
    initializer(
        "kaiming_uniform_",
        &[SLOPE, MODE, NONLINEARITY],
        "Uniform in ±gain √(3 / fan) (He et al. 2015). For parameters of two and more dimensions.",
    ),
    initializer(
        "kaiming_normal_",
        &[SLOPE, MODE, NONLINEARITY],
        "Normal of deviation gain / √fan (He et al. 2015). For parameters of two and more dimensions.",
    ),
    initializer(
        "orthogonal_",
        &[GAIN],
        "Orthogonal rows or columns, whichever are fewer, times gain; all dimensions but the first are one (Saxe et al. \
         2013). For parameters of two and more dimensions.",
    ),
];
