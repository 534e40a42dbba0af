//! Early stopping in a training run: the decision (a pure function of the records, so the same everywhere) and the best
//! weights, a copy beside those that train.

use candlewick_model::resident::FlatRef;
use candlewick_protocol::Failure;
use candlewick_protocol::message::EpochRecord;
use candlewick_protocol::stopping::{EarlyStopping, Patience, StoppingReport};
use serde_json::Value;

/// A rule, what it has seen, and the best weights.
#[derive(Debug)]
pub(super) struct Stopper {
    rule: EarlyStopping,
    patience: Patience,
    best: Option<Vec<f32>>,
    seen: u32,
}

impl Stopper {
    pub(super) fn new(rule: EarlyStopping) -> Self {
        Stopper {
            rule,
            patience: Patience::default(),
            best: None,
            seen: 0,
        }
    }

    /// Takes the record of an epoch and the weights at its end.
    ///
    /// # Errors
    /// `JobFailed` where they cannot be brought from a device.
    pub(super) fn observe(&mut self, record: &EpochRecord, weights: FlatRef<'_>) -> Result<(), Failure> {
        // A value that is not defined is no better.
        let value = record.value(&self.rule.metric);
        self.seen += 1;
        let better = self.patience.observe(&self.rule, record.epoch, value);
        if better && self.rule.restore_best {
            let weights = weights.all()?;
            match &mut self.best {
                Some(best) => best.copy_from_slice(&weights),
                none => *none = Some(weights.into_owned()),
            }
        }
        Ok(())
    }

    /// True where training is to end.
    pub(super) fn is_over(&self) -> bool {
        self.patience.is_over()
    }

    /// The weights that become the model, where the rule keeps those of the best epoch.
    pub(super) fn best(&self) -> Option<&[f32]> {
        self.best.as_deref()
    }

    /// How it went in a training run of at most `epochs` epochs.
    pub(super) fn report(&self, epochs: u32) -> StoppingReport {
        self.patience.report(self.seen, epochs)
    }

    /// What it has seen, but for the best weights.
    pub(super) fn state(&self) -> Result<Value, Failure> {
        serde_json::to_value((self.seen, &self.patience)).map_err(|error| {
            Failure::internal(format!("the state of early stopping cannot be written: {error}"))
        })
    }

    /// Goes back to a state.
    pub(super) fn restore(&mut self, state: Value, best: Option<Vec<f32>>) -> Result<(), Failure> {
        (self.seen, self.patience) = serde_json::from_value(state).map_err(|error| {
            Failure::parameter(format!(
                "the saved state of early stopping cannot be read: {error}"
            ))
        })?;
        self.best = best;
        Ok(())
    }
}
