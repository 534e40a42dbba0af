// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick.generated

import candlewick._
import candlewick.internal.Legal
import org.apache.spark.ml.param._
import org.apache.spark.ml.param.shared._

/** Parameters of estimators and models. Columns that are read and appended, and how they are read. */
trait ColumnParams
    extends Params
    with HasLabelCol
    with HasFeaturesCol
    with HasPredictionCol
    with HasHandleInvalid
    with HasWeightCol {

  // featuresCol: Column of the features: a Vector (dense or sparse), an array of any numeric type
  // or of such arrays (a tensor), one numeric column, or binary (see inputShape and scale). (text)
  setDefault(featuresCol, "features")

  /** Columns whose values are put one after another to form the features, instead of featuresCol:
    * numeric, array and Vector columns may be mixed. Not set, and the network is a graph: the
    * columns named as its inputs. (list of at least one text)
    * @group param
    */
  final val featuresCols: StringArrayParam = new StringArrayParam(
    this,
    "featuresCols",
    "Columns whose values are put one after another to form the features, instead of featuresCol: numeric, array and Vector columns may be mixed. Not set, and the network is a graph: the columns named as its inputs. (list of at least one text)",
    Legal[Array[String]]("featuresCols", "a list of at least one text", ParamValidators.arrayLengthGt[String](0))
  )

  /** @group getParam */
  final def getFeaturesCols: Array[String] = $(featuresCols)

  /** @group setParam */
  def setFeaturesCols(value: Array[String]): this.type = set(featuresCols, value)

  // labelCol: Column of the label, for fit and for a model's evaluate: any numeric type. A
  // classifier expects whole numbers from 0; a regressor also takes an array or a Vector (several
  // outputs; those of a graph one after another), and so does a NeuralEstimator, where an empty
  // text stands for none: its loss reads no label. (text)
  setDefault(labelCol, "label")

  // weightCol: Column of the row's weight in the loss and in a model's evaluate: numeric, finite,
  // not negative. Not set: every row weighs 1. (text)

  /** Column of the row's weight in the loss and in a model's evaluate: numeric, finite, not
    * negative. Not set: every row weighs 1. (text)
    *
    * @group setParam
    */
  def setWeightCol(value: String): this.type = set(weightCol, value)

  // predictionCol: Column that transform appends: the class of a classifier, the value (or Vector
  // of values) of a regressor. A regressor whose network is a graph of several outputs also appends
  // a column for each, such as prediction_price; a NeuralEstimator appends these alone: the class
  // of an output whose loss tells classes apart, else its value or values. (text)
  setDefault(predictionCol, "prediction")

  /** What to do with a row that holds null, NaN, infinity, a vector of another length or an index
    * outside of the table of an embedding: "error" fails with the row named, "skip" leaves it out
    * and counts it, "keep", which is for transform only, gives null in the columns that the model
    * appends. ("error" or "skip" or "keep")
    * @group param
    */
  override val handleInvalid: Param[String] = new Param[String](
    this,
    "handleInvalid",
    "What to do with a row that holds null, NaN, infinity, a vector of another length or an index outside of the table of an embedding: \"error\" fails with the row named, \"skip\" leaves it out and counts it, \"keep\", which is for transform only, gives null in the columns that the model appends. (\"error\" or \"skip\" or \"keep\")",
    Legal[String]("handleInvalid", "\"error\" or \"skip\" or \"keep\"", ParamValidators.inArray(Array("error", "skip", "keep")))
  )
  setDefault(handleInvalid, "error")

  /** What to do with a row that holds null, NaN, infinity, a vector of another length or an index
    * outside of the table of an embedding: "error" fails with the row named, "skip" leaves it out
    * and counts it, "keep", which is for transform only, gives null in the columns that the model
    * appends. ("error" or "skip" or "keep")
    *
    * @group setParam
    */
  def setHandleInvalid(value: String): this.type = set(handleInvalid, value)

  /** More columns that transform appends: what layers put out, as Vectors. Names of layers ("0" is
    * the first of a chain, "2.0" the first within the third; of a graph the names of its nodes),
    * each with the name of its column. With a NeuralEstimator they are all that it appends, and
    * names may also be those of outputs, alone or with what is asked of a class: "digit",
    * "digit.probability", "digit.rawPrediction"; of a network with one output "prediction",
    * "probability" and "rawPrediction". (an object of at least one name with a text, such as
    * {"embed": "embedding"})
    * @group param
    */
  final val outputCols: Param[String] = new TextMapParam(
    this,
    "outputCols",
    "More columns that transform appends: what layers put out, as Vectors. Names of layers (\"0\" is the first of a chain, \"2.0\" the first within the third; of a graph the names of its nodes), each with the name of its column. With a NeuralEstimator they are all that it appends, and names may also be those of outputs, alone or with what is asked of a class: \"digit\", \"digit.probability\", \"digit.rawPrediction\"; of a network with one output \"prediction\", \"probability\" and \"rawPrediction\". (an object of at least one name with a text, such as {\"embed\": \"embedding\"})"
  )

  /** @group getParam */
  final def getOutputCols: Map[String, String] = TextMap.of($(outputCols))

  /** @group setParam */
  def setOutputCols(value: Map[String, String]): this.type = set(outputCols, TextMap.json(value))

  /** @group setParam */
  def setOutputCols(value: String): this.type = set(outputCols, value)

  /** What products of matrices round their operands to when a model scores: "f32", "bf16", or
    * "bf16_amx" for Intel's AMX (GPUs take that for bf16), as precision does while training. A
    * model that was trained in bf16 scores in f32 too unless this says otherwise. ("f32" or "bf16"
    * or "bf16_amx")
    * @group param
    */
  final val scorePrecision: Param[String] = new Param[String](
    this,
    "scorePrecision",
    "What products of matrices round their operands to when a model scores: \"f32\", \"bf16\", or \"bf16_amx\" for Intel's AMX (GPUs take that for bf16), as precision does while training. A model that was trained in bf16 scores in f32 too unless this says otherwise. (\"f32\" or \"bf16\" or \"bf16_amx\")",
    Legal[String]("scorePrecision", "\"f32\" or \"bf16\" or \"bf16_amx\"", ParamValidators.inArray(Array("f32", "bf16", "bf16_amx")))
  )
  setDefault(scorePrecision, "f32")

  /** @group getParam */
  final def getScorePrecision: String = $(scorePrecision)

  /** @group setParam */
  def setScorePrecision(value: String): this.type = set(scorePrecision, value)

  /** Where a model's transform, evaluate and SQL score: "cpu", on processors, where a row's bits do
    * not depend on the rows it comes with; "cuda", on the NVIDIA GPUs that Spark gave the
    * executors, which needs the artifact candlewick-cuda and gives values within f32 of those;
    * "auto", on GPUs where both are there, else on processors, and an executor's log says why. One
    * row by itself (predict) is scored on processors. ("cpu" or "auto" or "cuda")
    * @group param
    */
  final val scoreDevice: Param[String] = new Param[String](
    this,
    "scoreDevice",
    "Where a model's transform, evaluate and SQL score: \"cpu\", on processors, where a row's bits do not depend on the rows it comes with; \"cuda\", on the NVIDIA GPUs that Spark gave the executors, which needs the artifact candlewick-cuda and gives values within f32 of those; \"auto\", on GPUs where both are there, else on processors, and an executor's log says why. One row by itself (predict) is scored on processors. (\"cpu\" or \"auto\" or \"cuda\")",
    Legal[String]("scoreDevice", "\"cpu\" or \"auto\" or \"cuda\"", ParamValidators.inArray(Array("cpu", "auto", "cuda")))
  )
  setDefault(scoreDevice, "cpu")

  /** @group getParam */
  final def getScoreDevice: String = $(scoreDevice)

  /** @group setParam */
  def setScoreDevice(value: String): this.type = set(scoreDevice, value)

  /** Factor for every feature value, for example 1/255 for bytes of a picture. Not set: 1. (number
    * above 0)
    * @group param
    */
  final val scale: DoubleParam = new DoubleParam(
    this,
    "scale",
    "Factor for every feature value, for example 1/255 for bytes of a picture. Not set: 1. (number above 0)",
    Legal[Double]("scale", "a finite number above 0", ParamValidators.inRange(0.0, Double.MaxValue, false, true))
  )

  /** @group getParam */
  final def getScale: Double = $(scale)

  /** @group setParam */
  def setScale(value: Double): this.type = set(scale, value)
}

