//! Lion.

use super::rule::{Mean, Rule, lerp, signed};
use crate::arguments::Arguments;
use crate::kernels::simd_dispatch;
use crate::numbers::to_f32;
use crate::optim::step::{ParamSlice, Step};

/// Lion: Chen et al., "Symbolic Discovery of Optimization Algorithms", arXiv 2302.06675, 2023.
#[derive(Debug)]
pub(super) struct Lion {
    betas: [f64; 2],
    weight_decay: f64,
    maximize: bool,
}

impl Lion {
    pub(super) fn of(arguments: &Arguments) -> Self {
        Lion {
            betas: arguments.real_pair("betas"),
            weight_decay: arguments.real("weight_decay"),
            maximize: arguments.flag("maximize"),
        }
    }
}

impl Rule for Lion {
    fn apply(&self, step: &Step, slice: &mut ParamSlice<'_>) {
        let s = Scalars {
            scale: signed(step.scale, self.maximize),
            shrink: to_f32(1.0 - step.lr * self.weight_decay),
            ahead: Mean::of(step.momentum.unwrap_or(self.betas[0])),
            mean: Mean::of(self.betas[1]),
            size: to_f32(-step.lr),
        };
        if let [mean, ..] = slice.state.as_mut_slice() {
            lion(step.level, s, slice.weights, slice.gradient, mean);
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Scalars {
    scale: f32,
    shrink: f32,
    ahead: Mean,
    mean: Mean,
    size: f32,
}

/// 1, -1, or the zero or NaN that it was.
#[inline(always)]
fn sign(value: f32) -> f32 {
    if value > 0.0 {
        1.0
    } else if value < 0.0 {
        -1.0
    } else {
        value
    }
}

simd_dispatch! {
    fn lion(s: Scalars, weights: &mut [f32], gradient: &[f32], mean: &mut [f32]) {
        for ((w, g), m) in weights.iter_mut().zip(gradient).zip(mean) {
            let g = *g * s.scale;
            *w = *w * s.shrink + s.size * sign(*m * s.ahead.keep + s.ahead.take * g);
            *m = lerp(*m, g, s.mean.take, s.mean.keep);
        }
    }
}
