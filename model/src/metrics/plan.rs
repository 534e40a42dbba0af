//! What a user asks to be measured, checked on the driver.

use super::{MetricSet, stopping};
use crate::head::Head;
use candlewick_protocol::Failure;
use candlewick_protocol::job::Evaluation;
use candlewick_protocol::params::Complete;
use candlewick_protocol::validation::Validation;
use serde_json::Value;

/// The parameters `metrics`, `thresholds`, `validationSteps` and `earlyStopping` of a complete set of parameters
/// (`params::check`), and which rows `validationFraction` and `validationIndicatorCol` put aside; `loss` is complete.
///
/// # Errors
/// `InvalidParameter`: a metric that is unknown or does not fit the task; what needs validation rows where there are
/// none; both ways to choose validation rows at once.
pub fn evaluation(
    params: &Complete,
    head: Head,
    seed: u64,
    loss: &Value,
) -> Result<(Evaluation, Option<Validation>), Failure> {
    let validation = validation(params, seed)?;
    let metrics: Vec<String> = texts(params.value("metrics"));
    let thresholds: Option<Vec<f64>> = params
        .value("thresholds")
        .as_array()
        .map(|list| list.iter().filter_map(Value::as_f64).collect());
    let set = MetricSet::new(&metrics, head, thresholds.as_deref())?.with_parts(loss)?;
    let steps = params.value("validationSteps").as_u64().unwrap_or(0);
    let early_stopping = match params.value("earlyStopping") {
        Value::Null => None,
        document => Some(stopping::read(document)?),
    };
    if validation.is_none() {
        check_without_rows(&metrics, &set, steps)?;
    }
    if let Some(rule) = &early_stopping {
        check_metric("earlyStopping", &rule.metric, &set, validation.is_some())?;
    }
    let evaluation = Evaluation {
        metrics,
        thresholds,
        validation_steps: u32::try_from(steps).unwrap_or(u32::MAX),
        early_stopping,
    };
    Ok((evaluation, validation))
}

fn texts(value: &Value) -> Vec<String> {
    let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn validation(params: &Complete, seed: u64) -> Result<Option<Validation>, Failure> {
    let fraction = params.value("validationFraction").as_f64().unwrap_or(0.0);
    let column = params
        .value("validationIndicatorCol")
        .as_str()
        .filter(|name| !name.is_empty());
    match (fraction > 0.0, column) {
        (true, Some(column)) => Err(Failure::parameter(format!(
            "validationFraction = {fraction} and validationIndicatorCol = \"{column}\" are both set: set one of them"
        ))),
        (true, None) => Ok(Some(Validation::fraction(fraction, seed))),
        (false, Some(_)) => Ok(Some(Validation::Column)),
        (false, None) => Ok(None),
    }
}

const REMEDY: &str = "set validationFraction (for example 0.1) or validationIndicatorCol";

fn check_without_rows(names: &[String], set: &MetricSet, steps: u64) -> Result<(), Failure> {
    if steps > 0 {
        return Err(Failure::parameter(format!(
            "validationSteps = {steps} needs validation rows: {REMEDY}"
        )));
    }
    let training = set.of_training();
    let known: Vec<&str> = training.names().collect();
    match set.names().find(|name| !known.contains(name)) {
        Some(name) if names.iter().any(|given| given == name) => Err(Failure::parameter(format!(
            "parameter metrics: \"{name}\" is reported for validation rows only, and there are none: {REMEDY}"
        ))),
        _ => Ok(()),
    }
}

/// Checks that the metric `name`, which `parameter` looks at, will be in the history as a number; `aside`: there are
/// validation rows.
///
/// # Errors
/// `InvalidParameter` with the names that are legal.
pub(crate) fn check_metric(parameter: &str, name: &str, set: &MetricSet, aside: bool) -> Result<(), Failure> {
    let training = set.of_training();
    let mut legal: Vec<String> = std::iter::once("loss")
        .chain(training.numbers())
        .map(str::to_owned)
        .collect();
    let over_rows = std::iter::once("loss").chain(set.numbers());
    let over_rows: Vec<String> = over_rows.map(|name| format!("val_{name}")).collect();
    let known = over_rows.iter().any(|over| over == name);
    if aside {
        legal.extend(over_rows);
    }
    if legal.iter().any(|legal| legal == name) {
        return Ok(());
    }
    Err(Failure::parameter(if known {
        format!("parameter {parameter}: \"{name}\" needs validation rows, and there are none: {REMEDY}")
    } else {
        format!(
            "parameter {parameter}: there will be no \"{name}\" in the history; name it in metrics, or use one of {}",
            legal.join(", ")
        )
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewick_protocol::params;
    use serde_json::json;

    fn ask(set: &Value) -> Result<(Evaluation, Option<Validation>), Failure> {
        let full = params::check(set.as_object().unwrap())?;
        evaluation(&full, Head::ClassLogits { n: 3 }, 7, &Value::Null)
    }

    #[test]
    fn nothing_is_measured_unless_asked_for() {
        assert_eq!(ask(&json!({})), Ok((Evaluation::default(), None)));
    }

    #[test]
    fn what_fits_together_is_taken() {
        let (evaluation, validation) = ask(&json!({
            "metrics": ["accuracy", "roc_auc"], "validationFraction": 0.25, "validationSteps": 5,
            "earlyStopping": {"metric": "val_roc_auc", "patience": 1}
        }))
        .unwrap();
        assert_eq!(evaluation.validation_steps, 5);
        assert_eq!(evaluation.early_stopping.unwrap().metric, "val_roc_auc");
        assert_eq!(
            validation,
            Some(Validation::Fraction {
                seed: 7,
                below: 1 << 62
            })
        );
        let (_, column) = ask(&json!({"validationIndicatorCol": "v"})).unwrap();
        assert_eq!(column, Some(Validation::Column));
        ask(&json!({"metrics": ["accuracy"], "earlyStopping": {"metric": "accuracy"}})).unwrap();
    }

    #[test]
    fn what_needs_validation_rows_says_so() {
        let told = |set: Value| ask(&set).unwrap_err().message;
        assert!(told(json!({"earlyStopping": {}})).contains("\"val_loss\" needs validation rows"));
        assert!(
            told(json!({"metrics": ["roc_auc"]}))
                .contains("\"roc_auc\" is reported for validation rows only")
        );
        assert!(told(json!({"validationSteps": 2})).contains("needs validation rows"));
        assert!(
            told(json!({"validationFraction": 0.5, "validationIndicatorCol": "v"})).contains("are both set")
        );
        let unknown = told(json!({"validationFraction": 0.5, "earlyStopping": {"metric": "val_accuracy"}}));
        assert!(
            unknown.contains("name it in metrics") && unknown.contains("loss, val_loss"),
            "{unknown}"
        );
        assert!(told(json!({"validationFraction": 1.0})).contains("at least 0 and below 1"));
    }
}
