//! The update rules. Scalars are computed in f64 and applied in f32, as torch.optim does for CPU tensors.

use crate::arguments::Arguments;
use crate::kernels::{Level, leveled};

/// An update rule with its settings.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// torch.optim.SGD.
    Sgd(SgdRule),
    /// torch.optim.Adam and AdamW.
    Adam(AdamRule),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct SgdRule {
    lr: f64,
    momentum: f64,
    dampening: f64,
    weight_decay: f64,
    nesterov: bool,
    maximize: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct AdamRule {
    lr: f64,
    betas: [f64; 2],
    eps: f64,
    weight_decay: f64,
    /// AdamW: decay the weights, not the gradient.
    decoupled: bool,
    amsgrad: bool,
    maximize: bool,
}

impl Rule {
    pub(super) fn of(arguments: &Arguments) -> Self {
        if arguments.name() == "SGD" {
            return Rule::Sgd(SgdRule {
                lr: arguments.real("lr"),
                momentum: arguments.real("momentum"),
                dampening: arguments.real("dampening"),
                weight_decay: arguments.real("weight_decay"),
                nesterov: arguments.flag("nesterov"),
                maximize: arguments.flag("maximize"),
            });
        }
        Rule::Adam(AdamRule {
            lr: arguments.real("lr"),
            betas: arguments.real_pair("betas"),
            eps: arguments.real("eps"),
            weight_decay: arguments.real("weight_decay"),
            decoupled: arguments.name() == "AdamW",
            amsgrad: arguments.flag("amsgrad"),
            maximize: arguments.flag("maximize"),
        })
    }

    pub(super) fn lr(&self) -> f64 {
        match self {
            Rule::Sgd(rule) => rule.lr,
            Rule::Adam(rule) => rule.lr,
        }
    }

    /// Vectors of state, each as long as the weights.
    pub(super) fn state_vectors(&self) -> usize {
        match self {
            Rule::Sgd(rule) => usize::from(rule.momentum != 0.0),
            Rule::Adam(rule) => 2 + usize::from(rule.amsgrad),
        }
    }

    /// Applies update number `step` (from 1) to a part; the gradient is `scale * gradient`.
    pub(super) fn apply(&self, level: Level, step: u64, scale: f32, part: &mut Part<'_>) {
        let Part {
            weights,
            gradient,
            state,
        } = part;
        match (self, state.as_mut_slice()) {
            (Rule::Sgd(rule), [momentum, ..]) if rule.nesterov => {
                sgd_nesterov(level, rule.scalars(step, scale), weights, gradient, momentum);
            }
            (Rule::Sgd(rule), [momentum, ..]) => {
                sgd_momentum(level, rule.scalars(step, scale), weights, gradient, momentum);
            }
            (Rule::Sgd(rule), []) => sgd(level, rule.scalars(step, scale), weights, gradient),
            (Rule::Adam(rule), [mean, square]) => {
                adam(
                    level,
                    rule.scalars(step, scale),
                    weights,
                    gradient,
                    (mean, square),
                );
            }
            (Rule::Adam(rule), [mean, square, largest, ..]) => {
                let means = (&mut **mean, &mut **square, &mut **largest);
                amsgrad(level, rule.scalars(step, scale), weights, gradient, means);
            }
            // from_document makes the vectors that state_vectors asks for.
            (Rule::Adam(_), _) => {}
        }
    }
}

/// Weights that are updated together, with their gradient and state.
pub(super) struct Part<'a> {
    pub weights: &'a mut [f32],
    pub gradient: &'a [f32],
    pub state: Vec<&'a mut [f32]>,
}

#[derive(Debug, Clone, Copy)]
struct SgdScalars {
    scale: f32,
    decay: f32,
    keep: f32,
    take: f32,
    /// Nesterov: the step is the gradient plus this times the momentum.
    ahead: f32,
    step_size: f32,
}

impl SgdRule {
    #[expect(clippy::cast_possible_truncation, reason = "computed in f64, applied in f32")]
    fn scalars(&self, step: u64, scale: f32) -> SgdScalars {
        let first = step == 1;
        SgdScalars {
            scale: if self.maximize { -scale } else { scale },
            decay: self.weight_decay as f32,
            // The first step takes the gradient as the momentum, without dampening.
            keep: if first { 0.0 } else { self.momentum as f32 },
            take: if first { 1.0 } else { (1.0 - self.dampening) as f32 },
            ahead: self.momentum as f32,
            step_size: -self.lr as f32,
        }
    }
}

