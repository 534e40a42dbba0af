//! Gradients of several steps for one update.

use super::state::{Saved, SavedTensor};
use candlewick_protocol::Failure;

/// Adds up the gradients of `k` consecutive steps before an update.
///
/// What is added are the gradients of the weighted sums and their denominators, each in f32 and f64 in the order of
/// the steps, ((g1 + g2) + g3) and so on; the update divides once. So `k` steps of `B` rows make the update that one
/// step of `k B` rows would make with the same rows, up to rounding, and rows count alike however they fall into
/// steps. This is not the mean of the steps' means, which gives the rows of a short step more weight. A step in which
/// no row counts (denominator 0) counts as one of the `k` and adds nothing.
///
/// ```
/// use candlewick_model::optim::Accumulator;
/// let mut accumulator = Accumulator::new(2);
/// assert_eq!(accumulator.add(&mut [1.0, 2.0], 4.0), None);
/// let mut gradient = [10.0, 20.0];
/// assert_eq!(accumulator.add(&mut gradient, 3.0), Some(7.0));
/// assert_eq!(gradient, [11.0, 22.0]);
/// ```
#[derive(Debug, Clone)]
pub struct Accumulator {
    every: u32,
    count: u32,
    denominator: f64,
    sum: Vec<f32>,
}

impl Accumulator {
    /// An update after every `every` steps; 0 counts as 1.
    #[must_use]
    pub fn new(every: u32) -> Self {
        Accumulator {
            every: every.max(1),
            count: 0,
            denominator: 0.0,
            sum: Vec::new(),
        }
    }

    /// Takes the gradient of a step's weighted sum and its denominator. At the last of the steps the gradient becomes
    /// the sum over all of them, in place, and their denominator is returned: time for an update. A denominator of 0
    /// means that the gradient is not looked at.
    pub fn add(&mut self, gradient_sum: &mut [f32], denominator: f64) -> Option<f64> {
        self.count += 1;
        if self.count >= self.every {
            return Some(self.finish(gradient_sum, denominator));
        }
        if denominator != 0.0 {
            if self.sum.is_empty() {
                self.sum.extend_from_slice(gradient_sum);
            } else {
                for (sum, value) in self.sum.iter_mut().zip(&*gradient_sum) {
                    *sum += *value;
                }
            }
            self.denominator += denominator;
        }
        None
    }

    /// What steps are waiting for an update are given out before their time, for example at the end of a training run:
    /// their gradient is written to `gradient_sum`, and their denominator is returned. `None` where no step is waiting.
    pub fn flush(&mut self, gradient_sum: &mut [f32]) -> Option<f64> {
        (self.count > 0).then(|| self.finish(gradient_sum, 0.0))
    }

    fn finish(&mut self, gradient_sum: &mut [f32], denominator: f64) -> f64 {
        if self.sum.is_empty() {
            if denominator == 0.0 {
                gradient_sum.fill(0.0);
            }
        } else if denominator == 0.0 {
            gradient_sum
                .iter_mut()
                .zip(&self.sum)
                .for_each(|(value, sum)| *value = *sum);
        } else {
            gradient_sum
                .iter_mut()
                .zip(&self.sum)
                .for_each(|(value, sum)| *value += *sum);
        }
        let total = self.denominator + denominator;
        self.count = 0;
        self.denominator = 0.0;
        self.sum.clear();
        total
    }

    /// Steps that wait for an update.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.count
    }

    /// Everything that the next steps depend on (rule B10).
    #[must_use]
    pub fn state(&self) -> Saved {
        let counters = [
            ("count", u64::from(self.count)),
            ("denominator", self.denominator.to_bits()),
        ];
        Saved {
            counters: counters.map(|(name, value)| (name.to_owned(), value)).into(),
            tensors: vec![SavedTensor {
                name: "sum".to_owned(),
                shape: vec![self.sum.len()],
                values: self.sum.clone(),
            }],
            ..Saved::default()
        }
    }

    /// Goes back to a state that [`Accumulator::state`] gave.
    ///
    /// # Errors
    /// `InvalidParameter` where the state is not one of an accumulator with as many steps.
    pub fn restore(&mut self, saved: &Saved) -> Result<(), Failure> {
        let what = "the saved state of the gradient accumulation";
        saved.expect_counters(what, &["count", "denominator"])?;
        let sum = saved.tensor(what, "sum")?;
        let count = saved.counter(what, "count")?;
        if count >= u64::from(self.every) {
            return Err(Failure::parameter(format!(
                "{what} has {count} steps waiting, but an update comes after every {}; restore it with the same number \
                 of steps per update",
                self.every
            )));
        }
        self.count = u32::try_from(count).unwrap_or(0);
        self.denominator = f64::from_bits(saved.counter(what, "denominator")?);
        self.sum.clone_from(&sum.values);
        Ok(())
    }
}
