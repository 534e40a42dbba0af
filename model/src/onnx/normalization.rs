//! Normalisations, as they score.

use super::graph::ExportLayer;
use super::graph::{Attribute, Graph, Layer, Name, long};
use candlewick_protocol::Failure;
use serde_json::Value;

pub(super) const LAYERS: &[(&str, ExportLayer)] = &[
    ("BatchNorm1d", batch_norm),
    ("BatchNorm2d", batch_norm),
    ("LayerNorm", layer_norm),
    ("GroupNorm", |graph, layer| {
        let groups = usize::try_from(layer.int("num_groups")).unwrap_or(1);
        group_norm(graph, layer, groups.max(1))
    }),
    ("LocalResponseNorm", response_norm),
    ("InstanceNorm1d", |graph, layer| {
        group_norm(graph, layer, layer.shape()[0])
    }),
    ("InstanceNorm2d", |graph, layer| {
        group_norm(graph, layer, layer.shape()[0])
    }),
    ("RMSNorm", rms_norm),
];

fn batch_norm(graph: &mut Graph, layer: &Layer<'_>) -> Result<Name, Failure> {
    let Some((running, _)) = layer.parameter("running_mean") else {
        return Err(Failure::parameter(format!(
            "{} with track_running_stats=false has no counterpart in ONNX",
            layer.kind
        )));
    };
    let channels = running.shape.clone();
    let weight = match layer.constant(graph, "weight") {
        Some(weight) => weight,
        None => graph.reals(&channels, &vec![1.0; channels[0]]),
    };
    let bias = match layer.constant(graph, "bias") {
        Some(bias) => bias,
        None => graph.reals(&channels, &vec![0.0; channels[0]]),
    };
    let mean = layer.required(graph, "running_mean")?;
    let variance = layer.required(graph, "running_var")?;
    let inputs = [layer.input(), &weight, &bias, &mean, &variance];
    Ok(graph.node(
        "BatchNormalization",
        &inputs,
        &[("epsilon", Attribute::Real(layer.real("eps")))],
    ))
}

/// First of the dimensions that are normalised, counted with the batch.
fn first_axis(layer: &Layer<'_>) -> i64 {
    let sizes = match &layer.arguments["normalized_shape"] {
        Value::Array(sizes) => sizes.len(),
        _ => 1,
    };
    long(layer.shape().len() + 1 - sizes)
}

fn normalized_shape(layer: &Layer<'_>) -> Vec<usize> {
    let first = usize::try_from(first_axis(layer) - 1).unwrap_or(0);
    layer.shape()[first..].to_vec()
}

fn layer_norm(graph: &mut Graph, layer: &Layer<'_>) -> Result<Name, Failure> {
    let shape = normalized_shape(layer);
    let mut inputs = vec![layer.input().to_owned()];
    inputs.push(match layer.constant(graph, "weight") {
        Some(weight) => weight,
        None => graph.reals(&shape, &vec![1.0; shape.iter().product()]),
    });
    inputs.extend(layer.constant(graph, "bias"));
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let attributes = [
        ("axis", Attribute::Int(first_axis(layer))),
        ("epsilon", Attribute::Real(layer.real("eps"))),
    ];
    Ok(graph.node("LayerNormalization", &inputs, &attributes))
}

/// Every group normalised as one row, then scale and shift by channel.
fn group_norm(graph: &mut Graph, layer: &Layer<'_>, groups: usize) -> Result<Name, Failure> {
    let shape = layer.shape();
    let size = shape.iter().product::<usize>() / groups;
    let rows = graph.reshape(layer.input(), &[groups, size]);
    let ones = graph.reals(&[size], &vec![1.0; size]);
    let attributes = [
        ("axis", Attribute::Int(-1)),
        ("epsilon", Attribute::Real(layer.real("eps"))),
    ];
    let rows = graph.node("LayerNormalization", &[&rows, &ones], &attributes);
    let mut value = graph.reshape(&rows, shape);
    let mut by_channel = vec![1; shape.len()];
    by_channel[0] = shape[0];
    for (parameter, op) in [("weight", "Mul"), ("bias", "Add")] {
        if let Some((_, values)) = layer.parameter(parameter) {
            let constant = graph.reals(&by_channel, values);
            value = graph.node(op, &[&value, &constant], &[]);
        }
    }
    Ok(value)
}

/// x / sqrt(mean x² + eps) · weight: the operator comes with set 23 only.
fn rms_norm(graph: &mut Graph, layer: &Layer<'_>) -> Result<Name, Failure> {
    let axes: Vec<i64> = (first_axis(layer)..=long(layer.shape().len())).collect();
    let eps = match layer.arguments["eps"].as_f64() {
        Some(_) => layer.real("eps"),
        None => f32::EPSILON,
    };
    let square = graph.node("Mul", &[layer.input(), layer.input()], &[]);
    let attributes = [("axes", Attribute::Ints(axes)), ("keepdims", Attribute::Int(1))];
    let mean = graph.node("ReduceMean", &[&square], &attributes);
    let eps = graph.real(eps);
    let sum = graph.node("Add", &[&mean, &eps], &[]);
    let root = graph.node("Sqrt", &[&sum], &[]);
    let value = graph.node("Div", &[layer.input(), &root], &[]);
    Ok(match layer.constant(graph, "weight") {
        Some(weight) => graph.node("Mul", &[&value, &weight], &[]),
        None => value,
    })
}

/// The operator's window of an even size has one more channel after the channel itself, PyTorch's one more before it.
fn response_norm(graph: &mut Graph, layer: &Layer<'_>) -> Result<Name, Failure> {
    let (size, shape) = (layer.int("size"), layer.shape());
    if size % 2 == 0 {
        return Err(Failure::parameter(format!(
            "{} with an even size has no counterpart in ONNX; got size = {size}",
            layer.kind
        )));
    }
    let planes = graph.reshape(layer.input(), &[shape[0], shape[1..].iter().product(), 1]);
    let attributes = [
        ("alpha", Attribute::Real(layer.real("alpha"))),
        ("beta", Attribute::Real(layer.real("beta"))),
        ("bias", Attribute::Real(layer.real("k"))),
        ("size", Attribute::Int(size)),
    ];
    let value = graph.node("LRN", &[&planes], &attributes);
    Ok(graph.reshape(&value, shape))
}