leveled! {
    fn sgd(s: SgdScalars, weights: &mut [f32], gradient: &[f32]) {
        for (w, g) in weights.iter_mut().zip(gradient) {
            let g = *g * s.scale + s.decay * *w;
            *w += s.step_size * g;
        }
    }
}

leveled! {
    fn sgd_momentum(s: SgdScalars, weights: &mut [f32], gradient: &[f32], momentum: &mut [f32]) {
        for ((w, g), m) in weights.iter_mut().zip(gradient).zip(momentum) {
            let g = *g * s.scale + s.decay * *w;
            *m = *m * s.keep + s.take * g;
            *w += s.step_size * *m;
        }
    }
}

leveled! {
    fn sgd_nesterov(s: SgdScalars, weights: &mut [f32], gradient: &[f32], momentum: &mut [f32]) {
        for ((w, g), m) in weights.iter_mut().zip(gradient).zip(momentum) {
            let g = *g * s.scale + s.decay * *w;
            *m = *m * s.keep + s.take * g;
            *w += s.step_size * (g + s.ahead * *m);
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct AdamScalars {
    scale: f32,
    /// Added to the gradient: L2 penalty.
    decay: f32,
    /// Factor of the weights: decoupled decay.
    shrink: f32,
    beta1: f32,
    take1: f32,
    beta2: f32,
    take2: f32,
    root_correction: f32,
    eps: f32,
    step_size: f32,
}

impl AdamRule {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "as torch.optim does"
    )]
    fn scalars(&self, step: u64, scale: f32) -> AdamScalars {
        let [beta1, beta2] = self.betas;
        let correction1 = 1.0 - libm::pow(beta1, step as f64);
        let correction2 = 1.0 - libm::pow(beta2, step as f64);
        AdamScalars {
            scale: if self.maximize { -scale } else { scale },
            decay: if self.decoupled {
                0.0
            } else {
                self.weight_decay as f32
            },
            shrink: if self.decoupled {
                (1.0 - self.lr * self.weight_decay) as f32
            } else {
                1.0
            },
            beta1: beta1 as f32,
            take1: (1.0 - beta1) as f32,
            beta2: beta2 as f32,
            take2: (1.0 - beta2) as f32,
            root_correction: libm::sqrt(correction2) as f32,
            eps: self.eps as f32,
            step_size: -(self.lr / correction1) as f32,
        }
    }
}

/// Running means of one element; the answer is the new mean of squares.
#[inline(always)]
fn adam_means(s: &AdamScalars, w: &mut f32, g: f32, means: (&mut f32, &mut f32)) {
    *w *= s.shrink;
    let g = g * s.scale + s.decay * *w;
    let (m, v) = means;
    // torch.lerp: from the nearer end.
    *m = if s.take1 < 0.5 {
        *m + s.take1 * (g - *m)
    } else {
        g - (g - *m) * s.beta1
    };
    *v = *v * s.beta2 + s.take2 * g * g;
}

leveled! {
    fn adam(s: AdamScalars, weights: &mut [f32], gradient: &[f32], means: (&mut [f32], &mut [f32])) {
        for (((w, g), m), v) in weights.iter_mut().zip(gradient).zip(means.0).zip(means.1) {
            adam_means(&s, w, *g, (m, v));
            *w += s.step_size * *m / (v.sqrt() / s.root_correction + s.eps);
        }
    }
}

leveled! {
    fn amsgrad(
        s: AdamScalars,
        weights: &mut [f32],
        gradient: &[f32],
        means: (&mut [f32], &mut [f32], &mut [f32]),
    ) {
        let state = means.0.iter_mut().zip(means.1).zip(means.2);
        for ((w, g), ((m, v), largest)) in weights.iter_mut().zip(gradient).zip(state) {
            adam_means(&s, w, *g, (m, v));
            *largest = if *v > *largest || v.is_nan() { *v } else { *largest };
            *w += s.step_size * *m / (largest.sqrt() / s.root_correction + s.eps);
        }
    }
}
