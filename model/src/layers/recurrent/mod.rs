//! Recurrent layers: RNN, LSTM, GRU.
//!
//! Rows do not see each other, so every thread takes rows of its own through all layers and all steps: nobody waits
//! for anybody in between. The weights are packed once and stay in the cache of the processor core. A step's sums are
//! (biases + product of the input) + product of the hidden state; at the first step the latter is left out, the state
//! being 0. What the weights' gradients need is saved row after row, all steps of a row together, so that a slice's
//! rows are one block of memory and its products follow the tree.

mod backward;
mod build;
mod cell;
mod forward;

use super::{BackwardInputs, Context, Init, Module, ParameterSpec, RowKey, uniform_by_fan};
use crate::kernels::{Arithmetic, Kernels, Matrix, Packed, Packing, Program, SimdLevel};
use crate::philox::{Key, Mask, mask_row};
pub(super) use build::JOINS;
use candlewick_protocol::Failure;
use cell::{Cell, Part};

/// Rows that a thread takes through the steps together at most: as many as two tiles have.
const BLOCK_ROWS: usize = 28;
/// Multiply-adds that are worth a thread.
const WORK_PER_THREAD: usize = 1 << 19;

/// Random zeros between two layers.
#[derive(Debug)]
struct Dropout {
    path: String,
    /// Probability of being kept, of 2^32.
    below: u64,
    scale: f32,
}

#[derive(Debug)]
struct Recurrent {
    cell: Cell,
    inputs: usize,
    /// Values of a gate.
    hidden: usize,
    /// Values of a projected hidden state; 0 where it is not projected.
    projected: usize,
    layers: usize,
    directions: usize,
    steps: usize,
    bias: bool,
    /// Only the hidden state after the last step comes out.
    last: bool,
    /// Whether a second input tells which steps are padding: they put out 0 and leave the states as they are.
    padding: bool,
    /// After every layer but the last, where there is any.
    dropout: Vec<Dropout>,
}

/// The weights of a layer and direction.
struct UnitWeights<'a> {
    input: Matrix<'a>,
    hidden: Matrix<'a>,
    /// Of the input and of the hidden state; empty where there are none.
    biases: [&'a [f32]; 2],
    /// Of the hidden state to what comes out.
    projection: Option<Matrix<'a>>,
}

/// What a layer and direction keeps of some rows.
struct Unit<'a> {
    /// Every step's gates; on the way back the gradients of its sums.
    gates: &'a mut [f32],
    /// The hidden state before every step.
    before: &'a mut [f32],
    /// The memory before every step; empty where the cell has none.
    memory: &'a mut [f32],
    /// On the way back, the gradient of a row's sums over all steps.
    sums: &'a mut [f32],
    /// Every step's hidden state before its projection; empty where there is none.
    raw: &'a mut [f32],
    /// On the way back, the gradient of every step's projected state.
    slopes: &'a mut [f32],
}

/// Rows that go through the layers together.
struct Block<'a> {
    rows: usize,
    /// Empty when scoring.
    keys: &'a [RowKey],
    padding: Padding<'a>,
    /// By layer and direction; empty when scoring.
    units: Vec<Unit<'a>>,
    /// Of every layer but the last; empty when scoring.
    outputs: Vec<&'a mut [f32]>,
}

/// Which steps of rows are padding.
#[derive(Clone, Copy)]
struct Padding<'a> {
    /// Not 0 where a step is; empty where none are.
    values: &'a [f32],
    steps: usize,
}

impl Padding<'_> {
    fn is_empty(self) -> bool {
        self.values.is_empty()
    }

    fn has(self, row: usize, step: usize) -> bool {
        !self.is_empty() && self.values[row * self.steps + step] != 0.0
    }
}

/// Memory from which parts are taken one after another.
struct Cut<'a>(&'a mut [f32]);

impl<'a> Cut<'a> {
    fn take(&mut self, length: usize) -> &'a mut [f32] {
        let (part, rest) = std::mem::take(&mut self.0).split_at_mut(length);
        self.0 = rest;
        part
    }
}

