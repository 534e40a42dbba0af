//! The rule of early stopping, read from its document.

use crate::arguments::Arguments;
use crate::catalogue::Kind;
use candlewick_protocol::Failure;
use candlewick_protocol::stopping::{Better, EarlyStopping};
use serde_json::{Value, json};

/// Reads a document such as `{"type": "EarlyStopping", "metric": "val_accuracy"}`. The type may be left out, since the
/// parameter takes no other; what is null counts as left out.
///
/// # Errors
/// `InvalidParameter` naming the argument, its value and what it may be.
pub(super) fn read(document: &Value) -> Result<EarlyStopping, Failure> {
    let mut document = document.clone();
    if let Some(object) = document.as_object_mut() {
        object.retain(|_, value| !value.is_null());
        object.entry("type").or_insert_with(|| json!("EarlyStopping"));
    }
    let arguments = Arguments::read(Kind::Stopping, &document, "parameter earlyStopping")?;
    let metric = arguments.text("metric").to_owned();
    Ok(EarlyStopping {
        patience: u32::try_from(arguments.int("patience")).unwrap_or(u32::MAX),
        min_delta: arguments.real("minDelta"),
        mode: match arguments.text("mode") {
            "min" => Better::Min,
            "max" => Better::Max,
            _ => Better::of(&metric),
        },
        restore_best: arguments.flag("restoreBest"),
        metric,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_has_the_catalogues_defaults() {
        let rule = read(&json!({"metric": "val_accuracy", "mode": null})).unwrap();
        assert_eq!(
            (rule.patience, rule.mode, rule.restore_best),
            (3, Better::Max, true)
        );
        let rule = read(&json!({"type": "EarlyStopping", "patience": 2, "minDelta": 0.1})).unwrap();
        assert_eq!(
            (rule.metric.as_str(), rule.mode, rule.min_delta),
            ("val_loss", Better::Min, 0.1)
        );
        assert_eq!(
            read(&json!({"metric": "val_r2", "mode": "min"})).unwrap().mode,
            Better::Min
        );
        assert_eq!(
            read(&json!({"metric": "val_loss_digit"})).unwrap().mode,
            Better::Min
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        let told = |document: Value| read(&document).unwrap_err().message;
        let unknown = told(json!({"min_delta": 1}));
        assert!(unknown.contains("did you mean 'minDelta'?"), "{unknown}");
        assert!(
            unknown.contains("legal arguments are metric, patience, minDelta"),
            "{unknown}"
        );
        assert!(told(json!({"patience": -1})).contains("patience = -1 is not legal"));
        assert!(told(json!({"mode": "up"})).contains("\"auto\" or \"min\" or \"max\""));
        assert!(told(json!({"type": "AdamW"})).contains("legal types are EarlyStopping"));
        assert!(told(json!([])).contains("expected an object such as"));
        assert!(told(json!({"restoreBest": 1})).contains("true or false"));
    }
}
