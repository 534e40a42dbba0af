//! GroupNorm, InstanceNorm1d and InstanceNorm2d: groups of channels of every row, normalised by themselves.

use super::channels::{affine_specs, channels};
use super::row::Shape;
use crate::arguments::Arguments;
use crate::kernels::{LANES, Program, lanes_of, simd_dispatch, sum_lanes};
use crate::layers::error::LayerError;
use crate::layers::{BackwardInputs, BuiltLayer, Context, Module, ParameterSpec};
use candlewick_protocol::Failure;
use std::ops::Range;

#[derive(Debug)]
struct GroupNorm {
    /// Its units are rows.
    shape: Shape,
    grid: Grid,
    eps: f32,
    affine: bool,
    /// With `affine` only.
    bias: bool,
}

/// How a row is cut: groups of `channels` channels, each a run of `run` values.
#[derive(Debug, Clone, Copy)]
struct Grid {
    channels: usize,
    run: usize,
}

/// Σ (x - shift) and Σ (x - shift)² of a group.
#[inline(always)]
fn sum_of(x: &[f32], shift: f32, square: bool) -> f32 {
    let mut lanes = [0.0f32; LANES];
    for chunk in x.chunks(LANES) {
        let chunk = lanes_of(chunk, shift);
        for at in 0..LANES {
            let difference = chunk[at] - shift;
            lanes[at] += if square {
                difference * difference
            } else {
                difference
            };
        }
    }
    sum_lanes(lanes)
}

simd_dispatch! {
    /// Normalises rows; `weight` and `bias` may be empty. Two statistics a group: mean, 1 / deviation.
    fn forward(grid: Grid, x: &[f32], affine: (&[f32], &[f32]), eps: f32, y: &mut [f32], statistics: &mut [f32]) {
        let size = grid.channels * grid.run;
        let (weight, bias) = affine;
        let groups = x.chunks_exact(size).zip(y.chunks_exact_mut(size)).enumerate();
        for ((at, (x, y)), statistics) in groups.zip(statistics.chunks_exact_mut(2)) {
            #[expect(clippy::cast_precision_loss, reason = "elements of a group; the count is rounded")]
            let count = size as f32;
            let mean = sum_of(x, 0.0, false) / count;
            let inverse = 1.0 / (sum_of(x, mean, true) / count + eps).sqrt();
            statistics.copy_from_slice(&[mean, inverse]);
            let runs = x.chunks_exact(grid.run).zip(y.chunks_exact_mut(grid.run));
            for (channel, (x, y)) in runs.enumerate() {
                let (mut w, mut b) = (1.0, 0.0);
                if !weight.is_empty() {
                    let channel = (at * grid.channels + channel) % weight.len();
                    (w, b) = (weight[channel], bias.get(channel).copied().unwrap_or(0.0));
                }
                for (y, x) in y.iter_mut().zip(x) {
                    *y = (*x - mean) * inverse * w + b;
                }
            }
        }
    }
}

/// What the gradient of rows reads; the weight may be empty.
#[derive(Clone, Copy)]
struct Seen<'a> {
    x: &'a [f32],
    g: &'a [f32],
    statistics: &'a [f32],
    weight: &'a [f32],
}

/// Σ g and Σ g x̂ of a run.
#[inline(always)]
fn run_sums(x: &[f32], g: &[f32], (mean, inverse): (f32, f32)) -> (f32, f32) {
    let (mut plain, mut product) = ([0.0f32; LANES], [0.0f32; LANES]);
    for (x, g) in x.chunks(LANES).zip(g.chunks(LANES)) {
        let (x, g) = (lanes_of(x, mean), lanes_of(g, 0.0));
        for at in 0..LANES {
            plain[at] += g[at];
            product[at] += g[at] * ((x[at] - mean) * inverse);
        }
    }
    (sum_lanes(plain), sum_lanes(product))
}

simd_dispatch! {
    /// Sets the gradient of the input where `into` is not empty, and adds to `sums`, the gradients of weight and then
    /// bias, where they are not empty.
    fn backward(grid: Grid, seen: Seen<'_>, into: &mut [f32], sums: &mut [f32]) {
        let size = grid.channels * grid.run;
        let all = seen.weight.len();
        let groups = seen.x.chunks_exact(size).zip(seen.g.chunks_exact(size));
        for (at, ((x, g), statistics)) in groups.zip(seen.statistics.chunks_exact(2)).enumerate() {
            let (mean, inverse) = (statistics[0], statistics[1]);
            let (mut off, mut along) = (0.0f32, 0.0f32);
            let runs = x.chunks_exact(grid.run).zip(g.chunks_exact(grid.run));
            for (channel, (x, g)) in runs.clone().enumerate() {
                let (plain, product) = run_sums(x, g, (mean, inverse));
                let mut w = 1.0;
                if all > 0 {
                    let channel = (at * grid.channels + channel) % all;
                    w = seen.weight[channel];
                    sums[channel] += product;
                    sums[all + channel] += plain;
                }
                off += w * plain;
                along += w * product;
            }
            if into.is_empty() {
                continue;
            }
            #[expect(clippy::cast_precision_loss, reason = "elements of a group; the count is rounded")]
            let count = size as f32;
            let (off, along) = (off / count, along / count);
            let into = &mut into[at * size..(at + 1) * size];
            for (channel, ((x, g), into)) in runs.zip(into.chunks_exact_mut(grid.run)).enumerate() {
                let mut w = 1.0;
                if all > 0 {
                    w = seen.weight[(at * grid.channels + channel) % all];
                }
                for ((into, x), g) in into.iter_mut().zip(x).zip(g) {
                    *into = (*g * w - off - (*x - mean) * inverse * along) * inverse;
                }
            }
        }
    }
}

