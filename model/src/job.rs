//! What a user set becomes a complete job, in one place: the driver, through the native library, and
//! `candlewick-trainer serve` ask here.

mod class_weight;
mod exchange;
mod features;
#[cfg(test)]
mod gang_tests;
mod inner;
mod local;
mod low_rank;
mod named;
mod plateau;
mod precision;
mod stale;
mod states;

use crate::gang::GangSize;
use crate::head::Head;
use crate::losses::OTHER_LABELS;
use crate::memory;
use crate::metrics::{MetricSet, check_metric, evaluation};
use crate::network::Network;
use crate::optim::Schedule;
use crate::resolve::{ResolveRequest, Resolved, Task, resolve};
use crate::summary::summary_for;
use candlewick_protocol::Failure;
use candlewick_protocol::asynchrony::Asynchrony;
use candlewick_protocol::job::{
    DataSpec, DeviceKind, Evaluation, JobInput, JobSpec, LabelKind, LaunchSpec, OnNonFinite, Precision,
    TaskName, TrainSpec,
};
use candlewick_protocol::params::{self, Complete};
use candlewick_protocol::shuffle::DataShuffle;
use class_weight::class_weight;
use exchange::{completed, compression};
use features::{encoding, feature_width};
use local::local_steps;
use serde_json::{Value, json};
use states::{checkpoint_spec, identity, saves_optimizer, snapshot_spec};
use std::collections::BTreeMap;

/// A job whose parameters are checked and completed.
#[derive(Debug, Clone)]
pub struct CompleteJob {
    /// The network, sizes inferred.
    pub network: Network,
    /// What every trainer receives.
    pub job: JobSpec,
    /// How the driver runs it.
    pub launch: LaunchSpec,
    /// A table of the layers, with the memory of a step.
    pub summary: String,
}

impl CompleteJob {
    /// `{"job": JobSpec, "launch": LaunchSpec, "outputWidth": n, "parameters": n, "limits": [FeatureLimit...], "summary": text}`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "job": self.job,
            "launch": self.launch,
            "outputWidth": self.network.output_width(),
            "parameters": self.network.num_parameters(),
            "limits": self.network.feature_limits(),
            "summary": self.summary,
        })
    }
}

/// Checks what was asked and completes it: defaults, inferred sizes, the schedule, the rows to validate on.
///
/// ```
/// use candlewick_model::job::complete;
/// use serde_json::json;
/// let input = json!({"job": "00", "task": "classifier", "featureWidth": 4, "params": {
///     "network": {"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 3}]},
///     "lrScheduler": {"type": "ReduceLROnPlateau"}, "validationFraction": 0.1, "feedMemory": "1m"}});
/// let complete = complete(&serde_json::from_value(input)?)?;
/// assert_eq!((complete.network.output_width(), complete.job.train.batch_size), (3, 256));
/// assert_eq!(complete.job.train.lr_scheduler.unwrap()["metric"], "val_loss");
/// assert_eq!((complete.launch.feed_memory_bytes, complete.launch.trainer_memory_bytes), (1 << 20, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// `InvalidParameter`: which parameter, what was wrong, what to change.
pub fn complete(input: &JobInput) -> Result<CompleteJob, Failure> {
    let set = input.params.iter().filter(|(_, value)| !value.is_null());
    let mut all = input.defaults.clone();
    all.extend(set.map(|(name, value)| (name.clone(), value.clone())));
    named::expand(&mut all)?;
    let params = params::check(&all)?;
    check_invalid(&params)?;
    let precision = precision::precision(&params, input.device)?;
    let gang = gang_size(input, &params)?;
    let mut launch = launch_spec(gang, &params)?;
    launch.device_refusals = precision::refusals(precision);
    if params.is_null("network") {
        return Err(Failure::parameter(
            "parameter network is not set: give the layers, for example nn.Sequential(nn.Linear(256), nn.ReLU(), nn.Linear(10))",
        ));
    }
    let input_shape = params.sizes("inputShape").or_else(|| input.feature_shape.clone());
    let feature_width = feature_width(input, input_shape.as_deref())?;
    let resolved = resolve(&ResolveRequest {
        network: params.value("network"),
        loss: Some(params.value("loss")),
        optimizer: &optimizer(&params),
        task: match input.task {
            TaskName::Classifier => Task::Classifier,
            TaskName::Regressor => Task::Regressor {
                label_width: given("labelWidth", input.label_width)?.unwrap_or(1),
            },
            TaskName::Estimator => Task::Estimator {
                labels: &input.labels,
            },
        },
        feature_width,
        input_shape: input_shape.as_deref(),
    })?;
    check_thresholds(&params, &resolved.label)?;
    let class_weight = class_weight(&params, &resolved)?;
    let batch_size = params.whole("batchSize")?;
    let summary = summary_for(&resolved.network, batch_size as usize, &resolved.optimizer)?;
    let network = resolved.network.clone();
    let (data, mut train) = specification(input, &params, resolved, feature_width)?;
    train.logical_shards = gang.logical_shards;
    train.class_weight = class_weight;
    train.precision = precision;
    launch.checkpoint = checkpoint_spec(input, &params)?;
    launch.save_optimizer = saves_optimizer(&params, &train)?;
    let kept = launch.checkpoint.is_some() || launch.save_optimizer;
    launch.identity =
        (kept || params.flag("resumeOptimizer")).then(|| identity(&network, (&data, &train), device(input)));
    let job = JobSpec {
        job: input.job.clone(),
        data,
        train,
        failure_timeout_ms: params.duration_ms("failureTimeout")?,
        progress_timeout_ms: params.duration_ms("progressTimeout")?,
        max_recoveries: params.whole("maxRecoveries")?,
        min_trainers: gang.least.max(1),
        executor_timeout_ms: params.duration_ms("executorTimeout")?,
        data_replicas: params.whole("dataReplicas")?,
        snapshots: snapshot_spec(&params, &launch)?,
    };
    completed(network, job, launch, summary)
}

