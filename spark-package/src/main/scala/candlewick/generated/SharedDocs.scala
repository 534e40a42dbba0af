// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick.generated

/** What parameters do that Spark defines. */
private[candlewick] object SharedDocs {

  /** By name. */
  val words: Map[String, String] = Map(
    "featuresCol" -> "Column of the features: a Vector (dense or sparse), an array of any numeric type or of such arrays (a tensor), one numeric column, or binary (see inputShape and scale). (text)",
    "labelCol" -> "Column of the label, for fit and for a model's evaluate: any numeric type. A classifier expects whole numbers from 0; a regressor also takes an array or a Vector (several outputs; those of a graph one after another), and so does a NeuralEstimator, where an empty text stands for none: its loss reads no label. (text)",
    "weightCol" -> "Column of the row's weight in the loss and in a model's evaluate: numeric, finite, not negative. Not set: every row weighs 1. (text)",
    "validationIndicatorCol" -> "Boolean column that is true for the rows to validate on: they never train. Not set: see validationFraction. (text)",
    "predictionCol" -> "Column that transform appends: the class of a classifier, the value (or Vector of values) of a regressor. A regressor whose network is a graph of several outputs also appends a column for each, such as prediction_price; a NeuralEstimator appends these alone: the class of an output whose loss tells classes apart, else its value or values. (text)",
    "probabilityCol" -> "Column that transform appends: the Vector of class probabilities. Empty text: not appended. (text)",
    "rawPredictionCol" -> "Column that transform appends: the Vector of the network's outputs (logits), of two less their mean. Empty text: not appended. (text)",
    "seed" -> "Seed of initial weights, row order and dropout. The same data, parameters and seed give the same weights bit for bit, on any number of trainers. (whole number of 64 bits)"
  )
}