impl GroupNorm {
    fn all_channels(&self) -> usize {
        self.shape.groups * self.grid.channels
    }

    /// Weight and bias, empty where there is none.
    fn affine<'a>(&self, weights: &'a [f32]) -> (&'a [f32], &'a [f32]) {
        if self.affine {
            weights.split_at(self.all_channels())
        } else {
            (&[], &[])
        }
    }
}

impl Module for GroupNorm {
    fn parameters(&self) -> Vec<ParameterSpec> {
        affine_specs(&[self.all_channels()], self.affine, self.bias)
    }

    fn saved(&self, rows: usize, training: bool) -> usize {
        self.shape.saved(rows, training)
    }

    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        let (x, level, width) = (inputs[0], ctx.kernels.level(), self.shape.width);
        let affine = self.affine(ctx.weights);
        let statistics = &mut ctx.saved[..self.shape.statistics(ctx.rows)];
        self.shape
            .forward(ctx.kernels, output, statistics, |first, y, statistics| {
                let x = &x[first * width..first * width + y.len()];
                forward(level, self.grid, x, affine, self.eps, y, statistics);
            });
        Ok(())
    }

    fn backward(
        &self,
        ctx: &mut Context<'_>,
        ends: BackwardInputs<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        let (level, width, groups) = (ctx.kernels.level(), self.shape.width, self.shape.groups);
        let (weight, _) = self.affine(ctx.weights);
        let slices = ctx.training.map_or(&[][..], |training| training.slices);
        let (statistics, sums) = ctx.saved.split_at_mut(self.shape.statistics(ctx.rows));
        let statistics = &*statistics;
        let body = |units: Range<usize>, into: &mut [f32], sums: &mut [f32]| {
            let values = units.start * width..units.end * width;
            let seen = Seen {
                x: &ends.inputs[0][values.clone()],
                g: &ends.gradient[values],
                statistics: &statistics[units.start * groups * 2..units.end * groups * 2],
                weight,
            };
            backward(level, self.grid, seen, into, sums);
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
        let size = self.all_channels();
        let place = parameter * size..(parameter + 1) * size;
        self.shape.parameter_gradient(ctx, place, tree, into);
    }
}

fn made(arguments: &Arguments, input: &[usize], groups: usize) -> BuiltLayer {
    let run: usize = input[1..].iter().product();
    let affine = arguments.flag("affine");
    #[expect(clippy::cast_possible_truncation, reason = "applied in f32")]
    let layer = GroupNorm {
        shape: Shape {
            units: 1,
            width: input[0] * run,
            groups,
            sums: if affine { 2 * input[0] } else { 0 },
        },
        grid: Grid {
            channels: input[0] / groups,
            run,
        },
        eps: arguments.real("eps") as f32,
        affine,
        bias: affine && arguments.flag("bias"),
    };
    BuiltLayer::module(layer, input.to_vec())
}

/// Makes a GroupNorm.
pub(super) fn make(
    arguments: &mut Arguments,
    input: &[usize],
    _path: &str,
) -> Result<BuiltLayer, LayerError> {
    let channels = channels(arguments, "num_channels", input)?;
    let groups = arguments.size("num_groups").unwrap_or(1).max(1);
    if !channels.is_multiple_of(groups) {
        return Err(format!(
            "num_groups={groups} does not divide the {channels} channels of an input of shape {input:?}"
        )
        .into());
    }
    Ok(made(arguments, input, groups))
}

/// Makes an InstanceNorm for the shape that its name says: a group a channel.
pub(super) fn make_instance(
    arguments: &mut Arguments,
    input: &[usize],
    _path: &str,
) -> Result<BuiltLayer, LayerError> {
    let (rank, expected) = if arguments.name() == "InstanceNorm1d" {
        (2, "[C, L]")
    } else {
        (3, "[C, H, W]")
    };
    if input.len() != rank {
        return Err(LayerError::input(
            format!("an input of shape {expected} without the batch"),
            format!("{input:?}"),
        ));
    }
    let channels = channels(arguments, "num_features", input)?;
    if arguments.flag("track_running_stats") {
        return Err(LayerError::Arguments(
            "track_running_stats=true is not possible: every row is normalised by its own statistics; leave it false, \
             or take BatchNorm"
                .to_owned(),
        ));
    }
    Ok(made(arguments, input, channels))
}
