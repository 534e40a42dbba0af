//! EmbeddingBag of counts: rows of a table, each as often as one value of the input says.
//!
//! Input: a vector of as many values as the table has rows, v; what is zero is passed over, whether the rows of the batch have
//! their zeros or not, so that both give the same bits. Output: of the rows W_j with v_j != 0, Σ v_j W_j by ascending j, that
//! divided by Σ v_j, or the largest values. Gradient of the table over a node: a chain over the rows of each leaf, then the
//! reduction tree, as that of a linear layer over sparse rows. Saved: the divisors and, for the table, the gradients divided by
//! them; or which j has the largest value.

use super::error::LayerError;
use super::table::{divide, maximum, number, padding_of, weight_of};
use super::{BackwardInputs, BuiltLayer, Context, Module, ParameterSpec};
use crate::arguments::Arguments;
use crate::kernels::{Program, RowGradients, SimdLevel, SparseInput, simd_dispatch, sum_by};
use candlewick_protocol::Failure;
use candlewick_protocol::feed::FeatureDomain;
use candlewick_protocol::rows::SparseRows;

/// Values that are worth a thread.
const LEAST: usize = 1 << 16;

/// What becomes of the table's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Sum,
    Mean,
    Max,
}

#[derive(Debug)]
struct Counts {
    /// Name and path, for messages.
    name: String,
    /// Rows of the table, and values of the input.
    entries: usize,
    /// Size of a row of the table.
    width: usize,
    padding: Option<u32>,
    mode: Mode,
}

/// What is not zero of a row.
#[derive(Debug, Clone, Copy)]
struct Bag<'a> {
    indices: &'a [u32],
    values: &'a [f32],
    padding: Option<u32>,
}

impl Bag<'_> {
    /// What counts of it.
    #[inline(always)]
    fn entries(&self) -> impl Iterator<Item = (u32, f32)> + '_ {
        let padding = self.padding;
        let all = self.indices.iter().copied().zip(self.values.iter().copied());
        all.filter(move |(index, _)| Some(*index) != padding)
    }
}

simd_dispatch! {
    /// The sum of the rows of a bag, each times its value.
    fn sum_rows(table: &[f32], bag: Bag<'_>, into: &mut [f32]) {
        let width = into.len();
        into.fill(0.0);
        for (index, value) in bag.entries() {
            let row = &table[index as usize * width..][..width];
            for (sum, weight) in into.iter_mut().zip(row) {
                *sum = value.mul_add(*weight, *sum);
            }
        }
    }
}

simd_dispatch! {
    /// The product of a gradient with each row of the table.
    fn products(table: &[f32], gradient: &[f32], into: &mut [f32]) {
        let width = gradient.len();
        for (into, row) in into.iter_mut().zip(table.chunks_exact(width)) {
            *into = sum_by(width, |at| gradient[at] * row[at]);
        }
    }
}

