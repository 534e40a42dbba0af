//! Softmax and its relatives, and PReLU.

use super::activation::sigmoid;
use super::layer::{Answer, Layer, Lowering, choose, dimension};
use candle_core::Tensor;

pub(super) const LAYERS: &[(&str, Lowering)] = &[
    ("Softmax", |layer| {
        let x = layer.input();
        softmax(x, dimension(layer.arguments.int("dim"), x.rank()))
    }),
    ("LogSoftmax", log_softmax),
    ("Softmin", |layer| {
        let x = layer.input().neg()?;
        softmax(&x, dimension(layer.arguments.int("dim"), x.rank()))
    }),
    ("GLU", |layer| {
        let x = layer.input();
        let dim = dimension(layer.arguments.int("dim"), x.rank());
        let half = x.dims()[dim] / 2;
        let gate = sigmoid(&x.narrow(dim, half, half)?.contiguous()?)?;
        Ok((x.narrow(dim, 0, half)?.contiguous()? * gate)?)
    }),
    ("PReLU", prelu),
];

/// x less its largest value along a dimension, which cancels out.
fn shifted(x: &Tensor, dim: usize) -> Answer {
    Ok(x.broadcast_sub(&x.detach().max_keepdim(dim)?)?)
}

/// exp(x) / Σ exp(x) along a dimension.
pub(super) fn softmax(x: &Tensor, dim: usize) -> Answer {
    let powers = shifted(x, dim)?.exp()?;
    Ok(powers.broadcast_div(&powers.sum_keepdim(dim)?)?)
}

fn log_softmax(layer: &Layer<'_>) -> Answer {
    let x = layer.input();
    let dim = dimension(layer.arguments.int("dim"), x.rank());
    let shifted = shifted(x, dim)?;
    let sum = shifted.exp()?.sum_keepdim(dim)?.log()?;
    Ok(shifted.broadcast_sub(&sum)?)
}

fn prelu(layer: &Layer<'_>) -> Answer {
    let (x, slopes) = (layer.input(), layer.required("weight")?);
    let mut by_channel = vec![1; x.rank()];
    if slopes.elem_count() > 1 {
        by_channel[1] = slopes.elem_count();
    }
    let bent = x.broadcast_mul(&slopes.reshape(by_channel)?)?;
    choose(&x.gt(&x.zeros_like()?)?, x, &bent)
}
