//! BatchNorm1d and BatchNorm2d, rule B7: normalised over all rows of the step, whoever holds them.
//!
//! Every slice contributes (count, mean, M2) per channel in f64; all trainers merge them along the tree of rule B5. The
//! backward pass does the same with Σ g and Σ g (x - mean). Sums of a slice are also what the gradients of weight
//! and bias need from it, so those cost nothing more.

use super::channels::{affine_specs, channels};
use super::ends::{
    Centres, HostBackward, HostForward, NormBackward, NormForward, Part, Slopes, Sums, places,
};
use super::moments::{Layout, merge};
use crate::arguments::Arguments;
use crate::kernels::{Program, add_into};
#[cfg(any(test, feature = "candle"))]
use crate::layers::StepNorm;
use crate::layers::error::LayerError;
use crate::layers::{BackwardInputs, BuiltLayer, Context, Module, ParameterSpec, Slice};
use candlewick_protocol::Failure;
use candlewick_protocol::tree::{NodeValue, assemble};

/// Coefficients per channel: centre, factor, summand; mean - centre, 1 / deviation, count.
const COEFFICIENTS: usize = 6;

/// See the module. What it normalises, and where, is given by [`NormForward`] and [`NormBackward`].
#[derive(Debug)]
struct BatchNorm {
    layout: Layout,
    eps: f64,
    momentum: Option<f64>,
    affine: bool,
    /// With `affine` only.
    bias: bool,
    /// True where every slice is normalised by itself.
    by_slice: bool,
}

/// The parts of [`Context::saved`].
struct Saved<'a> {
    /// 1 where the running statistics are to be updated, then mean and unbiased variance of every channel.
    running: &'a mut [f32],
    /// [`COEFFICIENTS`] vectors, once or for the first row of every slice.
    coefficients: &'a mut [f32],
    /// At the first row of every slice its gradients of weight and bias.
    gradients: &'a mut [f32],
}

