//! Scaled dot-product attention of several heads, forward and backward.
//!
//! A head of a row is one task: its scores fit the cache, so they go through product, softmax and product without a
//! way to memory. What is kept for the backward pass is the largest score and the sum of every query, from which the
//! weights come out again with the same bits; memory grows with the length of the sequence, not with its square.
//! Queries are taken in blocks that depend on their number alone.

use super::arithmetic::{Arithmetic, with_isa};
use super::gemm::Kernels;
use super::lanes::{LANES, sum_lanes};
use super::math;
use super::matrix::{Accumulate, Matrix};
use super::scratch::Scratch;
use super::simd::simd_dispatch;
use super::tiles::{Part, Target, grown, product_part};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Queries of a block at most.
const MAX_QUERIES: usize = 128;
/// The same where keys after a query are hidden: smaller blocks leave more of them out.
const MAX_CAUSAL_QUERIES: usize = 64;
/// Multiply-adds that are worth a thread.
const WORK_PER_THREAD: usize = 1 << 19;

/// Sizes of an attention.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// Heads.
    pub heads: usize,
    /// Values of a head.
    pub size: usize,
    /// Queries of a row.
    pub queries: usize,
    /// Keys of a row.
    pub keys: usize,
    /// Hides keys after a query.
    pub causal: bool,
}

/// Where queries, keys and values lie in one memory, in this order: the first element, and the distance from one
/// query or key to the next. Heads lie side by side, rows one after another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// First elements.
    pub starts: [usize; 3],
    /// From one query or key to the next.
    pub stride: usize,
}

/// Drops weights of (row of the batch, first element in the row's heads x queries x keys).
pub(crate) type Drop<'a> = &'a (dyn Fn(usize, usize, &mut [f32]) + Sync);

/// An attention over the rows of a batch.
#[derive(Clone, Copy)]
pub(crate) struct Attention<'a> {
    /// Sizes.
    pub shape: Shape,
    /// Rows of the batch.
    pub rows: usize,
    /// Where the parts of `ends` lie.
    pub layout: Layout,
    /// Queries, keys and values.
    pub ends: &'a [f32],
    /// While training with dropout.
    pub drop: Option<Drop<'a>>,
    /// For each key of every row what is not 0 where it is padding, which no query sees; empty where there is none.
    pub padding: &'a [f32],
}

impl Shape {
    /// Blocks of queries, with the keys that they see.
    fn blocks(self) -> impl Iterator<Item = Block> {
        let most = if self.causal {
            MAX_CAUSAL_QUERIES
        } else {
            MAX_QUERIES
        };
        let count = self.queries.div_ceil(most).max(1);
        let size = self.queries.div_ceil(count);
        (0..count).map(move |at| {
            let first = (at * size).min(self.queries);
            let last = (first + size).min(self.queries);
            let keys = if self.causal {
                last.min(self.keys)
            } else {
                self.keys
            };
            Block {
                first,
                queries: last - first,
                keys,
                causal: self.causal,
                scale: self.scale(),
            }
        })
    }

    /// 1 / sqrt(size).
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "a factor"
    )]
    fn scale(self) -> f32 {
        (1.0 / libm::sqrt(self.size as f64)) as f32
    }

    /// Largest score and inverse sum of every query of a row.
    pub(crate) fn statistics(self) -> usize {
        2 * self.heads * self.queries
    }
}

#[derive(Debug, Clone, Copy)]
struct Block {
    first: usize,
    queries: usize,
    keys: usize,
    causal: bool,
    scale: f32,
}

impl Block {
    /// Keys that a query of the block sees.
    #[inline(always)]
    fn seen(self, query: usize) -> usize {
        match self.causal {
            true => (self.first + query + 1).min(self.keys),
            false => self.keys,
        }
    }
}

#[inline(always)]
fn largest(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (top, value) in lanes.iter_mut().zip(chunk) {
            *top = if *value > *top { *value } else { *top };
        }
    }
    let ends = lanes.iter().chain(rest);
    ends.fold(
        f32::NEG_INFINITY,
        |top, value| if *value > top { *value } else { top },
    )
}