/** Parameters of estimators, which their models know. Columns that are read and appended, and how they are read. */
trait EstimatorColumnParams extends Params with HasValidationIndicatorCol {

  // validationIndicatorCol: Boolean column that is true for the rows to validate on: they never
  // train. Not set: see validationFraction. (text)

  /** Shape that views the flat features as a tensor, without the batch dimension, for example [1,
    * 28, 28]. Needed for binary features. Not set, and the features are one column of nested
    * arrays: their sizes. (list of at least one whole number, each of at least 1)
    * @group param
    */
  final val inputShape: IntArrayParam = new IntArrayParam(
    this,
    "inputShape",
    "Shape that views the flat features as a tensor, without the batch dimension, for example [1, 28, 28]. Needed for binary features. Not set, and the features are one column of nested arrays: their sizes. (list of at least one whole number, each of at least 1)",
    Legal[Array[Int]]("inputShape", "a list of at least one whole number, each of at least 1", Legal.each(ParamValidators.inRange(1, 2147483647)))
  )

  /** @group getParam */
  final def getInputShape: Array[Int] = $(inputShape)
}

/** What estimators have beyond their models. Columns that are read and appended, and how they are read. */
trait EstimatorColumnSetters extends EstimatorColumnParams {

  /** Boolean column that is true for the rows to validate on: they never train. Not set: see
    * validationFraction. (text)
    *
    * @group setParam
    */
  def setValidationIndicatorCol(value: String): this.type = set(validationIndicatorCol, value)