impl Recurrent {
    /// The input that tells which steps are padding; empty where there is none.
    fn padding_of<'a>(&self, inputs: &[&'a [f32]]) -> &'a [f32] {
        if self.padding { inputs[1] } else { &[] }
    }

    fn units(&self) -> usize {
        self.layers * self.directions
    }

    /// Values of a step of a row.
    fn step_width(&self) -> usize {
        self.cell.blocks() * self.hidden
    }

    /// Values of a hidden state as the next step sees it.
    fn state(&self) -> usize {
        if self.projected > 0 {
            self.projected
        } else {
            self.hidden
        }
    }

    /// Kinds of saved values of a unit, those of [`Unit`].
    fn kinds(&self) -> usize {
        if self.projected > 0 { 6 } else { 4 }
    }

    /// Values of a step of a row that a layer puts out.
    fn output_width(&self) -> usize {
        self.directions * self.state()
    }

    /// Values of a step of a row that come into a unit.
    fn input_width(&self, unit: usize) -> usize {
        if unit < self.directions {
            self.inputs
        } else {
            self.output_width()
        }
    }

    /// The step of the sequence that a unit takes as its `at`th.
    fn step_at(&self, unit: usize, at: usize) -> usize {
        if unit.is_multiple_of(self.directions) {
            at
        } else {
            self.steps - 1 - at
        }
    }

    fn unit_weights<'a>(&self, weights: &'a [f32], unit: usize) -> UnitWeights<'a> {
        let rows = self.cell.gates() * self.hidden;
        let size = |unit: usize| {
            let biases = if self.bias { 2 } else { 0 };
            rows * (self.input_width(unit) + self.state() + biases) + self.projected * self.hidden
        };
        let width = self.input_width(unit);
        let weights = &weights[(0..unit).map(size).sum()..];
        let (input, rest) = weights.split_at(rows * width);
        let (hidden, rest) = rest.split_at(rows * self.state());
        let biases = if self.bias {
            [&rest[..rows], &rest[rows..2 * rows]]
        } else {
            [&[][..]; 2]
        };
        UnitWeights {
            input: Matrix::new(input, rows, width),
            hidden: Matrix::new(hidden, rows, self.state()),
            projection: (self.projected > 0).then(|| {
                let start = biases[0].len() + biases[1].len();
                Matrix::new(&rest[start..], self.projected, self.hidden)
            }),
            biases,
        }
    }

    /// Rows of `weight_hh` that a part multiplies with.
    fn part_rows<'a>(&self, hidden: &Matrix<'a>, part: Part) -> Matrix<'a> {
        let (from, to) = (part.from * self.hidden, part.to * self.hidden);
        Matrix::new(&hidden.data[from * self.state()..], to - from, self.state())
    }

    /// Values that a row keeps: of every unit the kinds of [`Unit`], then the outputs between layers.
    fn saved_widths(&self) -> Vec<usize> {
        let memory = if self.cell.has_memory() { self.hidden } else { 0 };
        let unit = [
            self.steps * self.step_width(),
            self.steps * self.state(),
            self.steps * memory,
            self.step_width(),
            self.steps * self.hidden,
            self.steps * self.projected,
        ];
        let mut widths = unit[..self.kinds()].repeat(self.units());
        widths.extend(std::iter::repeat_n(
            self.steps * self.output_width(),
            self.layers - 1,
        ));
        widths
    }

    /// A saved value of all rows.
    fn saved_of<'a>(&self, saved: &'a [f32], rows: usize, index: usize) -> &'a [f32] {
        let widths = self.saved_widths();
        let start: usize = widths[..index].iter().sum();
        &saved[rows * start..rows * (start + widths[index])]
    }

    /// Number of threads that are worth it, and the number of rows of every block; every thread has equally many
    /// blocks, but for the last.
    fn blocks(&self, rows: usize, threads: usize) -> (usize, Vec<usize>) {
        let work: usize = (0..self.units())
            .map(|unit| rows * self.steps * self.step_width() * (self.input_width(unit) + self.hidden))
            .sum();
        let threads = (work / WORK_PER_THREAD).clamp(1, threads);
        let count = rows.div_ceil(BLOCK_ROWS).next_multiple_of(threads).max(1);
        let size = rows.div_ceil(count).max(1);
        let sizes = (0..rows).step_by(size).map(|first| size.min(rows - first));
        (threads, sizes.collect())
    }

    /// The rows as blocks, with what is saved of them.
    fn cut<'a>(
        &self,
        sizes: &[usize],
        saved: &'a mut [f32],
        keys: &'a [RowKey],
        padding: &'a [f32],
    ) -> Vec<Block<'a>> {
        let rows: usize = sizes.iter().sum();
        let training = !saved.is_empty();
        let widths = self.saved_widths();
        let mut saved = Cut(saved);
        let mut kinds: Vec<Cut<'_>> = match training {
            true => widths.iter().map(|width| Cut(saved.take(rows * width))).collect(),
            false => Vec::new(),
        };
        let mut first = 0;
        let blocks = sizes.iter().map(|&rows| {
            let mut parts = kinds
                .iter_mut()
                .zip(&widths)
                .map(|(kind, width)| kind.take(rows * width));
            let mut next = || parts.next().unwrap_or_default();
            let unit = |_| Unit {
                gates: next(),
                before: next(),
                memory: next(),
                sums: next(),
                raw: if self.projected > 0 {
                    next()
                } else {
                    Default::default()
                },
                slopes: if self.projected > 0 {
                    next()
                } else {
                    Default::default()
                },
            };
            let units = (0..if training { self.units() } else { 0 }).map(unit).collect();
            first += rows;
            Block {
                rows,
                keys: if keys.is_empty() {
                    keys
                } else {
                    &keys[first - rows..first]
                },
                padding: Padding {
                    values: if padding.is_empty() {
                        padding
                    } else {
                        &padding[(first - rows) * self.steps..first * self.steps]
                    },
                    steps: self.steps,
                },
                units,
                outputs: parts.collect(),
            }
        });
        blocks.collect()
    }

    /// Packs every unit's operands.
    fn pack(
        &self,
        arithmetic: Arithmetic,
        packing: &mut Packing,
        weights: &[f32],
        back: bool,
    ) -> Vec<UnitPacks> {
        let turned = |matrix: Matrix<'_>| {
            if back {
                (matrix.cols, matrix.rows)
            } else {
                (matrix.rows, matrix.cols)
            }
        };
        let shapes = (0..self.units()).flat_map(|unit| {
            let weights = self.unit_weights(weights, unit);
            let parts = self.cell.parts().iter();
            let parts = parts.map(move |part| turned(self.part_rows(&weights.hidden, *part)));
            let more = [turned(weights.input)].into_iter();
            let more = more.chain(weights.projection.map(turned));
            parts.chain(more).collect::<Vec<_>>()
        });
        packing.begin(shapes);
        let mut pack =
            |matrix: Matrix<'_>| packing.pack(arithmetic, if back { matrix.transposed() } else { matrix });
        let unit = |unit| {
            let weights = self.unit_weights(weights, unit);
            let parts = self.cell.parts().iter();
            UnitPacks {
                input: pack(weights.input),
                hidden: parts
                    .map(|part| pack(self.part_rows(&weights.hidden, *part)))
                    .collect(),
                projection: weights.projection.map(&mut pack),
            }
        };
        (0..self.units()).map(unit).collect()
    }

    /// Applies the random zeros after a layer to rows of its output or of that one's gradient.
    fn drop_out(
        &self,
        level: SimdLevel,
        layer: usize,
        sweep: &Sweep<'_>,
        keys: &[RowKey],
        values: &mut [f32],
    ) {
        let Some(dropout) = self.dropout.get(layer) else {
            return;
        };
        let key = Key::new(sweep.seed, &dropout.path);
        let rows = values.chunks_exact_mut(self.steps * self.output_width());
        for (row, values) in keys.iter().zip(rows) {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the counter's word; no job has 2^32 steps"
            )]
            let place = [row.row, row.shard, sweep.step as u32];
            let mask = Mask {
                key,
                place,
                below: dropout.below,
                scale: dropout.scale,
            };
            mask_row(level, mask, values);
        }
    }

    /// Gradient of a bias: sums of columns over the rows' own sums.
    fn bias_gradient(
        &self,
        kernels: &mut Kernels,
        sums: Matrix<'_>,
        tree: &Program,
        of_hidden: bool,
        into: &mut [f32],
    ) {
        if self.cell.blocks() == self.cell.gates() {
            kernels.tree_column_sums(&sums, tree, 1, into);
            return;
        }
        let (packing, mut memory) = kernels.borrow(1);
        let length = self.step_width().max(memory[0].len());
        memory[0].resize(length, 0.0);
        kernels.tree_column_sums(&sums, tree, 1, &mut memory[0]);
        let parts = self.cell.parts();
        let input = [Part {
            at: 0,
            from: 0,
            to: self.cell.gates(),
            joins: true,
        }];
        for part in if of_hidden { parts } else { &input } {
            let length = (part.to - part.from) * self.hidden;
            let from = &memory[0][part.at * self.hidden..][..length];
            into[part.from * self.hidden..][..length].copy_from_slice(from);
        }
        kernels.give_back((packing, memory));
    }
}