#[inline(always)]
fn sum(row: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for (sum, value) in lanes.iter_mut().zip(chunk) {
            *sum += *value;
        }
    }
    for (sum, value) in lanes.iter_mut().zip(rest) {
        *sum += *value;
    }
    sum_lanes(lanes)
}

#[inline(always)]
fn dot(left: &[f32], right: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let (chunks, rest) = left.as_chunks::<LANES>();
    let (others, other_rest) = right.as_chunks::<LANES>();
    for (chunk, other) in chunks.iter().zip(others) {
        for ((sum, left), right) in lanes.iter_mut().zip(chunk).zip(other) {
            *sum += *left * *right;
        }
    }
    for ((sum, left), right) in lanes.iter_mut().zip(rest).zip(other_rest) {
        *sum += *left * *right;
    }
    sum_lanes(lanes)
}

simd_dispatch! {
    /// Scores of a block become weights; `statistics` takes the largest scaled scores, then the inverse sums.
    fn softmax(scores: &mut [f32], block: Block, statistics: (&mut [f32], &mut [f32])) {
        let ends = statistics.0.iter_mut().zip(statistics.1);
        for (query, (row, (top, inverse))) in scores.chunks_exact_mut(block.keys).zip(ends).enumerate() {
            let (row, hidden) = row.split_at_mut(block.seen(query));
            *top = largest(row) * block.scale;
            // A query that sees padding only has no weights.
            let none = *top == f32::NEG_INFINITY;
            if none {
                *top = 0.0;
            }
            for value in row.iter_mut() {
                *value = math::exp(*value * block.scale - *top);
            }
            *inverse = if none { 0.0 } else { 1.0 / sum(row) };
            row.iter_mut().for_each(|value| *value *= *inverse);
            hidden.fill(0.0);
        }
    }
}

simd_dispatch! {
    /// As [`softmax`], from what it found.
    fn softmax_again(scores: &mut [f32], block: Block, statistics: (&[f32], &[f32])) {
        let ends = statistics.0.iter().zip(statistics.1);
        for (query, (row, (top, inverse))) in scores.chunks_exact_mut(block.keys).zip(ends).enumerate() {
            let (row, hidden) = row.split_at_mut(block.seen(query));
            for value in row.iter_mut() {
                *value = math::exp(*value * block.scale - *top) * *inverse;
            }
            hidden.fill(0.0);
        }
    }
}

simd_dispatch! {
    /// The gradient of weights becomes that of scores.
    fn softmax_gradient(weights: &[f32], gradient: &mut [f32], block: Block) {
        let rows = weights.chunks_exact(block.keys).zip(gradient.chunks_exact_mut(block.keys));
        for (weights, gradient) in rows {
            let mean = dot(weights, gradient);
            for (gradient, weight) in gradient.iter_mut().zip(weights) {
                *gradient = *weight * (*gradient - mean) * block.scale;
            }
        }
    }
}

/// A matrix within another memory.
fn view(data: &[f32], start: usize, rows: usize, cols: usize, stride: usize) -> Matrix<'_> {
    Matrix {
        data: &data[start..start + (rows.max(1) - 1) * stride + cols],
        rows,
        cols,
        row_stride: stride,
        col_stride: 1,
    }
}

/// A product on this thread. The target holds `a.rows` rows of `b.cols` values that nobody else uses.
fn product(
    arithmetic: Arithmetic,
    a: Matrix<'_>,
    b: Matrix<'_>,
    start: Accumulate<'_>,
    target: Target,
    scratch: &mut Scratch,
) {
    let part = Part {
        rows: (0, a.rows),
        cols: (0, b.cols),
    };
    let b = b.transposed();
    let scratch = &mut scratch.tile;
    with_isa!(arithmetic, I => product_part::<I>(&a, &b, start, part, target, scratch));
}

impl<'a> Attention<'a> {
    /// Where queries (0), keys (1) or values (2) of a head of a row start.
    fn start(&self, what: usize, row: usize, head: usize) -> usize {
        let length = if what == 0 {
            self.shape.queries
        } else {
            self.shape.keys
        };
        self.layout.starts[what] + row * length * self.layout.stride + head * self.shape.size
    }

