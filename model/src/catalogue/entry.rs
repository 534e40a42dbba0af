//! What an entry of the catalogue and its arguments are.

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
    /// A schedule of the learning rate: `optim.lr_scheduler.*`.
    Scheduler,
    /// How parameters start: `nn.init.*`.
    Initializer,
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
    /// A list of finite real numbers, at least one.
    RealList,
    /// A list of whole numbers, at least one.
    IntList,
    /// A whole number for all dimensions, or a list with one for each of so many (PyTorch's `_size_2_t`); 0 for a list
    /// of any length.
    Size(usize),
    /// As [`ArgType::Size`], but in a list null stands for the size of the input (PyTorch's `_size_2_opt_t`).
    OpenSize(usize),
    /// As [`ArgType::Size`], or "same" or "valid".
    Padding(usize),
    /// A document of that kind.
    Document(Kind),
    /// A list of documents of that kind, at least one.
    Documents(Kind),
    /// A list of an optimiser's groups, at least one: objects with `params`, a pattern of parameter names or a list of
    /// them, and with `frozen` or numbers among the optimiser's arguments.
    Groups,
}

impl ArgType {
    /// Name of the type in [`catalogue_json`], such as `int` or `realPair`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ArgType::Int => "int",
            ArgType::Real => "real",
            ArgType::Bool => "bool",
            ArgType::Text => "text",
            ArgType::RealPair => "realPair",
            ArgType::RealList => "realList",
            ArgType::IntList => "intList",
            ArgType::Size(_) => "size",
            ArgType::OpenSize(_) => "openSize",
            ArgType::Padding(_) => "padding",
            ArgType::Document(_) => "document",
            ArgType::Documents(_) => "documents",
            ArgType::Groups => "groups",
        }
    }
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

impl Range {
    pub(super) fn to_json(self) -> Value {
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
    /// True where null is legal and means "without": PyTorch's `None`.
    pub nullable: bool,
    /// Legal values; of a list, of its items.
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

/// The default of an argument as a JSON value; null where it is required or inferred.
#[must_use]
pub fn default_of(arg: &Arg) -> Value {
    arg.default
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or(Value::Null)
}

pub(super) const fn arg(
    name: &'static str,
    ty: ArgType,
    default: &'static str,
    range: Range,
    doc: &'static str,
) -> Arg {
    Arg {
        name,
        ty,
        default: Some(default),
        input: false,
        keyword: false,
        nullable: false,
        range,
        doc,
    }
}

pub(super) const fn keyword(arg: Arg) -> Arg {
    Arg { keyword: true, ..arg }
}

/// An argument that may be null, which is its default.
pub(super) const fn nullable(arg: Arg) -> Arg {
    Arg {
        default: Some("null"),
        nullable: true,
        ..arg
    }
}

pub(super) const fn required(arg: Arg) -> Arg {
    Arg { default: None, ..arg }
}

pub(super) const fn inferred(arg: Arg) -> Arg {
    Arg {
        default: None,
        input: true,
        ..arg
    }
}

pub(super) const fn layer(name: &'static str, args: &'static [Arg], doc: &'static str) -> Entry {
    Entry {
        kind: Kind::Layer,
        name,
        doc,
        args,
    }
}

pub(super) const SIZE: Range = Range::Ints {
    min: 1,
    max: MAX_SIZE,
};

pub(super) const POSITIVE: Range = Range::AtLeast(0.0);
