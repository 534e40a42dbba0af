//! A driver that decides after every epoch whether training goes on.

use super::{Happening, Random, STEPS, STEPS_PER_EPOCH, Simulation, truth};
use serde_json::json;

/// Epochs of a run that nobody ends.
pub(super) const EPOCHS: u32 = (STEPS / STEPS_PER_EPOCH) as u32;

/// See the module. Its numbers are its own: the other runs stay what they are.
#[derive(Debug)]
pub(super) struct Limits {
    random: Random,
    /// Whether this driver decides anything.
    pub(super) decides: bool,
    /// Epochs that it lets the trainers make so far.
    allowed: u32,
    /// It has ended training after so many.
    over: Option<u32>,
    /// A decision has taken long.
    dawdled: bool,
}

impl Limits {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random(seed ^ 0x005e_ed0f_1127_1175);
        Limits {
            decides: random.one_in(3),
            random,
            allowed: EPOCHS,
            over: None,
            dawdled: false,
        }
    }

    /// Epochs that the run ends with.
    pub(super) fn epochs(&self) -> u32 {
        self.over.unwrap_or(EPOCHS)
    }

    /// How long the next decision takes, milliseconds.
    fn thinks(&mut self) -> u64 {
        // Once in a run longer than a trainer may make no progress.
        if !self.dawdled && self.random.one_in(8) {
            self.dawdled = true;
            return self.random.below(100_000);
        }
        self.random.below(500)
    }
}

impl Simulation {
    /// Training begins in this epoch, or is over there: what the driver says to that.
    pub(super) fn begin_limits(&mut self, epoch: u32) -> serde_json::Value {
        if !self.driver.limits.decides {
            return json!(null);
        }
        let between = self.resumed.as_ref().is_some_and(|(counter, _)| {
            counter.epoch > 0 && counter.step == u64::from(counter.epoch) * STEPS_PER_EPOCH
        });
        if between && epoch < EPOCHS && self.driver.limits.random.one_in(8) {
            self.driver.limits.over = Some(epoch);
            self.driver.limits.allowed = epoch;
            return json!({"epochs": epoch, "over": true});
        }
        self.driver.limits.allowed = epoch + 1;
        json!({"epochs": epoch + 1, "over": false})
    }

    /// The driver has heard of so many epochs, and thinks about whether there is another.
    pub(super) fn consider(&mut self, epochs: u32) {
        if self.driver.limits.decides && self.driver.limits.over.is_none() {
            let delay = self.driver.limits.thinks();
            let over = self.driver.limits.random.one_in(6);
            self.at(delay, Happening::Decided(epochs, over));
        }
    }

    pub(super) fn decided(&mut self, epochs: u32, over: bool) {
        // The end of the last epoch is none before its time.
        if over && epochs < EPOCHS {
            self.driver.limits.over = Some(epochs);
        }
        let until = if over { epochs } else { epochs + 1 };
        self.driver.limits.allowed = self.driver.limits.allowed.max(until);
        if let Err(failure) = self.command(json!({"cmd": "until", "epochs": until, "over": over})) {
            self.violated(&failure.message);
        }
    }

    /// A trainer completes a point of this epoch.
    pub(super) fn check_limit(&mut self, id: &str, epoch: u32) {
        if epoch >= self.driver.limits.allowed {
            let allowed = self.driver.limits.allowed;
            self.violated(&format!(
                "C7: {id} is in epoch {epoch}, the driver lets it make {allowed}"
            ));
        }
    }

    /// The model of a run of so many epochs.
    pub(super) fn model_after(epochs: u32) -> Vec<u8> {
        let ends = |counter: u64| counter == u64::from(epochs) * STEPS_PER_EPOCH;
        let files = truth::truth().files.iter().rev();
        let (_, file) = files.into_iter().find(|(counter, _)| ends(counter.step)).unwrap();
        let (weights, _) = truth::restore(file, STEPS_PER_EPOCH).unwrap();
        weights.to_le_bytes().to_vec()
    }
}
