//! Linear and Bilinear.

use super::layer::{Answer, Layer, Lowering};

pub(super) const LAYERS: &[(&str, Lowering)] = &[
    ("Linear", |layer| {
        layer.affine(layer.input(), layer.required("weight")?, layer.parameter("bias"))
    }),
    ("Bilinear", bilinear),
];

/// The products of every value of one input with every value of the other, then a Linear.
fn bilinear(layer: &Layer<'_>) -> Answer {
    let (outputs, left, right) = layer.required("weight")?.dims3()?;
    let applications = layer.inputs[0].elem_count() / left.max(1);
    let first = layer.inputs[0].reshape((applications, left, 1))?;
    let second = layer.inputs[1].reshape((applications, 1, right))?;
    let pairs = first
        .broadcast_mul(&second)?
        .reshape((applications, left * right))?;
    let weight = layer.required("weight")?.reshape((outputs, left * right))?;
    layer.reshaped(
        &layer.affine(&pairs, &weight, layer.parameter("bias"))?,
        layer.output,
    )
}
