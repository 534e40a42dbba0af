//! Gradients of several steps for one update.

use super::state::{Saved, SavedTensor};
use crate::engine::Gradient;
use crate::resident::{Residence, Run, gaps};
use candlewick_protocol::Failure;
use std::ops::Range;

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
    /// Some step has added to it.
    begun: bool,
    /// What of it lies on a device; its elements in `sum` mean nothing.
    held: Vec<Run>,
    residence: Residence,
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
            begun: false,
            held: Vec::new(),
            residence: Residence::default(),
        }
    }

    /// From now on what is added to weights that stay on a device stays there too.
    pub(super) fn move_to(&mut self, residence: &Residence) {
        self.residence = residence.clone();
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
            if self.begun {
                for own in self.on_host() {
                    let added = self.sum[own.clone()].iter_mut().zip(&gradient_sum[own]);
                    added.for_each(|(sum, value)| *sum += *value);
                }
            } else {
                self.begun = true;
                // Its memory is that of the sum before; nothing of a run on a device is ever touched.
                self.sum.resize(gradient_sum.len(), 0.0);
                for own in self.on_host() {
                    self.sum[own.clone()].copy_from_slice(&gradient_sum[own]);
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

    /// As [`Accumulator::add`], of a gradient of which some may lie on a device.
    pub(super) fn add_from(
        &mut self,
        gradient: &mut Gradient,
        denominator: f64,
    ) -> Result<Option<f64>, Failure> {
        let over = self.count + 1 >= self.every;
        let held = gradient.held_mut();
        // Which rows of a table were touched differs from step to step.
        held.iter_mut().try_for_each(Run::fill)?;
        if over {
            self.finish_held(held, denominator)?;
        } else if denominator != 0.0 {
            if self.held.is_empty() {
                self.held.clone_from(held);
            } else {
                for (sum, own) in self.held.iter_mut().zip(held) {
                    sum.values = sum.values.add(&own.values)?;
                }
            }
        }
        Ok(self.add(gradient.as_mut_dense(), denominator))
    }

    /// As [`Accumulator::flush`].
    pub(super) fn flush_into(&mut self, gradient: &mut Gradient) -> Result<Option<f64>, Failure> {
        if self.count > 0 {
            self.finish_held(gradient.held_mut(), 0.0)?;
        }
        Ok(self.flush(gradient.as_mut_dense()))
    }

    fn finish_held(&mut self, held: &mut Vec<Run>, denominator: f64) -> Result<(), Failure> {
        let sum = std::mem::take(&mut self.held);
        if denominator == 0.0 {
            *held = sum;
            return Ok(());
        }
        for (own, sum) in held.iter_mut().zip(sum) {
            own.values = own.values.add(&sum.values)?;
        }
        Ok(())
    }

    /// The elements of the sum that lie on the host.
    fn on_host(&self) -> Vec<Range<usize>> {
        if !self.begun {
            return Vec::new();
        }
        gaps(self.sum.len(), self.residence.places().iter().cloned()).collect()
    }

    fn finish(&mut self, gradient_sum: &mut [f32], denominator: f64) -> f64 {
        if !self.begun && denominator == 0.0 {
            gradient_sum.fill(0.0);
        }
        for own in self.on_host() {
            let values = gradient_sum[own.clone()].iter_mut().zip(&self.sum[own]);
            if denominator == 0.0 {
                values.for_each(|(value, sum)| *value = *sum);
            } else {
                values.for_each(|(value, sum)| *value += *sum);
            }
        }
        let total = self.denominator + denominator;
        self.count = 0;
        self.denominator = 0.0;
        self.begun = false;
        total
    }

    /// Steps that wait for an update.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.count
    }

    /// Everything that the next steps depend on (rule B10).
    ///
    /// # Errors
    /// `JobFailed` where a device does that some of it is on.
    pub fn state(&self) -> Result<Saved, Failure> {
        let mut sum = if self.begun { self.sum.clone() } else { Vec::new() };
        for run in &self.held {
            run.values.read(&mut sum[run.place.clone()])?;
        }
        let counters = [
            ("count", u64::from(self.count)),
            ("denominator", self.denominator.to_bits()),
        ];
        Ok(Saved {
            counters: counters.map(|(name, value)| (name.to_owned(), value)).into(),
            tensors: vec![SavedTensor {
                name: "sum".to_owned(),
                shape: vec![sum.len()],
                values: sum,
            }],
            ..Saved::default()
        })
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
        self.begun = !sum.values.is_empty();
        self.held = if self.begun {
            self.residence.hold(&sum.values, self.residence.places())?
        } else {
            Vec::new()
        };
        self.sum.clone_from(&sum.values);
        Ok(())
    }
}