impl BatchNorm {
    fn split<'a>(&self, saved: &'a mut [f32], rows: usize) -> Saved<'a> {
        let c = self.layout.channels;
        let (running, rest) = saved.split_at_mut(1 + 2 * c);
        let (coefficients, gradients) = rest.split_at_mut(self.parts(rows) * COEFFICIENTS * c);
        Saved {
            running,
            coefficients,
            gradients,
        }
    }

    /// Sets of coefficients there can be.
    fn parts(&self, rows: usize) -> usize {
        if self.by_slice { rows.max(1) } else { 1 }
    }

    /// What is normalised together.
    fn together(&self, rows: usize, slices: &[Slice]) -> Vec<Part> {
        if !self.by_slice {
            return vec![Part { rows: 0..rows, at: 0 }];
        }
        let parts = places(slices).filter(|(_, rows)| !rows.is_empty());
        parts.map(|(_, rows)| Part { at: rows.start, rows }).collect()
    }

    /// Weight and bias, which is empty where there is none.
    fn weight<'a>(&self, weights: &'a [f32]) -> Option<(&'a [f32], &'a [f32])> {
        let c = self.layout.channels;
        let bias = if self.bias { c..2 * c } else { 0..0 };
        self.affine.then(|| (&weights[..c], &weights[bias]))
    }

    /// Values of weight and bias, before those of the buffers.
    fn trained(&self) -> usize {
        self.layout.channels * (usize::from(self.affine) + usize::from(self.bias))
    }

    /// Running mean and variance.
    fn running<'a>(&self, weights: &'a [f32]) -> (&'a [f32], &'a [f32]) {
        let c = self.layout.channels;
        let start = self.trained();
        (&weights[start..start + c], &weights[start + c..start + 2 * c])
    }

    /// Sets the coefficients of a part that `mean` and `variance` of every channel normalise. `count` is 0 where
    /// they do not depend on the part's values.
    #[expect(clippy::cast_possible_truncation, reason = "computed in f64, applied in f32")]
    fn coefficients(
        &self,
        weights: &[f32],
        statistics: &dyn Fn(usize) -> (f64, f64),
        count: f64,
        into: &mut [f32],
    ) {
        let c = self.layout.channels;
        for at in 0..c {
            let (mean, variance) = statistics(at);
            let inverse = 1.0 / (variance + self.eps).sqrt();
            let (w, b) = self
                .weight(weights)
                .map_or((1.0, 0.0), |(w, b)| (w[at], b.get(at).copied().unwrap_or(0.0)));
            let centre = mean as f32;
            let factor = (f64::from(w) * inverse) as f32;
            let off = mean - f64::from(centre);
            let summand = f64::from(b) - off * f64::from(factor);
            let values = [
                centre,
                factor,
                summand as f32,
                off as f32,
                inverse as f32,
                count as f32,
            ];
            for (index, value) in values.into_iter().enumerate() {
                into[index * c + at] = value;
            }
        }
    }

    /// (count, mean and M2 of every channel) of a set of values, or the running statistics where there is a single
    /// value a channel.
    fn by_moments(&self, weights: &[f32], moments: &[f64], into: &mut [f32]) {
        if moments[0] > 1.0 {
            let of = |at: usize| (moments[1 + 2 * at], moments[2 + 2 * at] / moments[0]);
            self.coefficients(weights, &of, moments[0], into);
        } else {
            self.by_running(weights, into);
        }
    }

    fn by_running(&self, weights: &[f32], into: &mut [f32]) {
        let (means, variances) = self.running(weights);
        let of = |at: usize| (f64::from(means[at]), f64::from(variances[at]));
        self.coefficients(weights, &of, 0.0, into);
    }

    /// Saves what [`Module::update_buffers`] needs: nothing is updated where there is a single value a channel.
    #[expect(clippy::cast_possible_truncation, reason = "the statistics are f32")]
    fn keep_running(&self, moments: Option<&Vec<f64>>, running: &mut [f32]) {
        let c = self.layout.channels;
        running[0] = 0.0;
        let Some(moments) = moments.filter(|moments| moments[0] > 1.0) else {
            return;
        };
        running[0] = 1.0;
        for at in 0..c {
            running[1 + at] = moments[1 + 2 * at] as f32;
            running[1 + c + at] = (moments[2 + 2 * at] / (moments[0] - 1.0)) as f32;
        }
    }

    /// Gradients of weight and bias of every slice, from its sums, for [`Module::parameter_gradient`].
    #[expect(clippy::cast_possible_truncation, reason = "gradients are f32")]
    fn keep_gradients(&self, slices: &[Slice], sums: &Sums, saved: &mut Saved<'_>) {
        let c = self.layout.channels;
        for ((_, rows), (_, sums)) in places(slices).zip(sums) {
            let Some(sums) = sums else { continue };
            let coefficients = self.centres(saved.coefficients).of(rows.start);
            let (off, inverse) = (&coefficients[3 * c..4 * c], &coefficients[4 * c..5 * c]);
            let into = &mut saved.gradients[rows.start * 2 * c..(rows.start + 1) * 2 * c];
            for at in 0..c {
                let (sum, product) = (sums[1 + 2 * at], sums[2 + 2 * at]);
                into[at] = ((product - f64::from(off[at]) * sum) * f64::from(inverse[at])) as f32;
                into[c + at] = sum as f32;
            }
        }
    }

    /// The coefficients of all parts.
    fn centres<'a>(&self, coefficients: &'a [f32]) -> Centres<'a> {
        Centres {
            coefficients,
            size: COEFFICIENTS * self.layout.channels,
            by_slice: self.by_slice,
        }
    }

    /// How the gradient of the input of a part follows, given Σ g and Σ g (x - centre) of every channel over it.
    #[expect(clippy::cast_possible_truncation, reason = "computed in f64, applied in f32")]
    fn slopes<'a>(&self, set: &'a [f32], sums: &[f64]) -> Slopes<'a> {
        let c = self.layout.channels;
        let (mut factor, mut summand) = (vec![0.0f32; c], vec![0.0f32; c]);
        let count = f64::from(set[5 * c]);
        // By running statistics no value depends on another.
        for at in (0..c).filter(|_| count > 0.0) {
            let [scale, off, inverse] = [1, 3, 4].map(|index| f64::from(set[index * c + at]));
            let (sum, product) = (sums[1 + 2 * at], sums[2 + 2 * at] - off * sums[1 + 2 * at]);
            let slope = -scale * inverse * inverse * product / count;
            factor[at] = slope as f32;
            summand[at] = (-scale * sum / count - slope * off) as f32;
        }
        Slopes {
            scale: &set[c..2 * c],
            centre: &set[..c],
            factor,
            summand,
        }
    }

    /// Forward over values that lie anywhere.
    fn forward_of(&self, ctx: &mut Context<'_>, ends: &mut dyn NormForward) -> Result<(), Failure> {
        let rows = ctx.rows;
        let Some(training) = ctx.training else {
            let saved = self.split(ctx.saved, 1);
            self.by_running(ctx.weights, saved.coefficients);
            let part = Part { rows: 0..rows, at: 0 };
            return ends.apply(self.layout, ctx.kernels, &part, saved.coefficients);
        };
        let own = ends.moments(self.layout, ctx.kernels, training.slices)?;
        let saved = self.split(ctx.saved, rows);
        let size = COEFFICIENTS * self.layout.channels;
        if self.by_slice {
            for ((_, rows), (_, values)) in places(training.slices).zip(&own) {
                if let Some(values) = values {
                    let into = &mut saved.coefficients[rows.start * size..(rows.start + 1) * size];
                    self.by_moments(ctx.weights, values, into);
                }
            }
        }
        let all = checked(ctx.exchange.gather(own)?, 1 + 2 * self.layout.channels)?;
        let moments = root(all, merge);
        self.keep_running(moments.as_ref(), saved.running);
        if let Some(moments) = moments.filter(|_| !self.by_slice) {
            self.by_moments(ctx.weights, &moments, saved.coefficients);
        }
        for part in self.together(rows, training.slices) {
            let set = &saved.coefficients[part.at * size..(part.at + 1) * size];
            ends.apply(self.layout, ctx.kernels, &part, set)?;
        }
        Ok(())
    }

    /// Backward, likewise.
    fn backward_of(&self, ctx: &mut Context<'_>, ends: &mut dyn NormBackward) -> Result<(), Failure> {
        let Some(training) = ctx.training else {
            return Ok(());
        };
        let c = self.layout.channels;
        let mut saved = self.split(ctx.saved, ctx.rows);
        let centres = self.centres(saved.coefficients);
        let own = ends.sums(self.layout, ctx.kernels, training.slices, centres)?;
        if self.affine {
            self.keep_gradients(training.slices, &own, &mut saved);
        }
        if !ends.is_wanted() {
            // Nobody's gradient depends on the sums; all trainers have the same layers, so none waits for them.
            return Ok(());
        }
        let parts = self.together(ctx.rows, training.slices);
        let sums: Vec<Vec<f64>> = if self.by_slice {
            own.into_iter().filter_map(|(_, sums)| sums).collect()
        } else {
            let all = checked(ctx.exchange.gather(own)?, 1 + 2 * c)?;
            root(all, sum).into_iter().collect()
        };
        for (part, sums) in parts.iter().zip(&sums) {
            let slopes = self.slopes(self.centres(saved.coefficients).of(part.at), sums);
            ends.input_gradient(self.layout, ctx.kernels, part, &slopes)?;
        }
        Ok(())
    }
}

