//! What an update rule is, and the arithmetic that the rules share.

use crate::numbers::{real, to_f32};
use crate::optim::step::{DeviceSlice, ParamSlice, Step};
use crate::resident::DeviceVec;
use candlewick_protocol::Failure;
use std::fmt::Debug;

/// An update rule with its settings.
pub(in crate::optim) trait Rule: Debug + Send + Sync {
    /// The carried number of this update, from that of the one before, which starts as 1.
    fn scalar_state(&self, step: &Step) -> f32 {
        step.scalar_state
    }

    /// True where [`Rule::measure`] and [`Rule::ratio`] are to be called before [`Rule::apply`].
    fn measures(&self) -> bool {
        false
    }

    /// Fills the slice's sums with squares of two vectors.
    fn measure(&self, _: &Step, _: &mut ParamSlice<'_>) {}

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

    /// True where an update leaves a weight whose gradient is +0, and what the slice has of `vectors` of the state for it, as they are, to
    /// the sign of a zero: rows of a table that were not touched need not be looked at then.
    fn keeps_untouched(&self, _: &Step, _vectors: usize) -> bool {
        false
    }

    /// Updates a slice.
    fn apply(&self, step: &Step, slice: &mut ParamSlice<'_>);

    /// As [`Rule::measure`], on a device: the sums of squares of two vectors, where the ratio depends on them.
    ///
    /// # Errors
    /// Those of the device.
    fn measure_on_device(&self, _: &Step, _: &mut DeviceSlice) -> Result<Option<[DeviceVec; 2]>, Failure> {
        Ok(None)
    }

    /// As [`Rule::apply`], on a device: the same operations in the same order, each rounded as the host rounds it.
    ///
    /// # Errors
    /// Those of the device.
    fn apply_on_device(&self, step: &Step, slice: &mut DeviceSlice) -> Result<(), Failure>;
}

/// `1 - base^count`, the correction of a running mean that started at 0.
pub(super) fn correction(base: f64, count: u64) -> f64 {
    1.0 - libm::pow(base, real(count))
}

/// The gradient's factor, negative to maximise.
pub(super) fn signed(scale: f32, maximize: bool) -> f32 {
    if maximize { -scale } else { scale }
}

/// The value of a state that decays; zero where that is subnormal.
///
/// The momentum of a weight that has no gradient (a unit that ReLU keeps at zero) is subnormal after some 800 steps, and, where
/// products are rounded, for ever; a processor takes a hundred times as long for each such value. Nothing else changes: what is so
/// small moves no weight.
#[inline(always)]
pub(super) fn normal(value: f32) -> f32 {
    if value.abs() < f32::MIN_POSITIVE {
        0.0
    } else {
        value
    }
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
            keep: to_f32(beta),
            take: to_f32(1.0 - beta),
        }
    }
}

/// The same on a device.
pub(super) fn lerp_on_device(
    from: &DeviceVec,
    to: &DeviceVec,
    Mean { keep, take }: Mean,
) -> Result<DeviceVec, Failure> {
    if take < 0.5 {
        from.add(&to.sub(from)?.times(take)?)
    } else {
        to.sub(&to.sub(from)?.times(keep)?)
    }
}

/// `keep mean + take g g`, as the rules of the host compute it, on a device.
pub(super) fn squares_on_device(
    mean: &DeviceVec,
    g: &DeviceVec,
    Mean { keep, take }: Mean,
) -> Result<DeviceVec, Failure> {
    mean.times(keep)?.add(&g.times(take)?.mul(g)?)
}

/// `g scale + penalty w`, on a device.
pub(super) fn penalised_on_device(
    g: &DeviceVec,
    scale: f32,
    w: &DeviceVec,
    penalty: f32,
) -> Result<DeviceVec, Failure> {
    let g = g.times(scale)?;
    // Nothing is added where there is no penalty: only the sign of a zero could differ.
    if penalty == 0.0 {
        Ok(g)
    } else {
        g.add(&w.times(penalty)?)
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
                shrink: to_f32(1.0 - lr * weight_decay),
                penalty: 0.0,
            }
        } else {
            Decay {
                shrink: 1.0,
                penalty: to_f32(weight_decay),
            }
        }
    }
}
