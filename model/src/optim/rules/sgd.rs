//! SGD, and LARS, which is SGD with a learning rate for each tensor.

use super::rule::{Rule, normal, penalised_on_device, signed};
use crate::arguments::Arguments;
use crate::kernels::simd_dispatch;
use crate::numbers::to_f32;
use crate::optim::norms;
use crate::optim::step::{DeviceSlice, ParamSlice, Step, Touched};
use crate::resident::DeviceVec;
use candlewick_protocol::Failure;

/// torch.optim.SGD.
#[derive(Debug)]
pub(super) struct Sgd {
    momentum: f64,
    dampening: f64,
    weight_decay: f64,
    nesterov: bool,
    maximize: bool,
}

impl Sgd {
    pub(super) fn of(arguments: &Arguments) -> Self {
        Sgd {
            momentum: arguments.real("momentum"),
            dampening: arguments.real("dampening"),
            weight_decay: arguments.real("weight_decay"),
            nesterov: arguments.flag("nesterov"),
            maximize: arguments.flag("maximize"),
        }
    }

    fn scalars(&self, step: &Step, ratio: f32) -> Scalars {
        // The first step takes the gradient as the momentum, without dampening.
        let first = step.count == 1;
        let momentum = step.momentum.unwrap_or(self.momentum);
        Scalars {
            scale: signed(step.scale, self.maximize),
            penalty: to_f32(self.weight_decay),
            ratio,
            keep: if first { 0.0 } else { to_f32(momentum) },
            take: if first { 1.0 } else { to_f32(1.0 - self.dampening) },
            ahead: to_f32(momentum),
            size: to_f32(-step.lr),
        }
    }
}

impl Rule for Sgd {
    fn keeps_untouched(&self, step: &Step, vectors: usize) -> bool {
        let s = self.scalars(step, 1.0);
        (vectors == 0 || s.ahead == 0.0) && s.keeps_untouched()
    }

    fn apply_on_device(&self, step: &Step, slice: &mut DeviceSlice) -> Result<(), Failure> {
        self.on_device(step, slice)
    }

    fn apply(&self, step: &Step, slice: &mut ParamSlice<'_>) {
        let s = self.scalars(step, slice.ratio);
        let (weights, gradient) = (&mut *slice.weights, &mut *slice.gradient);
        match slice.state.last_mut() {
            Some(buffer) if s.ahead != 0.0 && self.nesterov => {
                nesterov(step.level, s, weights, gradient, buffer);
            }
            Some(buffer) if s.ahead != 0.0 => heavy(step.level, s, weights, gradient, buffer),
            _ => {
                let touched = if s.keeps_untouched() {
                    slice.touched
                } else {
                    Touched::All
                };
                touched.each([weights, gradient], |[weights, gradient]| {
                    plain(step.level, s, weights, gradient);
                });
            }
        }
    }
}

impl Sgd {
    fn on_device(&self, step: &Step, slice: &mut DeviceSlice) -> Result<(), Failure> {
        let s = self.scalars(step, slice.ratio);
        let w = &slice.weights;
        let mut g = penalised_on_device(&slice.gradient, s.scale, w, s.penalty)?;
        // That of SGD is 1.
        if s.ratio != 1.0 {
            g = g.times(s.ratio)?;
        }
        let way = match slice.state.last_mut() {
            Some(buffer) if s.ahead != 0.0 => {
                *buffer = buffer.times(s.keep)?.add(&g.times(s.take)?)?;
                if self.nesterov {
                    g.add(&buffer.times(s.ahead)?)?
                } else {
                    buffer.clone()
                }
            }
            _ => g,
        };
        slice.weights = w.add(&way.times(s.size)?)?;
        Ok(())
    }
}

/// LARS: You, Gitman, Ginsburg, "Large Batch Training of Convolutional Networks", arXiv 1708.03888, 2017. The gradient
/// with its penalty is multiplied by `trust_coeff |w| / (|g| + weight_decay |w| + eps)`, then SGD goes on.
#[derive(Debug)]
pub(super) struct Lars {
    sgd: Sgd,
    trust_coeff: f64,
    eps: f64,
    trust_clip: bool,
    always_adapt: bool,
}

