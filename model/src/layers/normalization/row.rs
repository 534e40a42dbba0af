//! LayerNorm and RMSNorm: the last dimensions of every row, normalised by themselves. And how rows that are
//! normalised by themselves are shared among threads, and the gradients of weight and bias are summed.
//!
//! The gradients of weight and bias come from the pass over the values that computes the gradient of the input: a slice
//! is cut into blocks by a rule that looks at the layer alone, a block is summed in ascending order, and the sums of
//! the blocks are added in order.

use super::channels::affine_specs;
use crate::arguments::Arguments;
use crate::kernels::{Kernels, LANES, Program, add_into, lanes_of, simd_dispatch, sum_lanes};
use crate::layers::error::LayerError;
use crate::layers::{BackwardInputs, BuiltLayer, Context, Module, ParameterSpec, Slice};
use candlewick_protocol::Failure;
use serde_json::Value;
use std::ops::Range;

/// Values that are worth a thread.
const PARALLEL: usize = 1 << 16;
/// Values of a block.
const BLOCK: usize = 1 << 16;
/// Units of a block at most: as long as the chains of the matrix products.
const LONGEST: usize = 512;

/// What is normalised together, and what is summed over it: `units` of `width` values a row, each of which has
/// `groups` pairs of statistics and adds to `sums` gradients of weight and bias.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub units: usize,
    pub width: usize,
    pub groups: usize,
    pub sums: usize,
}

impl Shape {
    /// Units of a block.
    fn block(self) -> usize {
        (BLOCK / self.width).clamp(1, LONGEST)
    }

    /// Saved values of `rows` rows.
    pub(super) fn saved(self, rows: usize, training: bool) -> usize {
        // Slices with rows are no more than rows; every block but the last of a slice is full.
        let blocks = rows + rows * self.units / self.block();
        let sums = if training { blocks * self.sums } else { 0 };
        self.statistics(rows) + sums
    }

    /// Statistics of `rows` rows; they come first among the saved values.
    pub(super) fn statistics(self, rows: usize) -> usize {
        rows * self.units * self.groups * 2
    }

    /// First unit, number of units and of blocks of every slice with rows.
    fn slices(self, slices: &[Slice]) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        let mut start = 0;
        let all = slices.iter().map(move |slice| {
            let (first, units) = (start, slice.rows * self.units);
            start += units;
            (first, units, units.div_ceil(self.block()))
        });
        all.filter(|(_, units, _)| *units > 0)
    }

    /// Calls `body` with the first unit, outputs and statistics of parts of the rows.
    pub(super) fn forward(
        self,
        kernels: &Kernels,
        output: &mut [f32],
        statistics: &mut [f32],
        body: impl Fn(usize, &mut [f32], &mut [f32]) + Send + Sync,
    ) {
        let threads = (output.len() / PARALLEL).clamp(1, kernels.workers().threads());
        let share = (output.len() / self.width).div_ceil(threads);
        if threads == 1 {
            return body(0, output, statistics);
        }
        let outputs = output.chunks_mut(share * self.width);
        let mut items: Vec<_> = outputs
            .zip(statistics.chunks_mut(share * self.groups * 2))
            .collect();
        kernels.workers().each(&mut items, |at, (output, statistics)| {
            body(at * share, output, statistics);
        });
    }

    /// Calls `body` with the units of every block, their part of the input's gradient (empty where nobody needs it),
    /// and the sums of the block, which it adds to; then adds up the blocks of every slice.
    pub(super) fn backward(
        self,
        kernels: &Kernels,
        slices: &[Slice],
        sums: &mut [f32],
        mut into: Option<&mut [f32]>,
        body: impl Fn(Range<usize>, &mut [f32], &mut [f32]) + Send + Sync,
    ) {
        let mut items: Vec<(Range<usize>, &mut [f32], &mut [f32])> = Vec::new();
        let (mut values, mut left) = (0, &mut *sums);
        for (first, units, blocks) in self.slices(slices) {
            values += units * self.width;
            for block in 0..blocks {
                let start = first + block * self.block();
                let end = (start + self.block()).min(first + units);
                let part = into
                    .take()
                    .map(|into| into.split_at_mut((end - start) * self.width));
                let (part, rest) = part.map_or((&mut [][..], None), |(part, rest)| (part, Some(rest)));
                into = rest;
                let (own, others) = left.split_at_mut(self.sums);
                left = others;
                items.push((start..end, part, own));
            }
        }
        let body = |item: &mut (Range<usize>, &mut [f32], &mut [f32])| {
            item.2.fill(0.0);
            body(item.0.clone(), item.1, item.2);
        };
        if values < 2 * PARALLEL || kernels.workers().threads() == 1 {
            items.iter_mut().for_each(body);
        } else {
            kernels.workers().each(&mut items, |_, item| body(item));
        }
        if self.sums == 0 {
            return;
        }
        let mut left = sums;
        for (_, _, blocks) in self.slices(slices) {
            let (own, others) = left.split_at_mut(blocks * self.sums);
            left = others;
            let (first, rest) = own.split_at_mut(self.sums);
            for block in rest.chunks_exact(self.sums) {
                add_into(kernels.level(), first, block);
            }
        }
    }

    /// The gradient of a parameter over a node: the part `place` of the sums of every slice.
    pub(super) fn parameter_gradient(
        self,
        ctx: &Context<'_>,
        place: Range<usize>,
        tree: &Program,
        into: &mut [f32],
    ) {
        let slices = ctx.training.map_or(&[][..], |training| training.slices);
        let sums = &ctx.saved[self.statistics(ctx.rows)..];
        let level = ctx.kernels.level();
        tree.evaluate(
            into,
            &mut Vec::new(),
            |start, _, values| {
                let before = self
                    .slices(slices)
                    .take_while(|(first, _, _)| *first < start * self.units);
                let at = before.map(|(_, _, blocks)| blocks).sum::<usize>() * self.sums;
                values.copy_from_slice(&sums[at + place.start..at + place.end]);
            },
            |left, right| add_into(level, left, right),
        );
    }
}

