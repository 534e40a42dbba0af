//! The parameters of the estimators: name, type, default, range and documentation, once for Scala and Python.
//!
//! The builders of both languages are generated from [`PARAMS`]; [`check`] validates what a user set. Names are
//! those of Spark ML where it has one.

mod check;
mod complete;

pub use check::{check, parse_bytes, parse_duration_ms};
pub use complete::Complete;

use serde_json::Value;

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
        "Column that transform appends: the Vector of the network's outputs (logits), of two less their mean. Empty text: not appended.",
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
        "The loss: nn.CrossEntropyLoss(), nn.MSELoss() and the others, nn.MultiLoss for several, or its JSON document. Not set: CrossEntropyLoss for a classifier (BCEWithLogitsLoss where the network has one output), MSELoss for a regressor.",
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
        "The optimiser: optim.SGD, optim.AdamW and the others, or its JSON document.",
    ),
    p(
        "lrScheduler",
        "training",
        Scope::Estimator,
        ParamType::Document,
        "",
        "How the learning rate moves: optim.lr_scheduler.StepLR and the others, or its JSON document. Its steps are updates of the optimiser. Not set: it stays as the optimizer says.",
    ),
    p(
        "gradientAccumulationSteps",
        "training",
        Scope::Estimator,
        int(1, 1 << 24),
        "1",
        "Steps whose gradients are added up for one update of the optimiser, as if they were one step of so many times batchSize; the last update of an epoch may have fewer.",
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
        "emaDecay",
        "training",
        Scope::Estimator,
        ParamType::Fraction,
        "",
        "The model gets an exponential moving average of the weights, decay * average + (1 - decay) * weights after every update, for example 0.999; validation and early stopping judge the average. Not set: the weights themselves.",
    ),
    p(
        "onNonFinite",
        "training",
        Scope::Estimator,
        ParamType::Text {
            options: &["error", "skip"],
        },
        "\"error\"",
        "What to do where the loss becomes NaN or infinite: \"error\" fails with the step and the likely cause, \"skip\" makes no update in a step whose loss or gradient is not finite and counts it in the history (skippedSteps).",
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

/// Parameters that enter the model and mean something without Spark: `candlewick-trainer serve` takes them. The others
/// name columns, files and sizes of the cluster.
pub const STANDALONE: &[&str] = &[
    "inputShape",
    "thresholds",
    "network",
    "loss",
    "epochs",
    "batchSize",
    "optimizer",
    "lrScheduler",
    "gradientAccumulationSteps",
    "clipNorm",
    "clipValue",
    "dropLast",
    "emaDecay",
    "onNonFinite",
    "metrics",
    "validationFraction",
    "validationSteps",
    "earlyStopping",
    "seed",
    "logicalShards",
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
