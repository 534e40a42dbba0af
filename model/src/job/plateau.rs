//! ReduceLROnPlateau, whose metric has a name here.

use candlewick_protocol::Failure;
use candlewick_protocol::stopping::Better;
use serde_json::Value;

/// PyTorch's default is "min" whatever is watched, which it does not know; with a metric of which more is better every improvement
/// would count as none, and the learning rate would fall while all goes well.
///
/// # Errors
/// `InvalidParameter` where the mode is not that of the metric.
pub(super) fn check_mode(metric: &str, mode: &Value) -> Result<(), Failure> {
    let (wanted, which) = match Better::of(metric) {
        Better::Min => ("min", "smaller"),
        Better::Max => ("max", "larger"),
    };
    if mode == wanted {
        return Ok(());
    }
    Err(Failure::parameter(format!(
        "parameter lrScheduler: \"{metric}\" is better when it is {which}: give ReduceLROnPlateau mode=\"{wanted}\" for it (PyTorch's \
         default is \"min\")"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_mode_is_that_of_the_metric() {
        for (metric, mode) in [
            ("val_loss", "min"),
            ("loss_digit", "min"),
            ("val_accuracy", "max"),
        ] {
            assert_eq!(check_mode(metric, &json!(mode)), Ok(()));
        }
        let told = check_mode("val_f1", &json!("min")).unwrap_err().message;
        assert!(
            told.contains("\"val_f1\" is better when it is larger: give ReduceLROnPlateau mode=\"max\""),
            "{told}"
        );
        assert!(check_mode("val_rmse", &json!("max")).is_err());
    }
}
