//! Bounds of the gradient.

use super::norms;
use super::run::Run;
use super::step::{Part, Touched};
use crate::kernels::leveled;

/// Limits of the gradient, applied after it was divided by the denominator: first the norm, then the values. Frozen
/// parameters and buffers do not count.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Clip {
    /// Largest Euclidean norm of the whole gradient (torch.nn.utils.clip_grad_norm_).
    pub norm: Option<f64>,
    /// Largest absolute value of an element (torch.nn.utils.clip_grad_value_).
    pub value: Option<f64>,
}

leveled! {
    /// `values *= factor`, then bounded by `limit` on both sides (infinity: not bounded).
    fn scale_and_bound(factor: f32, limit: f32, values: &mut [f32]) {
        values.iter_mut().for_each(|value| *value = (*value * factor).clamp(-limit.abs(), limit.abs()));
    }
}

/// Clips a gradient that still is to be multiplied by `scale`; gives what it is to be multiplied by after that.
/// `longest` is the norm that the optimiser itself bounds it by, after all else (LAMB).
pub(super) fn scale(
    run: &Run<'_>,
    parts: &mut [Part<'_>],
    mut scale: f32,
    clip: &Clip,
    longest: Option<f64>,
) -> f32 {
    let bound = |parts: &mut [Part<'_>], factor: f32, limit: f32| {
        run.each(parts, |part| {
            for range in part.touched.ranges(part.gradient.len()) {
                scale_and_bound(run.level, factor, limit, &mut part.gradient[range]);
            }
        });
    };
    if clip.norm.is_some() || clip.value.is_some() || longest.is_some() {
        bound(parts, scale, f32::INFINITY);
        scale = 1.0;
    }
    if let Some(largest) = clip.norm {
        scale = short((largest / (norm(run, parts) + 1e-6)).min(1.0));
    }
    if let Some(limit) = clip.value {
        bound(parts, scale, short(limit));
        scale = 1.0;
    }
    if let Some(longest) = longest {
        if clip.norm.is_some() && clip.value.is_none() {
            bound(parts, scale, f32::INFINITY);
        }
        scale = short(1.0 / (norm(run, parts) / longest).max(1.0));
    }
    scale
}

#[expect(clippy::cast_possible_truncation, reason = "gradients are f32")]
fn short(value: f64) -> f32 {
    value as f32
}

/// The norm of the gradient, rule B6.
fn norm(run: &Run<'_>, parts: &mut [Part<'_>]) -> f64 {
    run.each(parts, |part| match part.touched {
        Touched::All => norms::blocks_of(run.level, part.gradient, &mut part.sums),
        rows @ Touched::Rows { .. } => {
            norms::blocks_of_rows(run.level, part.gradient, rows, &mut part.sums);
        }
    });
    let sum: f64 = norms::by_tensor(parts, run.tensors)
        .iter()
        .map(|[sum, _]| *sum)
        .sum();
    libm::sqrt(sum)
}
