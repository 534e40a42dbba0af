//! Products of rows of zeros with weights that change from step to step: only the columns of the weights that the rows touch are
//! read, and only their gradients are computed.
//!
//! The bits are those of dense products. A zero adds nothing to a chain of fused multiply-adds, nor does a block of zeros to a sum,
//! as long as no sum is -0.0. It can be where a product is too small to be told from a zero: of such a sum the sign may differ. (And a
//! weight or a gradient that is infinite or NaN makes NaN of a zero where the zero is computed.)

use super::columns::{Entry, SparseInput};
use super::gemm::Kernels;
use super::matrix::{Matrix, block_size};
use super::program::{Leaf, Program, level_of};
use super::simd::{SimdLevel, simd_dispatch};
use super::sparse_row::{SparseRow, add_scaled, add_zero};
use candlewick_protocol::rows::SparseRows;
use candlewick_protocol::tree::Step;

/// Columns that are turned at a time: their values stay in the nearest cache.
const TURNED: usize = 128;
/// Values that are worth a thread.
const LEAST: usize = 1 << 15;

/// Gradients of rows, and what of them reaches the values of a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowGradients<'a> {
    /// Of each row so many, row after row.
    pub values: &'a [f32],
    pub outputs: usize,
    /// Of each of them the one column that it reaches, as it is; without it reaches all columns, times the value of the row there.
    pub winners: Option<&'a [f32]>,
}

impl RowGradients<'_> {
    /// Adds what reaches a value of a column.
    fn add(&self, level: SimdLevel, column: f32, entry: &Entry, sums: &mut [f32]) {
        let of = entry.row as usize * self.outputs..(entry.row as usize + 1) * self.outputs;
        let row = &self.values[of.clone()];
        match self.winners {
            None => add_scaled(level, sums, entry.value, row),
            Some(winners) => add_won(level, sums, row, &winners[of], column),
        }
    }

    /// Sets what reaches the only value of a column.
    fn set(&self, level: SimdLevel, column: f32, entry: &Entry, into: &mut [f32]) {
        if self.winners.is_some() {
            into.fill(0.0);
            return self.add(level, column, entry, into);
        }
        let row = &self.values[entry.row as usize * self.outputs..][..self.outputs];
        set_scaled(level, into, entry.value, row);
    }
}

simd_dispatch! {
    /// Adds the gradients that the column won.
    fn add_won(sums: &mut [f32], gradient: &[f32], winners: &[f32], column: f32) {
        for (sum, (gradient, winner)) in sums.iter_mut().zip(gradient.iter().zip(winners)) {
            *sum += if *winner == column { *gradient } else { 0.0 };
        }
    }
}

simd_dispatch! {
    /// What a column with one value alone comes to: `value * row`, and no zero of it is -0.0.
    fn set_scaled(into: &mut [f32], value: f32, row: &[f32]) {
        for (into, gradient) in into.iter_mut().zip(row) {
            *into = value.mul_add(*gradient, 0.0) + 0.0;
        }
    }
}

