//! The parameters of the estimators: name, type, default, range and documentation, once for Scala and Python.
//!
//! The builders of both languages are generated from [`PARAMS`]; [`check`] validates what a user set. Names are
//! those of Spark ML where it has one.

use crate::error::Failure;
use serde_json::{Map, Value, json};

/// Type of a parameter's value, as both languages know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParamType {
    /// Text; `options`, where not empty, lists the legal values.
    Text {
        /// Legal values; empty = any.
        options: &'static [&'static str],
    },
    /// A whole number in `min..=max`.
    Int {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A 64-bit whole number, any value.
    Long,
    /// A real number above `above` (exclusive).
    Double {
        /// Exclusive lower bound.
        above: i64,
    },
    /// true or false.
    Boolean,
    /// A real number of at least 0 and below 1.
    Fraction,
    /// A list of texts.
    TextList,
    /// A list of whole numbers of at least 1.
    IntList,
    /// A list of reals in 0..=1 (thresholds).
    DoubleList,
    /// A duration such as "15s", "500ms", "2min".
    Duration,
    /// A size such as "64m", "1g".
    Bytes,
    /// A JSON document of a builder: network, loss, optimizer or earlyStopping.
    Document,
}

/// Which estimators and models have a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Estimators and models.
    All,
    /// Estimators and models of classifiers only.
    Classifier,
    /// Estimators only.
    Estimator,
}

/// One parameter.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Name, in both languages.
    pub name: &'static str,
    /// Section of the documentation.
    pub group: &'static str,
    /// Who has it.
    pub scope: Scope,
    /// Type and range.
    pub kind: ParamType,
    /// Default as JSON text; empty = not set.
    pub default: &'static str,
    /// What it does, one paragraph.
    pub doc: &'static str,
}

const ANY: ParamType = ParamType::Text { options: &[] };

const fn p(
    name: &'static str,
    group: &'static str,
    scope: Scope,
    kind: ParamType,
    default: &'static str,
    doc: &'static str,
) -> Param {
    Param {
        name,
        group,
        scope,
        kind,
        default,
        doc,
    }
}

const fn int(min: i64, max: i64) -> ParamType {
    ParamType::Int { min, max }
}

