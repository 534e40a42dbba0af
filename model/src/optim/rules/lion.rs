//! Lion.

use super::rule::{Mean, Rule, lerp, lerp_on_device, signed};
use crate::arguments::Arguments;
use crate::kernels::simd_dispatch;
use crate::numbers::to_f32;
use crate::optim::step::{DeviceSlice, ParamSlice, Step};
use candlewick_protocol::Failure;

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

impl Lion {
    fn scalars(&self, step: &Step) -> Scalars {
        Scalars {
            scale: signed(step.scale, self.maximize),
            shrink: to_f32(1.0 - step.lr * self.weight_decay),
            ahead: Mean::of(step.momentum.unwrap_or(self.betas[0])),
            mean: Mean::of(self.betas[1]),
            size: to_f32(-step.lr),
        }
    }
}

impl Rule for Lion {
    fn apply_on_device(&self, step: &Step, slice: &mut DeviceSlice) -> Result<(), Failure> {
        let s = self.scalars(step);
        let g = slice.gradient.times(s.scale)?;
        if let [mean, ..] = slice.state.as_mut_slice() {
            let ahead = mean.times(s.ahead.keep)?.add(&g.times(s.ahead.take)?)?;
            slice.weights = slice
                .weights
                .times(s.shrink)?
                .add(&ahead.sign()?.times(s.size)?)?;
            *mean = lerp_on_device(mean, &g, s.mean)?;
        }
        Ok(())
    }

    fn apply(&self, step: &Step, slice: &mut ParamSlice<'_>) {
        let s = self.scalars(step);
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