/// How many trainers there are.
fn gang_size(input: &JobInput, params: &Complete) -> Result<GangSize, Failure> {
    let chosen = is_set(input, "logicalShards");
    GangSize::of(input.num_trainers, device(input), chosen, params)
}

/// Where trainers compute, as far as it is known.
fn device(input: &JobInput) -> DeviceKind {
    input.device.unwrap_or_default()
}

/// The optimiser with the learning rate that the parameters give it.
fn optimizer(params: &Complete) -> Value {
    let mut document = params.value("optimizer").clone();
    let rate = params.value("learningRate");
    if let (Some(fields), false) = (document.as_object_mut(), rate.is_null()) {
        fields.insert("lr".to_owned(), rate.clone());
    }
    document
}

fn launch_spec(gang: GangSize, params: &Complete) -> Result<LaunchSpec, Failure> {
    Ok(LaunchSpec {
        device: params.value("device").as_str().unwrap_or("auto").to_owned(),
        device_refusals: BTreeMap::new(),
        shards_follow_trainers: gang.shards_follow,
        num_trainers: gang.trainers,
        min_trainers: gang.least,
        max_trainers: gang.most,
        threads_per_trainer: params.whole("threadsPerTrainer")?,
        launch_timeout_ms: params.duration_ms("launchTimeout")?,
        max_recoveries: params.whole("maxRecoveries")?,
        feed_memory_bytes: params.bytes("feedMemory")?,
        trainer_memory_bytes: memory::limit(params)?,
        spool_dirs: memory::folders(params),
        transport_security: params
            .value("transportSecurity")
            .as_str()
            .unwrap_or("auto")
            .to_owned(),
        strict_weights: params.flag("strictWeights"),
        verbose: params.switch("verbose"),
        checkpoint: None,
        save_optimizer: false,
        identity: None,
    })
}

/// True where the user chose a value.
fn is_set(input: &JobInput, name: &str) -> bool {
    input.params.get(name).is_some_and(|value| !value.is_null())
}

/// A width that was given, at least 1.
fn given(name: &str, width: Option<i64>) -> Result<Option<usize>, Failure> {
    let Some(number) = width else {
        return Ok(None);
    };
    match usize::try_from(number) {
        Ok(width) if width > 0 => Ok(Some(width)),
        _ => Err(Failure::parameter(format!(
            "{name} = {number} is not legal: expected a whole number of at least 1"
        ))),
    }
}

/// A row without valid features cannot train, whatever becomes of it when it is scored.
fn check_invalid(params: &Complete) -> Result<(), Failure> {
    if params.value("handleInvalid") == "keep" {
        return Err(Failure::parameter(
            "parameter handleInvalid = \"keep\" is for transform, which gives null for an invalid row: nothing can be learnt \
             from one. Set \"error\" or \"skip\" to fit, and \"keep\" on the model: model.setHandleInvalid(\"keep\")",
        ));
    }
    Ok(())
}

