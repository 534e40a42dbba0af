//! Adamax.

use super::rule::{Mean, Rule, correction, lerp, lerp_on_device, normal, penalised_on_device, signed};
use crate::arguments::Arguments;
use crate::kernels::simd_dispatch;
use crate::numbers::to_f32;
use crate::optim::step::{DeviceSlice, ParamSlice, Step};
use candlewick_protocol::Failure;

/// torch.optim.Adamax: section 7.1 of Kingma and Ba, arXiv 1412.6980, 2015.
#[derive(Debug)]
pub(super) struct Adamax {
    betas: [f64; 2],
    eps: f64,
    weight_decay: f64,
    maximize: bool,
}

impl Adamax {
    pub(super) fn of(arguments: &Arguments) -> Self {
        Adamax {
            betas: arguments.real_pair("betas"),
            eps: arguments.real("eps"),
            weight_decay: arguments.real("weight_decay"),
            maximize: arguments.flag("maximize"),
        }
    }
}

impl Adamax {
    fn scalars(&self, step: &Step) -> Scalars {
        let beta1 = step.momentum.unwrap_or(self.betas[0]);
        Scalars {
            scale: signed(step.scale, self.maximize),
            penalty: to_f32(self.weight_decay),
            mean: Mean::of(beta1),
            keep: to_f32(self.betas[1]),
            eps: to_f32(self.eps),
            size: to_f32(-(step.lr / correction(beta1, step.count))),
        }
    }
}

impl Rule for Adamax {
    fn apply_on_device(&self, step: &Step, slice: &mut DeviceSlice) -> Result<(), Failure> {
        let s = self.scalars(step);
        let w = &slice.weights;
        let g = penalised_on_device(&slice.gradient, s.scale, w, s.penalty)?;
        if let [mean, largest, ..] = slice.state.as_mut_slice() {
            *mean = lerp_on_device(mean, &g, s.mean)?;
            *largest = g.abs()?.plus(s.eps)?.max(&largest.times(s.keep)?)?;
            slice.weights = w.add(&mean.times(s.size)?.div(largest)?)?;
        }
        Ok(())
    }

    fn apply(&self, step: &Step, slice: &mut ParamSlice<'_>) {
        let s = self.scalars(step);
        if let [mean, largest, ..] = slice.state.as_mut_slice() {
            adamax(step.level, s, slice.weights, slice.gradient, (mean, largest));
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Scalars {
    scale: f32,
    penalty: f32,
    mean: Mean,
    keep: f32,
    eps: f32,
    size: f32,
}

simd_dispatch! {
    fn adamax(s: Scalars, weights: &mut [f32], gradient: &[f32], state: (&mut [f32], &mut [f32])) {
        for (((w, g), m), largest) in weights.iter_mut().zip(gradient).zip(state.0).zip(state.1) {
            let g = *g * s.scale + s.penalty * *w;
            *m = normal(lerp(*m, g, s.mean.take, s.mean.keep));
            let (old, new) = (*largest * s.keep, g.abs() + s.eps);
            *largest = if new > old || new.is_nan() { new } else { old };
            *w += s.size * *m / *largest;
        }
    }
}