/// Every parameter, in the order of the documentation.
pub const PARAMS: &[Param] = &[
    // columns
    p(
        "featuresCol",
        "columns",
        Scope::All,
        ANY,
        "\"features\"",
        "Column of the features: a Vector (dense or sparse), an array of any numeric type, one numeric column, or binary (see inputShape and scale).",
    ),
    p(
        "featuresCols",
        "columns",
        Scope::All,
        ParamType::TextList,
        "",
        "Columns whose values are put one after another to form the features, instead of featuresCol: numeric, array and Vector columns may be mixed. Not set, and the network is a graph: the columns named as its inputs.",
    ),
    p(
        "labelCol",
        "columns",
        Scope::Estimator,
        ANY,
        "\"label\"",
        "Column of the label: any numeric type. A classifier wants whole numbers from 0; a regressor also takes an array or a Vector (several outputs; those of a graph one after another).",
    ),
    p(
        "weightCol",
        "columns",
        Scope::Estimator,
        ANY,
        "",
        "Column of the row's weight in the loss: numeric, finite, not negative. Not set: every row weighs 1.",
    ),
    p(
        "validationIndicatorCol",
        "columns",
        Scope::Estimator,
        ANY,
        "",
        "Boolean column that is true for the rows to validate on: they never train. Not set: see validationFraction.",
    ),
    p(
        "predictionCol",
        "columns",
        Scope::All,
        ANY,
        "\"prediction\"",
        "Column that transform appends: the class of a classifier, the value (or Vector of values) of a regressor. A regressor whose network is a graph of several outputs also appends a column for each, such as prediction_price.",
    ),
    p(
        "probabilityCol",
        "columns",
        Scope::Classifier,
        ANY,
        "\"probability\"",
        "Column that transform appends: the Vector of class probabilities. Empty text: not appended.",
    ),
    p(
        "rawPredictionCol",
        "columns",
        Scope::Classifier,
        ANY,
        "\"rawPrediction\"",
        "Column that transform appends: the Vector of the network's outputs (logits). Empty text: not appended.",
    ),
    p(
        "thresholds",
        "columns",
        Scope::Classifier,
        ParamType::DoubleList,
        "",
        "One number per class: the class with the largest probability / threshold is predicted, as in Spark ML.",
    ),
    p(
        "handleInvalid",
        "columns",
        Scope::All,
        ParamType::Text {
            options: &["error", "skip"],
        },
        "\"error\"",
        "What to do with a row that holds null, NaN, infinity or a vector of another length: \"error\" fails with the row named, \"skip\" leaves it out and counts it in the ledger.",
    ),
    p(
        "inputShape",
        "columns",
        Scope::All,
        ParamType::IntList,
        "",
        "Shape that views the flat features as a tensor, without the batch dimension, for example [1, 28, 28]. Needed for binary features.",
    ),
    p(
        "scale",
        "columns",
        Scope::All,
        ParamType::Double { above: 0 },
        "",
        "Factor for every feature value, for example 1/255 for bytes of a picture. Not set: 1.",
    ),
    // network
    p(
        "network",
        "network",
        Scope::Estimator,
        ParamType::Document,
        "",
        "The network: nn.Sequential(...), nn.Graph(...) or its JSON document.",
    ),
    p(
        "initialWeights",
        "network",
        Scope::Estimator,
        ANY,
        "",
        "Weights that training starts from: a safetensors file (F32, F64, F16, BF16) with PyTorch's names on any file system that Hadoop reads. In Python also its bytes, a state_dict, or a trained model. Not set: random by the seed.",
    ),
    p(
        "strictWeights",
        "network",
        Scope::Estimator,
        ParamType::Boolean,
        "true",
        "Whether initialWeights must hold exactly the network's parameters. False: what fits is loaded, the rest starts random by the seed, and the summary says which.",
    ),
    p(
        "loss",
        "network",
        Scope::Estimator,
        ParamType::Document,
        "",
        "The loss: nn.CrossEntropyLoss(), nn.BCEWithLogitsLoss() or nn.MSELoss(). Not set: CrossEntropyLoss for a classifier (BCEWithLogitsLoss where the network has one output), MSELoss for a regressor.",
    ),
    // training
    p(
        "epochs",
        "training",
        Scope::Estimator,
        int(0, 1_000_000),
        "10",
        "Passes over the data. 0 gives a model that holds the initial weights.",
    ),
    p(
        "batchSize",
        "training",
        Scope::Estimator,
        int(1, 1 << 24),
        "256",
        "Rows of one step over all trainers together; exact, only the last step of an epoch may be shorter.",
    ),
    p(
        "optimizer",
        "training",
        Scope::Estimator,
        ParamType::Document,
        "{\"type\": \"AdamW\", \"lr\": 0.001}",
        "The optimiser: optim.SGD, optim.Adam or optim.AdamW, or its JSON document.",
    ),
    p(
        "clipNorm",
        "training",
        Scope::Estimator,
        ParamType::Double { above: 0 },
        "",
        "Largest Euclidean norm of the whole gradient (torch.nn.utils.clip_grad_norm_). Not set: no clipping.",
    ),
    p(
        "clipValue",
        "training",
        Scope::Estimator,
        ParamType::Double { above: 0 },
        "",
        "Largest absolute value of a gradient's element (torch.nn.utils.clip_grad_value_). Not set: no clipping.",
    ),
    p(
        "dropLast",
        "training",
        Scope::Estimator,
        ParamType::Boolean,
        "false",
        "Leave out the last step of an epoch where it has fewer than batchSize rows.",
    ),
    p(
        "metrics",
        "training",
        Scope::Estimator,
        ParamType::TextList,
        "",
        "What is told of every epoch beside the loss, by scikit-learn's definitions. Classifier: accuracy, top_3_accuracy (any k), precision, recall, f1 (of class 1 of two, weighted by class where there are more; or with _macro, _micro, _weighted), roc_auc, pr_auc (average precision), log_loss, confusion_matrix. Regressor: mae, mse, rmse, r2, mape. History has each as val_<metric> over the validation rows, and as <metric> over the outputs of the epoch's training steps, but for roc_auc, pr_auc and confusion_matrix (and precision, recall and f1 of more than 100 classes).",
    ),
    p(
        "validationFraction",
        "training",
        Scope::Estimator,
        ParamType::Fraction,
        "0.0",
        "Share of the rows to put aside for validation, chosen by their content and the seed: equal rows stay together, and the choice does not depend on partitions or cluster. 0: none.",
    ),
    p(
        "validationSteps",
        "training",
        Scope::Estimator,
        int(0, 1 << 30),
        "0",
        "Steps after which the validation rows are also evaluated within an epoch (history: validations). 0: at the end of every epoch only.",
    ),
    p(
        "earlyStopping",
        "training",
        Scope::Estimator,
        ParamType::Document,
        "",
        "When training ends before its last epoch: EarlyStopping(metric=\"val_loss\", patience=3, minDelta=0, mode=\"auto\", restoreBest=true), or its JSON document. Decided at the end of an epoch. Not set: never.",
    ),
    p(
        "seed",
        "training",
        Scope::Estimator,
        ParamType::Long,
        "0",
        "Seed of initial weights, row order and dropout. The same data, parameters and seed give the same weights bit for bit, on any number of trainers.",
    ),
    p(
        "verbose",
        "training",
        Scope::Estimator,
        ParamType::Boolean,
        "false",
        "Print a line per epoch on the driver: loss, rows/s, seconds left.",
    ),
    // gang
    p(
        "numTrainers",
        "gang",
        Scope::Estimator,
        int(0, 4096),
        "0",
        "Trainer processes. 0: one per executor.",
    ),
    p(
        "threadsPerTrainer",
        "gang",
        Scope::Estimator,
        int(0, 1024),
        "0",
        "Compute threads of a trainer. 0: the executor's cores divided by its trainers.",
    ),
    p(
        "logicalShards",
        "gang",
        Scope::Estimator,
        int(1, 65_536),
        "8",
        "Logical shards the rows are dealt to; the unit of computation, so part of what decides the weights' bits. At least numTrainers.",
    ),
    p(
        "failureTimeout",
        "gang",
        Scope::Estimator,
        ParamType::Duration,
        "\"15s\"",
        "Silence after which a trainer counts as lost.",
    ),
    p(
        "progressTimeout",
        "gang",
        Scope::Estimator,
        ParamType::Duration,
        "\"600s\"",
        "Time without a step after which a trainer counts as stuck.",
    ),
    p(
        "launchTimeout",
        "gang",
        Scope::Estimator,
        ParamType::Duration,
        "\"300s\"",
        "Longest wait for all trainers to start.",
    ),
    p(
        "feedMemory",
        "gang",
        Scope::Estimator,
        ParamType::Bytes,
        "\"64m\"",
        "Memory of an executor for rows on their way to the trainers.",
    ),
];

