//! What a user set, checked and completed to a job.

use candlewick_model::network::Network;
use candlewick_model::resolve::{ResolveRequest, Resolved, Task, resolve};
use candlewick_model::training::specification;
use candlewick_protocol::Failure;
use candlewick_protocol::job::{JobSpec, LabelKind};
use candlewick_protocol::params::{self, parse_duration_ms};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What the driver asks.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobRequest {
    /// Id of the job: 32 hexadecimal digits.
    pub job: String,
    /// What the user set; the rest gets its defaults.
    pub params: Map<String, Value>,
    /// Which estimator.
    pub task: TaskName,
    /// f32 values of a row's features; absent where the columns do not tell (binary), then inputShape does.
    pub feature_width: Option<usize>,
    /// Values of a regressor's label, 1 if absent.
    pub label_width: Option<usize>,
    /// Trainers that will really run; `params.numTrainers` if absent.
    pub num_trainers: Option<i64>,
}

/// Which estimator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TaskName {
    /// NeuralClassifier.
    Classifier,
    /// NeuralRegressor.
    Regressor,
}

/// The answer.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobAnswer {
    /// The job, complete.
    pub job: JobSpec,
    /// Outputs of the network in a row.
    pub output_width: usize,
    /// Number of trained numbers.
    pub parameters: usize,
    /// A table of the layers.
    pub summary: String,
}

/// Checks a request and completes it.
///
/// # Errors
/// `InvalidParameter`: which parameter, what was wrong, what to change.
pub fn complete(request: &JobRequest) -> Result<JobAnswer, Failure> {
    let params = Params(params::check(&request.params)?);
    if params.0["network"].is_null() {
        return Err(Failure::parameter(
            "parameter network is not set: give the layers, for example nn.Sequential(nn.Linear(256), nn.ReLU(), nn.Linear(10))",
        ));
    }
    let input_shape = params.sizes("inputShape");
    let feature_width = feature_width(request.feature_width, input_shape.as_deref())?;
    let task = match request.task {
        TaskName::Classifier => Task::Classifier,
        TaskName::Regressor => Task::Regressor {
            label_width: request.label_width.unwrap_or(1),
        },
    };
    let resolved = resolve(&ResolveRequest {
        network: &params.0["network"],
        loss: Some(&params.0["loss"]),
        optimizer: &params.0["optimizer"],
        task,
        feature_width,
        input_shape: input_shape.as_deref(),
    })?;
    check_gang(request, &params)?;
    check_thresholds(&params, &resolved.label)?;
    let network = Network::from_document(&resolved.network, &resolved.input_shape)?;
    Ok(JobAnswer {
        output_width: resolved.output_width,
        parameters: resolved.parameters,
        summary: network.summary_for(params.whole("batchSize")? as usize, &resolved.optimizer)?,
        job: job_spec(request, &params, resolved, feature_width)?,
    })
}

fn feature_width(known: Option<usize>, input_shape: Option<&[usize]>) -> Result<usize, Failure> {
    let shape =
        input_shape.and_then(|shape| shape.iter().try_fold(1usize, |all, size| all.checked_mul(*size)));
    match (known, shape) {
        (Some(width), _) | (None, Some(width)) => Ok(width),
        (None, None) => Err(Failure::parameter(
            "the feature columns do not tell how many values a row has (binary, or no row to look at): set inputShape, for \
             example [28, 28]",
        )),
    }
}

fn check_gang(request: &JobRequest, params: &Params) -> Result<(), Failure> {
    // A negative number is refused with the parameter itself.
    let trainers = match request.num_trainers {
        Some(trainers) => u32::try_from(trainers).unwrap_or(u32::MAX),
        None => params.whole("numTrainers")?,
    };
    let shards: u32 = params.whole("logicalShards")?;
    if trainers > shards {
        return Err(Failure::parameter(format!(
            "{trainers} trainers need at least as many logical shards, but logicalShards is {shards}: set logicalShards to \
             {} or numTrainers to at most {shards}",
            trainers.next_power_of_two()
        )));
    }
    Ok(())
}

fn check_thresholds(params: &Params, label: &LabelKind) -> Result<(), Failure> {
    let Some(thresholds) = params.0["thresholds"].as_array() else {
        return Ok(());
    };
    let LabelKind::Class { num_classes, .. } = label else {
        return Err(Failure::parameter("parameter thresholds is for classifiers only"));
    };
    let has = thresholds.len();
    if has != *num_classes as usize {
        return Err(Failure::parameter(format!(
            "parameter thresholds has {has} values, but there are {num_classes} classes: give one per class"
        )));
    }
    if thresholds
        .iter()
        .filter(|value| value.as_f64() == Some(0.0))
        .count()
        > 1
    {
        return Err(Failure::parameter(
            "parameter thresholds holds more than one 0: at most one class may have it",
        ));
    }
    Ok(())
}

