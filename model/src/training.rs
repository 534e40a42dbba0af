//! What a user set, as the specification of a training.

use crate::head::Head;
use crate::metrics::{MetricSet, check_metric, evaluation};
use crate::network::Network;
use crate::optim::Schedule;
use crate::resolve::Resolved;
use candlewick_protocol::Failure;
use candlewick_protocol::job::{DataSpec, Evaluation, LabelKind, OnNonFinite, TrainSpec};
use serde_json::{Map, Value};

/// The data and the training that a complete set of parameters (`params::check`) and what was resolved of it ask for.
///
/// ```
/// use candlewick_model::resolve::{ResolveRequest, Task, resolve};
/// use candlewick_model::training::specification;
/// use candlewick_protocol::params;
/// use serde_json::json;
/// let set = json!({"network": {"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 3}]},
///     "lrScheduler": {"type": "ReduceLROnPlateau"}, "validationFraction": 0.1});
/// let full = params::check(set.as_object().unwrap())?;
/// let resolved = resolve(&ResolveRequest {
///     network: &full["network"],
///     loss: None,
///     optimizer: &full["optimizer"],
///     task: Task::Classifier,
///     feature_width: 4,
///     input_shape: None,
/// })?;
/// let (data, train) = specification(&full, resolved, 4)?;
/// assert_eq!((data.feature_width, train.batch_size), (4, 256));
/// assert_eq!(train.lr_scheduler.unwrap()["metric"], "val_loss");
/// # Ok::<(), candlewick_protocol::Failure>(())
/// ```
///
/// # Errors
/// `InvalidParameter`: which parameter, what was wrong, what to change.
pub fn specification(
    full: &Map<String, Value>,
    resolved: Resolved,
    feature_width: usize,
) -> Result<(DataSpec, TrainSpec), Failure> {
    let seed = seed(full)?;
    let network = Network::from_document(&resolved.network, &resolved.input_shape)?;
    let head = Head::of(&resolved.label, &network)?;
    let (evaluation, validation) = evaluation(full, head, seed)?;
    let set = MetricSet::new(&evaluation.metrics, head, evaluation.thresholds.as_deref())?;
    check_metrics(&evaluation, &resolved)?;
    let lr_scheduler = scheduler(full, &resolved.optimizer, &set, validation.is_some())?;
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
    };
    let train = TrainSpec {
        network: resolved.network,
        loss: resolved.loss,
        optimizer: resolved.optimizer,
        lr_scheduler,
        gradient_accumulation_steps: whole(full, "gradientAccumulationSteps")?,
        ema_decay: full["emaDecay"].as_f64(),
        on_non_finite: if full["onNonFinite"] == "skip" {
            OnNonFinite::Skip
        } else {
            OnNonFinite::Error
        },
        epochs: whole(full, "epochs")?,
        batch_size: whole(full, "batchSize")?,
        drop_last: full["dropLast"].as_bool().unwrap_or_default(),
        seed,
        logical_shards: whole(full, "logicalShards")?,
        clip_norm: full["clipNorm"].as_f64(),
        clip_value: full["clipValue"].as_f64(),
        evaluation,
    };
    Ok((data, train))
}

/// Metrics of a regressor compare every output with the value of the label that it predicts.
fn check_metrics(evaluation: &Evaluation, resolved: &Resolved) -> Result<(), Failure> {
    let named = evaluation.metrics.iter().find(|name| *name != "loss");
    let (LabelKind::Real { .. }, Some(name)) = (&resolved.label, named) else {
        return Ok(());
    };
    let (outputs, values) = (resolved.output_width, resolved.label.width());
    let loss = resolved.loss["type"].as_str().unwrap_or_default();
    if outputs != values {
        return Err(Failure::parameter(format!(
            "parameter metrics: \"{name}\" compares outputs with the values of the label one by one, but with {loss} the \
             network has {outputs} output(s) for a label of {values} value(s): leave metrics out (val_loss is told \
             always), and measure what transform gives"
        )));
    }
    if OTHER_LABELS.contains(&loss) {
        return Err(Failure::parameter(format!(
            "parameter metrics: \"{name}\" compares outputs with the label, but with {loss} the label says something \
             else than what the network puts out: leave metrics out (val_loss is told always)"
        )));
    }
    Ok(())
}

/// Losses whose label is no value that the network is to put out.
const OTHER_LABELS: [&str; 3] = ["TripletMarginLoss", "CosineEmbeddingLoss", "HingeEmbeddingLoss"];

/// The schedule's complete document; the metric that ReduceLROnPlateau looks at has to be in the history.
fn scheduler(
    full: &Map<String, Value>,
    optimizer: &Value,
    set: &MetricSet,
    aside: bool,
) -> Result<Option<Value>, Failure> {
    let document = &full["lrScheduler"];
    if document.is_null() {
        return Ok(None);
    }
    let mut complete = Schedule::resolve(document, optimizer)?;
    if let Some(metric) = complete.get_mut("metric") {
        if metric.is_null() {
            *metric = Value::from(if aside { "val_loss" } else { "loss" });
        }
        let name = metric.as_str().unwrap_or_default();
        check_metric("lrScheduler", name, set, aside)?;
    }
    Ok(Some(complete))
}

fn whole(full: &Map<String, Value>, name: &str) -> Result<u32, Failure> {
    let value = full[name].as_u64().and_then(|value| u32::try_from(value).ok());
    value.ok_or_else(|| Failure::internal(format!("parameter {name} has no whole number")))
}

/// Spark's Long: a negative seed is as good as any.
fn seed(full: &Map<String, Value>) -> Result<u64, Failure> {
    let value = full["seed"]
        .as_u64()
        .or_else(|| full["seed"].as_i64().map(i64::cast_unsigned));
    value.ok_or_else(|| Failure::internal("parameter seed has no whole number"))
}
