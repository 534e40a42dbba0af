//! The catalogue: every layer, loss, optimiser and schedule with its arguments, their order, types, defaults and ranges.
//!
//! It is the one home of these facts. [`crate::arguments`] checks documents against it, and the builders of Scala
//! and Python (`nn.*`, `optim.*`) are generated from it, documentation included. Names, order and defaults are
//! PyTorch's.

mod activation;
mod attention;
mod convolution;
mod embedding;
mod initializer;
mod join;
mod linear;
mod loss;
mod normalization;
mod optimizer;
mod pooling;
mod recurrent;
mod regularization;
mod scheduler;
mod shape;
mod softmax;

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

/// The one layer that holds layers. It has no arguments but its `layers`, so the builders write it by hand.
pub const CONTAINER: &str = "Sequential";

const fn arg(name: &'static str, ty: ArgType, default: &'static str, range: Range, doc: &'static str) -> Arg {
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

const fn keyword(arg: Arg) -> Arg {
    Arg { keyword: true, ..arg }
}

/// An argument that may be null, which is its default.
const fn nullable(arg: Arg) -> Arg {
    Arg {
        default: Some("null"),
        nullable: true,
        ..arg
    }
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
const POSITIVE: Range = Range::AtLeast(0.0);

/// The families of the catalogue, in the order of its pages.
const FAMILIES: &[&[Entry]] = &[
    linear::ENTRIES,
    embedding::ENTRIES,
    attention::ENTRIES,
    activation::ENTRIES,
    convolution::ENTRIES,
    pooling::ENTRIES,
    softmax::ENTRIES,
    normalization::ENTRIES,
    regularization::ENTRIES,
    shape::ENTRIES,
    recurrent::ENTRIES,
    join::ENTRIES,
    loss::ENTRIES,
    optimizer::ENTRIES,
    scheduler::ENTRIES,
    initializer::ENTRIES,
];

/// The families, in the order of the pages.
pub fn families() -> impl Iterator<Item = &'static [Entry]> {
    FAMILIES.iter().copied()
}

/// Every layer, loss and optimiser.
pub fn entries() -> impl Iterator<Item = &'static Entry> {
    FAMILIES.iter().copied().flatten()
}

/// The entry called `name` of a kind.
#[must_use]
pub fn find(kind: Kind, name: &str) -> Option<&'static Entry> {
    entries().find(|entry| entry.kind == kind && entry.name == name)
}

/// Names of all entries of a kind, in the catalogue's order; of layers also [`CONTAINER`].
#[must_use]
pub fn names(kind: Kind) -> Vec<&'static str> {
    let container = (kind == Kind::Layer).then_some(CONTAINER);
    entries()
        .filter(|entry| entry.kind == kind)
        .map(|entry| entry.name)
        .chain(container)
        .collect()
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
            ArgType::Padding(_) => "padding",
            ArgType::Document(_) => "document",
            ArgType::Documents(_) => "documents",
            ArgType::Groups => "groups",
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
/// `[{"kind": "layer"|"loss"|"optimizer"|"scheduler"|"initializer", "name", "doc", "args": [{"name", "type", "default", "required", "input",
/// "keyword", "nullable", "range", "doc"}]}]`.
///
/// ```
/// let text = candlewick_model::catalogue::catalogue_json();
/// assert!(text.contains("\"in_features\""));
/// ```
#[must_use]
pub fn catalogue_json() -> String {
    let entries: Vec<Value> = entries().map(entry_json).collect();
    format!("{:#}", Value::Array(entries))
}

fn entry_json(entry: &Entry) -> Value {
    let kind = match entry.kind {
        Kind::Layer => "layer",
        Kind::Loss => "loss",
        Kind::Optimizer => "optimizer",
        Kind::Scheduler => "scheduler",
        Kind::Initializer => "initializer",
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
                "nullable": arg.nullable,
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
        for entry in entries() {
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
        for (at, entry) in entries().enumerate() {
            assert!(
                entries().take(at).all(|other| other.name != entry.name),
                "{}",
                entry.name
            );
        }
        assert_eq!(names(Kind::Layer).last(), Some(&CONTAINER));
    }

    #[test]
    fn the_json_is_complete() {
        let all: Value = serde_json::from_str(&catalogue_json()).unwrap();
        assert_eq!(all.as_array().unwrap().len(), entries().count());
        assert_eq!(all[0]["args"][0]["input"], true);
        assert_eq!(all[0]["args"][1]["required"], true);
        assert_eq!(all[0]["args"][2]["default"], true);
    }
}
