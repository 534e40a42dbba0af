//! RMSprop.

use super::rule::{Mean, Rule, lerp, lerp_on_device, normal, penalised_on_device, signed, squares_on_device};
use crate::arguments::Arguments;
use crate::kernels::simd_dispatch;
use crate::numbers::to_f32;
use crate::optim::step::{DeviceSlice, ParamSlice, Step};
use candlewick_protocol::Failure;

/// torch.optim.RMSprop: Hinton, lecture 6 of "Neural Networks for Machine Learning", 2012; centered: Graves, arXiv
/// 1308.0850, 2013.
#[derive(Debug)]
pub(super) struct RmsProp {
    alpha: f64,
    eps: f64,
    weight_decay: f64,
    momentum: f64,
    centered: bool,
    maximize: bool,
}

impl RmsProp {
    pub(super) fn of(arguments: &Arguments) -> Self {
        RmsProp {
            alpha: arguments.real("alpha"),
            eps: arguments.real("eps"),
            weight_decay: arguments.real("weight_decay"),
            momentum: arguments.real("momentum"),
            centered: arguments.flag("centered"),
            maximize: arguments.flag("maximize"),
        }
    }
}

impl RmsProp {
    /// And whether there is a momentum.
    fn scalars(&self, step: &Step) -> (Scalars, bool) {
        let momentum = step.momentum.unwrap_or(self.momentum);
        let s = Scalars {
            scale: signed(step.scale, self.maximize),
            penalty: to_f32(self.weight_decay),
            mean: Mean::of(self.alpha),
            eps: to_f32(self.eps),
            momentum: to_f32(momentum),
            size: to_f32(-step.lr),
        };
        (s, momentum > 0.0)
    }
}

impl Rule for RmsProp {
    fn apply_on_device(&self, step: &Step, slice: &mut DeviceSlice) -> Result<(), Failure> {
        let (s, moves) = self.scalars(step);
        let w = &slice.weights;
        let g = penalised_on_device(&slice.gradient, s.scale, w, s.penalty)?;
        let [square, rest @ ..] = slice.state.as_mut_slice() else {
            return Ok(());
        };
        *square = squares_on_device(square, &g, s.mean)?;
        let (below, rest) = match rest {
            [mean, rest @ ..] if self.centered => {
                *mean = lerp_on_device(mean, &g, s.mean)?;
                let variance = square.sub(&mean.mul(mean)?)?;
                // Half of what it and its size are together: itself, and 0 where it is less.
                (variance.add(&variance.abs()?)?.times(0.5)?.sqrt()?, rest)
            }
            rest => (square.sqrt()?, rest),
        };
        let below = below.plus(s.eps)?;
        slice.weights = match rest {
            [buffer, ..] if moves => {
                *buffer = buffer.times(s.momentum)?.add(&g.div(&below)?)?;
                w.add(&buffer.times(s.size)?)?
            }
            _ => w.add(&g.times(s.size)?.div(&below)?)?,
        };
        Ok(())
    }

    fn apply(&self, step: &Step, slice: &mut ParamSlice<'_>) {
        let (s, moves) = self.scalars(step);
        let (weights, gradient) = (&mut *slice.weights, &*slice.gradient);
        match (slice.state.as_mut_slice(), self.centered) {
            ([square, mean, buffer], true) if moves => {
                centered_heavy(step.level, s, weights, gradient, (square, mean, buffer));
            }
            ([square, mean, ..], true) => centered(step.level, s, weights, gradient, (square, mean)),
            ([square, buffer], false) if moves => heavy(step.level, s, weights, gradient, (square, buffer)),
            ([square, ..], _) => plain(step.level, s, weights, gradient, square),
            // `slots` asks for one vector at least.
            ([], _) => {}
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Scalars {
    scale: f32,
    penalty: f32,
    mean: Mean,
    eps: f32,
    momentum: f32,
    size: f32,
}

/// Takes the gradient into the mean of squares and returns it.
#[inline(always)]
fn square_mean(s: &Scalars, w: f32, g: f32, square: &mut f32) -> f32 {
    let g = g * s.scale + s.penalty * w;
    *square = normal(*square * s.mean.keep + s.mean.take * g * g);
    g
}

/// Takes the gradient into its mean and returns what to divide by.
#[inline(always)]
fn deviation(s: &Scalars, g: f32, square: f32, mean: &mut f32) -> f32 {
    *mean = normal(lerp(*mean, g, s.mean.take, s.mean.keep));
    let variance = square - *mean * *mean;
    // The mean of a gradient whose square is too small for a number is one still.
    if variance < 0.0 {
        s.eps
    } else {
        variance.sqrt() + s.eps
    }
}

simd_dispatch! {
    fn plain(s: Scalars, weights: &mut [f32], gradient: &[f32], squares: &mut [f32]) {
        for ((w, g), square) in weights.iter_mut().zip(gradient).zip(squares) {
            let g = square_mean(&s, *w, *g, square);
            *w += s.size * g / (square.sqrt() + s.eps);
        }
    }
}

simd_dispatch! {
    fn heavy(s: Scalars, weights: &mut [f32], gradient: &[f32], state: (&mut [f32], &mut [f32])) {
        for (((w, g), square), m) in weights.iter_mut().zip(gradient).zip(state.0).zip(state.1) {
            let g = square_mean(&s, *w, *g, square);
            *m = normal(*m * s.momentum + g / (square.sqrt() + s.eps));
            *w += s.size * *m;
        }
    }
}

simd_dispatch! {
    fn centered(s: Scalars, weights: &mut [f32], gradient: &[f32], state: (&mut [f32], &mut [f32])) {
        for (((w, g), square), mean) in weights.iter_mut().zip(gradient).zip(state.0).zip(state.1) {
            let g = square_mean(&s, *w, *g, square);
            *w += s.size * g / deviation(&s, g, *square, mean);
        }
    }
}

simd_dispatch! {
    fn centered_heavy(
        s: Scalars,
        weights: &mut [f32],
        gradient: &[f32],
        state: (&mut [f32], &mut [f32], &mut [f32]),
    ) {
        let state = state.0.iter_mut().zip(state.1).zip(state.2);
        for ((w, g), ((square, mean), m)) in weights.iter_mut().zip(gradient).zip(state) {
            let g = square_mean(&s, *w, *g, square);
            *m = normal(*m * s.momentum + g / deviation(&s, g, *square, mean));
            *w += s.size * *m;
        }
    }
}
