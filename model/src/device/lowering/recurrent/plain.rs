//! RNN: h = tanh(sums + W h), or max(0, sums + W h).

use super::walk::{Gradients, Walk, at, tangent_slope};
use candle_core::{Result, Tensor};

pub(super) fn forward(walk: &Walk, sums: &Tensor, weight: &Tensor, relu: bool) -> Result<Tensor> {
    let (_, size, rows) = sums.dims3()?;
    let zeros = Tensor::zeros((size, rows), sums.dtype(), sums.device())?;
    let weight = walk.matrix(weight)?;
    let mut hidden = zeros.clone();
    let mut states = Vec::new();
    for (taken, step) in walk.order().into_iter().enumerate() {
        let mut sum = at(sums, step)?;
        if taken > 0 {
            sum = (sum + walk.product(&weight, &hidden)?)?;
        }
        let after = if relu {
            sum.le(&zeros)?.where_cond(&zeros, &sum)?
        } else {
            sum.tanh()?
        };
        hidden = walk.advanced(step, &hidden, after)?;
        states.push(hidden.clone());
    }
    walk.together(states)
}

pub(super) fn backward(
    walk: &Walk,
    relu: bool,
    states: &Tensor,
    weight: &Tensor,
    gradient: &Tensor,
) -> Result<Gradients> {
    let slopes = if relu {
        let zeros = states.zeros_like()?;
        states.le(&zeros)?.where_cond(&zeros, &states.ones_like()?)?
    } else {
        tangent_slope(states)?
    };
    let slopes = walk.without_padding(slopes)?;
    let back = walk.matrix(&weight.t()?.contiguous()?)?;
    let mut later: Option<Tensor> = None;
    let mut own = Vec::new();
    for step in walk.order().into_iter().rev() {
        let mut after = at(gradient, step)?;
        if let Some(later) = later {
            after = (after + later)?;
        }
        let sum = (&after * at(&slopes, step)?)?;
        later = Some(walk.handed_on(step, &after, walk.product(&back, &sum)?)?);
        own.push(sum);
    }
    let own = walk.together_backward(own)?;
    let of_weight = walk.outer(&own, &walk.before(states)?)?;
    Ok((own, of_weight, None))
}