/// The packed operands of a layer and direction.
struct UnitPacks {
    input: Packed,
    /// By [`Part`].
    hidden: Vec<Packed>,
    projection: Option<Packed>,
}

/// What every thread sees.
#[derive(Clone, Copy)]
struct Sweep<'a> {
    level: SimdLevel,
    values: crate::kernels::PackedValues<'a>,
    packs: &'a [UnitPacks],
    /// Of every unit the biases of a step, as many as a step has values; empty where there are none.
    biases: &'a [f32],
    seed: u64,
    step: u64,
}

impl Module for Recurrent {
    fn parameters(&self) -> Vec<ParameterSpec> {
        let init: Init = uniform_by_fan(self.hidden);
        let rows = self.cell.gates() * self.hidden;
        let mut specs = Vec::new();
        for unit in 0..self.units() {
            let suffix = if unit.is_multiple_of(self.directions) {
                ""
            } else {
                "_reverse"
            };
            let layer = unit / self.directions;
            let mut add = |name: &str, shape: &[usize]| {
                specs.push(ParameterSpec::new(
                    &format!("{name}_l{layer}{suffix}"),
                    shape,
                    init,
                ));
            };
            add("weight_ih", &[rows, self.input_width(unit)]);
            add("weight_hh", &[rows, self.state()]);
            if self.bias {
                add("bias_ih", &[rows]);
                add("bias_hh", &[rows]);
            }
            if self.projected > 0 {
                add("weight_hr", &[self.projected, self.hidden]);
            }
        }
        specs
    }

