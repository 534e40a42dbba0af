//! Bounds of the gradient.

use super::norms;
use super::run::Run;
use super::step::{DeviceSlice, ParamSlice, Touched};
use crate::kernels::simd_dispatch;
use crate::numbers::to_f32;
use crate::resident::DeviceVec;
use candlewick_protocol::Failure;

/// Limits of the gradient, applied after it was divided by the denominator: first the norm, then the values. Frozen
/// parameters and buffers do not count.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Clip {
    /// Largest Euclidean norm of the whole gradient (torch.nn.utils.clip_grad_norm_).
    pub norm: Option<f64>,
    /// Largest absolute value of an element (torch.nn.utils.clip_grad_value_).
    pub value: Option<f64>,
}

simd_dispatch! {
    /// `values *= factor`, then bounded by `limit` on both sides (infinity: not bounded).
    fn scale_and_bound(factor: f32, limit: f32, values: &mut [f32]) {
        values.iter_mut().for_each(|value| *value = (*value * factor).clamp(-limit.abs(), limit.abs()));
    }
}

/// What is clipped together: slices on the host and on a device.
pub(super) struct Slices<'s, 'a> {
    pub host: &'s mut [ParamSlice<'a>],
    pub device: &'s mut [DeviceSlice],
}

impl Slices<'_, '_> {
    /// Multiplies every gradient by `factor` and bounds it by `limit`.
    fn bound(&mut self, run: &Run<'_>, factor: f32, limit: f32) -> Result<(), Failure> {
        run.each(self.host, |slice| {
            slice.touched.each([&mut *slice.gradient], |[gradient]| {
                scale_and_bound(run.level, factor, limit, gradient);
            });
        });
        for slice in &mut *self.device {
            slice.gradient = slice.gradient.times(factor)?;
            if limit.is_finite() {
                slice.gradient = slice.gradient.bounded(limit.abs())?;
            }
        }
        Ok(())
    }

    /// The norm of the gradient, rule B6. What lies on a device comes after what lies on the host.
    fn norm(&mut self, run: &Run<'_>) -> Result<f64, Failure> {
        run.each(self.host, |slice| match slice.touched {
            Touched::All => norms::blocks_of(run.level, slice.gradient, &mut slice.sums),
            rows @ (Touched::Rows { .. } | Touched::Columns { .. }) => {
                norms::blocks_of_rows(run.level, slice.gradient, rows, &mut slice.sums);
            }
        });
        let by_tensor = norms::by_tensor(self.host, run.tensors);
        let sum: f64 = by_tensor.iter().map(|[sum, _]| *sum).sum();
        let squares = self.device.iter().map(|slice| slice.gradient.squares());
        let squares = DeviceVec::sums(&squares.collect::<Result<Vec<_>, _>>()?)?;
        Ok(libm::sqrt(squares.iter().fold(sum, |sum, squares| sum + squares)))
    }
}

/// Clips a gradient that still is to be multiplied by `scale`; returns what it is to be multiplied by after that.
/// `longest` is the norm that the optimiser itself bounds it by, after all else (LAMB).
pub(super) fn scale(
    run: &Run<'_>,
    slices: &mut Slices<'_, '_>,
    mut scale: f32,
    clip: &Clip,
    longest: Option<f64>,
) -> Result<f32, Failure> {
    if clip.norm.is_some() || clip.value.is_some() || longest.is_some() {
        slices.bound(run, scale, f32::INFINITY)?;
        scale = 1.0;
    }
    if let Some(largest) = clip.norm {
        scale = to_f32((largest / (slices.norm(run)? + 1e-6)).min(1.0));
    }
    if let Some(limit) = clip.value {
        slices.bound(run, scale, to_f32(limit))?;
        scale = 1.0;
    }
    if let Some(longest) = longest {
        if clip.norm.is_some() && clip.value.is_none() {
            slices.bound(run, scale, f32::INFINITY)?;
        }
        scale = to_f32(1.0 / (slices.norm(run)? / longest).max(1.0));
    }
    Ok(scale)
}