#[derive(Debug)]
struct RowNorm {
    shape: Shape,
    normalized: Vec<usize>,
    eps: f32,
    /// False for RMSNorm: the mean is not subtracted.
    centre: bool,
    weight: bool,
    bias: bool,
    /// The weight where there is none.
    ones: Vec<f32>,
}

/// How a unit is normalised.
#[derive(Debug, Clone, Copy)]
struct Kind {
    /// By its distance from the mean; else from 0.
    centre: bool,
    eps: f32,
}

simd_dispatch! {
    /// Normalises units of the length of `weight`; `bias` may be empty. Two statistics of each: mean, 1 / deviation.
    fn forward(x: &[f32], weight: &[f32], bias: &[f32], kind: Kind, y: &mut [f32], statistics: &mut [f32]) {
        let size = weight.len();
        #[expect(clippy::cast_precision_loss, reason = "elements of a unit; the count is rounded")]
        let count = size as f32;
        let Kind { centre, eps } = kind;
        let units = x.chunks_exact(size).zip(y.chunks_exact_mut(size));
        for ((x, y), statistics) in units.zip(statistics.chunks_exact_mut(2)) {
            let (chunks, rest) = x.as_chunks::<LANES>();
            let mut mean = 0.0;
            if centre {
                let mut lanes = [0.0f32; LANES];
                for chunk in chunks {
                    for at in 0..LANES {
                        lanes[at] += chunk[at];
                    }
                }
                let rest = lanes_of(rest, 0.0);
                for at in 0..LANES {
                    lanes[at] += rest[at];
                }
                mean = sum_lanes(lanes) / count;
            }
            let mut lanes = [0.0f32; LANES];
            for chunk in chunks {
                for at in 0..LANES {
                    let difference = chunk[at] - mean;
                    lanes[at] += difference * difference;
                }
            }
            let rest = lanes_of(rest, mean);
            for at in 0..LANES {
                let difference = rest[at] - mean;
                lanes[at] += difference * difference;
            }
            let inverse = 1.0 / (sum_lanes(lanes) / count + eps).sqrt();
            statistics.copy_from_slice(&[mean, inverse]);
            if bias.is_empty() {
                for ((y, x), w) in y.iter_mut().zip(x).zip(weight) {
                    *y = (*x - mean) * inverse * *w;
                }
            } else {
                for (((y, x), w), b) in y.iter_mut().zip(x).zip(weight).zip(bias) {
                    *y = (*x - mean) * inverse * *w + *b;
                }
            }
        }
    }
}