    fn saved(&self, rows: usize, training: bool) -> usize {
        if training {
            rows * self.saved_widths().iter().sum::<usize>()
        } else {
            0
        }
    }

    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        self.run_forward(ctx, (inputs[0], self.padding_of(inputs)), output);
        Ok(())
    }

    fn backward(
        &self,
        ctx: &mut Context<'_>,
        ends: BackwardInputs<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        let padding = self.padding_of(ends.inputs);
        self.run_backward(ctx, (ends.gradient, padding), into[0].as_deref_mut());
        if let Some(Some(into)) = into.get_mut(1) {
            into.fill(0.0);
        }
        Ok(())
    }

    fn parameter_gradient(
        &self,
        ctx: &mut Context<'_>,
        parameter: usize,
        tree: &Program,
        ends: BackwardInputs<'_>,
        into: &mut [f32],
    ) {
        let biases = if self.bias { 2 } else { 0 };
        let count = 2 + biases + usize::from(self.projected > 0);
        let (unit, kind, kinds) = (parameter / count, parameter % count, self.kinds());
        let (rows, width) = (ctx.rows * self.steps, self.step_width());
        let of = |index: usize| self.saved_of(ctx.saved, ctx.rows, index);
        let gates = of(kinds * unit);
        let gradient = |from: usize, blocks: usize| {
            let all = Matrix::new(gates, rows, width);
            let data = &all.data[from * self.hidden..];
            let cols = blocks * self.hidden;
            Matrix { data, cols, ..all }.transposed()
        };
        match kind {
            0 => {
                let x = match unit / self.directions {
                    0 => ends.inputs[0],
                    layer => of(kinds * self.units() + layer - 1),
                };
                let x = Matrix::new(x, rows, self.input_width(unit));
                let gradient = gradient(0, self.cell.gates());
                ctx.kernels.tree_product(gradient, x, tree, self.steps, into);
            }
            1 => {
                let before = Matrix::new(of(kinds * unit + 1), rows, self.state());
                for part in self.cell.parts() {
                    let blocks = part.to - part.from;
                    let into = &mut into[part.from * self.hidden * self.state()..];
                    ctx.kernels
                        .tree_product(gradient(part.at, blocks), before, tree, self.steps, into);
                }
            }
            _ if kind == 2 + biases => {
                let raw = Matrix::new(of(kinds * unit + 4), rows, self.hidden);
                let slopes = Matrix::new(of(kinds * unit + 5), rows, self.projected).transposed();
                ctx.kernels.tree_product(slopes, raw, tree, self.steps, into);
            }
            _ => {
                let sums = Matrix::new(of(kinds * unit + 3), ctx.rows, width);
                self.bias_gradient(ctx.kernels, sums, tree, kind == 3, into);
            }
        }
    }
}
