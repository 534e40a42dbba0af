//! Embedding and EmbeddingBag of indices: rows of a table, by index. Bags that are given by counts are in counts.rs.
//!
//! The gradient of the table over a node of the reduction tree is that of a dense evaluation, bit for bit, but has
//! only the rows that occur. In the dense one a leaf starts at +0 everywhere and adds occurrences in order; a sum that
//! starts at +0 never becomes -0, so adding the +0 of a leaf without the row changes nothing and can be left out.

use super::counts;
use super::table::{RowTable, divide, index, maximum, number, padding_of, weight_of};
use super::{BackwardInputs, BuiltLayer, Context, Family, Module, ParameterSpec};
use crate::arguments::Arguments;
use crate::kernels::{Leaf, Program, SimdLevel, add_into, level_of, simd_dispatch};
use crate::layers::error::LayerError;
use candlewick_protocol::Failure;
use candlewick_protocol::feed::FeatureDomain;
use candlewick_protocol::rows::SparseRows;
use candlewick_protocol::tree::Step;

/// Values that are worth a thread.
const LEAST: usize = 1 << 16;

/// What becomes of the table's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Every index has a row of its own.
    Each,
    /// The sum of a bag.
    Sum,
    /// The mean of a bag; its size is saved.
    Mean,
    /// The largest values of a bag; for each, its place in the bag is saved.
    Max,
}

#[derive(Debug)]
struct Lookup {
    table: RowTable,
    mode: Mode,
    /// Indices of a bag; 1 where every index is by itself.
    bag: usize,
    /// Bags in a row of the batch.
    bags: usize,
}

/// Gradient, what was saved, and size of a bag: where the gradient of an occurrence comes from.
#[derive(Clone, Copy)]
struct Occurrences<'a> {
    gradient: &'a [f32],
    saved: &'a [f32],
    bag: usize,
}

/// Position of an occurrence in the input.
#[inline(always)]
fn position(key: u64) -> usize {
    (key & 0xFFFF_FFFF) as usize
}

simd_dispatch! {
    /// The sum of the gradients of occurrences, from +0 on.
    fn sum_of(from: Occurrences<'_>, keys: &[u64], sum: &mut [f32]) {
        let width = sum.len();
        sum.fill(0.0);
        for key in keys {
            let at = position(*key) / from.bag * width;
            for (sum, g) in sum.iter_mut().zip(&from.gradient[at..at + width]) {
                *sum += *g;
            }
        }
    }
}

simd_dispatch! {
    /// As [`sum_of`], each divided by the size of its bag.
    fn sum_of_means(from: Occurrences<'_>, keys: &[u64], sum: &mut [f32]) {
        let width = sum.len();
        sum.fill(0.0);
        for key in keys {
            let at = position(*key) / from.bag;
            let count = from.saved[at];
            for (sum, g) in sum.iter_mut().zip(&from.gradient[at * width..(at + 1) * width]) {
                *sum += *g / count;
            }
        }
    }
}

simd_dispatch! {
    /// As [`sum_of`], of the values that won in their bag.
    fn sum_of_largest(from: Occurrences<'_>, keys: &[u64], sum: &mut [f32]) {
        let width = sum.len();
        sum.fill(0.0);
        for key in keys {
            let at = position(*key) / from.bag * width;
            let place = number(position(*key) % from.bag);
            let values = from.gradient[at..at + width].iter().zip(&from.saved[at..at + width]);
            for (sum, (g, won)) in sum.iter_mut().zip(values) {
                *sum += if *won == place { *g } else { 0.0 };
            }
        }
    }
}

