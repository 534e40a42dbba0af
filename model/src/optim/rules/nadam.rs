//! NAdam and RAdam.

use super::rule::{
    Decay, Mean, Rule, correction, lerp, lerp_on_device, normal, penalised_on_device, signed,
    squares_on_device,
};
use crate::arguments::Arguments;
use crate::kernels::simd_dispatch;
use crate::numbers::{real, to_f32};
use crate::optim::step::{DeviceSlice, ParamSlice, Step};
use crate::resident::DeviceVec;
use candlewick_protocol::Failure;

/// What both have of Adam.
#[derive(Debug)]
struct Base {
    betas: [f64; 2],
    eps: f64,
    weight_decay: f64,
    decoupled: bool,
    maximize: bool,
}

impl Base {
    fn of(arguments: &Arguments) -> Self {
        Base {
            betas: arguments.real_pair("betas"),
            eps: arguments.real("eps"),
            weight_decay: arguments.real("weight_decay"),
            decoupled: arguments.flag("decoupled_weight_decay"),
            maximize: arguments.flag("maximize"),
        }
    }

    fn beta1(&self, step: &Step) -> f64 {
        step.momentum.unwrap_or(self.betas[0])
    }

    fn scalars(&self, step: &Step) -> Scalars {
        Scalars {
            scale: signed(step.scale, self.maximize),
            decay: Decay::of(self.decoupled, step.lr, self.weight_decay),
            mean: Mean::of(self.beta1(step)),
            square: Mean::of(self.betas[1]),
            correction: 1.0,
            eps: to_f32(self.eps),
            gradient_size: 0.0,
            size: 0.0,
        }
    }
}

/// torch.optim.NAdam: Dozat, "Incorporating Nesterov Momentum into Adam", ICLR workshop 2016. It carries the product
/// of the momenta so far, in f32 as PyTorch does.
#[derive(Debug)]
pub(super) struct NAdam {
    base: Base,
    momentum_decay: f64,
}

impl NAdam {
    pub(super) fn of(arguments: &Arguments) -> Self {
        NAdam {
            base: Base::of(arguments),
            momentum_decay: arguments.real("momentum_decay"),
        }
    }

    /// The momentum of update number `count`.
    fn mu(&self, beta1: f64, count: u64) -> f64 {
        beta1 * (1.0 - 0.5 * libm::pow(0.96, real(count) * self.momentum_decay))
    }
}

impl NAdam {
    fn scalars(&self, step: &Step) -> Scalars {
        let beta1 = self.base.beta1(step);
        let (mu, next) = (self.mu(beta1, step.count), self.mu(beta1, step.count + 1));
        let product = f64::from(step.scalar_state);
        Scalars {
            correction: to_f32(correction(self.base.betas[1], step.count)),
            gradient_size: to_f32(-step.lr * (1.0 - mu) / (1.0 - product)),
            size: to_f32(-step.lr * next / (1.0 - product * next)),
            ..self.base.scalars(step)
        }
    }
}

impl Rule for NAdam {
    fn scalar_state(&self, step: &Step) -> f32 {
        step.scalar_state * to_f32(self.mu(self.base.beta1(step), step.count))
    }

    fn apply_on_device(&self, step: &Step, slice: &mut DeviceSlice) -> Result<(), Failure> {
        let s = self.scalars(step);
        let Some((w, g)) = means_on_device(&s, slice)? else {
            return Ok(());
        };
        let (mean, square) = (&slice.state[0], &slice.state[1]);
        let below = square.over(s.correction)?.sqrt()?.plus(s.eps)?;
        let w = w.add(&g.times(s.gradient_size)?.div(&below)?)?;
        slice.weights = w.add(&mean.times(s.size)?.div(&below)?)?;
        Ok(())
    }

    fn apply(&self, step: &Step, slice: &mut ParamSlice<'_>) {
        let s = self.scalars(step);
        if let [mean, square, ..] = slice.state.as_mut_slice() {
            nadam(step.level, s, slice.weights, slice.gradient, (mean, square));
        }
    }
}

/// torch.optim.RAdam: Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond", arXiv 1908.03265, 2019.
#[derive(Debug)]
pub(super) struct RAdam {
    base: Base,
}

/// Length of the running mean from which its variance is taken to be known; the paper has 4, PyTorch 5.
const KNOWN: f64 = 5.0;

impl RAdam {
    pub(super) fn of(arguments: &Arguments) -> Self {
        RAdam {
            base: Base::of(arguments),
        }
    }

