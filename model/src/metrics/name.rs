//! Names of the metrics, and what they mean for which task.

use crate::head::Head;
use candlewick_protocol::Failure;

/// How the values of the classes become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Average {
    /// Class 1 of two; weighted where there are more.
    Plain,
    /// The mean of the classes that occur among labels or predictions.
    Macro,
    /// Over all rows at once.
    Micro,
    /// The mean weighted by the rows of each class.
    Weighted,
}

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metric {
    Accuracy,
    TopK(usize),
    Precision(Average),
    Recall(Average),
    F1(Average),
    RocAuc,
    PrAuc,
    LogLoss,
    ConfusionMatrix,
    Mae,
    Mse,
    Rmse,
    R2,
    Mape,
}

const CLASSIFIER: &str = "loss, accuracy, top_<k>_accuracy (such as top_3_accuracy), precision, recall, f1 (each also \
                          with _macro, _micro, _weighted), roc_auc, pr_auc, log_loss, confusion_matrix";
const REGRESSOR: &str = "loss, mae, mse, rmse, r2, mape";

/// The metric called `name`; `None` for the loss, which is always reported.
pub(super) fn read(name: &str, head: Head) -> Result<Option<Metric>, Failure> {
    if name == "loss" {
        return Ok(None);
    }
    let real = matches!(head, Head::Values { .. });
    let (found, other) = if real {
        (regression(name), classification(name))
    } else {
        (classification(name), regression(name))
    };
    let (task, legal) = if real {
        ("a regressor", REGRESSOR)
    } else {
        ("a classifier", CLASSIFIER)
    };
    let Some(metric) = found else {
        let what = match (other, real) {
            (Some(_), true) => "is for classifiers".to_owned(),
            (Some(_), false) => "is for regressors".to_owned(),
            (None, _) => "is unknown".to_owned(),
        };
        return Err(Failure::parameter(format!(
            "parameter metrics: \"{name}\" {what}; the metrics of {task} are {legal}"
        )));
    };
    let classes = head.width();
    if let Metric::TopK(k) = metric
        && !(1..classes).contains(&k)
    {
        return Err(Failure::parameter(format!(
            "parameter metrics: \"{name}\" tells nothing about {classes} classes: give k from 1 to {}",
            classes - 1
        )));
    }
    if metric == Metric::ConfusionMatrix && classes > MOST_OF_MATRIX {
        return Err(Failure::parameter(format!(
            "parameter metrics: \"{name}\" of {classes} classes would have {} numbers in the record of every epoch, expected at most \
             {MOST_OF_MATRIX} classes: leave it out, and count labels and predictions of what transform returns",
            classes.saturating_mul(classes)
        )));
    }
    Ok(Some(metric))
}

/// Classes of a confusion matrix, at most: 8 MB in every sum, and 2 MB of JSON in every record.
const MOST_OF_MATRIX: usize = 1_000;

fn regression(name: &str) -> Option<Metric> {
    Some(match name {
        "mae" => Metric::Mae,
        "mse" => Metric::Mse,
        "rmse" => Metric::Rmse,
        "r2" => Metric::R2,
        "mape" => Metric::Mape,
        _ => return None,
    })
}

fn classification(name: &str) -> Option<Metric> {
    match name {
        "accuracy" => return Some(Metric::Accuracy),
        "roc_auc" => return Some(Metric::RocAuc),
        "pr_auc" => return Some(Metric::PrAuc),
        "log_loss" => return Some(Metric::LogLoss),
        "confusion_matrix" => return Some(Metric::ConfusionMatrix),
        _ => {}
    }
    let inner = name
        .strip_prefix("top_")
        .and_then(|rest| rest.strip_suffix("_accuracy"));
    if let Some(k) = inner {
        return k.parse().ok().map(Metric::TopK);
    }
    let (base, average) = match name.split_once('_') {
        None => (name, Average::Plain),
        Some((base, "macro")) => (base, Average::Macro),
        Some((base, "micro")) => (base, Average::Micro),
        Some((base, "weighted")) => (base, Average::Weighted),
        Some(_) => return None,
    };
    Some(match base {
        "precision" => Metric::Precision(average),
        "recall" => Metric::Recall(average),
        "f1" => Metric::F1(average),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_of_very_many_classes_is_refused() {
        assert!(read("confusion_matrix", Head::ClassLogits { n: 1_000 }).is_ok());
        let told = read("confusion_matrix", Head::ClassLogits { n: 1_001 })
            .unwrap_err()
            .message;
        assert!(
            told.contains("1002001 numbers in the record of every epoch, expected at most 1000 classes"),
            "{told}"
        );
    }
}
