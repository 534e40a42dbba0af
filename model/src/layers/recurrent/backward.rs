//! Back through the steps.

use super::cell::Row;
use super::{Block, Cut, Padding, Recurrent, Sweep, Unit};
use crate::kernels::{Accumulate, Matrix};
use crate::layers::Context;

/// A block, the gradient of its output and the place for that of its input.
type Task<'a> = (Block<'a>, &'a [f32], Option<&'a mut [f32]>);

/// A thread's blocks and memory.
struct Lane<'a> {
    blocks: Vec<Task<'a>>,
    memory: Vec<f32>,
    scratch: Vec<f32>,
}

/// Memory of a block's steps: gradients of the sums and of the states of all its rows.
struct States<'a> {
    step: &'a mut [f32],
    dh: &'a mut [f32],
    dc: &'a mut [f32],
    /// Gradients of hidden states before their projection; empty where there is none.
    raw: &'a mut [f32],
    /// Gradients of the hidden states after a step; empty where no step is padding.
    held: &'a mut [f32],
}

impl States<'_> {
    fn hold(&mut self) {
        if !self.held.is_empty() {
            self.held.copy_from_slice(self.dh);
        }
    }

    /// A step that is padding hands the gradient of the state on as it is.
    fn pass_on(&mut self, padding: Padding<'_>, step: usize, state: usize) {
        for row in (0..self.held.len() / state).filter(|row| padding.has(*row, step)) {
            let place = row * state..(row + 1) * state;
            self.dh[place.clone()].copy_from_slice(&self.held[place]);
        }
    }
}

/// Gradient of the hidden states that a unit puts out.
struct Output<'a> {
    values: &'a [f32],
    /// Only of that after the last step.
    last: bool,
    padding: Padding<'a>,
}

impl Output<'_> {
    /// Whether a row's step has a part in what is put out.
    fn reaches(&self, row: usize, step: usize, is_last: bool) -> bool {
        if self.last {
            is_last
        } else {
            !self.padding.has(row, step)
        }
    }
}

impl Recurrent {
    pub(super) fn run_backward(
        &self,
        ctx: &mut Context<'_>,
        (gradient, padding): (&[f32], &[f32]),
        into: Option<&mut [f32]>,
    ) {
        let Some(training) = ctx.training else { return };
        let level = ctx.kernels.level();
        let workers = std::sync::Arc::clone(ctx.kernels.workers());
        let (threads, sizes) = self.blocks(ctx.rows, workers.threads());
        let (mut packing, mut lent) = ctx.kernels.borrow(2 * threads);
        let packs = self.pack(ctx.kernels.arithmetic(), &mut packing, ctx.weights, true);
        let sweep = Sweep {
            level,
            values: packing.values(),
            packs: &packs,
            biases: &[],
            seed: training.seed,
            step: training.step,
        };
        let in_width = self.steps * self.inputs;
        let out_width = gradient.len() / ctx.rows.max(1);
        let mut into = into.map(Cut);
        let mut first = 0;
        let mut blocks = self
            .cut(&sizes, ctx.saved, training.rows, padding)
            .into_iter()
            .map(|block| {
                let rows = block.rows;
                first += rows;
                let gradient = &gradient[(first - rows) * out_width..first * out_width];
                let into = into.as_mut().map(|into| into.take(rows * in_width));
                (block, gradient, into)
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
            for (block, gradient, into) in &mut lane.blocks {
                let ends = (*gradient, into.as_deref_mut());
                self.block_backward(&sweep, block, ends, &mut lane.memory, &mut lane.scratch);
            }
        });
        for lane in lanes {
            lent.extend([lane.scratch, lane.memory]);
        }
        ctx.kernels.give_back((packing, lent));
    }

    fn block_backward(
        &self,
        sweep: &Sweep<'_>,
        block: &mut Block<'_>,
        (gradient, mut into): (&[f32], Option<&mut [f32]>),
        memory: &mut Vec<f32>,
        scratch: &mut Vec<f32>,
    ) {
        let rows = block.rows;
        let between = if self.layers > 1 {
            rows * self.steps * self.output_width()
        } else {
            0
        };
        let raw = if self.projected > 0 { self.hidden } else { 0 };
        let held = if block.padding.is_empty() { 0 } else { self.state() };
        let wanted = rows * (self.step_width() + self.state() + self.hidden + raw + held) + 2 * between;
        if memory.len() < wanted {
            memory.resize(wanted, 0.0);
        }
        let mut cut = Cut(memory);
        let mut states = States {
            step: cut.take(rows * self.step_width()),
            dh: cut.take(rows * self.state()),
            dc: cut.take(rows * self.hidden),
            raw: cut.take(rows * raw),
            held: cut.take(rows * held),
        };
        let (mut above, mut below) = (cut.take(between), cut.take(between));
        for layer in (0..self.layers).rev() {
            let top = layer + 1 == self.layers;
            let output = Output {
                values: if top { gradient } else { &*above },
                last: top && self.last,
                padding: block.padding,
            };
            for direction in 0..self.directions {
                let unit = layer * self.directions + direction;
                let saved = &mut block.units[unit];
                self.unit_backward(sweep, unit, saved, &mut states, &output, scratch);
                let target = if layer == 0 {
                    into.as_deref_mut()
                } else {
                    Some(&mut *below)
                };
                if let Some(target) = target {
                    self.input_gradient(sweep, unit, saved.gates, target, scratch);
                }
            }
            if layer > 0 {
                self.drop_out(sweep.level, layer - 1, sweep, block.keys, below);
            }
            std::mem::swap(&mut above, &mut below);
        }
    }

