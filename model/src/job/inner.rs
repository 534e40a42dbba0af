//! `outputCols`: what layers put out, which the model appends.

use crate::network::Network;
use candlewick_protocol::Failure;
use candlewick_protocol::job::{JobInput, TaskName};
use candlewick_protocol::params::Complete;

/// What a NeuralEstimator appends of an output besides: of one alone, and after the name of one of several.
const PARTS: [&str; 3] = ["prediction", "probability", "rawPrediction"];

/// Refuses names that the network does not have: the model would be refused by its first transform only.
///
/// # Errors
/// `InvalidParameter` with the names that there are.
pub(super) fn check(input: &JobInput, params: &Complete, network: &Network) -> Result<(), Failure> {
    let Some(columns) = params.value("outputCols").as_object() else {
        return Ok(());
    };
    let general = matches!(input.task, TaskName::Estimator);
    let outputs = network.outputs();
    let is_output = |name: &str| {
        let output = name.rsplit_once('.').filter(|(_, part)| PARTS.contains(part));
        let output = output.map_or(name, |(output, _)| output);
        PARTS.contains(&name) || outputs.iter().any(|one| one.name == output)
    };
    for name in columns.keys().filter(|name| !general || !is_output(name)) {
        network.inner_width(name).map_err(|mut wrong| {
            wrong.message = format!("outputCols: {}", wrong.message);
            wrong
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::job::complete;
    use serde_json::{Value, json};

    fn told(task: &str, columns: Value) -> Result<(), String> {
        let input = json!({"job": "00", "task": task, "featureWidth": 4, "labelWidth": 1, "labels": [{"name": "y", "width": 1}],
            "params": {"network": {"format": "candlewick.network/1", "layers": [
                {"type": "Linear", "out_features": 3}, {"type": "ReLU"}, {"type": "Linear", "out_features": 1}]},
                "loss": {"type": "MSELoss"}, "outputCols": columns}});
        let done = complete(&serde_json::from_value(input).unwrap());
        done.map(|_| ()).map_err(|failure| failure.message)
    }

    #[test]
    fn a_layer_that_is_not_there_is_refused_before_the_fit() {
        assert_eq!(told("regressor", json!({"1": "hidden"})), Ok(()));
        assert_eq!(
            told("estimator", json!({"1": "hidden", "prediction": "p"})),
            Ok(())
        );
        for task in ["regressor", "estimator"] {
            let wrong = told(task, json!({"1": "hidden", "7": "more"})).unwrap_err();
            assert!(
                wrong.starts_with("outputCols: the network has no layer or node \"7\"; it has"),
                "{wrong}"
            );
        }
        let wrong = told("regressor", json!({"prediction": "p"})).unwrap_err();
        assert!(wrong.contains("\"prediction\""), "{wrong}");
    }
}
