//! The action "configure": what a user sets becomes a job.

use candlewick_model::network::Network;
use candlewick_model::resolve::{ResolveRequest, Task, resolve};
use candlewick_model::training::specification;
use candlewick_protocol::Failure;
use candlewick_protocol::job::JobSpec;
use candlewick_protocol::params;
use serde_json::{Map, Value, json};

/// Estimator parameters that mean something without Spark; the rest names columns and cluster sizes.
const TRAINING: [&str; 18] = [
    "network",
    "loss",
    "optimizer",
    "lrScheduler",
    "gradientAccumulationSteps",
    "emaDecay",
    "onNonFinite",
    "epochs",
    "batchSize",
    "dropLast",
    "seed",
    "logicalShards",
    "clipNorm",
    "clipValue",
    "metrics",
    "validationFraction",
    "validationSteps",
    "earlyStopping",
];
/// What Spark's schema and estimator say elsewhere.
const SHAPE: [&str; 4] = ["task", "featureWidth", "labelWidth", "inputShape"];

/// Name of the job in `serve` mode; it enters no arithmetic.
pub(super) const JOB: &str = "serve";

/// A job and what is told about it.
#[derive(Debug, Clone)]
pub(super) struct Configured {
    pub(super) job: JobSpec,
    pub(super) answer: Value,
}

/// What the rows look like and mean, as the request says.
struct Asked {
    task: Task,
    feature_width: usize,
    input_shape: Option<Vec<usize>>,
}

/// Checks the request and fills in the defaults.
pub(super) fn configure(body: &[u8]) -> Result<Configured, Failure> {
    let request: Map<String, Value> = serde_json::from_slice(body).map_err(|error| {
        Failure::parameter(format!("\"configure\" wants a JSON object as its body: {error}"))
    })?;
    let full = params::check(&parameters(&request)?)?;
    let asked = asked(&request, &full)?;
    if full["network"].is_null() {
        return Err(Failure::parameter(
            "\"configure\" wants network, a document of format candlewick.network/1",
        ));
    }
    let resolved = resolve(&ResolveRequest {
        network: &full["network"],
        loss: Some(&full["loss"]).filter(|loss| !loss.is_null()),
        optimizer: &full["optimizer"],
        task: asked.task,
        feature_width: asked.feature_width,
        input_shape: asked.input_shape.as_deref(),
    })?;
    let batch_size = serde_json::from_value(full["batchSize"].clone()).unwrap_or(1);
    let network = Network::from_document(&resolved.network, &resolved.input_shape)?;
    let summary = network.summary_for(batch_size, &resolved.optimizer)?;
    let (output_width, parameters) = (resolved.output_width, resolved.parameters);
    let (data, train) = specification(&full, resolved, asked.feature_width)?;
    // Nobody else beats or waits here: the timeouts mean nothing.
    let job = JobSpec {
        job: JOB.to_owned(),
        data,
        train,
        failure_timeout_ms: 0,
        progress_timeout_ms: 0,
    };
    let answer = json!({
        "data": job.data,
        "train": job.train,
        "outputWidth": output_width,
        "parameters": parameters,
        "summary": summary,
    });
    Ok(Configured { job, answer })
}

/// The estimator parameters among the keys.
fn parameters(request: &Map<String, Value>) -> Result<Map<String, Value>, Failure> {
    let mut set = Map::new();
    for (name, value) in request {
        if TRAINING.contains(&name.as_str()) || name == "inputShape" {
            set.insert(name.clone(), value.clone());
        } else if !SHAPE.contains(&name.as_str()) {
            let legal: Vec<&str> = SHAPE.iter().chain(&TRAINING).copied().collect();
            return Err(Failure::parameter(format!(
                "\"configure\" has no key \"{name}\"; it has {legal:?}"
            )));
        }
    }
    Ok(set)
}

fn asked(request: &Map<String, Value>, full: &Map<String, Value>) -> Result<Asked, Failure> {
    let input_shape: Option<Vec<usize>> = serde_json::from_value(full["inputShape"].clone()).unwrap_or(None);
    let given = whole(request, "featureWidth")?;
    let product = input_shape.as_ref().map(|shape| shape.iter().product());
    let feature_width = given.or(product).ok_or_else(|| {
        Failure::parameter(
            "\"configure\" wants featureWidth, the number of values in a row's features, or inputShape",
        )
    })?;
    let task = match request.get("task").and_then(Value::as_str) {
        Some("classifier") => Task::Classifier,
        Some("regressor") => Task::Regressor {
            label_width: whole(request, "labelWidth")?.unwrap_or(1),
        },
        _ => {
            return Err(Failure::parameter(
                "\"configure\" wants task: \"classifier\" or \"regressor\"",
            ));
        }
    };
    Ok(Asked {
        task,
        feature_width,
        input_shape,
    })
}

fn whole(request: &Map<String, Value>, name: &str) -> Result<Option<usize>, Failure> {
    match request.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let number = value
                .as_u64()
                .and_then(|number| usize::try_from(number).ok())
                .filter(|n| *n > 0);
            let wrong = || {
                Failure::parameter(format!(
                    "{name} = {value} is not legal: expected a whole number of at least 1"
                ))
            };
            number.map(Some).ok_or_else(wrong)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Value {
        json!({
            "task": "classifier",
            "featureWidth": 4,
            "network": {"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 3}]},
        })
    }

    #[test]
    fn defaults_are_the_estimators() {
        let configured = configure(request().to_string().as_bytes()).unwrap();
        let train = &configured.job.train;
        assert_eq!(
            (train.epochs, train.batch_size, train.seed, train.logical_shards),
            (10, 256, 0, 8)
        );
        assert_eq!(train.optimizer["type"], "AdamW");
        assert_eq!(train.network["layers"][0]["in_features"], 4);
        assert_eq!(configured.answer["outputWidth"], 3);
        assert_eq!(configured.answer["parameters"], 15);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let told = |change: &dyn Fn(&mut Value)| {
            let mut request = request();
            change(&mut request);
            configure(request.to_string().as_bytes()).unwrap_err().message
        };
        assert!(told(&|r| r["batchsize"] = json!(4)).contains("no key \"batchsize\""));
        assert!(told(&|r| r["batchSize"] = json!(0)).contains("parameter batchSize = 0 is not legal"));
        assert!(told(&|r| r["task"] = json!("cluster")).contains("\"classifier\" or \"regressor\""));
        assert!(told(&|r| r["network"] = Value::Null).contains("wants network"));
        assert!(told(&|r| r["featureWidth"] = json!(-1)).contains("featureWidth = -1 is not legal"));
        assert!(told(&|r| r["featureWidth"] = Value::Null).contains("wants featureWidth"));
        assert!(configure(b"[]").unwrap_err().message.contains("JSON object"));
    }
}
