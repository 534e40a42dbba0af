//! LSTM: gates i, f, g, o of sums + W h; c = f c + i g; h = o tanh c, projected or not.

use super::walk::{Gradients, Walk, at, gate_slope, halves, open, part, tangent_slope};
use candle_core::{Result, Tensor};

/// By step in the order of the walk.
#[derive(Debug)]
pub(super) struct Saved {
    /// Hyperbolic tangents of the sums, those of gates halved.
    tangents: Vec<Tensor>,
    /// The memory after the step.
    memory: Vec<Tensor>,
}

pub(super) fn forward(
    walk: &Walk,
    sums: &Tensor,
    weight: &Tensor,
    projection: Option<&Tensor>,
) -> Result<(Tensor, Saved)> {
    let (_, all, rows) = sums.dims3()?;
    let size = all / 4;
    let halves = halves(&[0.5, 0.5, 1.0, 0.5], size, sums)?;
    let sums = sums.broadcast_mul(&halves)?;
    let weight = walk.matrix(&weight.broadcast_mul(&halves)?)?;
    let projection = projection.map(|projection| walk.matrix(projection)).transpose()?;
    let zeros = |size: usize| Tensor::zeros((size, rows), sums.dtype(), sums.device());
    let (mut hidden, mut memory) = (zeros(weight.dims()[1])?, zeros(size)?);
    let mut states = Vec::new();
    let mut saved = Saved {
        tangents: Vec::new(),
        memory: Vec::new(),
    };
    for (taken, step) in walk.order().into_iter().enumerate() {
        let mut sum = at(&sums, step)?;
        if taken > 0 {
            sum = (sum + walk.product(&weight, &hidden)?)?;
        }
        let tangents = sum.tanh()?;
        // One operation for all gates; g does not read what it makes of it.
        let gates = open(&tangents)?;
        let gate = |at: usize| gates.narrow(0, at * size, size);
        let new = (gate(0)? * tangents.narrow(0, 2 * size, size)?)?;
        let new = ((gate(1)? * &memory)? + new)?;
        let mut after = (gate(3)? * new.tanh()?)?;
        if let Some(projection) = &projection {
            after = walk.product(projection, &after)?;
        }
        memory = walk.advanced(step, &memory, new)?;
        hidden = walk.advanced(step, &hidden, after)?;
        states.push(hidden.clone());
        if walk.saves {
            saved.tangents.push(tangents);
            saved.memory.push(memory.clone());
        }
    }
    Ok((walk.together(states)?, saved))
}

/// What the gradients of all steps are multiplied with, each [time, values, rows].
struct Slopes {
    /// Of the memory by the sums of i, f and g.
    sums: Tensor,
    /// Of the hidden state, before its projection, by the sum of o, then by the memory.
    hidden: Tensor,
    /// Of the memory by that before the step.
    forget: Tensor,
    /// The hidden state before its projection.
    raw: Tensor,
}

fn slopes(walk: &Walk, saved: &Saved) -> Result<Slopes> {
    let tangents = walk.together(saved.tangents.clone())?;
    let memory = walk.together(saved.memory.clone())?;
    let size = memory.dims()[1];
    let gate = |at: usize| open(&part(&tangents, at, size)?);
    let (enter, forget, new, leave) = (gate(0)?, gate(1)?, part(&tangents, 2, size)?, gate(3)?);
    let shown = memory.tanh()?;
    let sums = [
        (&new * gate_slope(&enter)?)?,
        (walk.before(&memory)? * gate_slope(&forget)?)?,
        (tangent_slope(&new)? * enter)?,
    ];
    let hidden = [
        (&shown * gate_slope(&leave)?)?,
        (&leave * tangent_slope(&shown)?)?,
    ];
    Ok(Slopes {
        sums: walk.without_padding(Tensor::cat(&sums, 1)?)?,
        hidden: walk.without_padding(Tensor::cat(&hidden, 1)?)?,
        forget: walk.through_padding(forget)?,
        raw: walk.without_padding((leave * shown)?)?,
    })
}

pub(super) fn backward(
    walk: &Walk,
    saved: &Saved,
    states: &Tensor,
    (weight, projection): (&Tensor, Option<&Tensor>),
    gradient: &Tensor,
) -> Result<Gradients> {
    let slopes = slopes(walk, saved)?;
    let (steps, size, rows) = slopes.forget.dims3()?;
    let by_memory = slopes.sums.reshape((steps, 3, size, rows))?;
    let by_hidden = slopes.hidden.reshape((steps, 2, size, rows))?;
    let back = walk.matrix(&weight.t()?.contiguous()?)?;
    let through = match projection {
        Some(projection) => Some(walk.matrix(&projection.t()?.contiguous()?)?),
        None => None,
    };
    let own = Tensor::zeros((steps * 4 * size, rows), gradient.dtype(), gradient.device())?;
    let mut later: Option<(Tensor, Tensor)> = None;
    let mut projected = Vec::new();
    for step in walk.order().into_iter().rev() {
        let mut after = at(gradient, step)?;
        if let Some((hidden, _)) = &later {
            after = (after + hidden)?;
        }
        let raw = match &through {
            Some(through) => {
                projected.push(after.clone());
                walk.product(through, &after)?
            }
            None => after.clone(),
        };
        let both = at(&by_hidden, step)?.broadcast_mul(&raw.unsqueeze(0)?)?;
        let (leave, mut memory) = (at(&both, 0)?, at(&both, 1)?);
        if let Some((_, held)) = &later {
            memory = (memory + held)?;
        }
        let sums = at(&by_memory, step)?.broadcast_mul(&memory.unsqueeze(0)?)?;
        let first = step * 4 * size;
        own.slice_set(&sums.reshape((3 * size, rows))?, 0, first)?;
        own.slice_set(&leave, 0, first + 3 * size)?;
        let hidden = walk.product(&back, &own.narrow(0, first, 4 * size)?)?;
        let held = (memory * at(&slopes.forget, step)?)?;
        later = Some((walk.handed_on(step, &after, hidden)?, held));
    }
    let own = own.reshape((steps, 4 * size, rows))?;
    let of_weight = walk.outer(&own, &walk.before(states)?)?;
    let of_projection = match projection {
        Some(_) => Some(walk.outer(&walk.together_backward(projected)?, &slopes.raw)?),
        None => None,
    };
    Ok((own, of_weight, of_projection))
}