impl SparseInput<'_> {
    /// `into = rows weightᵀ + bias`: `weight` is `outputs` x `inputs`, row after row.
    ///
    /// # Panics
    /// Where the shapes do not agree: a defect of the caller.
    pub(crate) fn product(
        self,
        kernels: &mut Kernels,
        weight: Matrix<'_>,
        bias: Option<&[f32]>,
        into: &mut [f32],
    ) {
        let (inputs, outputs) = (weight.cols, weight.rows);
        let (level, columns) = (kernels.level(), self.columns);
        let mut turned = kernels.take_turned();
        let length = columns.indices.len() * outputs;
        if turned.len() < length {
            // It stays for the whole training: no room for growth that does not come.
            turned.reserve_exact(length - turned.len());
            turned.resize(length, 0.0);
        }
        let workers = kernels.workers();
        workers.chunks(&mut turned[..length], outputs, LEAST, |start, part| {
            turn(weight, &columns.indices[start / outputs..], part);
        });
        // A row's places begin where those of the rows before it end.
        let before = self.before();
        let each = (columns.places.len() * outputs / into.len().max(1)).max(1);
        let operand = &turned[..length];
        workers.chunks(into, outputs, LEAST / each, |start, part| {
            let mut sums = vec![0.0; outputs];
            for (at, into) in part.chunks_exact_mut(outputs).enumerate() {
                let row = self.first + start / outputs + at;
                let (indices, values) = self.rows.row(row);
                let end = self.rows.end(row) - before;
                let row = SparseRow {
                    indices,
                    values,
                    places: &columns.places[end - indices.len()..end],
                };
                row.product(level, (inputs, operand), bias, (&mut sums, into));
            }
        });
        kernels.give_turned(turned);
    }

    /// The columns of [`Kernels::tree_product`]`(gradientᵀ, rows)` that are touched under the node: as rows of `outputs` values. None
    /// of the values is -0.0. With winners it is the same sum of what each column won.
    pub(crate) fn tree_product(
        self,
        kernels: &mut Kernels,
        gradients: RowGradients<'_>,
        tree: &Program,
        into: &mut SparseRows,
    ) {
        let (columns, outputs) = (self.columns, gradients.outputs);
        let mut spans = kernels.take_keys();
        spans.clear();
        into.clear();
        // They stay for the whole training: no room for growth that does not come.
        spans.reserve_exact(2 * columns.indices.len());
        into.indices.reserve_exact(columns.indices.len());
        let rows = tree.leaves().next().map_or(0, |(start, _)| start)
            ..tree.leaves().last().map_or(0, |(start, rows)| start + rows);
        for (column, index) in columns.indices.iter().enumerate() {
            let span = columns.span(column);
            let entries = &columns.entries[span.clone()];
            // Most columns have few values: the ends are soon found.
            let skipped = entries
                .iter()
                .take_while(|entry| (entry.row as usize) < rows.start)
                .count();
            let after = entries
                .iter()
                .rev()
                .take_while(|entry| entry.row as usize >= rows.end)
                .count();
            if skipped + after < entries.len() {
                into.indices.push(*index);
                spans.push((span.start + skipped) as u64);
                spans.push((span.end - after) as u64);
            }
        }
        into.values.resize(into.indices.len() * outputs, 0.0);
        let level = kernels.level();
        let each = (columns.entries.len() / columns.indices.len().max(1)).max(1);
        let (ends, _) = spans.as_chunks::<2>();
        let indices = &into.indices;
        kernels
            .workers()
            .chunks(&mut into.values, outputs, LEAST / each, |start, part| {
                let mut memory = vec![0.0; (tree.depth() + 1) * outputs];
                let (sums, stack) = memory.split_at_mut(outputs);
                let own = ends[start / outputs..].iter().zip(&indices[start / outputs..]);
                for (into, ([from, to], index)) in part.chunks_exact_mut(outputs).zip(own) {
                    let entries = &columns.entries[place(*from)..place(*to)];
                    let name = named(*index);
                    if let [only] = entries {
                        gradients.set(level, name, only, into);
                    } else {
                        column(level, tree, (name, entries), gradients, (into, sums, stack));
                    }
                }
            });
        kernels.give_keys(spans);
    }
}

/// A column as winners name it.
#[expect(
    clippy::cast_precision_loss,
    reason = "those of tables, which have winners, are at most 2^24"
)]
fn named(column: u32) -> f32 {
    column as f32
}

#[expect(clippy::cast_possible_truncation, reason = "was a usize")]
fn place(at: u64) -> usize {
    at as usize
}

/// Columns of a matrix, `indices` of it, as rows one after another.
fn turn(weight: Matrix<'_>, indices: &[u32], into: &mut [f32]) {
    let outputs = weight.rows;
    for (indices, into) in indices.chunks(TURNED).zip(into.chunks_mut(TURNED * outputs)) {
        for (output, row) in weight.data.chunks_exact(weight.cols).enumerate() {
            for (index, into) in indices.iter().zip(into.iter_mut().skip(output).step_by(outputs)) {
                *into = row[*index as usize];
            }
        }
    }
}

/// The value of a node for one column, from the leaves where it has values.
fn column(
    level: SimdLevel,
    tree: &Program,
    (name, mut entries): (f32, &[Entry]),
    gradients: RowGradients<'_>,
    (into, sums, stack): (&mut [f32], &mut [f32], &mut [f32]),
) {
    let outputs = sums.len();
    let mut present = [false; 64];
    let mut height = 0;
    for step in tree.steps() {
        match *step {
            Step::Push(leaf) => {
                let count = entries
                    .iter()
                    .take_while(|entry| (entry.row as usize) < leaf.start + leaf.rows)
                    .count();
                present[height] = count > 0;
                if count > 0 {
                    let (own, rest) = entries.split_at(count);
                    let (_, place) = level_of((&mut *into, &mut *stack), height, outputs);
                    chain(level, leaf, (name, own), gradients, (place, sums));
                    entries = rest;
                }
                height += 1;
            }
            Step::Add => {
                height -= 1;
                if present[height] {
                    let (left, right) = level_of((&mut *into, &mut *stack), height, outputs);
                    match present[height - 1] {
                        true => super::add_into(level, left, right),
                        false => left.copy_from_slice(right),
                    }
                    present[height - 1] = true;
                }
            }
        }
    }
    add_zero(into);
}

/// The value of a leaf: blocks of its rows, each from 0 on, one after another.
fn chain(
    level: SimdLevel,
    leaf: Leaf,
    (name, entries): (f32, &[Entry]),
    gradients: RowGradients<'_>,
    (into, sums): (&mut [f32], &mut [f32]),
) {
    let size = block_size(leaf.rows);
    let block = |entry: &Entry| (entry.row as usize - leaf.start) / size;
    for (at, entries) in entries.chunk_by(|a, b| block(a) == block(b)).enumerate() {
        let target = if at == 0 { &mut *into } else { &mut *sums };
        target.fill(0.0);
        for entry in entries {
            gradients.add(level, name, entry, target);
        }
        if at > 0 {
            super::add_into(level, into, sums);
        }
    }
}
