//! Functions of single elements.

use super::entry::{Arg, Entry, POSITIVE, Range, ValueType, arg, layer, required};

const fn alpha(doc: &'static str) -> Arg {
    arg("alpha", ValueType::Real, "1.0", POSITIVE, doc)
}

/// The entries.
pub(super) const ENTRIES: &[Entry] = &[
    layer(
        "ReLU",
        &[],
        "Rectified linear unit: max(x, 0), element by element.",
    ),
    layer("Tanh", &[], "Hyperbolic tangent, element by element."),
    layer(
        "Sigmoid",
        &[],
        "Logistic function 1 / (1 + exp(-x)), element by element.",
    ),
    layer(
        "GELU",
        &[arg(
            "approximate",
            ValueType::Text,
            "\"none\"",
            Range::OneOf(&["none", "tanh"]),
            "\"none\" for the exact function, \"tanh\" for the approximation by tanh.",
        )],
        "Gaussian error linear unit: x Φ(x), element by element.",
    ),
    layer(
        "LeakyReLU",
        &[arg(
            "negative_slope",
            ValueType::Real,
            "0.01",
            Range::Any,
            "Slope below 0.",
        )],
        "x above 0, negative_slope times x below, element by element.",
    ),
    layer(
        "ELU",
        &[alpha("The function tends to -alpha far below 0.")],
        "Exponential linear unit: x above 0, alpha (exp(x) - 1) below, element by element.",
    ),
    layer(
        "SELU",
        &[],
        "ELU scaled so that activations keep mean 0 and variance 1 from layer to layer, element by element.",
    ),
    layer(
        "CELU",
        &[alpha("The function tends to -alpha far below 0; above 0.")],
        "ELU with a slope of 1 at 0: x above 0, alpha (exp(x / alpha) - 1) below, element by element.",
    ),
    layer(
        "SiLU",
        &[],
        "Sigmoid linear unit, also called swish: x / (1 + exp(-x)), element by element.",
    ),
    layer("Mish", &[], "x tanh(softplus(x)), element by element."),
    layer(
        "Softplus",
        &[
            arg(
                "beta",
                ValueType::Real,
                "1.0",
                POSITIVE,
                "Sharpness of the bend; above 0.",
            ),
            arg(
                "threshold",
                ValueType::Real,
                "20.0",
                Range::Any,
                "Where beta x is above it, the function is x.",
            ),
        ],
        "Smooth ReLU, always above 0: log(1 + exp(beta x)) / beta, element by element.",
    ),
    layer("Softsign", &[], "x / (1 + |x|), element by element."),
    layer(
        "LogSigmoid",
        &[],
        "Logarithm of the logistic function, element by element.",
    ),
    layer(
        "ReLU6",
        &[],
        "ReLU bounded by 6: min(max(x, 0), 6), element by element.",
    ),
    layer(
        "Hardtanh",
        &[
            arg("min_val", ValueType::Real, "-1.0", Range::Any, "Smallest output."),
            arg(
                "max_val",
                ValueType::Real,
                "1.0",
                Range::Any,
                "Largest output, above min_val.",
            ),
        ],
        "x bounded by min_val and max_val, element by element.",
    ),
    layer(
        "Hardsigmoid",
        &[],
        "Sigmoid of straight lines: (x + 3) / 6 bounded by 0 and 1, element by element.",
    ),
    layer(
        "Hardswish",
        &[],
        "x times Hardsigmoid, a cheap SiLU, element by element.",
    ),
    layer(
        "Hardshrink",
        &[arg(
            "lambd",
            ValueType::Real,
            "0.5",
            Range::Any,
            "Half the width of what becomes 0.",
        )],
        "0 between -lambd and lambd, x elsewhere, element by element.",
    ),
    layer(
        "Softshrink",
        &[arg(
            "lambd",
            ValueType::Real,
            "0.5",
            POSITIVE,
            "By how much x comes nearer to 0.",
        )],
        "x - lambd above lambd, x + lambd below -lambd, 0 between, element by element.",
    ),
    layer(
        "Eq",
        &[arg(
            "other",
            ValueType::Real,
            "0.0",
            Range::Any,
            "The number to compare with.",
        )],
        "1 where x equals other, 0 elsewhere, as torch.eq; its gradient is 0. In a graph `Eq(0)` of the words is the padding mask of \
         sequences that are filled up with 0.",
    ),
    layer("Tanhshrink", &[], "x - tanh(x), element by element."),
    layer(
        "Threshold",
        &[
            required(arg(
                "threshold",
                ValueType::Real,
                "",
                Range::Any,
                "What x has to be above.",
            )),
            required(arg(
                "value",
                ValueType::Real,
                "",
                Range::Any,
                "What comes out where it is not.",
            )),
        ],
        "x above threshold, value elsewhere, element by element.",
    ),
    layer("Identity", &[], "Leaves its input as it is."),
];