fn check_thresholds(params: &Complete, label: &LabelKind) -> Result<(), Failure> {
    let Some(thresholds) = params.value("thresholds").as_array() else {
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
    Ok(())
}

/// The data and the training that the parameters and what was resolved of them ask for.
fn specification(
    input: &JobInput,
    params: &Complete,
    resolved: Resolved,
    feature_width: usize,
) -> Result<(DataSpec, TrainSpec), Failure> {
    let seed = params.seed()?;
    check_several(params, &resolved)?;
    inner::check(input, params, &resolved.network)?;
    let head = Head::of(&resolved.label, &resolved.network)?;
    let (evaluation, validation) = evaluation(params, head, seed, &resolved.loss)?;
    let set = MetricSet::new(&evaluation.metrics, head, evaluation.thresholds.as_deref())?
        .with_parts(&resolved.loss)?;
    check_metrics(&evaluation, &resolved)?;
    let lr_scheduler = scheduler(params, &resolved.optimizer, &set, validation.is_some())?;
    let data = DataSpec {
        feature_width: u32::try_from(feature_width).map_err(|_| {
            Failure::parameter(format!(
                "a row has {feature_width} feature values, more than {} are not supported",
                u32::MAX
            ))
        })?,
        input_shape: resolved.input_shape,
        label: resolved.label,
        validation,
        data_shuffle: if params.value("dataShuffle") == "none" {
            DataShuffle::None
        } else {
            DataShuffle::Hash
        },
        feature_encoding: encoding(input, params, (&resolved.network, feature_width))?,
        // Of them only a driver that has a DataFrame knows something.
        rows: None,
    };
    let train = TrainSpec {
        network: resolved.network.document().clone(),
        loss: resolved.loss,
        optimizer: resolved.optimizer,
        lr_scheduler,
        gradient_accumulation_steps: params.whole("gradientAccumulationSteps")?,
        ema_decay: params.value("emaDecay").as_f64(),
        on_non_finite: if params.value("onNonFinite") == "skip" {
            OnNonFinite::Skip
        } else {
            OnNonFinite::Error
        },
        gradient_compression: compression(params)?,
        asynchrony: Asynchrony::of(params.value("asynchrony"), params.whole("staleness")?),
        any_order: !params.flag("deterministicReduction"),
        local_steps: local_steps(params)?,
        epochs: params.whole("epochs")?,
        batch_size: params.whole("batchSize")?,
        drop_last: params.flag("dropLast"),
        seed,
        logical_shards: params.whole("logicalShards")?,
        clip_norm: params.value("clipNorm").as_f64(),
        clip_value: params.value("clipValue").as_f64(),
        // Completed by the caller.
        precision: Precision::F32,
        // Processors have none of it: what it says is no part of their jobs.
        allow_tf32: params.flag("allowTF32") && device(input) == DeviceKind::Cuda,
        evaluation,
        class_weight: None,
    };
    Ok((data, train))
}

/// Metrics are of one output.
fn check_several(params: &Complete, resolved: &Resolved) -> Result<(), Failure> {
    let metrics = params.value("metrics").as_array().map_or(&[][..], Vec::as_slice);
    let named = metrics.iter().find(|name| **name != "loss");
    let (LabelKind::Targets { .. }, Some(name)) = (&resolved.label, named) else {
        return Ok(());
    };
    let alone = resolved.network.outputs().len() == 1
        && resolved.loss["losses"]
            .as_array()
            .is_some_and(|terms| terms.len() == 1);
    let (made, remedy) = if alone {
        let inner = resolved.loss.pointer("/losses/0/loss/type");
        let inner = inner.and_then(Value::as_str).unwrap_or("...");
        (
            "the loss is given by output",
            format!("give the loss of the only output by itself, in Python loss=nn.{inner}(...)"),
        )
    } else {
        let all = "and call evaluate of the model, which has the metrics of each output";
        (
            "the loss is made of several",
            format!("leave metrics out (val_loss is always reported), {all}"),
        )
    };
    Err(Failure::parameter(format!(
        "parameter metrics: {name} is of one output, but {made}: {remedy}"
    )))
}

/// Metrics of a regressor compare every output with the value of the label that it predicts.
fn check_metrics(evaluation: &Evaluation, resolved: &Resolved) -> Result<(), Failure> {
    let named = evaluation.metrics.iter().find(|name| *name != "loss");
    let (LabelKind::Real { .. }, Some(name)) = (&resolved.label, named) else {
        return Ok(());
    };
    let (outputs, values) = (resolved.network.output_width(), resolved.label.width());
    let loss = resolved.loss["type"].as_str().unwrap_or_default();
    if outputs != values {
        return Err(Failure::parameter(format!(
            "parameter metrics: \"{name}\" compares outputs with the values of the label one by one, but with {loss} the \
             network has {outputs} output(s) for a label of {values} value(s): leave metrics out (val_loss is \
             always reported), and measure what transform returns"
        )));
    }
    if OTHER_LABELS.contains(&loss) {
        return Err(Failure::parameter(format!(
            "parameter metrics: \"{name}\" compares outputs with the label, but with {loss} the label says something \
             else than what the network puts out: leave metrics out (val_loss is always reported)"
        )));
    }
    Ok(())
}

/// The schedule's complete document; the metric that ReduceLROnPlateau looks at has to be in the history.
fn scheduler(
    params: &Complete,
    optimizer: &Value,
    set: &MetricSet,
    aside: bool,
) -> Result<Option<Value>, Failure> {
    let document = params.value("lrScheduler");
    if document.is_null() {
        return Ok(None);
    }
    let mut complete = Schedule::resolve(document, optimizer)?;
    let mode = complete["mode"].clone();
    if let Some(metric) = complete.get_mut("metric") {
        if metric.is_null() {
            *metric = Value::from(if aside { "val_loss" } else { "loss" });
        }
        let name = metric.as_str().unwrap_or_default();
        check_metric("lrScheduler", name, set, aside)?;
        plateau::check_mode(name, &mode)?;
    }
    Ok(Some(complete))
}

#[cfg(test)]
mod tests {
    use super::*;
    use candlewick_protocol::validation::Validation;

    pub(super) fn ask(params: &Value, more: &Value) -> Result<CompleteJob, Failure> {
        let mut input = json!({"job": "00", "params": params, "task": "classifier", "featureWidth": 784});
        for (name, value) in more.as_object().unwrap() {
            input[name] = value.clone();
        }
        complete(&serde_json::from_value(input).unwrap())
    }

    pub(super) fn network() -> Value {
        json!({"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 10}]})
    }

    #[test]
    fn invalid_rows_are_kept_when_scoring_only() {
        let failure = ask(
            &json!({"network": network(), "handleInvalid": "keep"}),
            &json!({}),
        )
        .unwrap_err();
        for part in [
            "handleInvalid = \"keep\"",
            "\"error\" or \"skip\"",
            "setHandleInvalid",
        ] {
            assert!(failure.message.contains(part), "{part}: {}", failure.message);
        }
        assert!(
            ask(
                &json!({"network": network(), "handleInvalid": "skip"}),
                &json!({})
            )
            .is_ok()
        );
    }

    #[test]
    fn the_driver_learns_which_features_are_indices() {
        let network = json!({"format": "candlewick.network/1", "inputs": [
            {"name": "age", "shape": [2]}, {"name": "city", "shape": [1]}, {"name": "words", "shape": [3]}], "nodes": [
            {"name": "e", "inputs": ["city"], "layer": {"type": "Embedding", "num_embeddings": 7, "embedding_dim": 2}},
            {"name": "flat", "inputs": ["e"], "layer": {"type": "Flatten"}},
            {"name": "w", "inputs": ["words"], "layer": {"type": "EmbeddingBag", "num_embeddings": 9, "embedding_dim": 2}},
            {"name": "all", "inputs": ["age", "flat", "w"], "layer": {"type": "Concat"}},
            {"name": "y", "inputs": ["all"], "layer": {"type": "Linear", "out_features": 3}}], "outputs": ["y"]});
        let told = ask(&json!({"network": network}), &json!({"featureWidth": 6}));
        let told = told.unwrap().to_json();
        assert_eq!(
            told["limits"],
            json!([{"first": 2, "count": 1, "domain": {"index": 7}}, {"first": 3, "count": 3, "domain": {"index": 9}}])
        );
    }

    #[test]
    fn defaults_of_a_saved_stage_go_before_those_of_this_version() {
        let defaults = json!({"defaults": {"epochs": 3, "batchSize": 64, "logicalShards": 4, "seed": 5}});
        let set = json!({"network": network(), "seed": 9, "batchSize": null, "numTrainers": 6});
        let CompleteJob { job, .. } = ask(&set, &defaults).unwrap();
        assert_eq!(
            (job.train.epochs, job.train.batch_size, job.train.seed),
            (3, 64, 9)
        );
        assert_eq!(job.train.logical_shards, 8, "a default grows with the trainers");
        let wrong = ask(&set, &json!({"defaults": {"epochs": -1}})).unwrap_err();
        assert!(
            wrong.message.contains("parameter epochs = -1"),
            "{}",
            wrong.message
        );
    }

    #[test]
    fn the_learning_rate_is_put_into_the_optimizer() {
        let of = |params: Value| {
            let mut set = json!({"network": network()});
            for (name, value) in params.as_object().unwrap() {
                set[name] = value.clone();
            }
            ask(&set, &json!({})).map(|answer| answer.job.train.optimizer)
        };
        assert_eq!(
            of(json!({"learningRate": 0.25})),
            of(json!({"optimizer": {"type": "AdamW", "lr": 0.25}}))
        );
        let groups = json!([{"params": "0.bias", "lr": 0.5}]);
        let adam = |lr| json!({"type": "Adam", "lr": lr, "groups": groups});
        assert_eq!(
            of(json!({"learningRate": 0.0, "optimizer": adam(1.0)})),
            of(json!({"optimizer": adam(0.0)}))
        );
        let wrong = of(json!({"learningRate": -1.0})).unwrap_err().message;
        assert!(
            wrong.contains("parameter learningRate = -1.0 is not legal"),
            "{wrong}"
        );
    }

    #[test]
    fn defaults_are_filled_in() {
        let answer = ask(&json!({"network": network(), "seed": -1}), &json!({})).unwrap();
        let told = answer.to_json();
        assert_eq!(
            (&told["outputWidth"], &told["parameters"]),
            (&json!(10), &json!(7850))
        );
        assert_eq!(told["launch"]["launchTimeoutMs"], 300_000);
        assert_eq!(told["launch"]["maxRecoveries"], 3);
        let CompleteJob {
            job, launch, summary, ..
        } = answer;
        assert_eq!(
            (job.train.epochs, job.train.batch_size, job.train.logical_shards),
            (10, 256, 8)
        );
        assert_eq!(job.train.seed, u64::MAX);
        assert_eq!((job.failure_timeout_ms, job.max_recoveries), (15_000, 3));
        assert_eq!(job.data.label, LabelKind::class(10));
        assert_eq!((launch.num_trainers, launch.feed_memory_bytes), (0, 64 << 20));
        assert!(launch.strict_weights && launch.verbose == "auto");
        assert!(summary.contains("Linear"));
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
    fn a_plateau_is_one_of_the_validation_rows_where_there_are_some() {
        let metric = |fraction: f64| {
            let params = json!({"network": network(), "lrScheduler": {"type": "ReduceLROnPlateau"},
                "validationFraction": fraction});
            let job = ask(&params, &json!({})).unwrap().job;
            job.train.lr_scheduler.unwrap()["metric"].clone()
        };
        assert_eq!(metric(0.0), "loss");
        assert_eq!(metric(0.1), "val_loss");
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let message = |params: Value, more: Value| ask(&params, &more).unwrap_err().message;
        assert!(message(json!({}), json!({})).contains("parameter network is not set"));
        assert!(
            message(json!({"network": network(), "epoch": 3}), json!({})).contains("did you mean 'epochs'?")
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
        let zeros = json!([0.0, 0.0, 1, 1, 1, 1, 1, 1, 1, 1]);
        let zeros = message(json!({"network": network(), "thresholds": zeros}), json!({}));
        assert!(zeros.contains("at most one of them 0"), "{zeros}");
        let regressor = |loss: &str, width: u32| {
            let params = json!({"network": network(), "loss": {"type": loss}, "metrics": ["rmse"]});
            message(params, json!({"task": "regressor", "labelWidth": width}))
        };
        let wider = regressor("GaussianNLLLoss", 5);
        assert!(
            wider.contains("the network has 10 output(s) for a label of 5 value(s)"),
            "{wider}"
        );
        let other = regressor("HingeEmbeddingLoss", 10);
        assert!(other.contains("the label says something else"), "{other}");
        // What is set wrongly is named, not what was made of it.
        let negative = message(
            json!({"network": network(), "inputShape": [-1, 6]}),
            json!({"featureWidth": -6}),
        );
        assert!(
            negative.contains("inputShape = [-1,6] is not legal"),
            "{negative}"
        );
        let width = message(json!({"network": network()}), json!({"featureWidth": -6}));
        assert!(width.contains("featureWidth = -6 is not legal"), "{width}");
    }

    #[test]
    fn binary_features_have_the_width_of_their_shape() {
        let params = json!({"network": {"format": "candlewick.network/1",
            "layers": [{"type": "Flatten"}, {"type": "Linear", "out_features": 2}]}, "inputShape": [4, 4]});
        let job = ask(&params, &json!({"featureWidth": null})).unwrap().job;
        assert_eq!((job.data.feature_width, job.data.input_shape), (16, vec![4, 4]));
    }
}
