//! Layers that change the shape, or move elements.

use super::layer::{Answer, Layer, Lowering, dimension};
use crate::layers::nearest;
use crate::numbers::clamp_u32;

pub(super) const LAYERS: &[(&str, Lowering)] = &[
    ("Flatten", view),
    ("Unflatten", view),
    ("Reshape", view),
    ("Permute", |layer| {
        let rank = layer.input().rank();
        let order = layer.arguments.ints("dims");
        let order: Vec<usize> = order.iter().map(|given| dimension(*given, rank)).collect();
        Ok(layer.input().permute(order)?.contiguous()?)
    }),
    ("Upsample", upsample),
];

fn view(layer: &Layer<'_>) -> Answer {
    layer.reshaped(layer.input(), layer.output)
}

/// Repeats elements.
fn upsample(layer: &Layer<'_>) -> Answer {
    let mut value = layer.input().clone();
    for dim in [2, 3] {
        let (input, output) = (value.dims()[dim], layer.output[dim - 1]);
        let from = nearest(input, output, layer.arguments.is_null("size"));
        let from: Vec<u32> = from.into_iter().map(clamp_u32).collect();
        value = value.contiguous()?.index_select(&layer.indices(&from)?, dim)?;
    }
    Ok(value)
}
