//! What an update rule is, and the arithmetic that the rules share.

use crate::optim::step::{Part, Step};
use std::fmt::Debug;

/// An update rule with its settings.
pub(in crate::optim) trait Rule: Debug + Send + Sync {
    /// The carried number of this update, from that of the one before, which starts as 1.
    fn carry(&self, step: &Step) -> f32 {
        step.carry
    }

    /// True where [`Rule::measure`] and [`Rule::ratio`] are to be called before [`Rule::apply`].
    fn measures(&self) -> bool {
        false
    }

    /// Fills the part's sums with squares of two vectors.
    fn measure(&self, _: &Step, _: &mut Part<'_>) {}

    /// The ratio of a tensor, from the norms of its two vectors.
    fn ratio(&self, _: &Step, _: [f64; 2]) -> f32 {
        1.0
    }

    /// True where [`Rule::measure`] leaves something else in the gradient's place.
    fn overwrites(&self) -> bool {
        false
    }

    /// What a vector of the state starts as.
    fn initial(&self) -> f32 {
        0.0
    }

    /// Updates a part.
    fn apply(&self, step: &Step, part: &mut Part<'_>);
}

#[expect(clippy::cast_possible_truncation, reason = "computed in f64, applied in f32")]
pub(super) fn short(value: f64) -> f32 {
    value as f32
}

/// `1 - base^count`, the correction of a running mean that started at 0.
pub(super) fn correction(base: f64, count: u64) -> f64 {
    1.0 - libm::pow(base, real(count))
}

#[expect(clippy::cast_precision_loss, reason = "steps are far fewer than 2^53")]
pub(super) fn real(count: u64) -> f64 {
    count as f64
}

/// The gradient's factor, negative to maximise.
pub(super) fn signed(scale: f32, maximize: bool) -> f32 {
    if maximize { -scale } else { scale }
}

/// torch.lerp: from the nearer end. `take` and `keep` add up to 1.
#[inline(always)]
pub(super) fn lerp(from: f32, to: f32, take: f32, keep: f32) -> f32 {
    if take < 0.5 {
        from + take * (to - from)
    } else {
        to - (to - from) * keep
    }
}

/// A running mean.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mean {
    pub keep: f32,
    pub take: f32,
}

impl Mean {
    pub(super) fn of(beta: f64) -> Self {
        Mean {
            keep: short(beta),
            take: short(1.0 - beta),
        }
    }
}

/// How weight decay acts: the factor of the weights, and what is added to the gradient.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decay {
    pub shrink: f32,
    pub penalty: f32,
}

impl Decay {
    pub(super) fn of(decoupled: bool, lr: f64, weight_decay: f64) -> Self {
        if decoupled {
            Decay {
                shrink: short(1.0 - lr * weight_decay),
                penalty: 0.0,
            }
        } else {
            Decay {
                shrink: 1.0,
                penalty: short(weight_decay),
            }
        }
    }
}