/// The value of the root; `None` where no shard has rows.
fn root(
    mut leaves: Vec<Option<Vec<f64>>>,
    mut add: impl FnMut(Vec<f64>, Vec<f64>) -> Vec<f64>,
) -> Option<Vec<f64>> {
    let shards = u32::try_from(leaves.len()).unwrap_or(u32::MAX);
    let mut find = |lo: u32, hi: u32| match hi - lo {
        1 => NodeValue::Known(leaves[lo as usize].take()),
        _ => NodeValue::Split,
    };
    assemble(0, shards, &mut find, &mut add)
}

fn sum(mut left: Vec<f64>, right: Vec<f64>) -> Vec<f64> {
    left.iter_mut()
        .zip(right)
        .for_each(|(left, right)| *left += right);
    left
}

/// Every shard's values must be of one length, whoever sent them.
fn checked(all: Vec<Option<Vec<f64>>>, length: usize) -> Result<Vec<Option<Vec<f64>>>, Failure> {
    match all.iter().flatten().find(|values| values.len() != length) {
        None => Ok(all),
        Some(values) => Err(Failure::internal(format!(
            "a shard has {} numbers to normalise by, not {length}",
            values.len()
        ))),
    }
}

#[cfg(any(test, feature = "candle"))]
impl StepNorm for BatchNorm {
    fn forward_over(&self, ctx: &mut Context<'_>, ends: &mut dyn NormForward) -> Result<(), Failure> {
        self.forward_of(ctx, ends)
    }

