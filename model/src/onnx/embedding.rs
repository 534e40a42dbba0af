//! Tables of vectors.

use super::Express;
use super::graph::{Attribute, Graph, Layer, Name};
use super::proto::INT64;
use candlewick_protocol::Failure;

pub(super) const LAYERS: &[(&str, Express)] = &[("Embedding", |graph, layer| Ok(lookup(graph, layer)?.0))];

/// The vectors of the indices, and the indices as whole numbers.
fn lookup(graph: &mut Graph, layer: &Layer<'_>) -> Result<(Name, Name), Failure> {
    let table = layer.required(graph, "weight")?;
    let to = Attribute::Int(i64::from(INT64));
    let indices = graph.node("Cast", &[layer.input()], &[("to", to)]);
    let vectors = graph.node("Gather", &[&table, &indices], &[("axis", Attribute::Int(0))]);
    Ok((vectors, indices))
}