  /** @group setParam */
  def setInputShape(value: Array[Int]): this.type = set(inputShape, value)
}

/** Parameters of classifiers and their models. Columns that are read and appended, and how they are read. */
trait ClassifierColumnParams
    extends Params
    with HasProbabilityCol
    with HasThresholds
    with HasRawPredictionCol {

  // probabilityCol: Column that transform appends: the Vector of class probabilities. Empty text:
  // not appended. (text)
  setDefault(probabilityCol, "probability")

  // rawPredictionCol: Column that transform appends: the Vector of the network's outputs (logits),
  // of two less their mean. Empty text: not appended. (text)
  setDefault(rawPredictionCol, "rawPrediction")

  /** One number per class: the class with the largest probability / threshold is predicted, as in
    * Spark ML. (list of at least one number, each of at least 0, at most one of them 0)
    * @group param
    */
  override val thresholds: DoubleArrayParam = new DoubleArrayParam(
    this,
    "thresholds",
    "One number per class: the class with the largest probability / threshold is predicted, as in Spark ML. (list of at least one number, each of at least 0, at most one of them 0)",
    Legal[Array[Double]]("thresholds", "a list of at least one number, each of at least 0, at most one of them 0", Legal.thresholds)
  )
}

/** Parameters of NeuralEstimator and its models. Columns that are read and appended, and how they are read. */
trait GeneralColumnParams extends Params {

  /** Columns whose values stand one after another in the label, instead of labelCol: numeric, array
    * and Vector columns, columns of features too. A loss reads one of them by its name:
    * nn.LossTerm(loss, label=...). (list of at least one text)
    * @group param
    */
  final val labelCols: StringArrayParam = new StringArrayParam(
    this,
    "labelCols",
    "Columns whose values stand one after another in the label, instead of labelCol: numeric, array and Vector columns, columns of features too. A loss reads one of them by its name: nn.LossTerm(loss, label=...). (list of at least one text)",
    Legal[Array[String]]("labelCols", "a list of at least one text", ParamValidators.arrayLengthGt[String](0))
  )

  /** @group getParam */
  final def getLabelCols: Array[String] = $(labelCols)

  /** @group setParam */
  def setLabelCols(value: Array[String]): this.type = set(labelCols, value)
}
