//! ReduceLROnPlateau.

use super::setting::count;
use crate::arguments::Arguments;
use crate::optim::state::Saved;
use candlewick_protocol::Failure;

/// A smaller learning rate when the metric has stopped to improve.
#[derive(Debug, Clone)]
pub(super) struct Plateau {
    larger_is_better: bool,
    factor: f64,
    patience: u64,
    threshold: f64,
    relative: bool,
    cooldown: u64,
    least: f64,
    eps: f64,
    // From here on it is state.
    lr: f64,
    best: f64,
    bad: u64,
    cooling: u64,
}

const LR: &str = "lr";
const BEST: &str = "best";
const BAD: &str = "num_bad_epochs";
const COOLING: &str = "cooldown_counter";

impl Plateau {
    pub(super) fn of(arguments: &Arguments, base_lr: f64) -> Self {
        let larger_is_better = arguments.text("mode") == "max";
        Plateau {
            larger_is_better,
            factor: arguments.real("factor"),
            patience: count(arguments, "patience"),
            threshold: arguments.real("threshold"),
            relative: arguments.text("threshold_mode") == "rel",
            cooldown: count(arguments, "cooldown"),
            least: arguments.real("min_lr"),
            eps: arguments.real("eps"),
            lr: base_lr,
            best: if larger_is_better {
                f64::NEG_INFINITY
            } else {
                f64::INFINITY
            },
            bad: 0,
            cooling: 0,
        }
    }

    pub(super) fn lr(&self) -> f64 {
        self.lr
    }

    fn is_better(&self, metric: f64) -> bool {
        let (best, threshold) = (self.best, self.threshold);
        match (self.larger_is_better, self.relative) {
            (false, true) => metric < best * (1.0 - threshold),
            (false, false) => metric < best - threshold,
            (true, true) => metric > best * (threshold + 1.0),
            (true, false) => metric > best + threshold,
        }
    }

    /// Takes in a metric; true where the learning rate is reduced.
    pub(super) fn observe(&mut self, metric: f64) -> bool {
        if self.is_better(metric) {
            self.best = metric;
            self.bad = 0;
        } else {
            self.bad += 1;
        }
        if self.cooling > 0 {
            self.cooling -= 1;
            self.bad = 0;
        }
        if self.bad <= self.patience {
            return false;
        }
        self.cooling = self.cooldown;
        self.bad = 0;
        let reduced = (self.lr * self.factor).max(self.least);
        let worth_it = self.lr - reduced > self.eps;
        if worth_it {
            self.lr = reduced;
        }
        worth_it
    }

    pub(super) fn state(&self) -> Saved {
        let counters = [
            (LR, self.lr.to_bits()),
            (BEST, self.best.to_bits()),
            (BAD, self.bad),
            (COOLING, self.cooling),
        ];
        Saved {
            counters: counters.map(|(name, value)| (name.to_owned(), value)).into(),
            ..Saved::default()
        }
    }

    pub(super) fn restore(&mut self, what: &str, saved: &Saved) -> Result<(), Failure> {
        saved.expect_counters(what, &[LR, BEST, BAD, COOLING])?;
        self.lr = f64::from_bits(saved.counter(what, LR)?);
        self.best = f64::from_bits(saved.counter(what, BEST)?);
        self.bad = saved.counter(what, BAD)?;
        self.cooling = saved.counter(what, COOLING)?;
        Ok(())
    }
}
