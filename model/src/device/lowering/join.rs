//! Layers that bring several values together, and the ends of a graph.

use super::layer::{Answer, Layer, Lowering, dimension};
use candle_core::Tensor;

pub(super) const LAYERS: &[(&str, Lowering)] = &[
    ("Add", sum),
    ("Residual", sum),
    ("Multiply", |layer| {
        let (first, rest) = (layer.input().clone(), &layer.inputs[1..]);
        Ok(rest.iter().try_fold(first, |product, input| product * input)?)
    }),
    ("Concat", |layer| {
        let at = dimension(layer.arguments.int("dim"), layer.input().rank());
        Ok(Tensor::cat(layer.inputs, at)?)
    }),
];

fn sum(layer: &Layer<'_>) -> Answer {
    let (first, rest) = (layer.input().clone(), &layer.inputs[1..]);
    Ok(rest.iter().try_fold(first, |sum, input| sum + input)?)
}

/// A part of every row of features: an input of a graph.
pub(in crate::device) fn select(features: &Tensor, start: usize, shape: &[usize]) -> Answer {
    let rows = features.dims()[0];
    let size = shape.iter().product();
    let part = features.flatten_from(1)?.narrow(1, start, size)?;
    Ok(part.reshape(super::layer::batched(rows, shape))?)
}

/// Values one after another in a row: the outputs of a graph.
pub(in crate::device) fn concat(parts: &[Tensor]) -> Answer {
    let flat: Vec<Tensor> = parts
        .iter()
        .map(|part| part.flatten_from(1))
        .collect::<Result<_, _>>()?;
    match flat.as_slice() {
        [one] => Ok(one.clone()),
        _ => Ok(Tensor::cat(&flat, 1)?),
    }
}