impl Counts {
    fn bag<'a>(&self, rows: SparseInput<'a>, at: usize) -> Bag<'a> {
        let (indices, values) = rows.row(at);
        Bag {
            indices,
            values,
            padding: self.padding,
        }
    }

    /// A mean needs values of at least 0: others may add up to 0, or to a divisor that turns signs round.
    fn check(&self, rows: SparseInput<'_>, count: usize) -> Result<(), Failure> {
        if self.mode != Mode::Mean {
            return Ok(());
        }
        for row in 0..count {
            let bag = self.bag(rows, row);
            if let Some((index, value)) = bag.entries().find(|(_, value)| *value < 0.0) {
                return Err(Failure::data(format!(
                    "{}: value {index} of its input is {value} in row {row} of those at hand: with mode=\"mean\" the values are \
                     counts, or weights, of at least 0, by whose sum it divides; mode=\"sum\" takes any",
                    self.name
                )));
            }
        }
        Ok(())
    }

    /// Values of [`Context::saved`] for a bag, as `forward` leaves them.
    fn kept_of_bag(&self) -> usize {
        match self.mode {
            Mode::Sum => 0,
            Mode::Mean => 1,
            Mode::Max => self.width,
        }
    }

    /// One bag.
    fn reduce(&self, level: SimdLevel, table: &[f32], bag: Bag<'_>, (into, saved): (&mut [f32], &mut [f32])) {
        match self.mode {
            Mode::Sum => sum_rows(level, table, bag, into),
            Mode::Mean => {
                sum_rows(level, table, bag, into);
                saved[0] = bag.entries().fold(0.0, |sum, (_, value)| sum + value);
                if saved[0] != 0.0 {
                    divide(level, into, saved[0]);
                }
            }
            Mode::Max => {
                into.fill(0.0);
                saved.fill(-1.0);
                for (index, _) in bag.entries() {
                    let row = &table[index as usize * self.width..][..self.width];
                    maximum(level, into, saved, row, number(index as usize));
                }
            }
        }
    }

    fn reduce_all(
        &self,
        ctx: &mut Context<'_>,
        rows: SparseInput<'_>,
        output: &mut [f32],
    ) -> Result<(), Failure> {
        self.check(rows, ctx.rows)?;
        let (table, level, workers) = (ctx.weights, ctx.kernels.level(), ctx.kernels.workers());
        let parts = (rows.nonzeros(ctx.rows) * self.width / LEAST).clamp(1, workers.threads());
        let (each, size) = (ctx.rows.div_ceil(parts).max(1), self.kept_of_bag());
        let mut saved = &mut *ctx.saved;
        let cut = output.chunks_mut(each * self.width).map(|part| {
            let (own, rest) = std::mem::take(&mut saved).split_at_mut(part.len() / self.width * size);
            saved = rest;
            (part, own)
        });
        let mut cut: Vec<(&mut [f32], &mut [f32])> = cut.collect();
        workers.each(&mut cut, |part, (output, saved)| {
            for (at, into) in output.chunks_exact_mut(self.width).enumerate() {
                let saved = &mut saved[at * size..(at + 1) * size];
                self.reduce(level, table, self.bag(rows, part * each + at), (into, saved));
            }
        });
        Ok(())
    }

    /// The gradient of a row's values, also of those that are zero: g W_j, and for a mean (g W_j - g y) / Σ v, where y is the output.
    /// It is 0 where there is no such thing: for a bag of nothing, whose mean is 0, and for largest values, which do not change.
    fn input_gradient(
        &self,
        level: SimdLevel,
        table: &[f32],
        (values, gradient): (&[f32], &[f32]),
        into: &mut [f32],
    ) {
        let divisor = match self.mode {
            Mode::Sum => None,
            Mode::Mean => Some(self.counted(values).map(|(_, value)| value).sum::<f32>()),
            Mode::Max => Some(0.0),
        };
        if divisor == Some(0.0) {
            return into.fill(0.0);
        }
        products(level, table, gradient, into);
        if let Some(divisor) = divisor {
            let all: f32 = self.counted(values).map(|(at, value)| value * into[at]).sum();
            let mean = all / divisor;
            into.iter_mut().for_each(|one| *one = (*one - mean) / divisor);
        }
        if let Some(padding) = self.padding {
            into[padding as usize] = 0.0;
        }
    }

    /// What counts of a row that has its zeros.
    fn counted<'a>(&self, values: &'a [f32]) -> impl Iterator<Item = (usize, f32)> + 'a {
        let padding = self.padding.map(|index| index as usize);
        let all = values.iter().copied().enumerate();
        all.filter(move |(index, value)| *value != 0.0 && Some(*index) != padding)
    }

    /// The gradient of the table, of which the rows at hand reach it by `gradients`.
    fn table_gradient(
        &self,
        ctx: &mut Context<'_>,
        rows: SparseInput<'_>,
        gradient: &[f32],
        (tree, into): (&Program, &mut SparseRows),
    ) {
        let (values, winners) = match self.mode {
            Mode::Sum => (gradient, None),
            Mode::Mean => (&ctx.saved[ctx.rows..], None),
            Mode::Max => (gradient, Some(&*ctx.saved)),
        };
        let gradients = RowGradients {
            values,
            outputs: self.width,
            winners,
        };
        rows.tree_product(ctx.kernels, gradients, tree, into);
        let Some(at) = self.padding.map(|padding| into.indices.binary_search(&padding)) else {
            return;
        };
        if let Ok(at) = at {
            into.indices.remove(at);
            into.values.drain(at * self.width..(at + 1) * self.width);
        }
    }
}