/// The parameter called `name`.
#[must_use]
pub fn find(name: &str) -> Option<&'static Param> {
    PARAMS.iter().find(|param| param.name == name)
}

/// The default of `name`, `Value::Null` where there is none or the name is unknown.
#[must_use]
pub fn default_of(name: &str) -> Value {
    find(name)
        .and_then(|param| serde_json::from_str(param.default).ok())
        .unwrap_or(Value::Null)
}

/// Checks names, types and ranges of what a user set and fills in the defaults.
///
/// # Errors
/// `InvalidParameter` naming the parameter, its value and what it may be.
pub fn check(set: &Map<String, Value>) -> Result<Map<String, Value>, Failure> {
    for (name, value) in set {
        let param =
            find(name).ok_or_else(|| Failure::parameter(format!("there is no parameter '{name}'")))?;
        if !value.is_null() {
            check_value(param, value)?;
        }
    }
    let mut full = Map::new();
    for param in PARAMS {
        let value = match set.get(param.name) {
            None | Some(Value::Null) => default_of(param.name),
            Some(value) => value.clone(),
        };
        full.insert(param.name.to_owned(), value);
    }
    Ok(full)
}

fn check_value(param: &Param, value: &Value) -> Result<(), Failure> {
    if fits(param.kind, value) {
        return Ok(());
    }
    let wanted = match param.kind {
        ParamType::Text { options: [] } => "a text".to_owned(),
        ParamType::Text { options } => format!("one of {}", json!(options)),
        ParamType::Int { min, max } => format!("a whole number from {min} to {max}"),
        ParamType::Long => "a whole number of 64 bits".to_owned(),
        ParamType::Double { above } => format!("a number above {above}"),
        ParamType::Boolean => "true or false".to_owned(),
        ParamType::Fraction => "a number of at least 0 and below 1".to_owned(),
        ParamType::TextList => "a list of texts, at least one".to_owned(),
        ParamType::IntList => "a list of whole numbers of at least 1".to_owned(),
        ParamType::DoubleList => "a list of numbers from 0 to 1".to_owned(),
        ParamType::Duration => "a duration such as \"15s\", \"500ms\" or \"2min\"".to_owned(),
        ParamType::Bytes => "a size such as \"64m\" or \"1g\"".to_owned(),
        ParamType::Document => "a document made by nn.*, optim.* or EarlyStopping".to_owned(),
    };
    Err(Failure::parameter(format!(
        "parameter {} = {value} is not legal: expected {wanted}",
        param.name
    )))
}

