//! RNN, LSTM and GRU, step by step.

use super::activation::{clamp_below, gate};
use super::layer::{Answer, Layer, Lowering, affine};
use crate::layers::RandomZeros;
use crate::resident::DeviceError;
use candle_core::Tensor;

pub(super) const LAYERS: &[(&str, Lowering)] = &[
    ("RNN", |layer| {
        let relu = layer.arguments.text("nonlinearity") == "relu";
        stack(layer, if relu { rectified } else { hyperbolic })
    }),
    ("LSTM", |layer| stack(layer, lstm)),
    ("GRU", |layer| stack(layer, gru)),
];

/// The states of the rows: the hidden one, and what the cell has beside it.
struct States {
    hidden: Tensor,
    memory: Tensor,
}

/// The states after a step, from the input's product of the step and the hidden state's.
type Cell = fn(&Tensor, &Tensor, &States) -> Result<States, DeviceError>;

/// One of the parts of the sums of a step.
fn part(sums: &Tensor, at: usize, gates: usize) -> Answer {
    let size = sums.dims()[1] / gates;
    Ok(sums.narrow(1, at * size, size)?)
}

fn hyperbolic(input: &Tensor, own: &Tensor, states: &States) -> Result<States, DeviceError> {
    Ok(States {
        hidden: (input + own)?.tanh()?,
        memory: states.memory.clone(),
    })
}

fn rectified(input: &Tensor, own: &Tensor, states: &States) -> Result<States, DeviceError> {
    Ok(States {
        hidden: clamp_below(&(input + own)?)?,
        memory: states.memory.clone(),
    })
}

fn lstm(input: &Tensor, own: &Tensor, states: &States) -> Result<States, DeviceError> {
    let sums = (input + own)?;
    let part = |at: usize| part(&sums, at, 4);
    let (enter, forget, leave) = (gate(&part(0)?)?, gate(&part(1)?)?, gate(&part(3)?)?);
    let memory = ((forget * &states.memory)? + (enter * part(2)?.tanh()?)?)?;
    Ok(States {
        hidden: (leave * memory.tanh()?)?,
        memory,
    })
}

fn gru(input: &Tensor, own: &Tensor, states: &States) -> Result<States, DeviceError> {
    let both = |at: usize| -> Answer { gate(&(part(input, at, 3)? + part(own, at, 3)?)?) };
    let (reset, update) = (both(0)?, both(1)?);
    let new = (part(input, 2, 3)? + (reset * part(own, 2, 3)?)?)?.tanh()?;
    // h = n + z (h - n)
    let hidden = (&new + (update * (&states.hidden - &new)?)?)?;
    Ok(States {
        hidden,
        memory: states.memory.clone(),
    })
}

/// A layer in one direction over [rows, time, features]: the hidden state after every step, in the order of time.
fn unit(
    layer: &Layer<'_>,
    x: &Tensor,
    (suffix, back): (&str, bool),
    cell: Cell,
) -> Result<Vec<Tensor>, DeviceError> {
    let bias = |side: &str| layer.parameter(&format!("bias_{side}_{suffix}"));
    let weight = layer.required(&format!("weight_hh_{suffix}"))?;
    let hidden = weight.dims()[1];
    let sums = affine(x, layer.required(&format!("weight_ih_{suffix}"))?, bias("ih"))?;
    let zeros = |size: usize| Tensor::zeros((layer.rows(), size), layer.dtype(), layer.device());
    let projection = layer.parameter(&format!("weight_hr_{suffix}"));
    let memory = projection.map_or(hidden, |weight| weight.dims()[1]);
    let mut states = States {
        hidden: zeros(hidden)?,
        memory: zeros(memory)?,
    };
    let steps = x.dims()[1];
    let mut outputs = Vec::with_capacity(steps);
    for at in 0..steps {
        let step = if back { steps - 1 - at } else { at };
        let input = sums.narrow(1, step, 1)?.squeeze(1)?;
        let own = affine(&states.hidden, weight, bias("hh"))?;
        states = cell(&input, &own, &states)?;
        if let Some(projection) = projection {
            states.hidden = affine(&states.hidden, projection, None)?;
        }
        outputs.push(states.hidden.clone());
    }
    if back {
        outputs.reverse();
    }
    Ok(outputs)
}

fn stack(layer: &Layer<'_>, cell: Cell) -> Answer {
    let ends: &[(&str, bool)] = if layer.arguments.flag("bidirectional") {
        &[("", false), ("_reverse", true)]
    } else {
        &[("", false)]
    };
    let layers = layer.arguments.size("num_layers").unwrap_or(1);
    let p = layer.arguments.real("dropout");
    let mut value = layer.input().clone();
    let mut last = value.clone();
    for at in 0..layers {
        let (mut sequences, mut finals) = (Vec::new(), Vec::new());
        for (suffix, back) in ends {
            let states = unit(layer, &value, (&format!("l{at}{suffix}"), *back), cell)?;
            let end = if *back { states.first() } else { states.last() };
            finals.extend(end.cloned());
            sequences.push(Tensor::stack(&states, 1)?);
        }
        (value, last) = (Tensor::cat(&sequences, 2)?, Tensor::cat(&finals, 1)?);
        if let Some(rows) = layer.training.filter(|_| p > 0.0 && at + 1 < layers) {
            let zeros = RandomZeros::new(p, format!("{}.dropout_l{at}", layer.path));
            let shape = value.dims()[1..].to_vec();
            value = (&value * layer.factors(&zeros, rows, &shape)?)?;
        }
    }
    let output = match layer.arguments.text("output") {
        "last" => last,
        _ => value,
    };
    layer.reshaped(&output, layer.output)
}