    /// What rectifies the variance, where it is known.
    fn rectification(&self, step: &Step) -> Option<f64> {
        let beta2 = self.base.betas[1];
        let most = 2.0 / (1.0 - beta2) - 1.0;
        let count = real(step.count);
        let length = most - 2.0 * count * libm::pow(beta2, count) / correction(beta2, step.count);
        let ratio = (length - 4.0) * (length - 2.0) * most / ((most - 4.0) * (most - 2.0) * length);
        (length > KNOWN).then(|| libm::sqrt(ratio))
    }
}

impl RAdam {
    /// And whether the variance is rectified.
    fn scalars(&self, step: &Step) -> (Scalars, bool) {
        let size = step.lr / correction(self.base.beta1(step), step.count);
        let (size, rectified) = match self.rectification(step) {
            Some(rectification) => {
                let root = libm::sqrt(correction(self.base.betas[1], step.count));
                (-size * root * rectification, true)
            }
            None => (-size, false),
        };
        let s = Scalars {
            size: to_f32(size),
            ..self.base.scalars(step)
        };
        (s, rectified)
    }
}

impl Rule for RAdam {
    fn apply_on_device(&self, step: &Step, slice: &mut DeviceSlice) -> Result<(), Failure> {
        let (s, is_rectified) = self.scalars(step);
        let Some((w, _)) = means_on_device(&s, slice)? else {
            return Ok(());
        };
        let (mean, square) = (&slice.state[0], &slice.state[1]);
        let mut way = mean.times(s.size)?;
        if is_rectified {
            way = way.div(&square.sqrt()?.plus(s.eps)?)?;
        }
        slice.weights = w.add(&way)?;
        Ok(())
    }

    fn apply(&self, step: &Step, slice: &mut ParamSlice<'_>) {
        let (s, is_rectified) = self.scalars(step);
        let [mean, square, ..] = slice.state.as_mut_slice() else {
            return;
        };
        let state = (&mut **mean, &mut **square);
        if is_rectified {
            rectified(step.level, s, slice.weights, slice.gradient, state);
        } else {
            unrectified(step.level, s, slice.weights, slice.gradient, state);
        }
    }
}

/// [`means`] on a device: the decayed weights and the gradient; none where there is no state.
fn means_on_device(s: &Scalars, slice: &mut DeviceSlice) -> Result<Option<(DeviceVec, DeviceVec)>, Failure> {
    let w = slice.weights.times(s.decay.shrink)?;
    let g = penalised_on_device(&slice.gradient, s.scale, &w, s.decay.penalty)?;
    let [mean, square, ..] = slice.state.as_mut_slice() else {
        return Ok(None);
    };
    *mean = lerp_on_device(mean, &g, s.mean)?;
    *square = squares_on_device(square, &g, s.square)?;
    Ok(Some((w, g)))
}

#[derive(Debug, Clone, Copy)]
struct Scalars {
    scale: f32,
    decay: Decay,
    mean: Mean,
    square: Mean,
    correction: f32,
    eps: f32,
    /// NAdam: what the gradient itself is taken by.
    gradient_size: f32,
    size: f32,
}

/// Decays the weight, takes the gradient into the running means and returns it.
#[inline(always)]
fn means(s: &Scalars, w: &mut f32, g: f32, (m, v): (&mut f32, &mut f32)) -> f32 {
    *w *= s.decay.shrink;
    let g = g * s.scale + s.decay.penalty * *w;
    *m = normal(lerp(*m, g, s.mean.take, s.mean.keep));
    *v = normal(*v * s.square.keep + s.square.take * g * g);
    g
}

simd_dispatch! {
    fn nadam(s: Scalars, weights: &mut [f32], gradient: &[f32], state: (&mut [f32], &mut [f32])) {
        for (((w, g), m), v) in weights.iter_mut().zip(gradient).zip(state.0).zip(state.1) {
            let g = means(&s, w, *g, (m, v));
            let below = (*v / s.correction).sqrt() + s.eps;
            *w += s.gradient_size * g / below;
            *w += s.size * *m / below;
        }
    }
}

simd_dispatch! {
    fn rectified(s: Scalars, weights: &mut [f32], gradient: &[f32], state: (&mut [f32], &mut [f32])) {
        for (((w, g), m), v) in weights.iter_mut().zip(gradient).zip(state.0).zip(state.1) {
            means(&s, w, *g, (m, v));
            *w += s.size * *m / (v.sqrt() + s.eps);
        }
    }
}

simd_dispatch! {
    fn unrectified(s: Scalars, weights: &mut [f32], gradient: &[f32], state: (&mut [f32], &mut [f32])) {
        for (((w, g), m), v) in weights.iter_mut().zip(gradient).zip(state.0).zip(state.1) {
            means(&s, w, *g, (m, v));
            *w += s.size * *m;
        }
    }
}
