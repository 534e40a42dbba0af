//! Through the steps.

use super::{Block, Cut, Padding, Recurrent, Sweep, Unit, UnitPacks};
use crate::kernels::{Accumulate, Matrix};
use crate::layers::Context;

/// A thread's blocks and memory.
struct Lane<'a> {
    blocks: Vec<(Block<'a>, &'a [f32], &'a mut [f32])>,
    memory: Vec<f32>,
    scratch: Vec<f32>,
}

/// Memory of a block's steps: sums and states of all its rows.
struct States<'a> {
    step: &'a mut [f32],
    h: &'a mut [f32],
    c: &'a mut [f32],
    /// Hidden states before their projection; empty where there is none.
    raw: &'a mut [f32],
    /// The states before a step; empty where no step is padding.
    held: &'a mut [f32],
}

/// Where the hidden states of a unit go.
struct Output<'a> {
    values: &'a mut [f32],
    /// Only that after the last step.
    last: bool,
    padding: Padding<'a>,
}

impl States<'_> {
    /// Notes the states before a step.
    fn hold(&mut self) {
        if !self.held.is_empty() {
            let (h, c) = self.held.split_at_mut(self.h.len());
            h.copy_from_slice(self.h);
            c.copy_from_slice(self.c);
        }
    }

    /// Takes back the step of rows whose step is padding.
    fn undo(&mut self, padding: Padding<'_>, step: usize, (state, hidden): (usize, usize)) {
        if padding.is_empty() {
            return;
        }
        let (old_h, old_c) = self.held.split_at(self.h.len());
        for row in (0..self.h.len() / state).filter(|row| padding.has(*row, step)) {
            let (h, c) = (row * state..(row + 1) * state, row * hidden..(row + 1) * hidden);
            self.h[h.clone()].copy_from_slice(&old_h[h]);
            self.c[c.clone()].copy_from_slice(&old_c[c]);
        }
    }
}

impl Recurrent {
    pub(super) fn run_forward(
        &self,
        ctx: &mut Context<'_>,
        (input, padding): (&[f32], &[f32]),
        output: &mut [f32],
    ) {
        let level = ctx.kernels.level();
        let workers = std::sync::Arc::clone(ctx.kernels.workers());
        let (threads, sizes) = self.blocks(ctx.rows, workers.threads());
        let (mut packing, mut lent) = ctx.kernels.borrow(2 * threads + 1);
        let mut biases = lent.pop().unwrap_or_default();
        self.collect_biases(ctx.weights, &mut biases);
        let packs = self.pack(ctx.kernels.arithmetic(), &mut packing, ctx.weights, false);
        let sweep = Sweep {
            level,
            values: packing.values(),
            packs: &packs,
            biases: &biases,
            seed: ctx.training.map_or(0, |training| training.seed),
            step: ctx.training.map_or(0, |training| training.step),
        };
        let keys = ctx.training.map_or(&[][..], |training| training.rows);
        let in_width = self.steps * self.inputs;
        let out_width = output.len() / ctx.rows.max(1);
        let mut output = Cut(output);
        let mut first = 0;
        let mut blocks = self
            .cut(&sizes, ctx.saved, keys, padding)
            .into_iter()
            .map(|block| {
                let rows = block.rows;
                first += rows;
                let input = &input[(first - rows) * in_width..first * in_width];
                (block, input, output.take(rows * out_width))
            });
        let each = sizes.len().div_ceil(threads);
        let mut lanes: Vec<Lane<'_>> = (0..threads)
            .map(|_| Lane {
                blocks: blocks.by_ref().take(each).collect(),
                memory: lent.pop().unwrap_or_default(),
                scratch: lent.pop().unwrap_or_default(),
            })
            .collect();
        workers.each(&mut lanes, |_, lane| {
            for (block, input, output) in &mut lane.blocks {
                self.block_forward(
                    &sweep,
                    block,
                    (input, output),
                    &mut lane.memory,
                    &mut lane.scratch,
                );
            }
        });
        for lane in lanes {
            lent.extend([lane.scratch, lane.memory]);
        }
        lent.push(biases);
        ctx.kernels.give_back((packing, lent));
    }

