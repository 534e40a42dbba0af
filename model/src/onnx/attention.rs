//! Multi-head attention in small parts, and positional encodings.

use super::graph::ExportLayer;
use super::graph::{Attribute, Graph, Layer, Name};
use crate::layers::sines;
use candlewick_protocol::Failure;

pub(super) const LAYERS: &[(&str, ExportLayer)] = &[
    ("MultiheadAttention", attention),
    ("PositionalEncoding", |graph, layer| {
        let &[length, size] = layer.shape() else {
            return Err(Failure::internal("PositionalEncoding reads a sequence"));
        };
        let table = graph.reals(&[length, size], &sines(length, size));
        Ok(graph.node("Add", &[layer.input(), &table], &[]))
    }),
    ("LearnedPositionalEncoding", |graph, layer| {
        let &[length, size] = layer.shape() else {
            return Err(Failure::internal("LearnedPositionalEncoding reads a sequence"));
        };
        let table = graph.reals(&[length, size], &layer.values("weight")?[..length * size]);
        Ok(graph.node("Add", &[layer.input(), &table], &[]))
    }),
];

/// One of the three input projections, cut into heads: [rows, heads, time, size].
fn projection(
    graph: &mut Graph,
    layer: &Layer<'_>,
    (part, input): (usize, &str),
    time: usize,
) -> Result<Name, Failure> {
    let heads = usize::try_from(layer.int("num_heads")).unwrap_or(1).max(1);
    let width = layer.output.last().copied().unwrap_or(1);
    let matrix = match layer.parameter("in_proj_weight") {
        Some((_, weight)) => {
            let rows = &weight[part * width * width..(part + 1) * width * width];
            graph.reals(&[width, width], rows)
        }
        // Keys or values of another width have matrices of their own.
        None => layer.required(graph, ["q_proj_weight", "k_proj_weight", "v_proj_weight"][part])?,
    };
    let matrix = graph.transpose(&matrix, &[1, 0]);
    let mut value = graph.node("MatMul", &[input, &matrix], &[]);
    if let Some((_, bias)) = layer.parameter("in_proj_bias") {
        let bias = graph.reals(&[width], &bias[part * width..(part + 1) * width]);
        value = graph.node("Add", &[&value, &bias], &[]);
    }
    let split = graph.reshape(&value, &[time, heads, width / heads]);
    Ok(graph.transpose(&split, &[0, 2, 1, 3]))
}

fn attention(graph: &mut Graph, layer: &Layer<'_>) -> Result<Name, Failure> {
    let heads = usize::try_from(layer.int("num_heads")).unwrap_or(1).max(1);
    let width = layer.output.last().copied().unwrap_or(1);
    let padded = matches!(layer.inputs.len(), 2 | 4);
    let own = layer.inputs.len() - usize::from(padded);
    let place = |at: usize| if at < own { at } else { 0 };
    let input = |at: usize| layer.inputs[place(at)].as_str();
    let time = |at: usize| layer.shapes[place(at)][0];
    let query = projection(graph, layer, (0, input(0)), time(0))?;
    let key = projection(graph, layer, (1, input(1)), time(1))?;
    let value = projection(graph, layer, (2, input(2)), time(1))?;
    let key = graph.transpose(&key, &[0, 1, 3, 2]);
    let scores = graph.node("MatMul", &[&query, &key], &[]);
    #[expect(clippy::cast_precision_loss, reason = "a scale")]
    let scale = graph.real(1.0 / ((width / heads) as f32).sqrt());
    let scores = graph.node("Mul", &[&scores, &scale], &[]);
    // Of each key: 0 where a query sees it.
    let mut hidden = None;
    if layer.flag("is_causal") {
        let (queries, keys) = (time(0), time(1));
        let later = |at: usize| f32::from(u8::from(at % keys > at / keys));
        let later: Vec<f32> = (0..queries * keys).map(later).collect();
        hidden = Some(graph.reals(&[queries, keys], &later));
    }
    if padded {
        let padding = graph.reshape(&layer.inputs[own], &[1, 1, time(1)]);
        // A mask is 0 or 1; what is not 0 hides.
        let padding = graph.node("Abs", &[&padding], &[]);
        hidden = Some(match hidden {
            Some(later) => graph.node("Add", &[&padding, &later], &[]),
            None => padding,
        });
    }
    let softmax = &[("axis", Attribute::Int(-1))];
    let shares = match hidden {
        None => graph.node("Softmax", &[&scores], softmax),
        Some(hidden) => {
            let (none, least) = (graph.real(0.0), graph.real(f32::MIN));
            let seen = graph.node("Equal", &[&hidden, &none], &[]);
            let scores = graph.node("Where", &[&seen, &scores, &least], &[]);
            let shares = graph.node("Softmax", &[&scores], softmax);
            // A query that sees none has no shares, where softmax makes equal ones.
            graph.node("Where", &[&seen, &shares, &none], &[])
        }
    };
    let mixed = graph.node("MatMul", &[&shares, &value], &[]);
    let mixed = graph.transpose(&mixed, &[0, 2, 1, 3]);
    let mixed = graph.reshape(&mixed, &[time(0), width]);
    let weight = layer.required(graph, "out_proj.weight")?;
    let weight = graph.transpose(&weight, &[1, 0]);
    let output = graph.node("MatMul", &[&mixed, &weight], &[]);
    Ok(match layer.constant(graph, "out_proj.bias") {
        Some(bias) => graph.node("Add", &[&output, &bias], &[]),
        None => output,
    })
}
