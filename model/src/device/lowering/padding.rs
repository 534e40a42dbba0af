//! Elements around the input: constants are padded zeros of what differs from them, others are gathered.

use super::convolution::{gathered, padded};
use super::layer::{Answer, Layer, Lowering};
use crate::layers::{Around, sides};
use candle_core::Tensor;

pub(super) const LAYERS: &[(&str, Lowering)] = &[
    ("ZeroPad1d", pad),
    ("ZeroPad2d", pad),
    ("ConstantPad1d", pad),
    ("ConstantPad2d", pad),
    ("ReflectionPad1d", pad),
    ("ReflectionPad2d", pad),
    ("ReplicationPad1d", pad),
    ("ReplicationPad2d", pad),
    ("CircularPad1d", pad),
    ("CircularPad2d", pad),
];

fn pad(layer: &Layer<'_>) -> Answer {
    let dimensions = layer.output.len() - 1;
    let around = Around::of(layer.arguments.name());
    let value = layer.arguments.real("value");
    let mut x = match value == 0.0 {
        true => layer.input().clone(),
        false => (layer.input() - value)?,
    };
    let sides = sides(layer.arguments, dimensions);
    for (at, (before, after)) in sides[2 - dimensions..].iter().enumerate() {
        x = pad_one(layer, &x, around, (at + 2, *before, *after))?;
    }
    match value == 0.0 {
        true => Ok(x),
        false => Ok((x + value)?),
    }
}

/// Pads one dimension.
fn pad_one(
    layer: &Layer<'_>,
    x: &Tensor,
    around: Around,
    (dim, before, after): (usize, usize, usize),
) -> Answer {
    if around == Around::Constant {
        return padded(layer, x, dim, (before, after));
    }
    let size = x.dims()[dim];
    let sources = (0..before + size + after).filter_map(|at| around.source(at, before, size));
    #[expect(clippy::cast_possible_truncation, reason = "a size of an image")]
    let from: Vec<u32> = sources.map(|at| at as u32).collect();
    gathered(layer, x, dim, &from)
}
