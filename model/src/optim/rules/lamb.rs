//! LAMB.

use super::rule::{Mean, Rule, correction, lerp, lerp_on_device, normal, squares_on_device};
use crate::arguments::Arguments;
use crate::kernels::simd_dispatch;
use crate::numbers::to_f32;
use crate::optim::norms;
use crate::optim::step::{DeviceSlice, ParamSlice, Step};
use crate::resident::DeviceVec;
use candlewick_protocol::Failure;

/// LAMB: You et al., "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes", arXiv 1904.00962,
/// 2019, with timm's settings. The step of Adam plus the decay is multiplied by `|w| / |step|` of its tensor. It takes
/// two passes: the first leaves the step in the gradient's memory and sums squares, the second applies it.
#[derive(Debug)]
pub(super) struct Lamb {
    bias_correction: bool,
    betas: [f64; 2],
    eps: f64,
    weight_decay: f64,
    grad_averaging: bool,
    trust_clip: bool,
    always_adapt: bool,
    decoupled: bool,
}

impl Lamb {
    pub(super) fn of(arguments: &Arguments) -> Self {
        Lamb {
            bias_correction: arguments.flag("bias_correction"),
            betas: arguments.real_pair("betas"),
            eps: arguments.real("eps"),
            weight_decay: arguments.real("weight_decay"),
            grad_averaging: arguments.flag("grad_averaging"),
            trust_clip: arguments.flag("trust_clip"),
            always_adapt: arguments.flag("always_adapt"),
            decoupled: arguments.flag("decoupled_decay"),
        }
    }

    fn correction(&self, beta: f64, step: &Step) -> f64 {
        if self.bias_correction {
            correction(beta, step.count)
        } else {
            1.0
        }
    }

    fn scalars(&self, step: &Step) -> Scalars {
        let beta1 = step.momentum.unwrap_or(self.betas[0]);
        let decoupled = if self.decoupled { self.weight_decay } else { 0.0 };
        Scalars {
            scale: step.scale,
            mean: Mean::of(beta1),
            averages: self.grad_averaging,
            square: Mean::of(self.betas[1]),
            correction: to_f32(self.correction(beta1, step)),
            root_correction: to_f32(libm::sqrt(self.correction(self.betas[1], step))),
            eps: to_f32(self.eps),
            shrink: to_f32(-step.lr * decoupled),
            decay: to_f32(self.weight_decay - decoupled),
        }
    }
}

impl Rule for Lamb {
    fn measures(&self) -> bool {
        true
    }

    fn overwrites(&self) -> bool {
        true
    }

    fn measure(&self, step: &Step, slice: &mut ParamSlice<'_>) {
        let s = self.scalars(step);
        if let [mean, square, ..] = slice.state.as_mut_slice() {
            direction(step.level, s, slice.weights, slice.gradient, (mean, square));
        }
        if self.weight_decay != 0.0 || self.always_adapt {
            norms::blocks(
                step.level,
                (1.0, slice.weights),
                (1.0, slice.gradient),
                &mut slice.sums,
            );
        }
    }

    fn measure_on_device(
        &self,
        step: &Step,
        slice: &mut DeviceSlice,
    ) -> Result<Option<[DeviceVec; 2]>, Failure> {
        let s = self.scalars(step);
        let g = slice.gradient.times(s.scale)?;
        let [mean, square, ..] = slice.state.as_mut_slice() else {
            return Ok(None);
        };
        *mean = if s.averages {
            lerp_on_device(mean, &g, s.mean)?
        } else {
            mean.times(s.mean.keep)?.add(&g)?
        };
        *square = squares_on_device(square, &g, s.square)?;
        let below = square.sqrt()?.over(s.root_correction)?.plus(s.eps)?;
        let way = mean.over(s.correction)?.div(&below)?;
        slice.weights = slice.weights.add(&slice.weights.times(s.shrink)?)?;
        slice.gradient = way.add(&slice.weights.times(s.decay)?)?;
        if self.weight_decay != 0.0 || self.always_adapt {
            return Ok(Some([slice.weights.squares()?, slice.gradient.squares()?]));
        }
        Ok(None)
    }

    fn apply_on_device(&self, step: &Step, slice: &mut DeviceSlice) -> Result<(), Failure> {
        let way = slice.gradient.times(slice.ratio)?.times(to_f32(-step.lr))?;
        slice.weights = slice.weights.add(&way)?;
        Ok(())
    }

    fn ratio(&self, _: &Step, [weights, direction]: [f64; 2]) -> f32 {
        let ratio = if weights > 0.0 && direction > 0.0 {
            weights / direction
        } else {
            1.0
        };
        to_f32(if self.trust_clip { ratio.min(1.0) } else { ratio })
    }

    fn apply(&self, step: &Step, slice: &mut ParamSlice<'_>) {
        advance(
            step.level,
            (to_f32(-step.lr), slice.ratio),
            slice.weights,
            slice.gradient,
        );
    }
}

#[derive(Debug, Clone, Copy)]
struct Scalars {
    scale: f32,
    mean: Mean,
    averages: bool,
    square: Mean,
    correction: f32,
    root_correction: f32,
    eps: f32,
    shrink: f32,
    decay: f32,
}

simd_dispatch! {
    /// Leaves the direction in the gradient's place.
    fn direction(s: Scalars, weights: &mut [f32], gradient: &mut [f32], state: (&mut [f32], &mut [f32])) {
        for (((w, d), m), v) in weights.iter_mut().zip(gradient).zip(state.0).zip(state.1) {
            let g = *d * s.scale;
            *m = normal(if s.averages {
                lerp(*m, g, s.mean.take, s.mean.keep)
            } else {
                *m * s.mean.keep + g
            });
            *v = normal(*v * s.square.keep + s.square.take * g * g);
            let step = *m / s.correction / (v.sqrt() / s.root_correction + s.eps);
            *w += s.shrink * *w;
            *d = step + s.decay * *w;
        }
    }
}

simd_dispatch! {
    fn advance(size_ratio: (f32, f32), weights: &mut [f32], direction: &[f32]) {
        for (w, d) in weights.iter_mut().zip(direction) {
            *w += size_ratio.0 * (*d * size_ratio.1);
        }
    }
}
