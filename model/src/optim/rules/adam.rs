//! Adam and AdamW.

use super::rule::{
    Decay, Mean, Rule, correction, lerp, lerp_on_device, normal, penalised_on_device, signed,
    squares_on_device,
};
use crate::arguments::Arguments;
use crate::kernels::simd_dispatch;
use crate::numbers::to_f32;
use crate::optim::step::{DeviceSlice, ParamSlice, Step};
use candlewick_protocol::Failure;

/// torch.optim.Adam and AdamW: Kingma and Ba, arXiv 1412.6980, 2015; Loshchilov and Hutter, arXiv 1711.05101, 2019;
/// AMSGrad: Reddi, Kale, Kumar, ICLR 2018.
#[derive(Debug)]
pub(super) struct Adam {
    betas: [f64; 2],
    eps: f64,
    weight_decay: f64,
    decoupled: bool,
    amsgrad: bool,
    maximize: bool,
}

impl Adam {
    pub(super) fn of(arguments: &Arguments) -> Self {
        Adam {
            betas: arguments.real_pair("betas"),
            eps: arguments.real("eps"),
            weight_decay: arguments.real("weight_decay"),
            decoupled: arguments.name() == "AdamW" || arguments.flag("decoupled_weight_decay"),
            amsgrad: arguments.flag("amsgrad"),
            maximize: arguments.flag("maximize"),
        }
    }

    fn scalars(&self, step: &Step) -> Scalars {
        let beta1 = step.momentum.unwrap_or(self.betas[0]);
        Scalars {
            scale: signed(step.scale, self.maximize),
            decay: Decay::of(self.decoupled, step.lr, self.weight_decay),
            mean: Mean::of(beta1),
            square: Mean::of(self.betas[1]),
            root_correction: to_f32(libm::sqrt(correction(self.betas[1], step.count))),
            eps: to_f32(self.eps),
            size: to_f32(-(step.lr / correction(beta1, step.count))),
        }
    }
}

impl Rule for Adam {
    fn apply(&self, step: &Step, slice: &mut ParamSlice<'_>) {
        let s = self.scalars(step);
        let (weights, gradient) = (&mut *slice.weights, &*slice.gradient);
        match slice.state.as_mut_slice() {
            [mean, square, largest] if self.amsgrad => {
                amsgrad(step.level, s, weights, gradient, (mean, square, largest));
            }
            [mean, square, ..] => adam(step.level, s, weights, gradient, (mean, square)),
            // `slots` asks for two vectors at least.
            _ => {}
        }
    }

    fn apply_on_device(&self, step: &Step, slice: &mut DeviceSlice) -> Result<(), Failure> {
        let s = self.scalars(step);
        let w = slice.weights.times(s.decay.shrink)?;
        let g = penalised_on_device(&slice.gradient, s.scale, &w, s.decay.penalty)?;
        let [mean, square, rest @ ..] = slice.state.as_mut_slice() else {
            return Ok(());
        };
        *mean = lerp_on_device(mean, &g, s.mean)?;
        *square = squares_on_device(square, &g, s.square)?;
        let below = match rest {
            [largest, ..] if self.amsgrad => {
                *largest = square.max(largest)?;
                largest.sqrt()?
            }
            _ => square.sqrt()?,
        };
        let below = below.over(s.root_correction)?.plus(s.eps)?;
        slice.weights = w.add(&mean.times(s.size)?.div(&below)?)?;
        Ok(())
    }
}

#[derive(Debug, Clone, Copy)]
struct Scalars {
    scale: f32,
    decay: Decay,
    mean: Mean,
    square: Mean,
    root_correction: f32,
    eps: f32,
    size: f32,
}

/// Decays the weight and takes the gradient into the running means.
#[inline(always)]
fn means(s: &Scalars, w: &mut f32, g: f32, (m, v): (&mut f32, &mut f32)) {
    *w *= s.decay.shrink;
    let g = g * s.scale + s.decay.penalty * *w;
    *m = normal(lerp(*m, g, s.mean.take, s.mean.keep));
    *v = normal(*v * s.square.keep + s.square.take * g * g);
}

simd_dispatch! {
    fn adam(s: Scalars, weights: &mut [f32], gradient: &[f32], state: (&mut [f32], &mut [f32])) {
        for (((w, g), m), v) in weights.iter_mut().zip(gradient).zip(state.0).zip(state.1) {
            means(&s, w, *g, (m, v));
            *w += s.size * *m / (v.sqrt() / s.root_correction + s.eps);
        }
    }
}

simd_dispatch! {
    fn amsgrad(
        s: Scalars,
        weights: &mut [f32],
        gradient: &[f32],
        state: (&mut [f32], &mut [f32], &mut [f32]),
    ) {
        let state = state.0.iter_mut().zip(state.1).zip(state.2);
        for ((w, g), ((m, v), largest)) in weights.iter_mut().zip(gradient).zip(state) {
            means(&s, w, *g, (m, v));
            *largest = if *v > *largest || v.is_nan() { *v } else { *largest };
            *w += s.size * *m / (largest.sqrt() / s.root_correction + s.eps);
        }
    }
}
