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
mod stopping;

pub use entry::{Arg, Entry, Kind, default_of};

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
    stopping::ENTRIES,
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
}