fn job_spec(
    request: &JobRequest,
    params: &Params,
    resolved: Resolved,
    feature_width: usize,
) -> Result<JobSpec, Failure> {
    let (data, train) = specification(&params.0, resolved, feature_width)?;
    Ok(JobSpec {
        job: request.job.clone(),
        data,
        train,
        failure_timeout_ms: params.duration("failureTimeout")?,
        progress_timeout_ms: params.duration("progressTimeout")?,
    })
}

/// Parameters whose types and ranges are checked: what remains to be refused cannot happen.
struct Params(Map<String, Value>);

impl Params {
    fn whole(&self, name: &str) -> Result<u32, Failure> {
        let value = self.0[name].as_u64().and_then(|value| u32::try_from(value).ok());
        value.ok_or_else(|| Failure::internal(format!("parameter {name} has no whole number")))
    }

    fn duration(&self, name: &str) -> Result<u64, Failure> {
        let value = self.0[name].as_str().and_then(parse_duration_ms);
        value.ok_or_else(|| Failure::internal(format!("parameter {name} has no duration")))
    }

    fn sizes(&self, name: &str) -> Option<Vec<usize>> {
        let list = self.0[name].as_array()?;
        list.iter()
            .map(|size| size.as_u64().and_then(|size| usize::try_from(size).ok()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewick_protocol::validation::Validation;
    use serde_json::json;

    fn ask(params: &Value, more: &Value) -> Result<JobAnswer, Failure> {
        let mut request = json!({"job": "00", "params": params, "task": "classifier", "featureWidth": 784});
        for (name, value) in more.as_object().unwrap() {
            request[name] = value.clone();
        }
        complete(&serde_json::from_value(request).unwrap())
    }

    fn network() -> Value {
        json!({"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 10}]})
    }

    #[test]
    fn defaults_are_filled_in() {
        let answer = ask(&json!({"network": network(), "seed": -1}), &json!({})).unwrap();
        let job = answer.job;
        assert_eq!(
            (job.train.epochs, job.train.batch_size, job.train.logical_shards),
            (10, 256, 8)
        );
        assert_eq!(job.train.seed, u64::MAX);
        assert_eq!(job.failure_timeout_ms, 15_000);
        assert_eq!(job.data.label, LabelKind::class(10));
        assert_eq!((answer.output_width, answer.parameters), (10, 7850));
        assert!(answer.summary.contains("Linear"));
    }

    #[test]
    fn what_is_measured_becomes_part_of_the_job() {
        let params = json!({"network": network(), "metrics": ["accuracy"], "validationFraction": 0.5, "seed": 3,
            "earlyStopping": {"type": "EarlyStopping", "metric": "val_accuracy"}});
        let job = ask(&params, &json!({})).unwrap().job;
        assert_eq!(job.data.validation, Some(Validation::fraction(0.5, 3)));
        assert_eq!(job.train.evaluation.metrics, ["accuracy"]);
        assert!(job.train.evaluation.early_stopping.is_some());
        let refused = ask(&json!({"network": network(), "metrics": ["rmse"]}), &json!({})).unwrap_err();
        assert!(
            refused.message.contains("\"rmse\" is for regressors"),
            "{refused}"
        );
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let message = |params: Value, more: Value| ask(&params, &more).unwrap_err().message;
        assert!(message(json!({}), json!({})).contains("parameter network is not set"));
        assert!(message(json!({"network": network(), "epoch": 3}), json!({})).contains("epoch"));
        let gang = message(json!({"network": network()}), json!({"numTrainers": 9}));
        assert!(
            gang.contains("9 trainers need at least as many logical shards") && gang.contains("16"),
            "{gang}"
        );
        let thresholds = message(json!({"network": network(), "thresholds": [0.5]}), json!({}));
        assert!(
            thresholds.contains("thresholds has 1 values, but there are 10 classes"),
            "{thresholds}"
        );
        let binary = message(json!({"network": network()}), json!({"featureWidth": null}));
        assert!(binary.contains("set inputShape"), "{binary}");
        let shape = message(json!({"network": network(), "inputShape": [28, 27]}), json!({}));
        assert!(shape.contains("784"), "{shape}");
    }

    #[test]
    fn binary_features_have_the_width_of_their_shape() {
        let params = json!({"network": {"format": "candlewick.network/1",
            "layers": [{"type": "Flatten"}, {"type": "Linear", "out_features": 2}]}, "inputShape": [4, 4]});
        let answer = ask(&params, &json!({"featureWidth": null})).unwrap();
        assert_eq!(
            (answer.job.data.feature_width, answer.job.data.input_shape),
            (16, vec![4, 4])
        );
    }
}
