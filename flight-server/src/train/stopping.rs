//! Early stopping in a training run: the decision (a pure function of the records, so the same everywhere) and the best
//! weights, a copy beside those that train.

use candlewick_protocol::message::EpochRecord;
use candlewick_protocol::stopping::{EarlyStopping, Patience, StoppingReport};

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
    pub(super) fn observe(&mut self, record: &EpochRecord, weights: &[f32]) {
        // A value that is not defined is no better.
        let value = record.value(&self.rule.metric);
        self.seen += 1;
        let better = self.patience.observe(&self.rule, record.epoch, value);
        if better && self.rule.restore_best {
            match &mut self.best {
                Some(best) => best.copy_from_slice(weights),
                none => *none = Some(weights.to_vec()),
            }
        }
    }

    /// True where training is to end.
    pub(super) fn is_over(&self) -> bool {
        self.patience.is_over()
    }

    /// The end of a training run of at most `epochs` epochs: puts the best weights in place, where the rule says so.
    pub(super) fn finish(&self, weights: &mut [f32], epochs: u32) -> StoppingReport {
        if let Some(best) = &self.best {
            weights.copy_from_slice(best);
        }
        self.patience.report(self.seen, epochs)
    }
}