    /// Queries of a block, or its keys or values.
    fn part(&self, what: usize, (row, head): (usize, usize), block: Block) -> Matrix<'a> {
        let (first, count) = match what {
            0 => (block.first, block.queries),
            _ => (0, block.keys),
        };
        let start = self.start(what, row, head) + first * self.layout.stride;
        view(self.ends, start, count, self.shape.size, self.layout.stride)
    }

    fn drop(&self, (row, head): (usize, usize), block: Block, values: &mut [f32]) {
        let Some(drop) = self.drop else { return };
        for (query, values) in values.chunks_exact_mut(block.keys).enumerate() {
            let first = (head * self.shape.queries + block.first + query) * self.shape.keys;
            drop(row, first, values);
        }
    }

    /// Takes the scores of padding away.
    fn hide(&self, row: usize, block: Block, scores: &mut [f32]) {
        if self.padding.is_empty() {
            return;
        }
        let padding = &self.padding[row * self.shape.keys..][..block.keys];
        for scores in scores.chunks_exact_mut(block.keys) {
            for (score, padding) in scores.iter_mut().zip(padding) {
                if *padding != 0.0 {
                    *score = f32::NEG_INFINITY;
                }
            }
        }
    }

    /// Elements of the memory that the layout describes.
    fn extent(&self) -> usize {
        if self.rows == 0 {
            return 0;
        }
        let width = self.shape.heads * self.shape.size;
        let end = |what: usize| {
            let length = if what == 0 {
                self.shape.queries
            } else {
                self.shape.keys
            };
            self.layout.starts[what] + (self.rows * length - 1) * self.layout.stride + width
        };
        end(0).max(end(1)).max(end(2))
    }

    fn head(
        &self,
        by: Arithmetic,
        task: (usize, usize),
        (context, statistics): (Target, &mut [f32]),
        scratch: &mut Scratch,
    ) {
        let shape = self.shape;
        let (tops, inverses) = statistics.split_at_mut(shape.queries);
        let mut memory = std::mem::take(&mut scratch.squares);
        for block in shape.blocks() {
            let own = block.first..block.first + block.queries;
            let scores = grown(&mut memory, block.queries * block.keys);
            let target = Target::new(scores, block.keys);
            let (queries, keys) = (self.part(0, task, block), self.part(1, task, block));
            product(by, queries, keys.transposed(), Accumulate::Zero, target, scratch);
            self.hide(task.0, block, scores);
            softmax(
                by.level,
                scores,
                block,
                (&mut tops[own.clone()], &mut inverses[own]),
            );
            self.drop(task, block, scores);
            let weights = Matrix::new(scores, block.queries, block.keys);
            let values = self.part(2, task, block);
            product(
                by,
                weights,
                values,
                Accumulate::Zero,
                context.down(block.first),
                scratch,
            );
        }
        scratch.squares = memory;
    }

    fn head_backward(
        &self,
        by: Arithmetic,
        task: (usize, usize),
        (statistics, gradient): (&[f32], &[f32]),
        into: [Target; 3],
        scratch: &mut Scratch,
    ) {
        let (shape, width) = (self.shape, self.shape.heads * self.shape.size);
        let (tops, inverses) = statistics.split_at(shape.queries);
        let mut memory = std::mem::take(&mut scratch.squares);
        let sum = if shape.blocks().count() > 1 {
            Accumulate::Result
        } else {
            Accumulate::Zero
        };
        for block in shape.blocks() {
            let own = block.first..block.first + block.queries;
            let square = block.queries * block.keys;
            let (weights, rest) = grown(&mut memory, 3 * square).split_at_mut(square);
            let (slopes, dropped) = rest.split_at_mut(square);
            let [queries, keys, values] = [0, 1, 2].map(|what| self.part(what, task, block));
            let target = Target::new(weights, block.keys);
            product(by, queries, keys.transposed(), Accumulate::Zero, target, scratch);
            self.hide(task.0, block, weights);
            softmax_again(by.level, weights, block, (&tops[own.clone()], &inverses[own]));
            let first = (task.0 * shape.queries + block.first) * width + task.1 * shape.size;
            let outputs = view(gradient, first, block.queries, shape.size, width);
            let target = Target::new(slopes, block.keys);
            product(
                by,
                outputs,
                values.transposed(),
                Accumulate::Zero,
                target,
                scratch,
            );
            let seen = if self.drop.is_some() {
                dropped.copy_from_slice(weights);
                self.drop(task, block, dropped);
                self.drop(task, block, slopes);
                &*dropped
            } else {
                &*weights
            };
            let seen = Matrix::new(seen, block.queries, block.keys);
            product(by, seen.transposed(), outputs, sum, into[2], scratch);
            softmax_gradient(by.level, weights, slopes, block);
            let slopes = Matrix::new(slopes, block.queries, block.keys);
            product(
                by,
                slopes,
                keys,
                Accumulate::Zero,
                into[0].down(block.first),
                scratch,
            );
            product(by, slopes.transposed(), queries, sum, into[1], scratch);
        }
        scratch.squares = memory;
    }
}

