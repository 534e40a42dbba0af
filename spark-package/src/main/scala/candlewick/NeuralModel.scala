package candlewick

import candlewick.columns.{ColumnRules, GraphColumns, GraphInput}
import candlewick.internal.{Failures, Json, Sessions}
import candlewick.jni.Native
import candlewick.persist.{ModelWriter, RestorableParams}
import candlewick.score.{OutputColumn, OutputSizes, ScoreTaskSpec, Scoring}
import java.nio.file.{Files, Paths}
import org.apache.spark.SparkContext
import org.apache.spark.ml.Model
import org.apache.spark.ml.util.{MLWritable, MLWriter}
import org.apache.spark.sql.{DataFrame, Dataset}
import org.apache.spark.sql.types.{StructField, StructType}

/** What [[NeuralClassificationModel]] and [[NeuralRegressionModel]] share: a trained network as a transform.
  *
  * @tparam M
  *   class of the model
  */
abstract class NeuralModel[M <: NeuralModel[M]] private[candlewick] (
    private[candlewick] val state: ModelState
) extends Model[M]
    with NeuralModelParams
    with RestorableParams
    with MLWritable {

  /** The columns to append. */
  private[candlewick] def outputs: Seq[OutputColumn]

  /** Thresholds of the classes, if set. */
  private[candlewick] def thresholdsJson: Option[Seq[Double]] = None

  /** Number of values of a regressor's prediction. */
  private[candlewick] def values: Int = 1

  /** Appends the model's columns. Weights are sent to each executor once and loaded there once; rows are scored in
    * batches, in the executor's own process. Works on streams too.
    *
    * {{{
    * model.transform(test).select("label", "prediction").show()
    * }}}
    */
  override def transform(dataset: Dataset[_]): DataFrame = {
    val schema = dataset.schema
    val caseSensitive = Sessions.caseSensitive(dataset.sparkSession)
    val columns = features(schema, caseSensitive)
    val appended = appendedTo(schema, columns, caseSensitive)
    if (outputs.isEmpty) dataset.toDF()
    else Scoring.append(dataset, columns.map(schema.fields.indexOf(_)), appended)(spec)
  }

  /** Checks the feature columns and appends those of the model. */
  override def transformSchema(schema: StructType): StructType = {
    val caseSensitive = Sessions.caseSensitive
    StructType(schema.fields ++ appendedTo(schema, features(schema, caseSensitive), caseSensitive))
  }

  /** Checks everything that the schema tells; the columns to append. */
  private def appendedTo(
      schema: StructType,
      features: Seq[StructField],
      caseSensitive: Boolean
  ): Seq[StructField] = {
    features.foreach(ColumnRules.checkFeature)
    GraphColumns.check(features, inputs)
    checkWidth(features)
    ColumnRules.checkNew(schema, outputs.map(column => column.param -> column.name), caseSensitive)
    checkThresholds()
    OutputColumn.fields(outputs, OutputSizes(state.numClasses, values, state.outputs))
  }

  /** Numbers in the features of a row. */
  def numFeatures: Int = state.featureWidth

  /** Hash of the weights: equal weights, equal hash. */
  def weightsHash: String = state.weightsHash

  /** The weights as a safetensors file with PyTorch's parameter names and layouts. Weights of more
    * than 2 GiB do not fit an array: save the model then, and use data/weights.safetensors.
    */
  def weightsSafetensors: Array[Byte] = state.weights.array("weightsSafetensors")

  /** Writes the weights into a file of this machine, for Python: py4j takes seconds for what a disk does at once. */
  private[candlewick] def writeWeights(file: String): Unit = {
    val out = Files.newOutputStream(Paths.get(file))
    try state.weights.write(out)
    finally out.close()
  }

  /** Writes the ONNX file, for Python. */
  private[candlewick] def writeOnnx(file: String): Unit = Files.write(Paths.get(file), toOnnx): Unit

  /** Whether the model keeps the state that its training ended with (saveOptimizer), so that a fit with resumeOptimizer can
    * go on from it.
    */
  def hasOptimizerState: Boolean = state.optimizer.isDefined

  /** Whether the model comes from a fit and knows how it went. */
  def hasSummary: Boolean = state.summary.isDefined

  /** How the fit went. */
  def summary: TrainingSummary = new TrainingSummary(summaryJson)

  /** The same as a JSON document. */
  def summaryJson: String = state.summary.map(_.toString).getOrElse {
    throw Failures.parameter("this model has no summary: it was not made by fit")
  }

  /** The network as the JSON document that `setNetwork` takes, complete with all sizes. */
  def networkJson: String = Json.field(state.document, "network").toString

  /** A table of the layers with their shapes and parameters. */
  def networkSummary: String = Native.networkSummary(shapedNetwork)

  /** The network with its weights as an ONNX model file (operator set 17), for other runtimes. It takes batches of
    * features as `features` (a graph network: its inputs by name) and gives the network's outputs before softmax as
    * `output` (a graph network: its outputs by name).
    *
    * {{{
    * java.nio.file.Files.write(path, model.toOnnx)
    * }}}
    */
  def toOnnx: Array[Byte] = Native.exportOnnx(shapedNetwork, state.weights.iterable)

  private def shapedNetwork: String =
    Json.obj("network" -> Json.field(state.document, "network"), "inputShape" -> state.inputShape).toString

  /** Bytes of the weights: Spark Connect's model cache (since Spark 4.1) asks for it by name. */
  def estimatedSize: Long = state.weights.bytes

  /** Saves the model: parameters in Spark ML's layout, weights as safetensors. */
  override def write: MLWriter = new ModelWriter(this, state)

  private def features(schema: StructType, caseSensitive: Boolean): Seq[StructField] = {
    val named = if (inputs.nonEmpty && !isSet(featuresCol)) Some(inputs.map(_.name)) else None
    val many = get(featuresCols).filter(_.nonEmpty).map(_.toSeq).orElse(named)
    val names = many.getOrElse(Seq($(featuresCol)))
    val param = if (many.isDefined) "featuresCols" else "featuresCol"
    names.map(ColumnRules.find(schema, _, param, caseSensitive))
  }

  /** The inputs of the network where it is a graph. */
  private def inputs: Seq[GraphInput] = GraphColumns.inputs(Json.field(state.document, "network"))

  private def checkWidth(fields: Seq[StructField]): Unit = {
    val known = fields.map(ColumnRules.knownWidth)
    val sum = known.flatten.sum
    if (known.forall(_.isDefined) && sum != numFeatures)
      throw Failures.parameter(
        s"the features hold $sum values but the model was trained on $numFeatures; use the same feature columns"
      )
  }

  private def checkThresholds(): Unit = thresholdsJson.foreach { values =>
    val classes = state.numClasses.getOrElse(values.length)
    if (values.length != classes)
      throw Failures.parameter(s"thresholds has ${values.length} values but the model has $classes classes")
  }

  private def spec(sc: SparkContext): ScoreTaskSpec = ScoreTaskSpec(
    state.bytes.json,
    state.bytes.key,
    state.broadcast.in(sc),
    outputs,
    thresholdsJson,
    $(handleInvalid) == "skip",
    get(scale),
    numFeatures,
    inputs.map(_.width),
    s"$uid, ${state.bytes.key.take(8)}"
  )
}