impl Lars {
    pub(super) fn of(arguments: &Arguments) -> Self {
        Lars {
            sgd: Sgd::of(arguments),
            trust_coeff: arguments.real("trust_coeff"),
            eps: arguments.real("eps"),
            trust_clip: arguments.flag("trust_clip"),
            always_adapt: arguments.flag("always_adapt"),
        }
    }
}

impl Rule for Lars {
    fn measure_on_device(
        &self,
        step: &Step,
        slice: &mut DeviceSlice,
    ) -> Result<Option<[DeviceVec; 2]>, Failure> {
        let gradient = slice.gradient.times(step.scale)?;
        Ok(Some([slice.weights.squares()?, gradient.squares()?]))
    }

    fn apply_on_device(&self, step: &Step, slice: &mut DeviceSlice) -> Result<(), Failure> {
        self.sgd.on_device(step, slice)
    }

    fn measures(&self) -> bool {
        self.sgd.weight_decay != 0.0 || self.always_adapt
    }

    fn measure(&self, step: &Step, slice: &mut ParamSlice<'_>) {
        norms::blocks(
            step.level,
            (1.0, slice.weights),
            (step.scale, slice.gradient),
            &mut slice.sums,
        );
    }

    fn ratio(&self, step: &Step, [weights, gradient]: [f64; 2]) -> f32 {
        let below = gradient + weights * self.sgd.weight_decay + self.eps;
        let ratio = if weights > 0.0 && gradient > 0.0 {
            self.trust_coeff * weights / below
        } else {
            1.0
        };
        to_f32(if self.trust_clip {
            (ratio / step.lr).min(1.0)
        } else {
            ratio
        })
    }

    fn apply(&self, step: &Step, slice: &mut ParamSlice<'_>) {
        self.sgd.apply(step, slice);
    }
}

#[derive(Debug, Clone, Copy)]
struct Scalars {
    scale: f32,
    penalty: f32,
    /// LARS: the tensor's own factor; else 1.
    ratio: f32,
    keep: f32,
    take: f32,
    /// Nesterov: the step is the gradient plus this times the momentum.
    ahead: f32,
    size: f32,
}

impl Scalars {
    /// True where [`plain`] leaves a weight whose gradient is +0 as it is, to the sign of its zero: what is added must
    /// be -0, and nothing but finite factors of known sign gives that for sure.
    fn keeps_untouched(&self) -> bool {
        let positive = |value: f32| value.is_finite() && value.is_sign_positive();
        positive(self.scale) && positive(self.ratio) && positive(-self.size) && self.penalty == 0.0
    }
}

simd_dispatch! {
    fn plain(s: Scalars, weights: &mut [f32], gradient: &[f32]) {
        for (w, g) in weights.iter_mut().zip(gradient) {
            *w += s.size * ((*g * s.scale + s.penalty * *w) * s.ratio);
        }
    }
}

simd_dispatch! {
    fn heavy(s: Scalars, weights: &mut [f32], gradient: &[f32], buffer: &mut [f32]) {
        for ((w, g), m) in weights.iter_mut().zip(gradient).zip(buffer) {
            let g = (*g * s.scale + s.penalty * *w) * s.ratio;
            *m = normal(*m * s.keep + s.take * g);
            *w += s.size * *m;
        }
    }
}

simd_dispatch! {
    fn nesterov(s: Scalars, weights: &mut [f32], gradient: &[f32], buffer: &mut [f32]) {
        for ((w, g), m) in weights.iter_mut().zip(gradient).zip(buffer) {
            let g = (*g * s.scale + s.penalty * *w) * s.ratio;
            *m = normal(*m * s.keep + s.take * g);
            *w += s.size * (g + s.ahead * *m);
        }
    }
}