/// What the gradient of a unit reads.
#[derive(Clone, Copy)]
struct Seen<'a> {
    x: &'a [f32],
    g: &'a [f32],
    statistics: &'a [f32],
    weight: &'a [f32],
    centre: bool,
}

/// Σ g w and Σ g w x̂ of a unit.
#[inline(always)]
fn unit_sums(x: &[f32], g: &[f32], weight: &[f32], (mean, inverse): (f32, f32)) -> (f32, f32) {
    let (mut plain, mut product) = ([0.0f32; LANES], [0.0f32; LANES]);
    let (xs, x_rest) = x.as_chunks::<LANES>();
    let (gs, g_rest) = g.as_chunks::<LANES>();
    let (ws, w_rest) = weight.as_chunks::<LANES>();
    for ((x, g), w) in xs.iter().zip(gs).zip(ws) {
        for at in 0..LANES {
            let scaled = g[at] * w[at];
            plain[at] += scaled;
            product[at] += scaled * ((x[at] - mean) * inverse);
        }
    }
    if !x_rest.is_empty() {
        let (x, g, w) = (
            lanes_of(x_rest, mean),
            lanes_of(g_rest, 0.0),
            lanes_of(w_rest, 0.0),
        );
        for at in 0..LANES {
            let scaled = g[at] * w[at];
            plain[at] += scaled;
            product[at] += scaled * ((x[at] - mean) * inverse);
        }
    }
    (sum_lanes(plain), sum_lanes(product))
}

simd_dispatch! {
    /// Sets the gradient of the input where `into` is not empty, and adds to the gradients of weight and bias where
    /// they are not empty.
    fn backward(seen: Seen<'_>, into: &mut [f32], d_weight: &mut [f32], d_bias: &mut [f32]) {
        let size = seen.weight.len();
        let weight = seen.weight;
        let units = seen.x.chunks_exact(size).zip(seen.g.chunks_exact(size));
        for (at, ((x, g), statistics)) in units.zip(seen.statistics.chunks_exact(2)).enumerate() {
            let (mean, inverse) = (statistics[0], statistics[1]);
            if !into.is_empty() {
                let (plain, product) = unit_sums(x, g, weight, (mean, inverse));
                #[expect(clippy::cast_precision_loss, reason = "elements of a unit; the count is rounded")]
                let count = size as f32;
                let along = product / count;
                let off = if seen.centre { plain / count } else { 0.0 };
                let into = &mut into[at * size..(at + 1) * size];
                for (((into, x), g), w) in into.iter_mut().zip(x).zip(g).zip(weight) {
                    *into = (*g * *w - off - (*x - mean) * inverse * along) * inverse;
                }
            }
            for ((d, x), g) in d_weight.iter_mut().zip(x).zip(g) {
                *d += *g * ((*x - mean) * inverse);
            }
            for (d, g) in d_bias.iter_mut().zip(g) {
                *d += *g;
            }
        }
    }
}

impl RowNorm {
    /// Weight and bias; the bias is empty where there is none.
    fn affine<'a>(&'a self, weights: &'a [f32]) -> (&'a [f32], &'a [f32]) {
        if self.weight {
            weights.split_at(self.shape.width)
        } else {
            (&self.ones, &[])
        }
    }
}

impl Module for RowNorm {
    fn parameters(&self) -> Vec<ParameterSpec> {
        affine_specs(&self.normalized, self.weight, self.bias)
    }

