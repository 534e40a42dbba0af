//! Changes of shape, and layers over the last dimension.

use super::graph::ExportLayer;
use super::graph::{Attribute, Graph, Layer, Name};
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
        // The factors, from the sizes: element i of the output is element floor(i / factor) of the input.
        #[expect(clippy::cast_precision_loss, reason = "sizes of an image")]
        let factor = |at: usize| layer.output[at] as f32 / layer.shape()[at] as f32;
        let scales = graph.reals(&[4], &[1.0, 1.0, factor(1), factor(2)]);
        let attributes = [
            ("mode", Attribute::Text("nearest")),
            ("coordinate_transformation_mode", Attribute::Text("asymmetric")),
            ("nearest_mode", Attribute::Text("floor")),
        ];
        Ok(graph.node("Resize", &[layer.input(), "", &scales], &attributes))
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