    fn backward_over(&self, ctx: &mut Context<'_>, ends: &mut dyn NormBackward) -> Result<(), Failure> {
        self.backward_of(ctx, ends)
    }
}

impl Module for BatchNorm {
    fn parameters(&self) -> Vec<ParameterSpec> {
        let shape = [self.layout.channels];
        let mut specs = affine_specs(&shape, self.affine, self.bias);
        specs.push(ParameterSpec::buffer("running_mean", &shape, 0.0));
        specs.push(ParameterSpec::buffer("running_var", &shape, 1.0));
        specs.push(ParameterSpec::count("num_batches_tracked"));
        specs
    }

    fn saved(&self, rows: usize, training: bool) -> usize {
        let c = self.layout.channels;
        let gradients = if training && self.affine { rows * 2 * c } else { 0 };
        1 + 2 * c + self.parts(if training { rows } else { 1 }) * COEFFICIENTS * c + gradients
    }

    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        let mut ends = HostForward {
            x: inputs[0],
            y: output,
        };
        self.forward_of(ctx, &mut ends)
    }

    fn backward(
        &self,
        ctx: &mut Context<'_>,
        ends: BackwardInputs<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        let mut ends = HostBackward {
            x: ends.inputs[0],
            g: ends.gradient,
            into: &mut into[0],
        };
        self.backward_of(ctx, &mut ends)
    }

    #[cfg(any(test, feature = "candle"))]
    fn step_norm(&self) -> Option<&dyn StepNorm> {
        Some(self)
    }

    fn parameter_gradient(
        &self,
        ctx: &mut Context<'_>,
        parameter: usize,
        tree: &Program,
        _ends: BackwardInputs<'_>,
        into: &mut [f32],
    ) {
        let c = self.layout.channels;
        let level = ctx.kernels.level();
        let saved = self.split(ctx.saved, ctx.rows);
        let gradients = saved.gradients;
        tree.evaluate(
            into,
            &mut Vec::new(),
            |start, _, values| {
                let from = (start * 2 + parameter) * c;
                values.copy_from_slice(&gradients[from..from + c]);
            },
            |left, right| add_into(level, left, right),
        );
    }

    fn statistics(&self) -> usize {
        1 + 2 * self.layout.channels
    }

    #[expect(clippy::cast_possible_truncation, reason = "the statistics are f32")]
    fn update_buffers(&self, saved: &[f32], weights: &mut [f32]) -> bool {
        let c = self.layout.channels;
        if saved[0] == 0.0 {
            return false;
        }
        let start = self.trained();
        let (statistics, tracked) = weights[start..].split_at_mut(2 * c);
        tracked[0] += 1.0;
        let share = self.momentum.unwrap_or(1.0 / f64::from(tracked[0]));
        for (running, step) in statistics.iter_mut().zip(&saved[1..]) {
            *running = (share * f64::from(*step) + (1.0 - share) * f64::from(*running)) as f32;
        }
        true
    }
}

/// Makes a BatchNorm for the shapes that its name says.
pub(super) fn make(
    arguments: &mut Arguments,
    input: &[usize],
    _path: &str,
) -> Result<BuiltLayer, LayerError> {
    let (legal, wanted): (&[usize], &str) = if arguments.name() == "BatchNorm2d" {
        (&[3], "[C, H, W]")
    } else {
        (&[1, 2], "[C] or [C, L]")
    };
    if !legal.contains(&input.len()) {
        return Err(LayerError::input(
            format!("an input of shape {wanted} without the batch"),
            format!("{input:?}"),
        ));
    }
    let channels = channels(arguments, "num_features", input)?;
    if !arguments.flag("track_running_stats") {
        return Err(LayerError::Arguments(
            "track_running_stats=false is not possible: what comes out for a row would depend on the rows it is scored \
             with; leave it true, or normalise rows by themselves with LayerNorm or GroupNorm"
                .to_owned(),
        ));
    }
    let layer = BatchNorm {
        layout: Layout {
            channels,
            run: input[1..].iter().product(),
        },
        eps: arguments.real("eps"),
        momentum: (!arguments.is_null("momentum")).then(|| arguments.real("momentum")),
        affine: arguments.flag("affine"),
        bias: arguments.flag("affine") && arguments.flag("bias"),
        by_slice: arguments.text("scope") == "slice",
    };
    Ok(BuiltLayer::module(layer, input.to_vec()))
}
