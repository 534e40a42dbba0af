//! Softmax, LogSoftmax and Softmin along a dimension.

use super::{BuiltLayer, Elementwise, ElementwiseContext, Family, Operation, SavedForBackward};
use crate::arguments::Arguments;
use crate::kernels::{LANES, exp, simd_dispatch, sum_by};
use crate::layers::error::LayerError;
use std::sync::Arc;

/// Along a dimension of `size` values that lie `inner` apart.
#[derive(Debug, Clone, Copy)]
struct Axis {
    size: usize,
    inner: usize,
}

#[derive(Debug)]
struct Softmax {
    axis: Axis,
    log: bool,
    /// Of -x.
    negative: bool,
}

simd_dispatch! {
    /// Changes every sign.
    fn negate(values: &mut [f32]) {
        values.iter_mut().for_each(|value| *value = -*value);
    }
}

#[inline(always)]
fn largest(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for at in 0..LANES {
            lanes[at] = if chunk[at] > lanes[at] {
                chunk[at]
            } else {
                lanes[at]
            };
        }
    }
    let all = lanes.iter().chain(rest);
    all.fold(
        f32::NEG_INFINITY,
        |most, value| if *value > most { *value } else { most },
    )
}

simd_dispatch! {
    /// Softmax, or its logarithm, over contiguous values.
    fn softmax(size: usize, log: bool, values: &mut [f32]) {
        for values in values.chunks_exact_mut(size) {
            let most = largest(values);
            if log {
                let sum = sum_by(size, |at| exp(values[at] - most));
                #[expect(clippy::cast_possible_truncation, reason = "computed in f64, applied in f32")]
                let off = libm::log(f64::from(sum)) as f32;
                values.iter_mut().for_each(|value| *value = (*value - most) - off);
                continue;
            }
            values.iter_mut().for_each(|value| *value = exp(*value - most));
            let scale = 1.0 / sum_by(size, |at| values[at]);
            values.iter_mut().for_each(|value| *value *= scale);
        }
    }
}

simd_dispatch! {
    /// The gradient of [`softmax`], given its output.
    fn softmax_gradient(size: usize, log: bool, output: &[f32], gradient: &mut [f32]) {
        for (y, g) in output.chunks_exact(size).zip(gradient.chunks_exact_mut(size)) {
            if log {
                let sum = sum_by(size, |at| g[at]);
                g.iter_mut().zip(y).for_each(|(g, y)| *g -= exp(*y) * sum);
            } else {
                let sum = sum_by(size, |at| g[at] * y[at]);
                g.iter_mut().zip(y).for_each(|(g, y)| *g = (*g - sum) * *y);
            }
        }
    }
}

simd_dispatch! {
    /// As [`softmax`], over values that lie apart: neighbours side by side.
    fn softmax_apart(axis: Axis, log: bool, values: &mut [f32]) {
        let Axis { size, inner } = axis;
        let (mut most, mut sums) = (vec![0.0f32; inner], vec![0.0f32; inner]);
        for values in values.chunks_exact_mut(size * inner) {
            most.fill(f32::NEG_INFINITY);
            sums.fill(0.0);
            for line in values.chunks_exact(inner) {
                for (most, value) in most.iter_mut().zip(line) {
                    *most = if *value > *most { *value } else { *most };
                }
            }
            for line in values.chunks_exact_mut(inner) {
                for ((value, most), sum) in line.iter_mut().zip(&most).zip(&mut sums) {
                    let power = exp(*value - *most);
                    *sum += power;
                    *value = if log { *value - *most } else { power };
                }
            }
            for sum in &mut sums {
                #[expect(clippy::cast_possible_truncation, reason = "computed in f64, applied in f32")]
                let logarithm = |sum: f32| libm::log(f64::from(sum)) as f32;
                *sum = if log { logarithm(*sum) } else { 1.0 / *sum };
            }
            for line in values.chunks_exact_mut(inner) {
                for (value, sum) in line.iter_mut().zip(&sums) {
                    *value = if log { *value - *sum } else { *value * *sum };
                }
            }
        }
    }
}

simd_dispatch! {
    /// As [`softmax_gradient`], over values that lie apart.
    fn softmax_apart_gradient(axis: Axis, log: bool, output: &[f32], gradient: &mut [f32]) {
        let Axis { size, inner } = axis;
        let mut sums = vec![0.0f32; inner];
        let parts = output.chunks_exact(size * inner).zip(gradient.chunks_exact_mut(size * inner));
        for (y, g) in parts {
            sums.fill(0.0);
            for (y, g) in y.chunks_exact(inner).zip(g.chunks_exact(inner)) {
                for ((sum, y), g) in sums.iter_mut().zip(y).zip(g) {
                    *sum += if log { *g } else { *g * *y };
                }
            }
            for (y, g) in y.chunks_exact(inner).zip(g.chunks_exact_mut(inner)) {
                for ((sum, y), g) in sums.iter().zip(y).zip(g) {
                    *g = if log { *g - exp(*y) * *sum } else { (*g - *sum) * *y };
                }
            }
        }
    }
}

impl Elementwise for Softmax {
    fn saved_for_backward(&self) -> SavedForBackward {
        SavedForBackward::Output
    }

    fn cost(&self) -> usize {
        16
    }

    fn forward(&self, context: &ElementwiseContext<'_>, values: &mut [f32]) {
        if self.negative {
            negate(context.level, values);
        }
        if self.axis.inner == 1 {
            softmax(context.level, self.axis.size, self.log, values);
        } else {
            softmax_apart(context.level, self.axis, self.log, values);
        }
    }

    fn backward(&self, context: &ElementwiseContext<'_>, saved: &[f32], gradient: &mut [f32]) {
        if self.axis.inner == 1 {
            softmax_gradient(context.level, self.axis.size, self.log, saved, gradient);
        } else {
            softmax_apart_gradient(context.level, self.axis, self.log, saved, gradient);
        }
        if self.negative {
            negate(context.level, gradient);
        }
    }
}

/// The layers of this family.
pub(super) const LAYERS: Family = &[
    ("Softmax", make_softmax),
    ("LogSoftmax", make_softmax),
    ("Softmin", make_softmax),
];

/// The place in `input` of the dimension that the argument `dim` names, which counts the batch as 0.
pub(super) fn dimension(arguments: &Arguments, input: &[usize]) -> Result<usize, LayerError> {
    let (given, rank) = (arguments.int("dim"), input.len());
    let signed = i64::try_from(rank).unwrap_or(i64::MAX);
    let at = if given < 0 { given + signed } else { given - 1 };
    let at = usize::try_from(at).ok().filter(|at| *at < rank);
    at.ok_or_else(|| {
        let shape = format!("an input of shape {input:?} without the batch, which is 0");
        format!("dim={given} is not a dimension of {shape}").into()
    })
}

fn make_softmax(arguments: &mut Arguments, input: &[usize], _path: &str) -> Result<BuiltLayer, LayerError> {
    let at = dimension(arguments, input)?;
    let softmax = Softmax {
        axis: Axis {
            size: input[at],
            inner: input[at + 1..].iter().product(),
        },
        log: arguments.name() == "LogSoftmax",
        negative: arguments.name() == "Softmin",
    };
    Ok(BuiltLayer {
        operation: Operation::Elementwise(Arc::new(softmax)),
        output: input.to_vec(),
    })
}
