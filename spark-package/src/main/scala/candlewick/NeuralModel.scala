package candlewick

import candlewick.columns.{ColumnRules, DataContract, GraphColumns, GraphInput, TrainingColumns}
import candlewick.fit.InitialWeights
import candlewick.internal.{Failures, Json, SentWeights, Sessions}
import candlewick.jni.{InvalidParameterException, Native}
import candlewick.persist.{ModelWriter, RestorableParams, StageWriter}
import candlewick.score._
import java.nio.file.{Files, Paths}
import java.util.Collections
import org.apache.spark.SparkContext
import org.apache.spark.ml.Model
import org.apache.spark.ml.linalg.Vector
import org.apache.spark.ml.param.ParamMap
import org.apache.spark.ml.util.{CandlewickSummary, MLWritable}
import org.apache.spark.sql.{DataFrame, Dataset, Row}
import org.apache.spark.sql.functions.lit
import org.apache.spark.sql.types.{DoubleType, Metadata, StringType, StructField, StructType}

/** What [[NeuralClassificationModel]], [[NeuralRegressionModel]] and [[NeuralEstimatorModel]] share: a trained network as a transform.
  *
  * @tparam M
  *   class of the model
  */
trait NeuralModel[M <: NeuralModel[M]]
    extends Model[M]
    with NeuralTrainingParams
    with RestorableParams
    with CandlewickSummary[TrainingSummary]
    with MLWritable {

  /** What the model is besides its parameters. */
  private[candlewick] def state: ModelState

  // Of a model that nobody has trained, which service loaders may make, there is no state.
  keepSummary(Option(state).flatMap(_.trainingSummary))

  /** The columns to append, but those of outputCols. */
  private[candlewick] def outputs: Seq[OutputColumn]

  private[candlewick] def allOutputs: Seq[OutputColumn] = outputs ++ innerOutputs

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
  override def transform(dataset: Dataset[_]): DataFrame =
    get(outputCols)
      .flatMap(TextMap.of(_).get(NeuralModel.Metrics))
      .fold(appended(dataset))(measured(dataset, _))

  /** One row with the metrics of these rows as JSON. A client of Spark Connect can ask a model for nothing but what
    * transform gives, so its `evaluate` asks for this.
    */
  private def measured(dataset: Dataset[_], name: String): DataFrame = {
    val row = Collections.singletonList(Row(evaluateJson(dataset)))
    dataset.sparkSession.createDataFrame(
      row,
      StructType(Seq(StructField(name, StringType, nullable = false, Metadata.empty)))
    )
  }

  private def appended(dataset: Dataset[_]): DataFrame = {
    val schema = dataset.schema
    val caseSensitive = Sessions.caseSensitive(dataset.sparkSession)
    val columns = features(schema, caseSensitive)
    val appended = appendedTo(schema, columns, caseSensitive)
    if (appended.isEmpty) dataset.toDF()
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
    asTrained {
      features.foreach(ColumnRules.checkFeature)
      GraphColumns.check(features, inputs)
      checkWidth(features)
    }
    val all = allOutputs
    ColumnRules.checkNew(schema, all.map(column => column.param -> column.name), caseSensitive)
    checkThresholds()
    OutputColumn.fields(all, sizes(all), $(handleInvalid) == "keep")
  }

  /** What is known of the sizes of these columns. */
  private[candlewick] def sizes(columns: Seq[OutputColumn]): OutputSizes = {
    val inner = state.innerWidths(columns.collect { case OutputColumn.Inner(node, _) => node })
    OutputSizes(state.numClasses, values, state.outputs, inner)
  }

  /** Sets the column of the label, which [[evaluate]] compares with. */
  def setLabelCol(value: String): this.type = set(labelCol, value)

  /** Scores rows whose label is known and compares: the metrics by the names and definitions of `metrics`. Rows weigh
    * what weightCol says, where it is set. NaN where a metric is not defined. Invalid rows, and those whose label or weight
    * is not valid, are left out where handleInvalid is "skip" or "keep".
    *
    * {{{
    * model.evaluate(test)("accuracy")
    * }}}
    *
    * @param dataset
    *   rows with the features and labelCol; it is scored once
    * @return
    *   of a classifier accuracy, precision, recall, f1, log_loss, what `metrics` names besides (f1_macro, top_3_accuracy) and, up
    *   to 100 classes, roc_auc and pr_auc; of a regressor mae, mse, rmse, r2 and mape; where a loss such as BCEWithLogitsLoss
    *   asks of each value whether the row has that class, these and accuracy (all of a row are right), hamming_loss,
    *   precision, recall and f1 (each as _macro and _micro), roc_auc and pr_auc; of a NeuralEstimator with several outputs
    *   these of each, such as digit_accuracy
    */
  def evaluate(dataset: Dataset[_]): Map[String, Double] = {
    val caseSensitive = Sessions.caseSensitive(dataset.sparkSession)
    val labels = labelFields(dataset.schema, caseSensitive)
    val weight =
      get(weightCol).filter(_.nonEmpty).map(ColumnRules.find(dataset.schema, _, "weightCol", caseSensitive))
    weight.foreach(ColumnRules.checkWeight)
    val read = labels.map("labelCol" -> _) ++ weight.map("weightCol" -> _)
    ColumnRules.checkTold(dataset.schema, read, caseSensitive)
    // Under names of its own, whatever columns the rows have.
    val keys = labels.indices.map(at => s"candlewick_label_$at") :+ "candlewick_weight"
    val columns = labels.map { label =>
      val column = TrainingColumns.column(label)
      if (ColumnRules.isMulti(label.dataType)) ColumnRules.flat(column, label.dataType)
      else column.cast(DoubleType)
    } :+ weight.fold(lit(1.0))(TrainingColumns.column(_).cast(DoubleType))
    val prepared = keys.zip(columns).foldLeft(dataset.toDF()) { case (rows, (key, column)) =>
      rows.withColumn(key, column)
    }
    evaluated(prepared, keys)
  }

  /** The columns of the label. */
  private[candlewick] def labelFields(schema: StructType, caseSensitive: Boolean): Seq[StructField] = {
    val label = ColumnRules.find(schema, $(labelCol), "labelCol", caseSensitive)
    ColumnRules.checkLabel(label, classifier, "labelCol")
    Seq(label)
  }

  /** Whether rows that are not valid do not count in [[evaluate]]. */
  private[candlewick] def skipsInvalid: Boolean = $(handleInvalid) != "error"

  /** What evaluate tells of classes. */
  private[candlewick] def rules: Rules = Rules(get(metrics).fold(Seq.empty[String])(_.toSeq), skipsInvalid)

  /** The metrics of an output that tells no classes apart: of its values and, where its loss asks of each whether the row has
    * that class, of those.
    */
  private[candlewick] def ofValues(scored: DataFrame, labels: Labels, output: String): Map[String, Double] = {
    val said = get(loss).map(GeneralColumns.lossDocument(loss, _))
    said.flatMap(Losses.ofOtherLabels(_, output)).foreach { name =>
      throw Failures.parameter(
        s"evaluate compares outputs with the label, but with $name the label says something else than what the network puts " +
          "out; val_loss in the summary is the loss of the validation rows, and what transform appends can be measured"
      )
    }
    Evaluation.regressor(scored, labels, said.flatMap(Losses.tagLogits(_, output)), skipsInvalid)
  }

  /** A copy that appends nothing but what evaluate asks for. Rows that would get null are left out: there is no prediction
    * to compare.
    */
  private[candlewick] def judge: M = {
    val made = copy(ParamMap.empty)
    made.clear(made.outputCols): Unit
    if ($(handleInvalid) == "keep") made.setHandleInvalid("skip"): Unit
    made
  }

  /** The metrics of rows with the labels and then the weight in the columns `keys`. */
  private[candlewick] def evaluated(rows: DataFrame, keys: Seq[String]): Map[String, Double]

  /** The same as evaluate, as JSON for Python; null where a metric is not defined. */
  private[candlewick] def evaluateJson(dataset: Dataset[_]): String = {
    val values = evaluate(dataset).toSeq.sortBy(_._1)
    Json
      .obj(values.map { case (name, value) => name -> (if (value.isNaN) None else Some(value)) }: _*)
      .toString
  }

  /** Hash of the weights: equal weights, equal hash. */
  def weightsHash: String = state.weightsHash

  /** The weights as a safetensors file with PyTorch's parameter names and layouts. Weights of more
    * than 2 GiB do not fit an array: save the model then, and use the files in its folder.
    */
  def weightsSafetensors: Array[Byte] = state.weights.array("weightsSafetensors")

  /** Writes the weights into a file of this machine, for Python: py4j takes seconds for what a disk does at once. */
  private[candlewick] def writeWeights(file: String): Unit = {
    val out = Files.newOutputStream(Paths.get(file))
    try state.weights.write(out)
    finally out.close()
  }

  /** What initialWeights holds of this model where its weights do not fit the parameter; null where they do. For Python. */
  private[candlewick] def initialName(mostInline: Long): String =
    if (state.weights.bytes > mostInline) InitialWeights.ofModel(uid, state.weights, mostInline) else null

  /** The same, with the limit of the parameter. */
  private[candlewick] def initialName: String = initialName(InitialWeights.MaxInline)

  /** Writes the ONNX file, for Python. */
  private[candlewick] def writeOnnx(file: String): Unit = Files.write(Paths.get(file), toOnnx): Unit

  /** Whether the model keeps the state that its training ended with (saveOptimizer), so that a fit with resumeOptimizer can
    * go on from it.
    */
  def hasOptimizerState: Boolean = state.optimizer.isDefined

  /** Whether the model comes from a fit and knows how it went. */
  override def hasSummary: Boolean = state.summary.isDefined

  /** How the fit went. */
  override def summary: TrainingSummary = state.trainingSummary.getOrElse(throw noSummary)

  /** The same as a JSON document. */
  def summaryJson: String = summary.json

  private def noSummary = Failures.parameter("this model has no summary: it was not made by fit")

  /** The network, complete with all sizes: `setNetwork` takes it, and its `layers` can be put together anew. */
  def network: Network = NetworkReading.fromJson(networkJson)

  /** The same as a JSON document, as the estimator's getter has it. */
  def getNetwork: String = networkJson

  /** The network as the JSON document that `setNetwork` takes, complete with all sizes. */
  def networkJson: String = Json.field(state.document, "network").toString

  /** A table of the layers with their shapes and parameters. */
  def networkSummary: String = Native.networkSummary(shapedNetwork())

  /** The network with its weights as an ONNX model file (operator set 17), for other runtimes. It takes batches of
    * features as `features` (a graph network: its inputs by name), as `transform` reads them: `scale` is in the file. It
    * gives the network's outputs before softmax as `output` (a graph network: its outputs by name).
    *
    * {{{
    * java.nio.file.Files.write(path, model.toOnnx)
    * }}}
    */
  def toOnnx: Array[Byte] = Native.exportOnnx(shapedNetwork("scale" -> get(scale)), state.weights.iterable)

  private def shapedNetwork(more: (String, Any)*): String = {
    val shaped = Seq("network" -> Json.field(state.document, "network"), "inputShape" -> state.inputShape)
    Json.obj(shaped ++ more: _*).toString
  }

  override def toString: String = {
    val count = NeuralModel.Parameters.findFirstMatchIn(networkSummary).map(_.group(1))
    val hash = state.summary.flatMap(known => Option(known.get("weightsHash"))).fold(weightsHash)(_.asText)
    val said = Seq[(String, Option[String])](
      "uid" -> Some(uid),
      "numClasses" -> state.numClasses.map(_.toString),
      "numOutputs" -> Some(values.toString).filterNot(_ => classifier),
      "numFeatures" -> Some(state.featureWidth.toString),
      "numParameters" -> count,
      "weightsHash" -> Some(hash),
      "columns" -> Some(outputs.map(_.name).filter(_.nonEmpty).mkString("[", ", ", "]"))
    )
    val facts = said.collect { case (name, Some(value)) => s"$name=$value" }
    facts.mkString(s"${getClass.getSimpleName}: ", ", ", "")
  }

  /** Bytes of the weights: Spark Connect's model cache (since Spark 4.1) asks for it by name. */
  def estimatedSize: Long = state.weights.bytes

  /** Saves the model: parameters in Spark ML's layout, weights as safetensors, and what the model needs to be checked when
    * it is loaded.
    */
  override def write: StageWriter = new ModelWriter(this, state)

  /** The rows that the model was trained on, as a JSON document: names, types, lengths and nullability of the columns, and
    * what a null among them means.
    *
    * {{{
    * {"features": [{"name": "features", "type": "vector", "nullable": true, "length": 4}],
    *  "label": {"name": "label", "type": "double", "nullable": false, "length": 1},
    *  "weight": null, "inputShape": [4], "scale": null, "handleInvalid": "error"}
    * }}}
    */
  def dataContract: String = state.dataContract.toString

  private def features(schema: StructType, caseSensitive: Boolean): Seq[StructField] = {
    if (isSet(featuresCol) && get(featuresCols).exists(_.nonEmpty))
      throw Failures.parameter(
        "featuresCol and featuresCols are both set: the model reads the columns of one of them; clear the other"
      )
    val named = if (inputs.nonEmpty && !isSet(featuresCol)) Some(inputs.map(_.name)) else None
    val many = get(featuresCols).filter(_.nonEmpty).map(_.toSeq).orElse(named)
    val names = many.getOrElse(Seq($(featuresCol)))
    val param = if (many.isDefined) "featuresCols" else "featuresCol"
    asTrained(names.map(ColumnRules.find(schema, _, param, caseSensitive)))
  }

  /** Runs a check of columns; where it fails, the message says which columns the model was trained on. */
  private def asTrained[T](check: => T): T =
    try check
    catch {
      case error: InvalidParameterException =>
        val trained = DataContract.features(state.dataContract)
        throw Failures.parameter(s"${error.getMessage}. The model was trained on $trained")
    }

  /** The inputs of the network where it is a graph. */
  private def inputs: Seq[GraphInput] = GraphColumns.inputs(Json.field(state.document, "network"))

  private def checkWidth(fields: Seq[StructField]): Unit = {
    val known = fields.map(ColumnRules.knownWidth)
    val sum = known.flatten.sum
    if (known.forall(_.isDefined) && sum != state.featureWidth)
      throw Failures.parameter(
        s"the features hold $sum values but the model was trained on ${state.featureWidth}; use the same feature columns"
      )
  }

  private def checkThresholds(): Unit = thresholdsJson.foreach { values =>
    val classes = state.numClasses.getOrElse(values.length)
    if (values.length != classes)
      throw Failures.parameter(s"thresholds has ${values.length} values but the model has $classes classes")
  }

  /** What the network says of one row, in this JVM: no Spark job is started. */
  private[candlewick] def scored(features: Vector): Scored = {
    SingleRow.check(features, state.featureWidth)
    val key =
      Seq(
        state.bytes.key,
        thresholdsJson.fold("")(_.mkString(",")),
        get(scale).fold("")(_.toString),
        $(scorePrecision)
      ).mkString(" ")
    def document =
      SingleRow.document(thresholdsJson, get(scale), state.featureWidth, classifier, $(scorePrecision))
    ModelCache.score(key, state.bytes, classifier, document)(features)
  }

  /** Whether the model tells classes apart. */
  private[candlewick] def classifier: Boolean = false

  /** How rows are scored for an output by its name, in SQL: of this model as it is set now. */
  private[candlewick] def sqlColumns(sc: SparkContext): String => (ScoreTaskSpec, StructField) = {
    val frozen = copy(ParamMap.empty)
    output => frozen.sqlColumn(output, frozen.spec(sc))
  }

  /** The same for rows that are scored in this JVM, whether there is a session or not. */
  private[candlewick] def columnHere(output: String): (ScoreTaskSpec, StructField) =
    sqlColumn(output, specOf(state.bytes.weights.here, None))

  private[candlewick] def sqlColumn(output: String, spec: => ScoreTaskSpec): (ScoreTaskSpec, StructField) = {
    val column = byName(output)
    checkThresholds()
    // A function leaves no row out.
    val invalid = if ($(handleInvalid) == "error") "error" else "keep"
    val field =
      try OutputColumn.fields(Seq(column), sizes(Seq(column)), invalid == "keep").head
      catch {
        case error: InvalidParameterException if askable.nonEmpty =>
          throw Failures.parameter(s"${error.getMessage}; and ${askable.mkString(", ")}")
      }
    spec.copy(outputs = Seq(column), handleInvalid = invalid) -> field
  }

  /** What may be asked for in SQL beside layers and nodes: for messages. */
  private[candlewick] def askable: Seq[String] =
    "prediction" +: (if (classifier) Seq("probability", "rawPrediction") else Nil)

  /** The column of an output by its name in SQL. */
  private[candlewick] def byName(output: String): OutputColumn = output match {
    case "prediction" => OutputColumn.Prediction(output)
    case "probability" if classifier => OutputColumn.Probability(output)
    case "rawPrediction" if classifier => OutputColumn.RawPrediction(output)
    case node => OutputColumn.Inner(node, node)
  }

  private def spec(sc: SparkContext): ScoreTaskSpec = {
    // Here, where it is told once, and not by each executor.
    ModelCache.check(sc.getConf)
    specOf(state.broadcast.in(sc), state.broadcast.golden(sc))
  }

  private def specOf(weights: SentWeights, golden: Option[SentWeights]): ScoreTaskSpec = ScoreTaskSpec(
    state.bytes.json,
    state.bytes.key,
    weights,
    allOutputs,
    thresholdsJson,
    $(handleInvalid),
    $(scorePrecision),
    $(scoreDevice),
    get(scale),
    state.featureWidth,
    state.inputShape,
    inputs,
    DataContract.featureColumns(state.dataContract),
    golden,
    s"$uid, ${state.bytes.key.take(8)}"
  )
}

private object NeuralModel {

  /** What outputCols calls the metrics; no output can be called so. */
  val Metrics: String = "candlewick.evaluate"

  /** The total in a table of layers. */
  val Parameters: scala.util.matching.Regex = "(?m)^(\\d+) parameters: ".r
}
