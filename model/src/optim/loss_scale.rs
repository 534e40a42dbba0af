//! The factor of the loss while products round their operands to fp16: by the rules of torch.amp.GradScaler.
//!
//! fp16 has no numbers below 6e-8, where gradients often are. So the loss is multiplied by a power of two before the way back,
//! and the gradient divided by it before anything looks at it, which rounds nothing. Where a gradient was too large for fp16 it is
//! not finite: the step is left out, and the factor halved. It doubles after 2,000 steps in a row without such a one.

use super::Saved;
use candlewick_protocol::Failure;

/// The first factor.
const INITIAL: f32 = 65_536.0;
/// What it is multiplied with after [`INTERVAL`] good steps.
const GROWTH: f32 = 2.0;
/// And after a step that is left out.
const BACKOFF: f32 = 0.5;
/// Good steps in a row before it grows.
const INTERVAL: u32 = 2_000;
/// 2^-24. Where not even this factor helps, fp16's range is not what is wrong.
const LEAST: f32 = 1.0 / 16_777_216.0;

/// Names in a saved state.
const SCALE: &str = "scale";
const GOOD: &str = "goodSteps";

/// See the module. It follows from the gradients of all trainers, so that all have the same.
///
/// ```
/// use candlewick_model::optim::LossScale;
/// let mut scale = LossScale::default();
/// assert_eq!(scale.factor(), 65536.0);
/// scale.update(false);
/// assert_eq!(scale.factor(), 32768.0);
/// (0..2000).for_each(|_| scale.update(true));
/// assert_eq!(scale.factor(), 65536.0);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LossScale {
    factor: f32,
    good: u32,
}

impl Default for LossScale {
    fn default() -> Self {
        LossScale {
            factor: INITIAL,
            good: 0,
        }
    }
}

impl LossScale {
    /// What the loss of the next step is multiplied with.
    #[must_use]
    pub fn factor(&self) -> f32 {
        self.factor
    }

    /// Whether it is as small as it may become: a gradient that is not finite now has another reason.
    #[must_use]
    pub fn is_least(&self) -> bool {
        self.factor <= LEAST
    }

    /// After a step whose gradient was `finite` or not.
    pub fn update(&mut self, finite: bool) {
        if !finite {
            self.factor = (self.factor * BACKOFF).max(LEAST);
            self.good = 0;
            return;
        }
        self.good += 1;
        if self.good == INTERVAL {
            self.good = 0;
            let grown = self.factor * GROWTH;
            if grown.is_finite() {
                self.factor = grown;
            }
        }
    }

    /// What the next steps depend on (rule B10).
    #[must_use]
    pub fn state(&self) -> Saved {
        let counters = [
            (SCALE, u64::from(self.factor.to_bits())),
            (GOOD, u64::from(self.good)),
        ];
        Saved {
            counters: counters.map(|(name, value)| (name.to_owned(), value)).to_vec(),
            ..Saved::default()
        }
    }

    /// Goes back to a state that [`LossScale::state`] gave.
    ///
    /// # Errors
    /// `InvalidParameter` where it is none.
    pub fn restore(&mut self, saved: &Saved) -> Result<(), Failure> {
        const WHAT: &str = "the saved state of the loss scale";
        let (scale, good) = (saved.counter(WHAT, SCALE)?, saved.counter(WHAT, GOOD)?);
        let legal = |factor: &f32| factor.is_finite() && *factor >= LEAST;
        let factor = u32::try_from(scale).ok().map(f32::from_bits).filter(legal);
        let good = u32::try_from(good).ok().filter(|good| *good < INTERVAL);
        let (Some(factor), Some(good)) = (factor, good) else {
            return Err(Failure::parameter(format!(
                "{WHAT} holds numbers that it cannot have; the file is damaged"
            )));
        };
        *self = LossScale { factor, good };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_and_backs_off_as_gradscaler_does() {
        let mut scale = LossScale::default();
        (0..1_999).for_each(|_| scale.update(true));
        assert_eq!(scale.factor(), 65_536.0);
        scale.update(true);
        assert_eq!(scale.factor(), 131_072.0);
        // A step that is left out begins the count anew.
        (0..1_999).for_each(|_| scale.update(true));
        scale.update(false);
        assert_eq!(scale.factor(), 65_536.0);
        scale.update(true);
        assert_eq!(scale.factor(), 65_536.0);
        (0..1_999).for_each(|_| scale.update(true));
        assert_eq!(scale.factor(), 131_072.0);
    }

    #[test]
    fn it_becomes_no_smaller_than_is_of_use_and_no_larger_than_a_number() {
        let mut scale = LossScale::default();
        (0..40).for_each(|_| scale.update(false));
        assert!(scale.is_least());
        assert_eq!(scale.factor(), LEAST);
        scale.update(false);
        assert_eq!(scale.factor(), LEAST);
        let mut scale = LossScale {
            factor: 2f32.powi(127),
            good: INTERVAL - 1,
        };
        scale.update(true);
        assert_eq!((scale.factor(), scale.good), (2f32.powi(127), 0));
    }

    #[test]
    fn it_comes_back_as_it_was() {
        let mut scale = LossScale::default();
        scale.update(false);
        (0..7).for_each(|_| scale.update(true));
        let mut other = LossScale::default();
        other.restore(&scale.state()).unwrap();
        assert_eq!(other, scale);
        for (name, value) in [
            (SCALE, u64::from(f32::NAN.to_bits())),
            (SCALE, u64::MAX),
            (GOOD, 2_000),
        ] {
            let mut wrong = scale.state();
            let found = wrong
                .counters
                .iter_mut()
                .find(|(known, _)| known == name)
                .unwrap();
            found.1 = value;
            let told = other.restore(&wrong).unwrap_err().message;
            assert!(told.contains("the saved state of the loss scale"), "{told}");
        }
        assert!(other.restore(&Saved::default()).is_err());
        assert_eq!(other, scale);
    }
}
