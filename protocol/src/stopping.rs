//! Early stopping: the rule a user sets, and the decision, a pure function of the values of a metric (rule B9).

use serde::{Deserialize, Serialize};

/// Which way a metric gets better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Better {
    /// Lower is better.
    Min,
    /// Higher is better.
    Max,
}

impl Better {
    /// Which way a metric gets better: less for losses and errors, else more.
    #[must_use]
    pub fn of(metric: &str) -> Self {
        let name = metric.strip_prefix("val_").unwrap_or(metric);
        // What an output adds to the loss has its name.
        if LOWER.contains(&name) || name.starts_with("loss_") {
            Better::Min
        } else {
            Better::Max
        }
    }
}

/// When training ends before its last epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EarlyStopping {
    /// Name in the history.
    pub metric: String,
    /// Epochs without a better value after which training ends; 0 counts as 1.
    pub patience: u32,
    /// A value counts as better where it is so by more than this.
    pub min_delta: f64,
    /// Which way is better.
    pub mode: Better,
    /// The model gets the weights of the best epoch, not of the last.
    pub restore_best: bool,
}

/// Metrics of which less is better.
const LOWER: [&str; 6] = ["loss", "log_loss", "mae", "mse", "rmse", "mape"];

impl EarlyStopping {
    /// True where `value` is better than `best`. NaN never is, and anything is better than nothing.
    fn improves(&self, value: f64, best: Option<f64>) -> bool {
        let Some(best) = best else {
            return !value.is_nan();
        };
        match self.mode {
            Better::Min => value < best - self.min_delta,
            Better::Max => value > best + self.min_delta,
        }
    }
}

/// How early stopping went, as the summary tells it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoppingReport {
    /// Training ended before its last epoch.
    pub stopped_early: bool,
    /// Epoch of the best value, from 0; `None` where there never was a value.
    pub best_epoch: Option<u32>,
    /// The best value.
    pub best_value: Option<f64>,
}

/// The state of the decision: part of what every trainer holds (rule B10).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Patience {
    report: StoppingReport,
    waited: u32,
}

impl Patience {
    /// Takes the value of an epoch; true where it is the best so far.
    pub fn observe(&mut self, rule: &EarlyStopping, epoch: u32, value: f64) -> bool {
        let better = rule.improves(value, self.report.best_value);
        if better {
            self.report.best_value = Some(value);
            self.report.best_epoch = Some(epoch);
            self.waited = 0;
        } else {
            self.waited += 1;
            self.report.stopped_early = self.waited >= rule.patience.max(1);
        }
        better
    }

    /// True where training is to end.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.report.stopped_early
    }

    /// What the summary tells; an end that was due after the last of `epochs` epochs is none before its time.
    #[must_use]
    pub fn report(&self, done: u32, epochs: u32) -> StoppingReport {
        StoppingReport {
            stopped_early: self.report.stopped_early && done < epochs,
            ..self.report
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_counts_epochs_without_a_better_value() {
        let rule = EarlyStopping {
            metric: "val_loss".to_owned(),
            patience: 2,
            min_delta: 0.1,
            mode: Better::Min,
            restore_best: true,
        };
        let mut patience = Patience::default();
        let better: Vec<bool> = [1.0, 0.95, 0.8, f64::NAN, 0.75]
            .into_iter()
            .zip(0..)
            .map(|(value, epoch)| {
                assert!(!patience.is_over());
                patience.observe(&rule, epoch, value)
            })
            .collect();
        assert_eq!(better, [true, false, true, false, false]);
        assert!(patience.is_over());
        let report = patience.report(5, 10);
        assert_eq!(
            (report.stopped_early, report.best_epoch, report.best_value),
            (true, Some(2), Some(0.8))
        );
        assert!(!patience.report(5, 5).stopped_early);
    }

    #[test]
    fn modes_follow_the_metric() {
        for (metric, mode) in [
            ("val_rmse", Better::Min),
            ("loss", Better::Min),
            ("val_r2", Better::Max),
        ] {
            assert_eq!(Better::of(metric), mode);
        }
    }
}
