//! Columns that are read and appended, and how they are read.

use super::{Param, SIZE, Scope, param, standalone};
use crate::value::{Range, ValueType};

/// In the order of the documentation.
pub(super) const PARAMS: &[Param] = &[
    param(
        "featuresCol",
        Scope::All,
        ValueType::Text,
        Range::Any,
        Some("\"features\""),
        "Column of the features: a Vector (dense or sparse), an array of any numeric type, one numeric column, or binary (see inputShape and scale).",
    ),
    param(
        "featuresCols",
        Scope::All,
        ValueType::TextList,
        Range::Any,
        None,
        "Columns whose values are put one after another to form the features, instead of featuresCol: numeric, array and Vector columns may be mixed. Not set, and the network is a graph: the columns named as its inputs.",
    ),
    param(
        "labelCol",
        Scope::All,
        ValueType::Text,
        Range::Any,
        Some("\"label\""),
        "Column of the label, for fit and for a model's evaluate: any numeric type. A classifier wants whole numbers from 0; a regressor also takes an array or a Vector (several outputs; those of a graph one after another).",
    ),
    param(
        "weightCol",
        Scope::All,
        ValueType::Text,
        Range::Any,
        None,
        "Column of the row's weight in the loss and in a model's evaluate: numeric, finite, not negative. Not set: every row weighs 1.",
    ),
    param(
        "validationIndicatorCol",
        Scope::Estimator,
        ValueType::Text,
        Range::Any,
        None,
        "Boolean column that is true for the rows to validate on: they never train. Not set: see validationFraction.",
    ),
    param(
        "predictionCol",
        Scope::All,
        ValueType::Text,
        Range::Any,
        Some("\"prediction\""),
        "Column that transform appends: the class of a classifier, the value (or Vector of values) of a regressor. A regressor whose network is a graph of several outputs also appends a column for each, such as prediction_price.",
    ),
    param(
        "probabilityCol",
        Scope::Classifier,
        ValueType::Text,
        Range::Any,
        Some("\"probability\""),
        "Column that transform appends: the Vector of class probabilities. Empty text: not appended.",
    ),
    param(
        "rawPredictionCol",
        Scope::Classifier,
        ValueType::Text,
        Range::Any,
        Some("\"rawPrediction\""),
        "Column that transform appends: the Vector of the network's outputs (logits), of two less their mean. Empty text: not appended.",
    ),
    standalone(
        "thresholds",
        Scope::Classifier,
        ValueType::Thresholds,
        Range::Any,
        None,
        "One number per class: the class with the largest probability / threshold is predicted, as in Spark ML.",
    ),
    param(
        "handleInvalid",
        Scope::All,
        ValueType::Text,
        Range::OneOf(&["error", "skip"]),
        Some("\"error\""),
        "What to do with a row that holds null, NaN, infinity or a vector of another length: \"error\" fails with the row named, \"skip\" leaves it out and counts it in the ledger.",
    ),
    standalone(
        "inputShape",
        Scope::All,
        ValueType::IntList,
        SIZE,
        None,
        "Shape that views the flat features as a tensor, without the batch dimension, for example [1, 28, 28]. Needed for binary features.",
    ),
    param(
        "scale",
        Scope::All,
        ValueType::Real,
        Range::Above(0.0),
        None,
        "Factor for every feature value, for example 1/255 for bytes of a picture. Not set: 1.",
    ),
];
