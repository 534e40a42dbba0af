//! Normalisations of single rows.

use super::layer::{Answer, Layer, Lowering};
use candle_core::Tensor;
use serde_json::Value;

pub(super) const LAYERS: &[(&str, Lowering)] = &[
    ("LayerNorm", |layer| {
        row_norm(layer, true, layer.arguments.real("eps"))
    }),
    ("RMSNorm", |layer| {
        let eps = match layer.arguments.is_null("eps") {
            true => f64::from(f32::EPSILON),
            false => layer.arguments.real("eps"),
        };
        row_norm(layer, false, eps)
    }),
    ("GroupNorm", |layer| {
        group_norm(layer, layer.arguments.size("num_groups").unwrap_or(1))
    }),
    ("InstanceNorm1d", |layer| group_norm(layer, layer.shape(0)[0])),
    ("InstanceNorm2d", |layer| group_norm(layer, layer.shape(0)[0])),
    ("LocalResponseNorm", response_norm),
];

/// (x - mean) / √(mean (x - mean)² + eps) along the last dimension; without `centre` the mean counts as 0.
fn normalised(x: &Tensor, centre: bool, eps: f64) -> Answer {
    let last = x.rank() - 1;
    let x = if centre {
        x.broadcast_sub(&x.mean_keepdim(last)?)?
    } else {
        x.clone()
    };
    let deviation = (x.sqr()?.mean_keepdim(last)? + eps)?.sqrt()?;
    Ok(x.broadcast_div(&deviation)?)
}

fn row_norm(layer: &Layer<'_>, centre: bool, eps: f64) -> Answer {
    let sizes = match layer.arguments.value("normalized_shape") {
        Value::Array(sizes) => sizes.len(),
        _ => 1,
    };
    let x = layer.input();
    let first = x.rank() - sizes;
    let width: usize = x.dims()[first..].iter().product();
    let flat = x.contiguous()?.reshape((x.elem_count() / width.max(1), width))?;
    let mut y = normalised(&flat, centre, eps)?.reshape(x.dims())?;
    if let Some(weight) = layer.parameter("weight") {
        y = y.broadcast_mul(weight)?;
    }
    if let Some(bias) = layer.parameter("bias") {
        y = y.broadcast_add(bias)?;
    }
    Ok(y)
}

/// Every group normalised as one row, then a factor and a summand by channel.
fn group_norm(layer: &Layer<'_>, groups: usize) -> Answer {
    let x = layer.input();
    let width = x.elem_count() / (layer.rows() * groups).max(1);
    let flat = x.contiguous()?.reshape((layer.rows() * groups, width))?;
    let mut y = normalised(&flat, true, layer.arguments.real("eps"))?.reshape(x.dims())?;
    let mut by_channel = vec![1; x.rank()];
    by_channel[1] = x.dims()[1];
    if let Some(weight) = layer.parameter("weight") {
        y = y.broadcast_mul(&weight.reshape(by_channel.clone())?)?;
    }
    if let Some(bias) = layer.parameter("bias") {
        y = y.broadcast_add(&bias.reshape(by_channel)?)?;
    }
    Ok(y)
}

/// x / (k + alpha m)^beta, where m is the mean square of neighbouring channels: zeros around the channels, then a sum of
/// as many shifted ones.
fn response_norm(layer: &Layer<'_>) -> Answer {
    let (x, size) = (layer.input(), layer.arguments.size("size").unwrap_or(1));
    let channels = x.dims()[1];
    let squares = x.sqr()?.pad_with_zeros(1, size / 2, (size - 1) / 2)?;
    let mut sum = squares.narrow(1, 0, channels)?;
    for at in 1..size {
        sum = (sum + squares.narrow(1, at, channels)?)?;
    }
    #[expect(clippy::cast_precision_loss, reason = "a number of channels")]
    let share = layer.arguments.real("alpha") / size as f64;
    let base = ((sum * share)? + layer.arguments.real("k"))?;
    // A power by exponential and logarithm: the base is positive.
    let divisor = (base.log()? * layer.arguments.real("beta"))?.exp()?;
    Ok((x / divisor)?)
}
