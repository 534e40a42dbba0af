//! The catalogue: every layer, loss and optimiser with its arguments, their order, types, defaults and ranges.
//!
//! It is the one home of these facts. [`crate::arguments`] checks documents against it, and the builders of Scala
//! and Python (`nn.*`, `optim.*`) are generated from it, documentation included. Names, order and defaults are
//! PyTorch's.

use serde_json::{Value, json};

/// What an entry of the catalogue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A layer of a network: `nn.*`.
    Layer,
    /// A loss: `nn.*`.
    Loss,
    /// An optimiser: `optim.*`.
    Optimizer,
}

/// Type of an argument's value in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgType {
    /// A whole number.
    Int,
    /// A finite real number.
    Real,
    /// true or false.
    Bool,
    /// A text.
    Text,
    /// A list of two finite real numbers.
    RealPair,
}

/// Which values of its type an argument takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Range {
    /// Every value.
    Any,
    /// Whole numbers in `min..=max`.
    Ints {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// Reals from `min` on, without an upper bound.
    AtLeast(f64),
    /// Reals in `min..=max`.
    Closed {
        /// Smallest.
        min: f64,
        /// Largest.
        max: f64,
    },
    /// Reals in `min..max`: the upper bound itself is not legal.
    HalfOpen {
        /// Smallest.
        min: f64,
        /// Upper bound.
        below: f64,
    },
    /// One of these texts.
    OneOf(&'static [&'static str]),
}

/// One argument of a constructor.
#[derive(Debug, Clone, Copy)]
pub struct Arg {
    /// Name, in documents and in both languages.
    pub name: &'static str,
    /// Type of its value.
    pub ty: ArgType,
    /// Default as JSON text; `None` = required (or inferred, where `input`).
    pub default: Option<&'static str>,
    /// True for a size of the input (such as `in_features`): the short form leaves it out and it is inferred; given,
    /// it is checked.
    pub input: bool,
    /// True where PyTorch takes it by keyword only.
    pub keyword: bool,
    /// Legal values.
    pub range: Range,
    /// What it does, one sentence or more.
    pub doc: &'static str,
}

/// One layer, loss or optimiser.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Name, PyTorch's.
    pub name: &'static str,
    /// What it does, one sentence or more.
    pub doc: &'static str,
    /// Arguments in positional order.
    pub args: &'static [Arg],
}

/// Largest size of a dimension that an argument can ask for.
pub const MAX_SIZE: i64 = 1 << 31;

/// The one layer that holds layers. It has no arguments but its `layers`, so the builders write it by hand.
pub const CONTAINER: &str = "Sequential";

const fn arg(name: &'static str, ty: ArgType, default: &'static str, range: Range, doc: &'static str) -> Arg {
    Arg {
        name,
        ty,
        default: Some(default),
        input: false,
        keyword: false,
        range,
        doc,
    }
}

const fn keyword(arg: Arg) -> Arg {
    Arg { keyword: true, ..arg }
}

const fn required(arg: Arg) -> Arg {
    Arg { default: None, ..arg }
}

const fn inferred(arg: Arg) -> Arg {
    Arg {
        default: None,
        input: true,
        ..arg
    }
}

const fn layer(name: &'static str, args: &'static [Arg], doc: &'static str) -> Entry {
    Entry {
        kind: Kind::Layer,
        name,
        doc,
        args,
    }
}

const SIZE: Range = Range::Ints {
    min: 1,
    max: MAX_SIZE,
};
const DIMENSION: Range = Range::Ints { min: -64, max: 64 };
const POSITIVE: Range = Range::AtLeast(0.0);

const REDUCTION: Arg = keyword(arg(
    "reduction",
    ArgType::Text,
    "\"mean\"",
    Range::OneOf(&["mean"]),
    "How the rows' losses become one number: \"mean\" is the mean over the batch, weighted by weightCol.",
));
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

/// Every layer, loss and optimiser.
pub static CATALOGUE: &[Entry] = &[
    layer(
        "Linear",
        &[
            inferred(arg(
                "in_features",
                ArgType::Int,
                "",
                SIZE,
                "Size of the last dimension of the input.",
            )),
            required(arg(
                "out_features",
                ArgType::Int,
                "",
                SIZE,
                "Size of the last dimension of the output.",
            )),
            arg("bias", ArgType::Bool, "true", Range::Any, "Add a learned bias."),
        ],
        "Affine map of the last dimension: y = x Wᵀ + b. Weights and bias start uniform in ±1/√in_features.",
    ),
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
            ArgType::Text,
            "\"none\"",
            Range::OneOf(&["none", "tanh"]),
            "\"none\" for the exact function, \"tanh\" for the approximation by tanh.",
        )],
        "Gaussian error linear unit: x Φ(x), element by element.",
    ),
    layer(
        "Dropout",
        &[arg(
            "p",
            ArgType::Real,
            "0.5",
            Range::Closed { min: 0.0, max: 1.0 },
            "Probability that an element is set to zero.",
        )],
        "While training, sets elements to zero with probability p and scales the others by 1 / (1 - p); the identity when scoring.",
    ),
    layer(
        "Flatten",
        &[
            arg(
                "start_dim",
                ArgType::Int,
                "1",
                DIMENSION,
                "First dimension to flatten; 0 is the batch.",
            ),
            arg(
                "end_dim",
                ArgType::Int,
                "-1",
                DIMENSION,
                "Last dimension to flatten; -1 is the last.",
            ),
        ],
        "Merges dimensions into one. The batch dimension stays.",
    ),
    Entry {
        kind: Kind::Loss,
        name: "CrossEntropyLoss",
        doc: "Cross entropy between logits (one output per class) and the label's class.",
        args: &[REDUCTION],
    },
    Entry {
        kind: Kind::Loss,
        name: "BCEWithLogitsLoss",
        doc: "Binary cross entropy between a logit and a label of 0 or 1. A network with one output makes a classifier of two classes.",
        args: &[REDUCTION],
    },
    Entry {
        kind: Kind::Loss,
        name: "MSELoss",
        doc: "Mean of the squared difference between output and label.",
        args: &[REDUCTION],
    },
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

