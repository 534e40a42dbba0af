//! RNN, LSTM and GRU: one product for the inputs of all steps, then the steps with a backward pass of their own.
//!
//! candle's tape would note every operation of every step, and give each step a gradient as long as the whole sequence. Here
//! it sees one operation a layer and direction ([`Scan`]). What only depends on saved values is computed for all steps at
//! once on the way back, as are the gradients of the weights; what is left of a step are a product and a few operations.
//!
//! Inside, a step's values lie as [values, rows]: the gates of a step are blocks of memory, which kernels take as they are.

mod gru;
mod lstm;
mod plain;
mod scan;
mod walk;

use super::layer::{Answer, Layer, Lowering, choose};
use crate::layers::RandomZeros;
use crate::resident::DeviceError;
use candle_core::Tensor;
use scan::{Cell, Scan};
use walk::{Padding, Walk};

pub(super) const LAYERS: &[(&str, Lowering)] = &[
    ("RNN", |layer| {
        let relu = layer.arguments.text("nonlinearity") == "relu";
        stack(layer, if relu { Cell::Relu } else { Cell::Tanh })
    }),
    ("LSTM", |layer| stack(layer, Cell::Lstm)),
    ("GRU", |layer| stack(layer, Cell::Gru)),
];

/// The parameters of a layer and direction as a scan takes them: what starts the sums of every step; and a GRU's bias within
/// its reset gate's product, or a projection.
fn biases(
    layer: &Layer<'_>,
    suffix: &str,
    cell: Cell,
) -> Result<(Option<Tensor>, Option<Tensor>), DeviceError> {
    let named = |name: &str| layer.parameter(&format!("{name}_{suffix}"));
    let projection = named("weight_hr").cloned();
    let (Some(input), Some(hidden)) = (named("bias_ih"), named("bias_hh")) else {
        return Ok((None, projection));
    };
    if cell != Cell::Gru {
        return Ok((Some((input + hidden)?), projection));
    }
    let size = hidden.elem_count() / 3;
    let inner = hidden.narrow(0, 2 * size, size)?;
    let outer = Tensor::cat(&[hidden.narrow(0, 0, 2 * size)?, inner.zeros_like()?.detach()], 0)?;
    Ok((Some((input + outer)?), Some(inner.contiguous()?)))
}

/// A layer in one direction over [rows, time, features]: the hidden state after every step, [rows, time, state].
fn unit(layer: &Layer<'_>, x: &Tensor, suffix: &str, cell: Cell, walk: Walk) -> Answer {
    let weight = |side: &str| layer.required(&format!("weight_{side}_{suffix}"));
    let (bias, inner) = biases(layer, suffix, cell)?;
    let sums = layer.affine(x, weight("ih")?, bias.as_ref())?;
    // Of all steps at once from [rows, time, sums] to [time, sums, rows], and back.
    let sums = sums.permute((1, 2, 0))?.contiguous()?;
    let hidden = Scan::run(cell, walk, &sums, weight("hh")?, inner.as_ref())?;
    Ok(hidden.permute((2, 0, 1))?.contiguous()?)
}

fn stack(layer: &Layer<'_>, cell: Cell) -> Answer {
    let ends: &[(&str, bool)] = if layer.arguments.flag("bidirectional") {
        &[("", false), ("_reverse", true)]
    } else {
        &[("", false)]
    };
    let layers = layer.arguments.size("num_layers").unwrap_or(1);
    let p = layer.arguments.real("dropout");
    let last = layer.arguments.text("output") == "last";
    let steps = layer.shape(0)[0];
    let padded = match layer.inputs.get(1) {
        Some(mask) => Some(mask.detach().ne(&mask.zeros_like()?.detach())?),
        None => None,
    };
    let mut value = layer.input().clone();
    for at in 0..layers {
        let top = at + 1 == layers;
        let mut sides = Vec::with_capacity(ends.len());
        for (suffix, back) in ends {
            let padding = padded.as_ref().map(|padded| Padding::of(padded, layer.dtype()));
            let walk = Walk::new(steps, *back, padding.transpose()?, layer);
            let states = unit(layer, &value, &format!("l{at}{suffix}"), cell, walk)?;
            sides.push(match (top && last, *back) {
                (true, true) => states.narrow(1, 0, 1)?,
                (true, false) => states.narrow(1, steps - 1, 1)?,
                (false, _) => states,
            });
        }
        value = Tensor::cat(&sides, 2)?;
        if let Some(padded) = padded.as_ref().filter(|_| !(top && last)) {
            let padded = padded.unsqueeze(2)?.broadcast_as(value.shape())?;
            value = choose(&padded, &value.zeros_like()?.detach(), &value)?;
        }
        if let Some(rows) = layer.training.filter(|_| p > 0.0 && !top) {
            let zeros = RandomZeros::new(p, format!("{}.dropout_l{at}", layer.path));
            let shape = value.dims()[1..].to_vec();
            value = (&value * layer.factors(&zeros, rows, &shape)?)?;
        }
    }
    layer.reshaped(&value, layer.output)
}