    fn saved(&self, rows: usize, training: bool) -> usize {
        self.shape.saved(rows, training)
    }

    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        let (x, level, size) = (inputs[0], ctx.kernels.level(), self.shape.width);
        let (weight, bias) = self.affine(ctx.weights);
        let statistics = &mut ctx.saved[..self.shape.statistics(ctx.rows)];
        let kind = Kind {
            centre: self.centre,
            eps: self.eps,
        };
        self.shape
            .forward(ctx.kernels, output, statistics, |first, y, statistics| {
                let x = &x[first * size..first * size + y.len()];
                forward(level, x, weight, bias, kind, y, statistics);
            });
        Ok(())
    }

    fn backward(
        &self,
        ctx: &mut Context<'_>,
        ends: BackwardInputs<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        let (level, size) = (ctx.kernels.level(), self.shape.width);
        let (weight, _) = self.affine(ctx.weights);
        let slices = ctx.training.map_or(&[][..], |training| training.slices);
        let (statistics, sums) = ctx.saved.split_at_mut(self.shape.statistics(ctx.rows));
        let statistics = &*statistics;
        let body = |units: Range<usize>, into: &mut [f32], sums: &mut [f32]| {
            let values = units.start * size..units.end * size;
            let seen = Seen {
                x: &ends.inputs[0][values.clone()],
                g: &ends.gradient[values],
                statistics: &statistics[units.start * 2..units.end * 2],
                weight,
                centre: self.centre,
            };
            let (d_weight, d_bias) = sums.split_at_mut(if self.weight { size } else { 0 });
            backward(level, seen, into, d_weight, d_bias);
        };
        self.shape
            .backward(ctx.kernels, slices, sums, into[0].as_deref_mut(), body);
        Ok(())
    }

    fn parameter_gradient(
        &self,
        ctx: &mut Context<'_>,
        parameter: usize,
        tree: &Program,
        _ends: BackwardInputs<'_>,
        into: &mut [f32],
    ) {
        let size = self.shape.width;
        let place = parameter * size..(parameter + 1) * size;
        self.shape.parameter_gradient(ctx, place, tree, into);
    }
}

/// normalized_shape, given or inferred, which the input must end in.
fn normalized(arguments: &mut Arguments, input: &[usize]) -> Result<Vec<usize>, LayerError> {
    let Some(&last) = input.last() else {
        return Err(LayerError::single_number());
    };
    let given = match arguments.value("normalized_shape") {
        Value::Null => None,
        Value::Array(list) => arguments.sizes("normalized_shape", list.len()),
        _ => arguments.sizes("normalized_shape", 1),
    };
    let shape = given.unwrap_or_else(|| vec![last]);
    if !input.ends_with(&shape) {
        return Err(LayerError::input(
            format!("an input that ends in normalized_shape={shape:?}"),
            format!("{input:?}"),
        )
        .hint("set normalized_shape to its last dimensions or leave it out"));
    }
    arguments.set("normalized_shape", Value::from(shape.clone()));
    Ok(shape)
}

fn made(
    arguments: &mut Arguments,
    input: &[usize],
    centre: bool,
    eps: f64,
) -> Result<BuiltLayer, LayerError> {
    let normalized = normalized(arguments, input)?;
    let width: usize = normalized.iter().product();
    let weight = arguments.flag("elementwise_affine");
    let bias = weight && centre && arguments.flag("bias");
    #[expect(clippy::cast_possible_truncation, reason = "applied in f32")]
    let layer = RowNorm {
        shape: Shape {
            units: input.iter().product::<usize>() / width,
            width,
            groups: 1,
            sums: width * (usize::from(weight) + usize::from(bias)),
        },
        normalized,
        eps: eps as f32,
        centre,
        weight,
        bias,
        ones: if weight { Vec::new() } else { vec![1.0; width] },
    };
    Ok(BuiltLayer::module(layer, input.to_vec()))
}

/// Makes a LayerNorm.
pub(super) fn make_layer(
    arguments: &mut Arguments,
    input: &[usize],
    _path: &str,
) -> Result<BuiltLayer, LayerError> {
    let eps = arguments.real("eps");
    made(arguments, input, true, eps)
}

/// Makes an RMSNorm.
pub(super) fn make_rms(
    arguments: &mut Arguments,
    input: &[usize],
    _path: &str,
) -> Result<BuiltLayer, LayerError> {
    let eps = if arguments.is_null("eps") {
        f64::from(f32::EPSILON)
    } else {
        arguments.real("eps")
    };
    made(arguments, input, false, eps)
}
