//! GRU: gates r, z of sums + W h; n = tanh(sum + r (W h + b)); h = n + z (h - n).

use super::walk::{Gradients, Walk, at, gate_slope, halves, open, part, tangent_slope};
use candle_core::{Result, Tensor};

/// By step in the order of the walk.
#[derive(Debug)]
pub(super) struct Saved {
    /// Hyperbolic tangents of half the sums of r and z.
    tangents: Vec<Tensor>,
    /// n.
    new: Vec<Tensor>,
    /// W h + b, what r is multiplied with.
    inner: Vec<Tensor>,
}

pub(super) fn forward(
    walk: &Walk,
    sums: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
) -> Result<(Tensor, Saved)> {
    let (_, all, rows) = sums.dims3()?;
    let size = all / 3;
    let halves = halves(&[0.5, 0.5, 1.0], size, sums)?;
    let sums = sums.broadcast_mul(&halves)?;
    let weight = walk.matrix(&weight.broadcast_mul(&halves)?)?;
    let mut hidden = Tensor::zeros((size, rows), sums.dtype(), sums.device())?;
    let bias = match bias {
        Some(bias) => bias.unsqueeze(1)?.broadcast_as((size, rows))?.contiguous()?,
        None => hidden.clone(),
    };
    let mut states = Vec::new();
    let mut saved = Saved {
        tangents: Vec::new(),
        new: Vec::new(),
        inner: Vec::new(),
    };
    for (taken, step) in walk.order().into_iter().enumerate() {
        let input = at(&sums, step)?;
        let (mut gates, mut inner) = (input.narrow(0, 0, 2 * size)?, bias.clone());
        if taken > 0 {
            let own = walk.product(&weight, &hidden)?;
            gates = (gates + own.narrow(0, 0, 2 * size)?)?;
            inner = (inner + own.narrow(0, 2 * size, size)?)?;
        }
        let tangents = gates.tanh()?;
        let gates = open(&tangents)?;
        let (reset, update) = (gates.narrow(0, 0, size)?, gates.narrow(0, size, size)?);
        let new = (input.narrow(0, 2 * size, size)? + (reset * &inner)?)?.tanh()?;
        let after = (&new + (update * (&hidden - &new)?)?)?;
        hidden = walk.advanced(step, &hidden, after)?;
        states.push(hidden.clone());
        if walk.saves {
            saved.tangents.push(tangents);
            saved.new.push(new);
            saved.inner.push(inner);
        }
    }
    Ok((walk.together(states)?, saved))
}

pub(super) fn backward(
    walk: &Walk,
    saved: &Saved,
    states: &Tensor,
    weight: &Tensor,
    gradient: &Tensor,
) -> Result<Gradients> {
    let (steps, size, rows) = states.dims3()?;
    let tangents = walk.together(saved.tangents.clone())?;
    let new = walk.together(saved.new.clone())?;
    let inner = walk.together(saved.inner.clone())?;
    let (reset, update) = (
        open(&part(&tangents, 0, size)?)?,
        open(&part(&tangents, 1, size)?)?,
    );
    let before = walk.before(states)?;
    // Of the hidden state by the sums of r and z, by what r is multiplied with, and by the input's sum of n.
    let by_new = (update.affine(-1.0, 1.0)? * tangent_slope(&new)?)?;
    let by_inner = (&by_new * &reset)?;
    let by_reset = ((&by_new * inner)? * gate_slope(&reset)?)?;
    let by_update = ((&before - new)? * gate_slope(&update)?)?;
    let slopes = Tensor::cat(&[by_reset, by_update, by_inner, by_new], 1)?;
    let slopes = walk.without_padding(slopes)?.reshape((steps, 4, size, rows))?;
    let update = walk.through_padding(update)?;
    let back = walk.matrix(&weight.t()?.contiguous()?)?;
    let mut later: Option<Tensor> = None;
    let mut own = Vec::new();
    for step in walk.order().into_iter().rev() {
        let mut after = at(gradient, step)?;
        if let Some(later) = later {
            after = (after + later)?;
        }
        let sums = at(&slopes, step)?.broadcast_mul(&after.unsqueeze(0)?)?;
        let sums = sums.reshape((4 * size, rows))?;
        let hidden = walk.product(&back, &sums.narrow(0, 0, 3 * size)?)?;
        later = Some((hidden + (after * at(&update, step)?)?)?);
        own.push(sums);
    }
    let own = walk.together_backward(own)?;
    let of_hidden = own.narrow(1, 0, 3 * size)?;
    let of_weight = walk.outer(&of_hidden, &before)?;
    let of_bias = own.narrow(1, 2 * size, size)?.contiguous()?.sum((0, 2))?;
    let gates = own.narrow(1, 0, 2 * size)?;
    let of_sums = Tensor::cat(&[gates, own.narrow(1, 3 * size, size)?], 1)?;
    Ok((of_sums, of_weight, Some(of_bias)))
}