impl Kernels {
    /// Sets `context`, the heads' outputs side by side for every query, and `statistics`, [`Shape::statistics`] values
    /// a row.
    ///
    /// # Panics
    /// Where a memory is too short: a defect of the caller.
    pub(crate) fn attend(&mut self, attention: &Attention<'_>, context: &mut [f32], statistics: &mut [f32]) {
        let (shape, arithmetic) = (attention.shape, self.arithmetic());
        let width = shape.heads * shape.size;
        let context = Target::new(&mut context[..attention.rows * shape.queries * width], width);
        let length = shape.statistics() / shape.heads.max(1);
        let statistics = Target::new(&mut statistics[..attention.rows * shape.statistics()], length);
        self.heads(attention, |task, scratch| {
            let start = task.0 * shape.queries * width + task.1 * shape.size;
            // SAFETY: every task has a number of its own below rows x heads, and so a line of its own.
            let own = unsafe { statistics.line(task.0 * shape.heads + task.1) };
            attention.head(arithmetic, task, (context.right(start), own), scratch);
        });
    }

    /// Sets `into`, the gradient of queries, keys and values in their layout, from that of [`Kernels::attend`]'s
    /// context.
    ///
    /// # Panics
    /// Where a memory is too short: a defect of the caller.
    pub(crate) fn attend_backward(
        &mut self,
        attention: &Attention<'_>,
        statistics: &[f32],
        gradient: &[f32],
        into: &mut [f32],
    ) {
        let (shape, arithmetic) = (attention.shape, self.arithmetic());
        let into = &mut into[..attention.extent()];
        if shape.blocks().count() > 1 || (shape.causal && shape.keys > shape.queries) {
            // Blocks of queries add to the gradients of keys and values, and nobody writes those of keys that no query sees.
            into.fill(0.0);
        }
        let into = Target::new(into, attention.layout.stride);
        let length = shape.statistics() / shape.heads.max(1);
        self.heads(attention, |task, scratch| {
            let own = &statistics[(task.0 * shape.heads + task.1) * length..][..length];
            let places = [0, 1, 2].map(|what| into.right(attention.start(what, task.0, task.1)));
            attention.head_backward(arithmetic, task, (own, gradient), places, scratch);
        });
    }

    /// Calls `body` for every (row, head). Tasks touch nothing in common, so threads take them as they come.
    fn heads(
        &mut self,
        attention: &Attention<'_>,
        body: impl Fn((usize, usize), &mut Scratch) + Send + Sync,
    ) {
        let shape = attention.shape;
        let tasks = attention.rows * shape.heads;
        let work = tasks * shape.queries * shape.keys * shape.size * 2;
        let next = AtomicUsize::new(0);
        self.on_threads(work / WORK_PER_THREAD, |scratch| {
            loop {
                let task = next.fetch_add(1, Ordering::Relaxed);
                if task >= tasks {
                    break;
                }
                body((task / shape.heads, task % shape.heads), scratch);
            }
        });
    }
}

#[cfg(test)]
mod tests;
