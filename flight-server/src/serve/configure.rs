//! The action "configure": what a user sets becomes a job.

use candlewick_model::device;
use candlewick_model::job::complete;
use candlewick_protocol::Failure;
use candlewick_protocol::job::{DeviceKind, JobInput, JobSpec, TaskName};
use candlewick_protocol::params;
use candlewick_protocol::suggest;
use serde_json::{Map, Value, json};

/// What Spark's estimator and schema say elsewhere.
const DATA: [&str; 3] = ["task", "featureWidth", "labelWidth"];

/// Name of the job in `serve` mode; it enters no arithmetic.
pub(super) const JOB: &str = "serve";

/// A job and what is told about it.
#[derive(Debug, Clone)]
pub(super) struct Configured {
    pub(super) job: JobSpec,
    pub(super) answer: Value,
}

/// Checks the request and fills in the defaults.
pub(super) fn configure(body: &[u8]) -> Result<Configured, Failure> {
    let request: Map<String, Value> = serde_json::from_slice(body).map_err(|error| {
        Failure::parameter(format!(
            "\"configure\" expects a JSON object as its body: {error}"
        ))
    })?;
    let on_processors = device::kind() == "cpu";
    let complete = complete(&JobInput {
        job: JOB.to_owned(),
        params: parameters(&request)?,
        defaults: Map::new(),
        task: task(&request)?,
        feature_shape: None,
        feature_width: whole(&request, "featureWidth")?,
        feature_types: Vec::new(),
        nonzeros: None,
        label_width: whole(&request, "labelWidth")?,
        labels: Vec::new(),
        num_trainers: Some(1),
        // Logical shards are as on processors wherever it computes.
        device: on_processors.then_some(DeviceKind::Cpu),
    })?;
    let told = complete.to_json();
    let mut job = complete.job;
    // Nobody else beats or waits here: the timeouts mean nothing.
    (job.failure_timeout_ms, job.progress_timeout_ms) = (0, 0);
    job.train.allow_tf32 = !on_processors && request.get("allowTF32").is_some_and(|allowed| *allowed == true);
    let answer = json!({
        "data": job.data,
        "train": job.train,
        "outputWidth": told["outputWidth"],
        "parameters": told["parameters"],
        "summary": told["summary"],
    });
    Ok(Configured { job, answer })
}

/// The estimator parameters among the keys.
fn parameters(request: &Map<String, Value>) -> Result<Map<String, Value>, Failure> {
    let taken = || {
        params::all()
            .filter(|param| param.standalone)
            .map(|param| param.name)
    };
    let mut set = Map::new();
    for (name, value) in request {
        if taken().any(|taken| taken == name) {
            set.insert(name.clone(), value.clone());
        } else if !DATA.contains(&name.as_str()) {
            let legal: Vec<&str> = DATA.into_iter().chain(taken()).collect();
            return Err(Failure::parameter(format!(
                "\"configure\" has no key \"{name}\"{}; it has {legal:?}",
                suggest::hint(name, legal.iter().copied())
            )));
        }
    }
    Ok(set)
}

fn task(request: &Map<String, Value>) -> Result<TaskName, Failure> {
    match request.get("task").and_then(Value::as_str) {
        Some("classifier") => Ok(TaskName::Classifier),
        Some("regressor") => Ok(TaskName::Regressor),
        _ => Err(Failure::parameter(
            "\"configure\" expects task: \"classifier\" or \"regressor\"",
        )),
    }
}

fn whole(request: &Map<String, Value>, name: &str) -> Result<Option<i64>, Failure> {
    match request.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| {
            Failure::parameter(format!(
                "{name} = {value} is not legal: expected a whole number of at least 1"
            ))
        }),
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
    fn the_page_has_every_key() {
        let page = include_str!("../../../docs/flight.md");
        let keys = page
            .split("### `")
            .find(|part| part.starts_with("configure`"))
            .unwrap();
        for param in params::all().filter(|param| param.standalone) {
            assert!(keys.contains(&format!("`{}`", param.name)), "{}", param.name);
        }
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
        assert!(
            told(&|r| r["batchsize"] = json!(4)).contains("no key \"batchsize\"; did you mean 'batchSize'?")
        );
        assert!(told(&|r| r["numTrainers"] = json!(2)).contains("no key \"numTrainers\""));
        assert!(told(&|r| r["batchSize"] = json!(0)).contains("parameter batchSize = 0 is not legal"));
        assert!(told(&|r| r["task"] = json!("cluster")).contains("\"classifier\" or \"regressor\""));
        assert!(told(&|r| r["network"] = Value::Null).contains("parameter network is not set"));
        assert!(told(&|r| r["featureWidth"] = json!(-1)).contains("featureWidth = -1 is not legal"));
        assert!(told(&|r| r["featureWidth"] = Value::Null).contains("no featureWidth"));
        assert!(configure(b"[]").unwrap_err().message.contains("JSON object"));
    }
}