impl Lookup {
    fn row<'a>(&self, table: &'a [f32], value: f32) -> &'a [f32] {
        let at = index(value) * self.table.width;
        &table[at..at + self.table.width]
    }

    /// One bag; returns its size.
    fn reduce(
        &self,
        level: SimdLevel,
        table: &[f32],
        values: &[f32],
        into: &mut [f32],
        places: &mut [f32],
    ) -> f32 {
        into.fill(0.0);
        places.fill(-1.0);
        let mut count = 0;
        for (place, value) in values.iter().enumerate() {
            if Some(index(*value)) == self.table.padding {
                continue;
            }
            count += 1;
            let row = self.row(table, *value);
            if self.mode == Mode::Max {
                maximum(level, into, places, row, number(place));
            } else {
                add_into(level, into, row);
            }
        }
        if self.mode == Mode::Mean && count > 0 {
            divide(level, into, number(count));
        }
        number(count)
    }

    /// Values of [`Context::saved`] for a bag.
    fn kept_of_bag(&self) -> usize {
        match self.mode {
            Mode::Each | Mode::Sum => 0,
            Mode::Mean => 1,
            Mode::Max => self.table.width,
        }
    }

    /// The occurrences under a node as (index, position in the input), in order of both.
    fn keys(&self, tree: &Program, values: &[f32], keys: &mut Vec<u64>) {
        let unit = self.bags * self.bag;
        keys.clear();
        for (start, rows) in tree.leaves() {
            let positions = start * unit..(start + rows) * unit;
            let occurrences = positions.clone().zip(&values[positions]);
            keys.extend(
                occurrences
                    .map(|(position, value)| (index(*value), position))
                    .filter(|(index, _)| Some(*index) != self.table.padding)
                    .map(|(index, position)| (index as u64) << 32 | position as u64),
            );
        }
        keys.sort_unstable();
    }

    /// Sets the rows of the table that occur.
    fn rows_of(&self, level: SimdLevel, tree: &Program, from: Occurrences<'_>, part: &mut RowsPart<'_>) {
        let mut stack = vec![0.0; tree.depth().saturating_sub(1) * self.table.width];
        let mut keys = part.keys;
        for into in part.into.chunks_exact_mut(self.table.width) {
            let count = occurrences(keys);
            let (own, rest) = keys.split_at(count);
            self.row_of(level, tree, from, own, (into, &mut stack));
            keys = rest;
        }
    }

    /// The value of a node for one row of the table, from the leaves where it occurs.
    fn row_of(
        &self,
        level: SimdLevel,
        tree: &Program,
        from: Occurrences<'_>,
        mut keys: &[u64],
        (into, stack): (&mut [f32], &mut [f32]),
    ) {
        let sum = match self.mode {
            Mode::Each | Mode::Sum => sum_of,
            Mode::Mean => sum_of_means,
            Mode::Max => sum_of_largest,
        };
        let unit = self.bags * self.bag;
        let mut present = [false; 64];
        let mut height = 0;
        for step in tree.steps() {
            match *step {
                Step::Push(Leaf { start, rows }) => {
                    let count = keys.partition_point(|key| position(*key) < (start + rows) * unit);
                    present[height] = count > 0;
                    if count > 0 {
                        let (_, place) = level_of((into, stack), height, self.table.width);
                        sum(level, from, &keys[..count], place);
                        keys = &keys[count..];
                    }
                    height += 1;
                }
                Step::Add => {
                    height -= 1;
                    if present[height] {
                        let (left, right) = level_of((into, stack), height, self.table.width);
                        match present[height - 1] {
                            true => add_into(level, left, right),
                            false => left.copy_from_slice(right),
                        }
                        present[height - 1] = true;
                    }
                }
            }
        }
    }
}

/// Occurrences of some rows of the table, and those rows.
struct RowsPart<'a> {
    keys: &'a [u64],
    into: &'a mut [f32],
}

/// How many of the keys at the front are of one row.
fn occurrences(keys: &[u64]) -> usize {
    let same = |key: &&u64| **key >> 32 == keys[0] >> 32;
    keys.iter().take_while(same).count()
}

/// Lists the rows that occur.
fn list(keys: &[u64], indices: &mut Vec<u32>) {
    indices.clear();
    for key in keys {
        let index = (key >> 32) as u32;
        if indices.last() != Some(&index) {
            indices.push(index);
        }
    }
}

/// Cuts occurrences into `count` parts of about one size, none within a row of the table.
fn parts<'a>(
    mut keys: &'a [u64],
    rows: (&[u32], &'a mut [f32]),
    width: usize,
    count: usize,
) -> Vec<RowsPart<'a>> {
    let size = keys.len().div_ceil(count.max(1)).max(1);
    let (mut indices, mut into) = rows;
    let mut parts = Vec::with_capacity(count);
    while let Some(last) = keys.get(size.min(keys.len()).saturating_sub(1)) {
        let index = last >> 32;
        let (own, rest) = keys.split_at(keys.partition_point(|key| key >> 32 <= index));
        let number = indices.partition_point(|row| u64::from(*row) <= index);
        let (values, after) = into.split_at_mut(number * width);
        parts.push(RowsPart {
            keys: own,
            into: values,
        });
        (keys, into, indices) = (rest, after, &indices[number..]);
    }
    parts
}

impl Module for Lookup {
    fn parameters(&self) -> Vec<ParameterSpec> {
        vec![weight_of(
            self.table.entries,
            self.table.width,
            self.table.padding,
        )]
    }

    fn input_domain(&self) -> Option<FeatureDomain> {
        Some(FeatureDomain::Index(self.table.entries))
    }

    fn saved(&self, rows: usize, _training: bool) -> usize {
        rows * self.bags * self.kept_of_bag()
    }

