//! LPPool: (Σ x^p)^(1/p) over windows.
//!
//! As PyTorch computes it, a window that ends outside (with ceil_mode) counts as if it were full: its sum grows by what
//! is missing. With s the sum, the gradient is s^(1/p - 1) x^(p - 1), and 0 where s is 0. Computed in f64 from the
//! input.

use super::convolution::shape;
use super::pooling::{Span, Windows, over_planes, sliding};
use super::{BackwardInputs, BuiltLayer, Context, Family, Module};
use crate::arguments::Arguments;
use crate::layers::error::LayerError;
use candlewick_protocol::Failure;

#[derive(Debug)]
struct PowerPool {
    windows: Windows,
    /// Elements of a full window.
    full: usize,
    power: f64,
}

impl PowerPool {
    /// By what the sum of a window grows.
    #[expect(clippy::cast_precision_loss, reason = "elements of a window")]
    fn growth(&self, down: Span, across: Span) -> f64 {
        self.full as f64 / (down.count * across.count) as f64
    }

    /// The sum of a window's powers.
    fn sum(&self, plane: &[f32], down: Span, across: Span) -> f64 {
        let mut sum = 0.0;
        for y in down.start..down.start + down.count {
            let first = y * self.windows.input[1] + across.start;
            for x in &plane[first..first + across.count] {
                sum += libm::pow(f64::from(*x), self.power);
            }
        }
        sum * self.growth(down, across)
    }

    #[expect(clippy::cast_possible_truncation, reason = "computed in f64, applied in f32")]
    fn forward_plane(&self, plane: &[f32], output: &mut [f32]) {
        let windows = &self.windows;
        for (line, down) in output.chunks_mut(windows.output[1]).zip(&windows.down) {
            for (value, across) in line.iter_mut().zip(&windows.across) {
                *value = libm::pow(self.sum(plane, *down, *across), 1.0 / self.power) as f32;
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "computed in f64, applied in f32")]
    fn backward_plane(&self, plane: &[f32], gradient: &[f32], into: &mut [f32]) {
        let windows = &self.windows;
        into.fill(0.0);
        for (line, down) in gradient.chunks(windows.output[1]).zip(&windows.down) {
            for (g, across) in line.iter().zip(&windows.across) {
                let sum = self.sum(plane, *down, *across);
                if sum == 0.0 {
                    continue;
                }
                let outer = libm::pow(sum, 1.0 / self.power - 1.0) * self.growth(*down, *across);
                for y in down.start..down.start + down.count {
                    let first = y * windows.input[1] + across.start;
                    for at in first..first + across.count {
                        let inner = libm::pow(f64::from(plane[at]), self.power - 1.0);
                        into[at] += (f64::from(*g) * outer * inner) as f32;
                    }
                }
            }
        }
    }
}

impl Module for PowerPool {
    fn forward(&self, ctx: &mut Context<'_>, inputs: &[&[f32]], output: &mut [f32]) -> Result<(), Failure> {
        let (from, to) = (self.windows.input_plane(), self.windows.output_plane());
        over_planes(ctx, to, output, |first, output| {
            let planes = inputs[0][first * from..].chunks(from);
            for (plane, output) in planes.zip(output.chunks_mut(to)) {
                self.forward_plane(plane, output);
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
        let (from, to) = (self.windows.input_plane(), self.windows.output_plane());
        over_planes(ctx, from, into, |first, into| {
            let planes = ends.inputs[0][first * from..]
                .chunks(from)
                .zip(ends.gradient[first * to..].chunks(to));
            for ((plane, gradient), into) in planes.zip(into.chunks_mut(from)) {
                self.backward_plane(plane, gradient, into);
            }
        });
        Ok(())
    }
}

/// The layers of this family.
pub(super) const LAYERS: Family = &[
    ("LPPool1d", |arguments, input, _| make(arguments, input, 1)),
    ("LPPool2d", |arguments, input, _| make(arguments, input, 2)),
];

fn make(arguments: &mut Arguments, input: &[usize], dimensions: usize) -> Result<BuiltLayer, LayerError> {
    let power = arguments.real("norm_type");
    if power <= 0.0 {
        return Err(format!("norm_type = {power} is not legal: expected a number above 0").into());
    }
    let (channels, windows) = sliding(arguments, input, dimensions)?;
    let sizes = arguments.sizes("kernel_size", dimensions).unwrap_or_default();
    let output = shape(channels, windows.output, dimensions);
    let layer = PowerPool {
        windows,
        full: sizes.iter().product(),
        power,
    };
    Ok(BuiltLayer::module(layer, output))
}