/// The entry called `name` of a kind.
#[must_use]
pub fn find(kind: Kind, name: &str) -> Option<&'static Entry> {
    CATALOGUE
        .iter()
        .find(|entry| entry.kind == kind && entry.name == name)
}

/// Names of all entries of a kind, in the catalogue's order; of layers also [`CONTAINER`].
#[must_use]
pub fn names(kind: Kind) -> Vec<&'static str> {
    let container = (kind == Kind::Layer).then_some(CONTAINER);
    CATALOGUE
        .iter()
        .filter(|entry| entry.kind == kind)
        .map(|entry| entry.name)
        .chain(container)
        .collect()
}

impl ArgType {
    /// Name of the type in [`catalogue_json`]: `int`, `real`, `bool`, `text`, `realPair`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ArgType::Int => "int",
            ArgType::Real => "real",
            ArgType::Bool => "bool",
            ArgType::Text => "text",
            ArgType::RealPair => "realPair",
        }
    }
}

impl Range {
    fn to_json(self) -> Value {
        match self {
            Range::Any => Value::Null,
            Range::Ints { min, max } => json!({"min": min, "max": max}),
            Range::AtLeast(min) => json!({"min": min}),
            Range::Closed { min, max } => json!({"min": min, "max": max}),
            Range::HalfOpen { min, below } => json!({"min": min, "below": below}),
            Range::OneOf(texts) => json!({"oneOf": texts}),
        }
    }
}

/// The default of an argument as a JSON value; null where it is required or inferred.
#[must_use]
pub fn default_of(arg: &Arg) -> Value {
    arg.default
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or(Value::Null)
}

/// The whole catalogue as JSON text, for the generator of the builders:
/// `[{"kind": "layer"|"loss"|"optimizer", "name", "doc", "args": [{"name", "type", "default", "required", "input",
/// "keyword", "range", "doc"}]}]`.
///
/// ```
/// let text = candlewick_model::catalogue::catalogue_json();
/// assert!(text.contains("\"in_features\""));
/// ```
#[must_use]
pub fn catalogue_json() -> String {
    let entries: Vec<Value> = CATALOGUE.iter().map(entry_json).collect();
    format!("{:#}", Value::Array(entries))
}

fn entry_json(entry: &Entry) -> Value {
    let kind = match entry.kind {
        Kind::Layer => "layer",
        Kind::Loss => "loss",
        Kind::Optimizer => "optimizer",
    };
    let args: Vec<Value> = entry
        .args
        .iter()
        .map(|arg| {
            json!({
                "name": arg.name,
                "type": arg.ty.name(),
                "default": default_of(arg),
                "required": arg.default.is_none() && !arg.input,
                "input": arg.input,
                "keyword": arg.keyword,
                "range": arg.range.to_json(),
                "doc": arg.doc,
            })
        })
        .collect();
    json!({"kind": kind, "name": entry.name, "doc": entry.doc, "args": args})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments;

    #[test]
    fn every_default_is_legal_and_every_doc_a_sentence() {
        for entry in CATALOGUE {
            assert!(entry.doc.ends_with('.'), "{}", entry.name);
            for arg in entry.args {
                assert!(arg.doc.ends_with('.'), "{}.{}", entry.name, arg.name);
                if arg.default.is_some() {
                    arguments::check(arg, &default_of(arg)).unwrap();
                }
            }
        }
    }

    #[test]
    fn names_are_unique() {
        for (at, entry) in CATALOGUE.iter().enumerate() {
            assert!(
                CATALOGUE[..at].iter().all(|other| other.name != entry.name),
                "{}",
                entry.name
            );
        }
        assert_eq!(names(Kind::Layer).last(), Some(&CONTAINER));
    }

    #[test]
    fn the_json_is_complete() {
        let all: Value = serde_json::from_str(&catalogue_json()).unwrap();
        assert_eq!(all.as_array().unwrap().len(), CATALOGUE.len());
        assert_eq!(all[0]["args"][0]["input"], true);
        assert_eq!(all[0]["args"][1]["required"], true);
        assert_eq!(all[0]["args"][2]["default"], true);
    }
}