    #[cfg(any(test, feature = "candle"))]
    fn row_table(&self) -> Option<&RowTable> {
        (self.mode == Mode::Each).then_some(&self.table)
    }

    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        let (values, table) = (inputs[0], ctx.weights);
        self.table.check(values)?;
        let level = ctx.kernels.level();
        let workers = ctx.kernels.workers();
        if self.mode == Mode::Each {
            workers.chunks(output, self.table.width, LEAST, |start, part| {
                let values = &values[start / self.table.width..];
                for (into, value) in part.chunks_exact_mut(self.table.width).zip(values) {
                    into.copy_from_slice(self.row(table, *value));
                }
            });
            return Ok(());
        }
        let size = self.kept_of_bag();
        let mut bags: Vec<(&mut [f32], &mut [f32])> = {
            let count = ctx.rows * self.bags;
            let parts = (count * self.bag * self.table.width / LEAST).clamp(1, workers.threads());
            let each = count.div_ceil(parts).max(1);
            let mut saved = &mut *ctx.saved;
            let cut = output.chunks_mut(each * self.table.width).map(|part| {
                let here = std::mem::take(&mut saved);
                let (own, rest) = here.split_at_mut(part.len() / self.table.width * size);
                saved = rest;
                (part, own)
            });
            cut.collect()
        };
        let each = bags.first().map_or(0, |(part, _)| part.len() / self.table.width);
        workers.each(&mut bags, |index, (part, saved)| {
            let values = values[index * each * self.bag..].chunks_exact(self.bag);
            for (at, (into, values)) in part.chunks_exact_mut(self.table.width).zip(values).enumerate() {
                let saved = &mut saved[at * size..(at + 1) * size];
                if self.mode == Mode::Mean {
                    saved[0] = self.reduce(level, table, values, into, &mut []);
                } else {
                    self.reduce(level, table, values, into, saved);
                }
            }
        });
        Ok(())
    }

    fn backward(
        &self,
        _ctx: &mut Context<'_>,
        _ends: BackwardInputs<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        // Indices are constants.
        if let Some(into) = &mut into[0] {
            into.fill(0.0);
        }
        Ok(())
    }

    fn sparse_gradient(
        &self,
        ctx: &mut Context<'_>,
        _parameter: usize,
        tree: &Program,
        ends: BackwardInputs<'_>,
        into: &mut SparseRows,
    ) {
        let mut keys = ctx.kernels.take_keys();
        self.keys(tree, ends.inputs[0], &mut keys);
        let (level, workers) = (ctx.kernels.level(), ctx.kernels.workers());
        list(&keys, &mut into.indices);
        into.values.resize(into.indices.len() * self.table.width, 0.0);
        let from = Occurrences {
            gradient: ends.gradient,
            saved: ctx.saved,
            bag: self.bag,
        };
        let count = (keys.len() * self.table.width / LEAST).clamp(1, workers.threads());
        let mut parts = parts(&keys, (&into.indices, &mut into.values), self.table.width, count);
        workers.each(&mut parts, |_, part| self.rows_of(level, tree, from, part));
        ctx.kernels.give_keys(keys);
    }
}

/// The layers of this family.
pub(super) const LAYERS: Family = &[("Embedding", embedding), ("EmbeddingBag", bag)];

fn embedding(arguments: &mut Arguments, input: &[usize], path: &str) -> Result<BuiltLayer, LayerError> {
    let size = input.iter().product();
    let lookup = lookup(arguments, path, Mode::Each, size, 1)?;
    let output = input.iter().copied().chain([lookup.table.width]).collect();
    Ok(BuiltLayer::module(lookup, output))
}

fn bag(arguments: &mut Arguments, input: &[usize], path: &str) -> Result<BuiltLayer, LayerError> {
    if arguments.text("input") == "counts" {
        return counts::make(arguments, input, path);
    }
    let Some((&last, before)) = input.split_last() else {
        return Err(LayerError::single_number());
    };
    let mode = match arguments.text("mode") {
        "sum" => Mode::Sum,
        "mean" => Mode::Mean,
        _ => Mode::Max,
    };
    let lookup = lookup(arguments, path, mode, before.iter().product(), last)?;
    let output = before.iter().copied().chain([lookup.table.width]).collect();
    Ok(BuiltLayer::module(lookup, output))
}

fn lookup(
    arguments: &Arguments,
    path: &str,
    mode: Mode,
    bags: usize,
    bag: usize,
) -> Result<Lookup, LayerError> {
    let entries = arguments.size("num_embeddings").unwrap_or_default();
    let padding = padding_of(arguments, entries)?;
    Ok(Lookup {
        table: RowTable {
            name: format!("{} {path:?}", arguments.name()),
            entries,
            width: arguments.size("embedding_dim").unwrap_or_default(),
            padding,
        },
        mode,
        bag,
        bags,
    })
}