    fn unit_backward(
        &self,
        sweep: &Sweep<'_>,
        unit: usize,
        saved: &mut Unit<'_>,
        states: &mut States<'_>,
        output: &Output<'_>,
        scratch: &mut Vec<f32>,
    ) {
        let (hidden, state) = (self.hidden, self.state());
        let rows = states.dh.len() / state;
        states.dh.fill(0.0);
        states.dc.fill(0.0);
        saved.sums.fill(0.0);
        for at in (0..self.steps).rev() {
            if self.projected > 0 {
                self.project_back(sweep, (unit, at), saved, states, output, scratch);
            }
            self.step_backward(sweep, unit, saved, states, output, at);
            states.hold();
            // The state before the first step is no one's.
            for (part, pack) in self.cell.parts().iter().zip(&sweep.packs[unit].hidden) {
                if at == 0 {
                    break;
                }
                let gradient = Matrix {
                    data: &states.step[part.at * hidden..],
                    rows,
                    cols: (part.to - part.from) * hidden,
                    row_stride: self.step_width(),
                    col_stride: 1,
                };
                // What a GRU hands down besides its products is there already.
                let keeps = self.cell == super::Cell::Gru;
                let start = if keeps {
                    Accumulate::Result
                } else {
                    Accumulate::Zero
                };
                sweep
                    .values
                    .product(gradient, *pack, start, (states.dh, state), scratch);
            }
            states.pass_on(output.padding, self.step_at(unit, at), state);
        }
    }

    /// Distance of two rows' outputs of a unit, and where that of a step starts.
    pub(super) fn output_place(&self, unit: usize, last: bool, step: usize) -> (usize, usize) {
        let (width, place) = (self.output_width(), unit % self.directions * self.state());
        match last {
            false => (self.steps * width, step * width + place),
            true => (width, place),
        }
    }

    /// The gradients of a step's hidden states before their projection, of all rows.
    fn project_back(
        &self,
        sweep: &Sweep<'_>,
        (unit, at): (usize, usize),
        saved: &mut Unit<'_>,
        states: &mut States<'_>,
        output: &Output<'_>,
        scratch: &mut Vec<f32>,
    ) {
        let Some(projection) = sweep.packs[unit].projection else {
            return;
        };
        let (size, step) = (self.projected, self.step_at(unit, at));
        let (stride, start) = self.output_place(unit, output.last, step);
        let is_last = at + 1 == self.steps;
        for (row, dh) in states.dh.chunks_exact_mut(size).enumerate() {
            if output.reaches(row, step, is_last) {
                let from = &output.values[row * stride + start..][..size];
                dh.iter_mut().zip(from).for_each(|(dh, output)| *dh += *output);
            }
            let slopes = &mut saved.slopes[(row * self.steps + step) * size..][..size];
            if output.padding.has(row, step) {
                slopes.fill(0.0);
            } else {
                slopes.copy_from_slice(dh);
            }
        }
        let slopes = Matrix::new(states.dh, states.dh.len() / size, size);
        let into = (&mut *states.raw, self.hidden);
        sweep
            .values
            .product(slopes, projection, Accumulate::Zero, into, scratch);
    }

    /// The gradients of the sums of a step of all rows.
    fn step_backward(
        &self,
        sweep: &Sweep<'_>,
        unit: usize,
        saved: &mut Unit<'_>,
        states: &mut States<'_>,
        output: &Output<'_>,
        at: usize,
    ) {
        let (width, hidden, step) = (self.step_width(), self.hidden, self.step_at(unit, at));
        let (stride, start) = self.output_place(unit, output.last, step);
        // What is projected met the output before its projection.
        let is_last = at + 1 == self.steps;
        let seen = if self.projected > 0 {
            &mut *states.raw
        } else {
            &mut *states.dh
        };
        for row in 0..seen.len() / hidden {
            let of_step = row * self.steps + step;
            let state = row * hidden..(row + 1) * hidden;
            let sums = row * width..(row + 1) * width;
            let memory = if self.cell.has_memory() {
                of_step * hidden..(of_step + 1) * hidden
            } else {
                0..0
            };
            let from = row * stride + start;
            let gates = &mut saved.gates[of_step * width..(of_step + 1) * width];
            let reaches = self.projected == 0 && output.reaches(row, step, is_last);
            let output_gradient = if reaches {
                &output.values[from..from + hidden]
            } else {
                &[]
            };
            if output.padding.has(row, step) {
                // It has no sums, and the states after it are those before it.
                gates.fill(0.0);
                states.step[sums].fill(0.0);
                let own = seen[state].iter_mut().zip(output_gradient);
                own.for_each(|(dh, output)| *dh += *output);
                continue;
            }
            self.cell.backward(
                sweep.level,
                Row {
                    gates,
                    h: &saved.before[of_step * self.state()..(of_step + 1) * self.state()],
                    c: &saved.memory[memory],
                    output: output_gradient,
                    dh: &mut seen[state.clone()],
                    dc: &mut states.dc[state],
                    step: &mut states.step[sums.clone()],
                    sums: &mut saved.sums[sums],
                },
            );
        }
    }

    /// The gradient of what came into a unit; the second direction adds to that of the first.
    fn input_gradient(
        &self,
        sweep: &Sweep<'_>,
        unit: usize,
        gates: &[f32],
        into: &mut [f32],
        scratch: &mut Vec<f32>,
    ) {
        let width = self.step_width();
        let gradient = Matrix {
            cols: self.cell.gates() * self.hidden,
            ..Matrix::new(gates, gates.len() / width, width)
        };
        let start = if unit.is_multiple_of(self.directions) {
            Accumulate::Zero
        } else {
            Accumulate::Result
        };
        let into = (into, self.input_width(unit));
        sweep
            .values
            .product(gradient, sweep.packs[unit].input, start, into, scratch);
    }
}
