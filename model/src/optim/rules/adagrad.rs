//! Adagrad and Adadelta.

use super::rule::{Mean, Rule, normal, penalised_on_device, signed, squares_on_device};
use crate::arguments::Arguments;
use crate::kernels::simd_dispatch;
use crate::numbers::{real, to_f32};
use crate::optim::step::{DeviceSlice, ParamSlice, Step, Touched};
use candlewick_protocol::Failure;

/// torch.optim.Adagrad: Duchi, Hazan, Singer, JMLR 12, 2011.
#[derive(Debug)]
pub(super) struct Adagrad {
    lr_decay: f64,
    weight_decay: f64,
    initial: f64,
    eps: f64,
    maximize: bool,
}

impl Adagrad {
    pub(super) fn of(arguments: &Arguments) -> Self {
        Adagrad {
            lr_decay: arguments.real("lr_decay"),
            weight_decay: arguments.real("weight_decay"),
            initial: arguments.real("initial_accumulator_value"),
            eps: arguments.real("eps"),
            maximize: arguments.flag("maximize"),
        }
    }
}

impl Adagrad {
    fn scalars(&self, step: &Step) -> AdagradScalars {
        AdagradScalars {
            scale: signed(step.scale, self.maximize),
            penalty: to_f32(self.weight_decay),
            eps: to_f32(self.eps),
            size: to_f32(-step.lr / (1.0 + (real(step.count) - 1.0) * self.lr_decay)),
        }
    }
}

impl Rule for Adagrad {
    fn initial(&self) -> f32 {
        to_f32(self.initial)
    }

    fn keeps_untouched(&self, step: &Step, _: usize) -> bool {
        self.scalars(step).keeps_untouched()
    }

    fn apply_on_device(&self, step: &Step, slice: &mut DeviceSlice) -> Result<(), Failure> {
        let s = self.scalars(step);
        let w = &slice.weights;
        let g = penalised_on_device(&slice.gradient, s.scale, w, s.penalty)?;
        if let [sum, ..] = slice.state.as_mut_slice() {
            *sum = sum.add(&g.mul(&g)?)?;
            slice.weights = w.add(&g.times(s.size)?.div(&sum.sqrt()?.plus(s.eps)?)?)?;
        }
        Ok(())
    }

    fn apply(&self, step: &Step, slice: &mut ParamSlice<'_>) {
        let s = self.scalars(step);
        let touched = if s.keeps_untouched() {
            slice.touched
        } else {
            Touched::All
        };
        if let [sum, ..] = slice.state.as_mut_slice() {
            let vectors = [&mut *slice.weights, &mut *slice.gradient, &mut **sum];
            touched.each(vectors, |[weights, gradient, sum]| {
                adagrad(step.level, s, weights, gradient, sum);
            });
        }
    }
}

/// torch.optim.Adadelta: Zeiler, arXiv 1212.5701, 2012.
#[derive(Debug)]
pub(super) struct Adadelta {
    rho: f64,
    eps: f64,
    weight_decay: f64,
    maximize: bool,
}

impl Adadelta {
    pub(super) fn of(arguments: &Arguments) -> Self {
        Adadelta {
            rho: arguments.real("rho"),
            eps: arguments.real("eps"),
            weight_decay: arguments.real("weight_decay"),
            maximize: arguments.flag("maximize"),
        }
    }
}

impl Adadelta {
    fn scalars(&self, step: &Step) -> AdadeltaScalars {
        AdadeltaScalars {
            scale: signed(step.scale, self.maximize),
            penalty: to_f32(self.weight_decay),
            mean: Mean::of(self.rho),
            eps: to_f32(self.eps),
            size: to_f32(-step.lr),
        }
    }
}

impl Rule for Adadelta {
    fn apply_on_device(&self, step: &Step, slice: &mut DeviceSlice) -> Result<(), Failure> {
        let s = self.scalars(step);
        let w = &slice.weights;
        let g = penalised_on_device(&slice.gradient, s.scale, w, s.penalty)?;
        if let [square, steps, ..] = slice.state.as_mut_slice() {
            *square = squares_on_device(square, &g, s.mean)?;
            let delta = steps.plus(s.eps)?.sqrt()?;
            let delta = delta.div(&square.plus(s.eps)?.sqrt()?)?.mul(&g)?;
            *steps = squares_on_device(steps, &delta, s.mean)?;
            slice.weights = w.add(&delta.times(s.size)?)?;
        }
        Ok(())
    }

    fn apply(&self, step: &Step, slice: &mut ParamSlice<'_>) {
        let s = self.scalars(step);
        if let [square, delta, ..] = slice.state.as_mut_slice() {
            adadelta(step.level, s, slice.weights, slice.gradient, (square, delta));
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct AdagradScalars {
    scale: f32,
    penalty: f32,
    eps: f32,
    size: f32,
}

impl AdagradScalars {
    /// True where [`adagrad`] leaves a weight whose gradient is +0, and its sum, as they are, to the sign of a zero.
    fn keeps_untouched(&self) -> bool {
        let positive = |value: f32| value.is_finite() && value.is_sign_positive();
        positive(self.scale) && positive(-self.size) && self.penalty == 0.0 && self.eps > 0.0
    }
}

simd_dispatch! {
    fn adagrad(s: AdagradScalars, weights: &mut [f32], gradient: &[f32], sum: &mut [f32]) {
        for ((w, g), sum) in weights.iter_mut().zip(gradient).zip(sum) {
            let g = *g * s.scale + s.penalty * *w;
            *sum += g * g;
            *w += s.size * g / (sum.sqrt() + s.eps);
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct AdadeltaScalars {
    scale: f32,
    penalty: f32,
    mean: Mean,
    eps: f32,
    size: f32,
}

simd_dispatch! {
    fn adadelta(
        s: AdadeltaScalars,
        weights: &mut [f32],
        gradient: &[f32],
        state: (&mut [f32], &mut [f32]),
    ) {
        for (((w, g), square), steps) in weights.iter_mut().zip(gradient).zip(state.0).zip(state.1) {
            let g = *g * s.scale + s.penalty * *w;
            *square = normal(*square * s.mean.keep + s.mean.take * g * g);
            let delta = (*steps + s.eps).sqrt() / (*square + s.eps).sqrt() * g;
            *steps = normal(*steps * s.mean.keep + s.mean.take * delta * delta);
            *w += s.size * delta;
        }
    }
}
