//! Bounds of the gradient.

use super::norms;
use super::run::Run;
use super::step::{ParamSlice, Touched};
use crate::kernels::simd_dispatch;
use crate::numbers::to_f32;

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

/// Clips a gradient that still is to be multiplied by `scale`; returns what it is to be multiplied by after that.
/// `longest` is the norm that the optimiser itself bounds it by, after all else (LAMB).
pub(super) fn scale(
    run: &Run<'_>,
    slices: &mut [ParamSlice<'_>],
    mut scale: f32,
    clip: &Clip,
    longest: Option<f64>,
) -> f32 {
    let bound = |slices: &mut [ParamSlice<'_>], factor: f32, limit: f32| {
        run.each(slices, |slice| {
            for range in slice.touched.ranges(slice.gradient.len()) {
                scale_and_bound(run.level, factor, limit, &mut slice.gradient[range]);
            }
        });
    };
    if clip.norm.is_some() || clip.value.is_some() || longest.is_some() {
        bound(slices, scale, f32::INFINITY);
        scale = 1.0;
    }
    if let Some(largest) = clip.norm {
        scale = to_f32((largest / (norm(run, slices) + 1e-6)).min(1.0));
    }
    if let Some(limit) = clip.value {
        bound(slices, scale, to_f32(limit));
        scale = 1.0;
    }
    if let Some(longest) = longest {
        if clip.norm.is_some() && clip.value.is_none() {
            bound(slices, scale, f32::INFINITY);
        }
        scale = to_f32(1.0 / (norm(run, slices) / longest).max(1.0));
    }
    scale
}

/// The norm of the gradient, rule B6.
fn norm(run: &Run<'_>, slices: &mut [ParamSlice<'_>]) -> f64 {
    run.each(slices, |slice| match slice.touched {
        Touched::All => norms::blocks_of(run.level, slice.gradient, &mut slice.sums),
        rows @ (Touched::Rows { .. } | Touched::Columns { .. }) => {
            norms::blocks_of_rows(run.level, slice.gradient, rows, &mut slice.sums);
        }
    });
    let sum: f64 = norms::by_tensor(slices, run.tensors)
        .iter()
        .map(|[sum, _]| *sum)
        .sum();
    libm::sqrt(sum)
}