impl Module for Counts {
    fn parameters(&self) -> Vec<ParameterSpec> {
        let padding = self.padding.map(|index| index as usize);
        vec![weight_of(self.entries, self.width, padding)]
    }

    fn takes_sparse(&self) -> bool {
        true
    }

    fn skips_zeros(&self) -> bool {
        true
    }

    fn input_domain(&self) -> Option<FeatureDomain> {
        (self.mode == Mode::Mean).then_some(FeatureDomain::Count)
    }

    fn saved(&self, rows: usize, training: bool) -> usize {
        let divided = training && self.mode == Mode::Mean;
        rows * (self.kept_of_bag() + if divided { self.width } else { 0 })
    }

    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        if let Some(rows) = ctx.sparse {
            return self.reduce_all(ctx, rows, output);
        }
        let mut memory = ctx.kernels.take_sparse();
        let done = self.reduce_all(ctx, memory.rows_of_dense(inputs[0], self.entries), output);
        ctx.kernels.give_sparse(memory);
        done
    }

    fn backward(
        &self,
        ctx: &mut Context<'_>,
        ends: BackwardInputs<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        let (table, level) = (ctx.weights, ctx.kernels.level());
        if let Some(into) = &mut into[0] {
            let least = (LEAST / self.width).max(1);
            ctx.kernels
                .workers()
                .chunks(into, self.entries, least, |start, part| {
                    let first = start / self.entries;
                    for (row, into) in (first..).zip(part.chunks_exact_mut(self.entries)) {
                        let values = &ends.inputs[0][row * self.entries..][..self.entries];
                        let gradient = &ends.gradient[row * self.width..][..self.width];
                        self.input_gradient(level, table, (values, gradient), into);
                    }
                });
        }
        if self.mode == Mode::Mean {
            let (divisors, divided) = ctx.saved.split_at_mut(ctx.rows);
            divided.copy_from_slice(ends.gradient);
            for (row, divisor) in divided.chunks_exact_mut(self.width).zip(divisors) {
                // Nothing reads the row of a bag of nothing.
                divide(level, row, *divisor);
            }
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
        if let Some(rows) = ctx.sparse {
            return self.table_gradient(ctx, rows, ends.gradient, (tree, into));
        }
        let mut memory = ctx.kernels.take_sparse();
        if let Ok(rows) = memory.sorted_of_dense(ends.inputs[0], self.entries) {
            self.table_gradient(ctx, rows, ends.gradient, (tree, into));
        }
        ctx.kernels.give_sparse(memory);
    }
}

/// The layer, of an input that is one vector of a value for each row of the table.
pub(super) fn make(arguments: &mut Arguments, input: &[usize], path: &str) -> Result<BuiltLayer, LayerError> {
    let entries = arguments.size("num_embeddings").unwrap_or_default();
    let padding = padding_of(arguments, entries)?;
    if *input != [entries] {
        let expected = format!("a vector of num_embeddings={entries} values (input=\"counts\")");
        let hint = match input {
            [width] => format!(
                "set num_embeddings={width}, or make vectors of {entries} values (numFeatures of HashingTF, vocabSize of \
                 CountVectorizer)"
            ),
            _ => "put a Flatten before it, or set input=\"indices\" for bags of indices".to_owned(),
        };
        return Err(LayerError::input(expected, format!("an input of shape {input:?}")).hint(hint));
    }
    let width = arguments.size("embedding_dim").unwrap_or_default();
    let counts = Counts {
        name: format!("{} {path:?}", arguments.name()),
        entries,
        width,
        padding: padding.and_then(|at| u32::try_from(at).ok()),
        mode: match arguments.text("mode") {
            "sum" => Mode::Sum,
            "mean" => Mode::Mean,
            _ => Mode::Max,
        },
    };
    Ok(BuiltLayer::module(counts, vec![width]))
}
