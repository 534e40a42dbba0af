//! The catalogue: every layer, loss, optimiser and schedule with its arguments, their order, types, defaults and ranges.
//!
//! It is the one home of these facts. [`crate::arguments`] checks documents against it, and the builders of Scala
//! and Python (`nn.*`, `optim.*`) are generated from it, documentation included. Names, order and defaults are
//! PyTorch's.

mod activation;
mod attention;
mod convolution;
mod embedding;
mod entry;
mod initializer;
mod join;
mod linear;
mod loss;
mod normalization;
mod optimizer;
mod padding;
mod pooling;
mod recurrent;
mod regularization;
mod scheduler;
mod shape;
mod softmax;

pub use entry::{Arg, ArgType, Entry, Kind, MAX_SIZE, Range, default_of};
use serde_json::{Value, json};

/// The one layer that holds layers. It has no arguments but its `layers`, so the builders write it by hand.
pub const CONTAINER: &str = "Sequential";

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
    padding::ENTRIES,
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
