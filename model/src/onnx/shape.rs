//! Changes of shape, and layers over the last dimension.

use super::graph::ExportLayer;
use super::graph::{Attribute, Graph, Layer, Name, long};
use crate::layers::nearest;
use candlewick_protocol::Failure;

pub(super) const LAYERS: &[(&str, ExportLayer)] = &[
    ("Flatten", reshape),
    ("Unflatten", reshape),
    ("Reshape", reshape),
    ("Permute", |graph, layer| {
        let order: Vec<i64> = layer.arguments["dims"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(serde_json::Value::as_i64)
            .collect();
        let rank = i64::try_from(order.len()).unwrap_or(0);
        let order: Vec<i64> = order
            .iter()
            .map(|dim| if *dim < 0 { dim + rank } else { *dim })
            .collect();
        Ok(graph.transpose(layer.input(), &order))
    }),
    ("Upsample", |graph, layer| {
        // Not by Resize, whose quotients are others: what each place shows is known.
        let by_factor = layer.arguments["size"].is_null();
        let mut value = layer.input().to_owned();
        for dim in [1, 2] {
            let from = nearest(layer.shape()[dim], layer.output[dim], by_factor);
            let from: Vec<i64> = from.into_iter().map(long).collect();
            let from = graph.ints(&from);
            let axis = Attribute::Int(long(dim + 1));
            value = graph.node("Gather", &[&value, &from], &[("axis", axis)]);
        }
        Ok(value)
    }),
    ("Linear", linear),
    ("Bilinear", bilinear),
];

fn reshape(graph: &mut Graph, layer: &Layer<'_>) -> Result<Name, Failure> {
    Ok(graph.reshape(layer.input(), layer.output))
}

fn linear(graph: &mut Graph, layer: &Layer<'_>) -> Result<Name, Failure> {
    let weight = layer.required(graph, "weight")?;
    let weight = graph.transpose(&weight, &[1, 0]);
    let product = graph.node("MatMul", &[layer.input(), &weight], &[]);
    Ok(match layer.constant(graph, "bias") {
        Some(bias) => graph.node("Add", &[&product, &bias], &[]),
        None => product,
    })
}

/// y_o = a' W_o b + bias_o: a' W for all outputs at once, then the sum over b.
fn bilinear(graph: &mut Graph, layer: &Layer<'_>) -> Result<Name, Failure> {
    let weight = layer.required(graph, "weight")?;
    let [left, right] = layer.inputs else {
        return Err(Failure::internal("Bilinear reads two inputs"));
    };
    let equation = Attribute::Text("...i,oij,...j->...o");
    let product = graph.node("Einsum", &[left, &weight, right], &[("equation", equation)]);
    Ok(match layer.constant(graph, "bias") {
        Some(bias) => graph.node("Add", &[&product, &bias], &[]),
        None => product,
    })
}
