//! LocalResponseNorm (Krizhevsky et al. 2012): y = x / d^beta with d = k + alpha m, where m is the mean square of `size`
//! neighbouring channels.
//!
//! With t = g x d^(-beta - 1) the gradient is g d^-beta - 2 alpha beta / size · x Σ t, over the channels whose windows
//! hold this one. Both are computed in f64 from the input, channels in ascending order.

use crate::arguments::Arguments;
use crate::layers::error::LayerError;
use crate::layers::{BackwardInputs, BuiltLayer, Context, Module};
use candlewick_protocol::Failure;
use std::ops::Range;

/// Values that are worth a thread.
const PARALLEL: usize = 1 << 12;

#[derive(Debug)]
struct LocalResponseNorm {
    channels: usize,
    /// Values of a channel.
    run: usize,
    size: usize,
    alpha: f64,
    beta: f64,
    k: f64,
}

impl LocalResponseNorm {
    fn width(&self) -> usize {
        self.channels * self.run
    }

    /// The channels in the window of one: an even size has one more before it than after it, as in PyTorch.
    fn window(&self, channel: usize) -> Range<usize> {
        let start = channel.saturating_sub(self.size / 2);
        start..(channel + (self.size - 1) / 2 + 1).min(self.channels)
    }

    /// The channels in whose windows one is.
    fn owners(&self, channel: usize) -> Range<usize> {
        let start = channel.saturating_sub((self.size - 1) / 2);
        start..(channel + self.size / 2 + 1).min(self.channels)
    }

    /// The divisors of a row, before the power.
    #[expect(clippy::cast_precision_loss, reason = "channels are far below 2^53")]
    fn bases(&self, x: &[f32]) -> Vec<f64> {
        let mut bases = Vec::with_capacity(x.len());
        for channel in 0..self.channels {
            for at in 0..self.run {
                let squares = self.window(channel).map(|other| {
                    let value = f64::from(x[other * self.run + at]);
                    value * value
                });
                bases.push(self.k + self.alpha * (squares.sum::<f64>() / self.size as f64));
            }
        }
        bases
    }

    #[expect(clippy::cast_possible_truncation, reason = "computed in f64, applied in f32")]
    fn forward_row(&self, x: &[f32], y: &mut [f32]) {
        for ((y, x), base) in y.iter_mut().zip(x).zip(self.bases(x)) {
            *y = (f64::from(*x) * libm::pow(base, -self.beta)) as f32;
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "computed in f64, applied in f32"
    )]
    fn backward_row(&self, x: &[f32], g: &[f32], into: &mut [f32]) {
        let bases = self.bases(x);
        let terms: Vec<f64> = x
            .iter()
            .zip(g)
            .zip(&bases)
            .map(|((x, g), base)| f64::from(*g) * f64::from(*x) * libm::pow(*base, -self.beta - 1.0))
            .collect();
        let factor = 2.0 * self.alpha * self.beta / self.size as f64;
        for channel in 0..self.channels {
            for at in 0..self.run {
                let place = channel * self.run + at;
                let owners = self.owners(channel);
                let sum: f64 = owners.map(|other| terms[other * self.run + at]).sum();
                let own = f64::from(g[place]) * libm::pow(bases[place], -self.beta);
                into[place] = (own - factor * f64::from(x[place]) * sum) as f32;
            }
        }
    }
}

impl Module for LocalResponseNorm {
    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        let (x, width) = (inputs[0], self.width());
        let workers = ctx.kernels.workers();
        workers.chunks(output, width, PARALLEL, |start, output| {
            let rows = x[start..].chunks_exact(width);
            for (y, x) in output.chunks_exact_mut(width).zip(rows) {
                self.forward_row(x, y);
            }
        });
        Ok(())
    }

    fn backward(
        &self,
        ctx: &mut Context<'_>,
        ends: BackwardInputs<'_>,
        into: &mut [Option<&mut [f32]>],
    ) -> Result<(), Failure> {
        let Some(into) = &mut into[0] else { return Ok(()) };
        let (x, width) = (ends.inputs[0], self.width());
        let workers = ctx.kernels.workers();
        workers.chunks(into, width, PARALLEL, |start, into| {
            let rows = x[start..]
                .chunks_exact(width)
                .zip(ends.gradient[start..].chunks_exact(width));
            for (into, (x, g)) in into.chunks_exact_mut(width).zip(rows) {
                self.backward_row(x, g, into);
            }
        });
        Ok(())
    }
}

/// Makes a LocalResponseNorm.
pub(super) fn make(
    arguments: &mut Arguments,
    input: &[usize],
    _path: &str,
) -> Result<BuiltLayer, LayerError> {
    let &[channels, _, ..] = input else {
        return Err(LayerError::input(
            "an input of shape [C, ...] with at least one dimension after the channels",
            format!("{input:?}"),
        ));
    };
    let layer = LocalResponseNorm {
        channels,
        run: input[1..].iter().product(),
        size: arguments.size("size").unwrap_or(1).max(1),
        alpha: arguments.real("alpha"),
        beta: arguments.real("beta"),
        k: arguments.real("k"),
    };
    Ok(BuiltLayer::module(layer, input.to_vec()))
}
