//! Every golden case of the layers, on a device.

use super::support::{Case, content};
use super::{names, same_bits, same_numbers, twins};

fn check(text: &str) {
    for value in content(text) {
        let (host, twin) = twins(Case::of(&value));
        let names = names(&twin.network);
        assert!(names.contains(&"Segment"), "{}", twin.name);
        for name in ["RNN", "LSTM", "GRU", "MultiheadAttention"] {
            assert!(!names.contains(&name), "{}: {names:?}", twin.name);
        }
        twin.numbers(1e-5);
        same_numbers(&host, &twin, 1e-5);
        same_bits(&twin);
    }
}

#[test]
fn attention() {
    check(include_str!("../../../tests/golden/attention.json"));
}

#[test]
fn bilinear() {
    check(include_str!("../../../tests/golden/bilinear.json"));
}

#[test]
fn convolutions() {
    check(include_str!("../../../tests/golden/convolution.json"));
}

#[test]
fn embeddings() {
    check(include_str!("../../../tests/golden/embedding.json"));
}

#[test]
fn joins_and_graphs() {
    check(include_str!("../../../tests/golden/joins.json"));
    check(include_str!("../../../tests/golden/padding.json"));
    check(include_str!("../../../tests/golden/shared.json"));
}

#[test]
fn normalisations() {
    check(include_str!("../../../tests/golden/normalization.json"));
}

#[test]
fn pooling() {
    check(include_str!("../../../tests/golden/pooling.json"));
}

#[test]
fn recurrent() {
    check(include_str!("../../../tests/golden/recurrent.json"));
}

#[test]
fn further() {
    check(include_str!("../../../tests/golden/further.json"));
}

#[test]
fn transformers() {
    check(include_str!("../../../tests/golden/transformer.json"));
}