fn fits(kind: ParamType, value: &Value) -> bool {
    let list = |each: &dyn Fn(&Value) -> bool| value.as_array().is_some_and(|items| items.iter().all(each));
    let filled = value.as_array().is_some_and(|items| !items.is_empty());
    match kind {
        ParamType::Text { options: [] } => value.is_string(),
        ParamType::Text { options } => value.as_str().is_some_and(|text| options.contains(&text)),
        ParamType::Int { min, max } => value.as_i64().is_some_and(|number| (min..=max).contains(&number)),
        ParamType::Long => value.is_i64() || value.is_u64(),
        #[expect(clippy::cast_precision_loss, reason = "bounds are small whole numbers")]
        ParamType::Double { above } => value
            .as_f64()
            .is_some_and(|number| number.is_finite() && number > above as f64),
        ParamType::Fraction => value.as_f64().is_some_and(|number| (0.0..1.0).contains(&number)),
        ParamType::Boolean => value.is_boolean(),
        ParamType::TextList => filled && list(&Value::is_string),
        ParamType::IntList => filled && list(&|item| item.as_i64().is_some_and(|number| number >= 1)),
        ParamType::DoubleList => {
            list(&|item| item.as_f64().is_some_and(|number| (0.0..=1.0).contains(&number)))
        }
        ParamType::Duration => value
            .as_str()
            .is_some_and(|text| parse_duration_ms(text).is_some()),
        ParamType::Bytes => value.as_str().is_some_and(|text| parse_bytes(text).is_some()),
        ParamType::Document => value.is_object(),
    }
}

fn split_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..digits].parse().ok()?, text[digits..].trim()))
}

/// Milliseconds of a duration with unit ms, s, m or min, h; without a unit, seconds, as in Spark's conf.
#[must_use]
pub fn parse_duration_ms(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let factor = match unit {
        "ms" => 1,
        "s" | "" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(factor).filter(|ms| *ms > 0)
}

/// Bytes of a size with unit b, k, m, g (powers of 1,024); without a unit, bytes.
#[must_use]
pub fn parse_bytes(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (number, unit) = split_unit(&lower)?;
    let factor = match unit {
        "b" | "" => 1,
        "k" | "kb" => 1 << 10,
        "m" | "mb" => 1 << 20,
        "g" | "gb" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor).filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_legal_and_every_doc_a_sentence() {
        for param in PARAMS {
            assert!(param.doc.ends_with('.'), "{}", param.name);
            if !param.default.is_empty() {
                check_value(param, &default_of(param.name)).unwrap();
            }
        }
    }

    #[test]
    fn a_wrong_value_names_parameter_value_and_range() {
        let set = json!({"batchSize": 0});
        let failure = check(set.as_object().unwrap()).unwrap_err();
        assert_eq!(
            failure.message,
            "parameter batchSize = 0 is not legal: expected a whole number from 1 to 16777216"
        );
        assert!(check(json!({"batchsize": 1}).as_object().unwrap()).is_err());
        assert!(check(json!({"clipNorm": 0.0}).as_object().unwrap()).is_err());
        assert!(check(json!({"handleInvalid": "keep"}).as_object().unwrap()).is_err());
    }

    #[test]
    fn defaults_fill_what_is_not_set() {
        let full = check(json!({"epochs": 3}).as_object().unwrap()).unwrap();
        assert_eq!(full["epochs"], 3);
        assert_eq!(full["batchSize"], 256);
        assert!(full["weightCol"].is_null());
    }

    #[test]
    fn durations_and_sizes() {
        assert_eq!(parse_duration_ms("15s"), Some(15_000));
        assert_eq!(parse_duration_ms("2min"), Some(120_000));
        assert_eq!(parse_duration_ms("0s"), None);
        assert_eq!(parse_duration_ms("soon"), None);
        assert_eq!(parse_bytes("64m"), Some(64 << 20));
        assert_eq!(parse_bytes("x"), None);
    }
}
