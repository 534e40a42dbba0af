//! Multi-head attention, and encodings of positions.

use super::layer::{Answer, Layer, Lowering, choose, filled};
use super::softmax::softmax;
use crate::layers::{RandomZeros, sines};
use candle_core::Tensor;

pub(super) const LAYERS: &[(&str, Lowering)] = &[
    ("MultiheadAttention", attention),
    ("PositionalEncoding", |layer| {
        let (length, size) = (layer.shape(0)[0], layer.shape(0)[1]);
        let table: Vec<f64> = sines(length, size).into_iter().map(f64::from).collect();
        let sum = layer
            .input()
            .broadcast_add(&layer.constant(&[1, length, size], &table)?)?;
        match layer.training {
            Some(rows) => Ok((sum * layer.own_factors(rows)?)?),
            None => Ok(sum),
        }
    }),
    ("LearnedPositionalEncoding", |layer| {
        let table = layer.required("weight")?.narrow(0, 0, layer.shape(0)[0])?;
        Ok(layer.input().broadcast_add(&table)?)
    }),
];

/// One of the three projections, cut into heads: [rows, heads, time, size].
fn projection(layer: &Layer<'_>, part: usize, heads: usize) -> Answer {
    let input = match layer.inputs.len() {
        1 | 2 => layer.input(),
        _ => &layer.inputs[part],
    };
    let width = layer.output[1];
    let weight = match layer.parameter("in_proj_weight") {
        Some(weight) => weight.narrow(0, part * width, width)?,
        // Keys or values of another width have matrices of their own.
        None => layer
            .required(["q_proj_weight", "k_proj_weight", "v_proj_weight"][part])?
            .clone(),
    };
    let bias = match layer.parameter("in_proj_bias") {
        Some(bias) => Some(bias.narrow(0, part * width, width)?),
        None => None,
    };
    let time = input.dims()[1];
    let all = layer.affine(input, &weight, bias.as_ref())?;
    let split = all.reshape((layer.rows(), time, heads, width / heads))?;
    Ok(split.transpose(1, 2)?.contiguous()?)
}

/// -∞ where a query may not see a key.
fn causal(layer: &Layer<'_>, queries: usize, keys: usize) -> Answer {
    let hidden = |at: usize| at % keys > at / keys;
    let mask: Vec<f64> = (0..queries * keys)
        .map(|at| if hidden(at) { f64::NEG_INFINITY } else { 0.0 })
        .collect();
    layer.constant(&[1, 1, queries, keys], &mask)
}

/// What stands for the score of a key that is padding: below all others, and finite, so that a query that sees nothing else
/// has no NaN.
const UNSEEN: f64 = -1e30;

/// The softmax of scores without the keys that are padding, which is not 0 there: [rows, keys]. A query that sees padding only
/// has no shares.
fn shares_without(scores: &Tensor, padding: &Tensor) -> Answer {
    let padding = padding.detach();
    let padded = padding.ne(&padding.zeros_like()?)?.unsqueeze(1)?.unsqueeze(1)?;
    let padded = padded.broadcast_as(scores.shape())?.contiguous()?;
    let zeros = scores.zeros_like()?.detach();
    let seen = choose(&padded, &filled(&zeros, UNSEEN)?, scores)?;
    let shifted = seen.broadcast_sub(&seen.detach().max_keepdim(3)?)?;
    let powers = choose(&padded, &zeros, &shifted.exp()?)?;
    let sum = powers.sum_keepdim(3)?;
    let none = sum.detach().eq(&sum.zeros_like()?)?.to_dtype(sum.dtype())?;
    Ok(powers.broadcast_div(&(sum + none)?)?)
}

fn attention(layer: &Layer<'_>) -> Answer {
    let heads = layer.arguments.size("num_heads").unwrap_or(1).max(1);
    let width = layer.output[1];
    let query = projection(layer, 0, heads)?;
    let key = projection(layer, 1, heads)?;
    let value = projection(layer, 2, heads)?;
    let (queries, keys) = (query.dims()[2], key.dims()[2]);
    #[expect(clippy::cast_precision_loss, reason = "a scale")]
    let scale = 1.0 / ((width / heads) as f64).sqrt();
    let mut scores = (layer.product(&query, &key.transpose(2, 3)?)? * scale)?;
    if layer.arguments.flag("is_causal") {
        scores = scores.broadcast_add(&causal(layer, queries, keys)?)?;
    }
    let mut shares = match layer.inputs {
        [_, padding] | [_, _, _, padding] => shares_without(&scores, padding)?,
        _ => softmax(&scores, 3)?,
    };
    let p = layer.arguments.real("dropout");
    if let Some(rows) = layer.training.filter(|_| p > 0.0) {
        let zeros = RandomZeros::new(p, format!("{}.dropout", layer.path));
        shares = (shares * layer.factors(&zeros, rows, &[heads, queries, keys])?)?;
    }
    let mixed = layer.product(&shares, &value)?.transpose(1, 2)?.contiguous()?;
    let mixed: Tensor = mixed.reshape((layer.rows(), queries, width))?;
    layer.affine(
        &mixed,
        layer.required("out_proj.weight")?,
        layer.parameter("out_proj.bias"),
    )
}
