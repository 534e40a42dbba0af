//! Products of rows of zeros with weights that change from step to step: only the columns of the weights that the rows touch are
//! read, and only their gradients are computed.
//!
//! The bits are those of dense products. A zero adds nothing to a chain of fused multiply-adds, nor does a block of zeros to a sum,
//! as long as no sum is -0.0. It can be where a product is too small to be told from a zero: of such a sum the sign may differ. (And a
//! weight or a gradient that is infinite or NaN makes NaN of a zero where the zero is computed.)

use super::csr::Csr;
use super::gemm::Kernels;
use super::matrix::{Matrix, block_size};
use super::program::{Leaf, Program, level_of};
use super::simd::{SimdLevel, simd_dispatch};
use super::sparse_row::{SparseRow, add_scaled, add_zero};
use candlewick_protocol::Failure;
use candlewick_protocol::rows::SparseRows;
use candlewick_protocol::tree::Step;
use std::ops::Range;

/// Columns that are turned at a time: their values stay in the nearest cache.
const TURNED: usize = 128;
/// Values that are worth a thread.
const LEAST: usize = 1 << 15;
/// Columns of a word of bits.
const BITS: usize = u64::BITS as usize;

/// Which columns some rows touch, and what is in them. The memory is kept.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    /// A bit for each column that is touched, and how many are before each word.
    bits: Vec<u64>,
    before: Vec<u32>,
    /// The columns that are touched, ascending.
    indices: Vec<u32>,
    /// Of each value of the rows, where its column stands among them.
    places: Vec<u32>,
    /// Where the values of each column end, and the values with their rows.
    ends: Vec<usize>,
    entries: Vec<Entry>,
}

/// A value of a column.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    row: u32,
    value: f32,
}

impl Columns {
    /// Looks at these rows of `width` values.
    ///
    /// # Errors
    /// `Internal` where a row has an index that is not below the one after it, or not below `width`.
    pub(crate) fn set(&mut self, rows: &Csr, of: Range<usize>, width: usize) -> Result<(), Failure> {
        self.bits.clear();
        self.bits.resize(width.div_ceil(BITS), 0);
        for row in of.clone() {
            let indices = rows.row(row).0;
            if !indices.is_sorted_by(|a, b| a < b)
                || indices.last().is_some_and(|last| *last as usize >= width)
            {
                return Err(Failure::internal(format!(
                    "row {row} of a step has indices that do not ascend or are not below {width}, the values of a row"
                )));
            }
            for index in indices {
                self.bits[*index as usize / BITS] |= 1 << (*index as usize % BITS);
            }
        }
        self.before.clear();
        self.indices.clear();
        let touched = self.bits.iter().map(|bits| bits.count_ones() as usize).sum();
        self.indices.reserve_exact(touched);
        self.before.reserve_exact(self.bits.len());
        for (word, bits) in self.bits.iter().enumerate() {
            self.before.push(number(self.indices.len()));
            let mut left = *bits;
            while left != 0 {
                self.indices
                    .push(number(word * BITS + left.trailing_zeros() as usize));
                left &= left - 1;
            }
        }
        self.places.clear();
        for row in of {
            let place = |index: &u32| {
                let (word, bit) = (*index as usize / BITS, *index as usize % BITS);
                self.before[word] + (self.bits[word] & ((1 << bit) - 1)).count_ones()
            };
            self.places.extend(rows.row(row).0.iter().map(place));
        }
        Ok(())
    }

    /// Sorts the values of the same rows by columns.
    pub(crate) fn sort(&mut self, rows: &Csr, of: Range<usize>) {
        self.ends.clear();
        self.ends.resize(self.indices.len() + 1, 0);
        for place in &self.places {
            self.ends[*place as usize + 1] += 1;
        }
        let mut sum = 0;
        for end in &mut self.ends {
            sum += *end;
            *end = sum;
        }
        self.entries.resize(self.places.len(), Entry::default());
        // Until all are placed, an end is where the next value of its column goes.
        let mut places = self.places.iter();
        for (at, row) in of.enumerate() {
            for (value, place) in rows.row(row).1.iter().zip(&mut places) {
                let next = &mut self.ends[*place as usize];
                self.entries[*next] = Entry {
                    row: number(at),
                    value: *value,
                };
                *next += 1;
            }
        }
        self.ends.pop();
    }

    /// Values of a column among the entries.
    fn span(&self, column: usize) -> Range<usize> {
        let start = if column == 0 { 0 } else { self.ends[column - 1] };
        start..self.ends[column]
    }
}

/// What counts columns, rows and places, all of which are below 2^32.
#[expect(clippy::cast_possible_truncation, reason = "indices are u32")]
fn number(count: usize) -> u32 {
    count as u32
}

/// Rows of zeros as layers read them, and the columns that they touch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SparseInput<'a> {
    rows: &'a Csr,
    first: usize,
    columns: &'a Columns,
}

simd_dispatch! {
    /// What a column with one value alone comes to: `value * row`, and no zero of it is -0.0.
    fn set_scaled(into: &mut [f32], value: f32, row: &[f32]) {
        for (into, gradient) in into.iter_mut().zip(row) {
            *into = value.mul_add(*gradient, 0.0) + 0.0;
        }
    }
}

impl<'a> SparseInput<'a> {
    /// Rows from `first` on, of which `columns` were set.
    pub(crate) fn new(rows: &'a Csr, first: usize, columns: &'a Columns) -> Self {
        SparseInput { rows, first, columns }
    }

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
        let before = if self.first == 0 {
            0
        } else {
            self.rows.end(self.first - 1)
        };
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
    /// of the values is -0.0.
    pub(crate) fn tree_product(
        self,
        kernels: &mut Kernels,
        (gradient, outputs): (&[f32], usize),
        tree: &Program,
        into: &mut SparseRows,
    ) {
        let columns = self.columns;
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
        kernels
            .workers()
            .chunks(&mut into.values, outputs, LEAST / each, |start, part| {
                let mut memory = vec![0.0; (tree.depth() + 1) * outputs];
                let (sums, stack) = memory.split_at_mut(outputs);
                let ends = &ends[start / outputs..];
                for (into, [from, to]) in part.chunks_exact_mut(outputs).zip(ends) {
                    let entries = &columns.entries[place(*from)..place(*to)];
                    if let [only] = entries {
                        let row = &gradient[only.row as usize * outputs..][..outputs];
                        set_scaled(level, into, only.value, row);
                    } else {
                        column(level, tree, entries, gradient, (into, sums, stack));
                    }
                }
            });
        kernels.give_keys(spans);
    }
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
    mut entries: &[Entry],
    gradient: &[f32],
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
                    chain(level, leaf, own, gradient, (place, sums));
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
    entries: &[Entry],
    gradient: &[f32],
    (into, sums): (&mut [f32], &mut [f32]),
) {
    let (size, outputs) = (block_size(leaf.rows), into.len());
    let block = |entry: &Entry| (entry.row as usize - leaf.start) / size;
    for (at, entries) in entries.chunk_by(|a, b| block(a) == block(b)).enumerate() {
        let target = if at == 0 { &mut *into } else { &mut *sums };
        target.fill(0.0);
        for entry in entries {
            let row = &gradient[entry.row as usize * outputs..][..outputs];
            add_scaled(level, target, entry.value, row);
        }
        if at > 0 {
            super::add_into(level, into, sums);
        }
    }
}