    /// Of every unit what a step's sums start with.
    fn collect_biases(&self, weights: &[f32], into: &mut Vec<f32>) {
        into.clear();
        if !self.bias {
            return;
        }
        for unit in 0..self.units() {
            let [input, hidden] = self.unit_weights(weights, unit).biases;
            let start = into.len();
            into.extend_from_slice(input);
            into.resize(start + self.step_width(), 0.0);
            for part in self.cell.parts() {
                let from = &hidden[part.from * self.hidden..part.to * self.hidden];
                for (sum, bias) in into[start + part.at * self.hidden..].iter_mut().zip(from) {
                    *sum += *bias;
                }
            }
        }
    }

    fn block_forward(
        &self,
        sweep: &Sweep<'_>,
        block: &mut Block<'_>,
        (input, output): (&[f32], &mut [f32]),
        memory: &mut Vec<f32>,
        scratch: &mut Vec<f32>,
    ) {
        let (rows, training) = (block.rows, !block.units.is_empty());
        let between = rows * self.steps * self.output_width();
        let raw = if self.projected > 0 { self.hidden } else { 0 };
        let held = if block.padding.is_empty() {
            0
        } else {
            self.state() + self.hidden
        };
        let states = rows * (self.step_width() + self.state() + self.hidden + raw + held);
        let own = if training { 0 } else { self.layers - 1 };
        let wanted = states + own * between;
        if memory.len() < wanted {
            memory.resize(wanted, 0.0);
        }
        let mut cut = Cut(memory);
        let mut states = States {
            step: cut.take(rows * self.step_width()),
            h: cut.take(rows * self.state()),
            c: cut.take(rows * self.hidden),
            raw: cut.take(rows * raw),
            held: cut.take(rows * held),
        };
        // When scoring, what lies between layers is forgotten with the block.
        let mut outputs: Vec<&mut [f32]> = match training {
            true => block.outputs.iter_mut().map(|output| &mut **output).collect(),
            false => (0..own).map(|_| cut.take(between)).collect(),
        };
        let mut units = block.units.iter_mut();
        for layer in 0..self.layers {
            let (below, above) = outputs.split_at_mut(layer);
            let input = below.last().map_or(input, |below| &**below);
            let top = layer + 1 == self.layers;
            let mut output = Output {
                values: if top { &mut *output } else { &mut *above[0] },
                last: top && self.last,
                padding: block.padding,
            };
            for direction in 0..self.directions {
                let unit = layer * self.directions + direction;
                self.unit_forward(
                    sweep,
                    unit,
                    input,
                    (&mut states, units.next()),
                    &mut output,
                    scratch,
                );
            }
            if training && !top {
                self.drop_out(sweep.level, layer, sweep, block.keys, output.values);
            }
        }
    }

    fn unit_forward(
        &self,
        sweep: &Sweep<'_>,
        unit: usize,
        input: &[f32],
        (states, mut saved): (&mut States<'_>, Option<&mut Unit<'_>>),
        output: &mut Output<'_>,
        scratch: &mut Vec<f32>,
    ) {
        let (width, hidden, steps) = (self.step_width(), self.hidden, self.steps);
        let state = self.state();
        let rows = states.h.len() / state;
        let in_width = self.input_width(unit);
        let bias = self.bias.then(|| &sweep.biases[unit * width..(unit + 1) * width]);
        let packs = &sweep.packs[unit];
        states.h.fill(0.0);
        states.c.fill(0.0);
        for at in 0..steps {
            let step = self.step_at(unit, at);
            let x = Matrix {
                data: &input[step * in_width..],
                rows,
                cols: in_width,
                row_stride: steps * in_width,
                col_stride: 1,
            };
            let start = bias.map_or(Accumulate::Zero, Accumulate::Bias);
            sweep
                .values
                .product(x, packs.input, start, (states.step, width), scratch);
            self.add_hidden(sweep, (unit, at), states, scratch);
            if let Some(saved) = &mut saved {
                keep(saved.before, states.h, state, (steps, step));
                if self.cell.has_memory() {
                    keep(saved.memory, states.c, hidden, (steps, step));
                }
            }
            states.hold();
            self.advance(sweep, packs, states, scratch);
            if let Some(saved) = &mut saved {
                keep(saved.gates, states.step, width, (steps, step));
                if self.projected > 0 {
                    keep(saved.raw, states.raw, hidden, (steps, step));
                }
            }
            states.undo(output.padding, step, (state, hidden));
            if !output.last || at + 1 == steps {
                self.put_out(unit, step, states.h, output);
            }
        }
    }

