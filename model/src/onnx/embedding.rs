//! Tables of vectors.

use super::graph::ExportLayer;
use super::graph::{Attribute, Graph, Layer, Name, long};
use super::proto::{FLOAT, INT64};
use candlewick_protocol::Failure;

pub(super) const LAYERS: &[(&str, ExportLayer)] = &[
    ("Embedding", |graph, layer| Ok(lookup(graph, layer)?.0)),
    ("EmbeddingBag", bag),
];

/// The vectors of the indices, and the indices as whole numbers.
fn lookup(graph: &mut Graph, layer: &Layer<'_>) -> Result<(Name, Name), Failure> {
    let table = layer.required(graph, "weight")?;
    let to = Attribute::Int(i64::from(INT64));
    let indices = graph.node("Cast", &[layer.input()], &[("to", to)]);
    let vectors = graph.node("Gather", &[&table, &indices], &[("axis", Attribute::Int(0))]);
    Ok((vectors, indices))
}

/// The sum, mean or largest of a bag's vectors. With a padding index its vectors are left out, and a bag of nothing
/// else becomes 0.
fn bag(graph: &mut Graph, layer: &Layer<'_>) -> Result<Name, Failure> {
    if layer.text("input") == "counts" {
        return bag_of_counts(graph, layer);
    }
    let (vectors, indices) = lookup(graph, layer)?;
    let axis = long(layer.shape().len());
    let mode = layer.text("mode").to_owned();
    let Some(padding) = layer.arguments["padding_idx"].as_i64() else {
        let op = match mode.as_str() {
            "sum" => "Sum",
            "max" => "Max",
            _ => "Mean",
        };
        return Ok(reduced(graph, op, &vectors, axis));
    };
    let rows = layer
        .parameter("weight")
        .map_or(0, |(table, _)| long(table.shape[0]));
    let padding = graph.ints(&[if padding < 0 { padding + rows } else { padding }]);
    let absent = graph.node("Equal", &[&indices, &padding], &[]);
    let present = graph.node("Not", &[&absent], &[]);
    let present = graph.node("Cast", &[&present], &[("to", Attribute::Int(i64::from(FLOAT)))]);
    let count = reduced(graph, "Sum", &present, axis);
    let last = graph.ints(&[-1]);
    let count = graph.node("Unsqueeze", &[&count, &last], &[]);
    if mode == "max" {
        let absent = graph.node("Unsqueeze", &[&absent, &last], &[]);
        let (least, zero) = (graph.real(f32::MIN), graph.real(0.0));
        let vectors = graph.node("Where", &[&absent, &least, &vectors], &[]);
        let largest = reduced(graph, "Max", &vectors, axis);
        let any = graph.node("Greater", &[&count, &zero], &[]);
        return Ok(graph.node("Where", &[&any, &largest, &zero], &[]));
    }
    let present = graph.node("Unsqueeze", &[&present, &last], &[]);
    let vectors = graph.node("Mul", &[&vectors, &present], &[]);
    let sum = reduced(graph, "Sum", &vectors, axis);
    if mode == "sum" {
        return Ok(sum);
    }
    let one = graph.real(1.0);
    let count = graph.node("Max", &[&count, &one], &[]);
    Ok(graph.node("Div", &[&sum, &count], &[]))
}

/// The same of a vector of counts: a product with the table, but for the largest.
fn bag_of_counts(graph: &mut Graph, layer: &Layer<'_>) -> Result<Name, Failure> {
    let table = layer.required(graph, "weight")?;
    let mut counts = layer.input().to_owned();
    if let Some(padding) = layer.arguments["padding_idx"].as_i64() {
        let rows = layer.shape().first().map_or(0, |width| long(*width));
        let padding = if padding < 0 { padding + rows } else { padding };
        let counted = (0..rows).map(|at| if at == padding { 0.0 } else { 1.0 });
        let counted = graph.reals(layer.shape(), &counted.collect::<Vec<f32>>());
        counts = graph.node("Mul", &[&counts, &counted], &[]);
    }
    let (zero, one, last) = (graph.real(0.0), graph.real(1.0), graph.ints(&[-1]));
    if layer.text("mode") == "max" {
        let absent = graph.node("Equal", &[&counts, &zero], &[]);
        let absent = graph.node("Unsqueeze", &[&absent, &last], &[]);
        let least = graph.real(f32::MIN);
        let vectors = graph.node("Where", &[&absent, &least, &table], &[]);
        let largest = reduced(graph, "Max", &vectors, 1);
        let none = graph.node("Equal", &[&largest, &least], &[]);
        return Ok(graph.node("Where", &[&none, &zero, &largest], &[]));
    }
    let sum = graph.node("MatMul", &[&counts, &table], &[]);
    if layer.text("mode") == "sum" {
        return Ok(sum);
    }
    let count = reduced(graph, "Sum", &counts, 1);
    let count = graph.node("Unsqueeze", &[&count, &last], &[]);
    let none = graph.node("Equal", &[&count, &zero], &[]);
    let count = graph.node("Where", &[&none, &one, &count], &[]);
    Ok(graph.node("Div", &[&sum, &count], &[]))
}

/// A reduction that drops its axis. ReduceSum takes its axes as an input since set 13, the others since set 18.
fn reduced(graph: &mut Graph, op: &str, value: &str, axis: i64) -> Name {
    let drop = ("keepdims", Attribute::Int(0));
    if op == "Sum" {
        let axes = graph.ints(&[axis]);
        return graph.node("ReduceSum", &[value, &axes], &[drop]);
    }
    let axes = ("axes", Attribute::Ints(vec![axis]));
    graph.node(&format!("Reduce{op}"), &[value], &[axes, drop])
}
