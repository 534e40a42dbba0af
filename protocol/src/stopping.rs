//! Early stopping: the rule a user sets, and the decision, a pure function of the values of a metric (rule B9).

use crate::error::Failure;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Which way a metric gets better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Better {
    /// Lower is better.
    Min,
    /// Higher is better.
    Max,
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

/// Arguments and defaults of the document.
const ARGUMENTS: [&str; 5] = ["metric", "patience", "minDelta", "mode", "restoreBest"];
/// Metrics of which less is better.
const LOWER: [&str; 6] = ["loss", "log_loss", "mae", "mse", "rmse", "mape"];

impl EarlyStopping {
    /// Reads a document `{"type": "EarlyStopping", "metric": "val_loss", "patience": 3, "minDelta": 0, "mode":
    /// "auto", "restoreBest": true}`; what is left out has the value shown here. Mode "auto" is "min" for losses and
    /// errors, else "max".
    ///
    /// ```
    /// use candlewick_protocol::stopping::{Better, EarlyStopping};
    /// let rule = EarlyStopping::from_document(&serde_json::json!({"metric": "val_accuracy"}))?;
    /// assert_eq!((rule.patience, rule.mode, rule.restore_best), (3, Better::Max, true));
    /// # Ok::<(), candlewick_protocol::Failure>(())
    /// ```
    ///
    /// # Errors
    /// `InvalidParameter` naming the argument, its value and what it may be.
    pub fn from_document(document: &Value) -> Result<Self, Failure> {
        let wrong = |message: String| Failure::parameter(format!("parameter earlyStopping: {message}"));
        let object = document
            .as_object()
            .ok_or_else(|| wrong(format!("expected EarlyStopping(...), got {document}")))?;
        if let Some(kind) = object.get("type").filter(|kind| *kind != "EarlyStopping") {
            return Err(wrong(format!("expected EarlyStopping(...), got a {kind}")));
        }
        if let Some(key) = object
            .keys()
            .find(|key| *key != "type" && !ARGUMENTS.contains(&key.as_str()))
        {
            return Err(wrong(format!(
                "unknown argument \"{key}\"; legal arguments are {}",
                ARGUMENTS.join(", ")
            )));
        }
        let get = |name: &str, default: Value| match object.get(name) {
            None | Some(Value::Null) => default,
            Some(value) => value.clone(),
        };
        let refuse = |name: &str, value: &Value, wanted: &str| {
            wrong(format!("{name} = {value} is not legal: expected {wanted}"))
        };
        let metric = get("metric", json!("val_loss"));
        let name = metric
            .as_str()
            .ok_or_else(|| refuse("metric", &metric, "the name of a metric"))?;
        let patience = get("patience", json!(3));
        let epochs = patience.as_u64().and_then(|epochs| u32::try_from(epochs).ok());
        let min_delta = get("minDelta", json!(0.0));
        let delta = min_delta.as_f64().filter(|delta| *delta >= 0.0);
        let restore = get("restoreBest", json!(true));
        let mode = get("mode", json!("auto"));
        Ok(EarlyStopping {
            metric: name.to_owned(),
            patience: epochs
                .ok_or_else(|| refuse("patience", &patience, "a whole number of epochs, at least 0"))?,
            min_delta: delta.ok_or_else(|| refuse("minDelta", &min_delta, "a number of at least 0"))?,
            mode: match mode.as_str() {
                Some("min") => Better::Min,
                Some("max") => Better::Max,
                Some("auto") if LOWER.contains(&name.strip_prefix("val_").unwrap_or(name)) => Better::Min,
                Some("auto") => Better::Max,
                _ => return Err(refuse("mode", &mode, "\"auto\", \"min\" or \"max\"")),
            },
            restore_best: restore
                .as_bool()
                .ok_or_else(|| refuse("restoreBest", &restore, "true or false"))?,
        })
    }

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
#[derive(Debug, Clone, Copy, Default, PartialEq)]
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

    fn rule(document: &Value) -> EarlyStopping {
        EarlyStopping::from_document(document).unwrap()
    }

    #[test]
    fn patience_counts_epochs_without_a_better_value() {
        let rule = rule(&json!({"type": "EarlyStopping", "patience": 2, "minDelta": 0.1}));
        assert_eq!((rule.metric.as_str(), rule.mode), ("val_loss", Better::Min));
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
            assert_eq!(rule(&json!({"metric": metric})).mode, mode);
        }
        assert_eq!(
            rule(&json!({"metric": "val_r2", "mode": "min"})).mode,
            Better::Min
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let told = |document: Value| EarlyStopping::from_document(&document).unwrap_err().message;
        assert!(told(json!({"min_delta": 1})).contains("legal arguments are metric, patience, minDelta"));
        assert!(told(json!({"patience": -1})).contains("patience = -1 is not legal"));
        assert!(told(json!({"mode": "up"})).contains("\"auto\", \"min\" or \"max\""));
        assert!(told(json!({"type": "AdamW"})).contains("expected EarlyStopping"));
        assert!(told(json!([])).contains("expected EarlyStopping"));
        assert!(told(json!({"restoreBest": 1})).contains("true or false"));
    }
}