    /// Puts the hidden states after a step into their places.
    fn put_out(&self, unit: usize, step: usize, h: &[f32], output: &mut Output<'_>) {
        let state = self.state();
        let (stride, start) = self.output_place(unit, output.last, step);
        let rows = output.values.chunks_exact_mut(stride).zip(h.chunks_exact(state));
        for (row, (into, h)) in rows.enumerate() {
            let into = &mut into[start..start + state];
            if !output.last && output.padding.has(row, step) {
                into.fill(0.0);
            } else {
                into.copy_from_slice(h);
            }
        }
    }
}

impl Recurrent {
    /// Turns the sums of a step into its gates and the states into those after it.
    fn advance(&self, sweep: &Sweep<'_>, packs: &UnitPacks, states: &mut States<'_>, scratch: &mut Vec<f32>) {
        let (level, hidden) = (sweep.level, self.hidden);
        let Some(projection) = packs.projection else {
            self.cell.forward(level, states.step, states.h, states.c, hidden);
            return;
        };
        self.cell
            .forward(level, states.step, states.raw, states.c, hidden);
        let raw = Matrix::new(states.raw, states.raw.len() / hidden, hidden);
        let into = (&mut *states.h, self.projected);
        sweep
            .values
            .product(raw, projection, Accumulate::Zero, into, scratch);
    }

    /// Adds the products of the hidden state to the sums of a step.
    fn add_hidden(
        &self,
        sweep: &Sweep<'_>,
        (unit, at): (usize, usize),
        states: &mut States<'_>,
        scratch: &mut Vec<f32>,
    ) {
        let (width, hidden) = (self.step_width(), self.hidden);
        let h = Matrix::new(states.h, states.h.len() / self.state(), self.state());
        for (part, pack) in self.cell.parts().iter().zip(&sweep.packs[unit].hidden) {
            let (from, length) = (part.at * hidden, (part.to - part.from) * hidden);
            let bias = self.bias.then(|| &sweep.biases[unit * width + from..][..length]);
            let start = match bias {
                _ if part.joins => Accumulate::Result,
                Some(bias) => Accumulate::Bias(bias),
                None => Accumulate::Zero,
            };
            if at > 0 {
                let into = (&mut states.step[from..], width);
                sweep.values.product(h, *pack, start, into, scratch);
                continue;
            }
            // The state is 0 before the first step.
            for row in states
                .step
                .chunks_exact_mut(self.step_width())
                .filter(|_| !part.joins)
            {
                let into = &mut row[from..from + length];
                match bias {
                    Some(bias) => into.copy_from_slice(bias),
                    None => into.fill(0.0),
                }
            }
        }
    }
}

/// Saves the values of a step of all rows, `width` a row.
fn keep(saved: &mut [f32], values: &[f32], width: usize, (steps, step): (usize, usize)) {
    let rows = saved
        .chunks_exact_mut(steps * width)
        .zip(values.chunks_exact(width));
    for (saved, values) in rows {
        saved[step * width..(step + 1) * width].copy_from_slice(values);
    }
}
