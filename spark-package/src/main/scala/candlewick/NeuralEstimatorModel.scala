package candlewick

import candlewick.columns.{ColumnRules, DataContract}
import candlewick.internal.{Failures, Json}
import candlewick.jni.InvalidParameterException
import candlewick.persist.{ModelReader, StageReader}
import candlewick.score.{Evaluation, Labels, NetworkOutput, OneRow, OutputColumn, OutputSizes, SingleRow}
import org.apache.spark.ml.Model
import org.apache.spark.ml.linalg.Vector
import org.apache.spark.ml.param.ParamMap
import org.apache.spark.ml.util.{Identifiable, MLReadable}
import org.apache.spark.sql.DataFrame
import org.apache.spark.sql.functions.col
import org.apache.spark.sql.types.{StructField, StructType}
import org.apache.spark.storage.StorageLevel

/** A trained network of any outputs. `transform` appends a column for each: the class where its loss tells classes apart,
  * else its value, or a Vector of its values; `outputCols` chooses others.
  *
  * {{{
  * model.setOutputCols(Map("digit" -> "guess", "digit.probability" -> "sure", "code" -> "embedding")).transform(test)
  * }}}
  *
  * @param uid
  *   id of the stage
  */
final class NeuralEstimatorModel private[candlewick] (
    override val uid: String,
    private[candlewick] override val state: ModelState
) extends Model[NeuralEstimatorModel]
    with NeuralModel[NeuralEstimatorModel]
    with NeuralGeneralParams {

  /** Without weights: service loaders, by which Spark Connect finds its classes, want such a constructor. */
  private[candlewick] def this() = this(Identifiable.randomUID("NeuralEstimatorModel"), null)

  /** Numbers in the features of a row. */
  def numFeatures: Int = state.featureWidth

  /** Number of values that the network puts out of a row: those of all outputs. */
  def numOutputs: Int = state.outputWidth

  /** Sets the column of the features. */
  def setFeaturesCol(value: String): this.type = set(featuresCol, value)

  /** Sets the column of the one output of the network, or what the names of the columns of several begin with. */
  def setPredictionCol(value: String): this.type = set(predictionCol, value)

  override private[candlewick] def values: Int = numOutputs

  override private[candlewick] def outputs: Seq[OutputColumn] =
    GeneralColumns.columns(this, state.networkOutputs)

  override private[candlewick] def allOutputs: Seq[OutputColumn] = outputs

  override private[candlewick] def sizes(columns: Seq[OutputColumn]): OutputSizes = {
    val nodes = columns.collect { case OutputColumn.Inner(node, _) => node }
    val inner =
      try state.innerWidths(nodes)
      catch {
        case error: InvalidParameterException =>
          val names =
            state.networkOutputs.flatMap(NetworkOutput.ofClasses(_, state.networkOutputs.length == 1))
          throw if (names.isEmpty) error
          else Failures.parameter(s"${error.getMessage}; and ${names.mkString(", ")}")
      }
    GeneralColumns.sizes(state.networkOutputs, numOutputs, inner)
  }

  // What sizes says already.
  override private[candlewick] def askable: Seq[String] = Nil

  override private[candlewick] def byName(output: String): OutputColumn = {
    val known = state.networkOutputs
    if (output == "prediction" && known.length > 1 && !known.exists(_.name == output))
      throw Failures.parameter(
        s"candlewick_predict: the model has the outputs ${known.map(_.name).mkString(", ")}: name one at the end, such as " +
          s"candlewick_predict('name', features, '${known.head.name}')"
      )
    NetworkOutput.column(known, output, output, "candlewick_predict")
  }

  /** What the network says of one row of features, by the names of its outputs; that of an output without a name is
    * "prediction". It is computed in this JVM, without a Spark job.
    *
    * {{{
    * model.predict(Vectors.dense(5.1, 3.5, 1.4, 0.2))("kind") // 0.0
    * }}}
    *
    * @return
    *   the class or the value as a number, several values as a Vector
    */
  def predict(features: Vector): Map[String, Any] = {
    SingleRow.check(features, state.featureWidth)
    state.networkOutputs.map { output =>
      val name = if (output.name.isEmpty) "prediction" else output.name
      val (spec, field) = columnHere(name)
      // A row that is not valid is said to be none.
      name -> OneRow.score(spec.copy(handleInvalid = "error"), field, features)
    }.toMap
  }

  /** The same as JSON for Python. */
  private[candlewick] def predictJson(features: Vector): String = {
    val values = predict(features).toSeq.map {
      case (name, vector: Vector) => name -> vector.toArray
      case other => other
    }
    Json.obj(values: _*).toString
  }

  override private[candlewick] def labelFields(
      schema: StructType,
      caseSensitive: Boolean
  ): Seq[StructField] = {
    val (names, param) = GeneralColumns.labels(this)
    val fields = names.map(ColumnRules.find(schema, _, param, caseSensitive))
    fields.foreach(ColumnRules.checkLabel(_, classifier = false, param))
    fields
  }

  override private[candlewick] def evaluated(rows: DataFrame, keys: Seq[String]): Map[String, Double] = {
    val compared = for (output <- state.networkOutputs; (from, to) <- output.labels) yield (output, from, to)
    if (compared.isEmpty)
      throw Failures.parameter(
        "evaluate compares outputs with labels, but the loss of this model compares nothing one by one; val_loss in the " +
          "summary is the loss of the validation rows, and what transform appends can be measured"
      )
    val columns = labelColumns
    // Each output scores under names of its own, all of them in one pass.
    val parts = compared.zipWithIndex.map { case ((output, from, to), at) =>
      val asked = Seq("prediction") ++ output.classes.map(_ => "probability")
      val dotted = asked.map(part => if (output.name.isEmpty) part else s"${output.name}.$part")
      (
        output,
        columns.copy(from = from, until = to),
        dotted.zip(asked.map(part => s"candlewick_${part}_$at"))
      )
    }
    val asking = judge
    val chosen = Json.obj(parts.flatMap(_._3): _*).toString
    asking.set(asking.outputCols, chosen): Unit
    val found = parts.flatMap(_._3.map(_._2))
    val scored = asking.transform(rows).select((keys ++ found).map(col): _*)
    // One output alone is read as often as its metrics want.
    val kept = parts.length > 1
    if (kept) scored.persist(StorageLevel.MEMORY_AND_DISK): Unit
    try {
      val each = parts.map { case (output, labels, names) =>
        metrics(output, labels, scored.select((keys ++ names.map(_._2)).map(col): _*), kept)
      }
      each.reduce(_ ++ _)
    } finally if (kept) scored.unpersist(false): Unit
  }

  /** The columns of the label, as wide as those of the training. */
  private def labelColumns: Labels = {
    val (names, param) = GeneralColumns.labels(this)
    val trained = DataContract.labels(state.dataContract)
    if (names.length != trained.length)
      throw Failures.parameter(
        s"$param names ${names.length} columns, but the model was trained on ${trained.length}: " +
          s"${trained.map(Json.field(_, "name").asText).mkString(", ")}; name as many, in that order"
      )
    val columns = names.zip(trained).map { case (name, column) => name -> column.path("length").asInt(1) }
    Labels(param, columns, 0, columns.map(_._2).sum)
  }

  private def metrics(
      output: NetworkOutput,
      labels: Labels,
      scored: DataFrame,
      kept: Boolean
  ): Map[String, Double] = {
    val found = output.classes match {
      case Some(classes) =>
        Evaluation.classifier(scored, labels, classes, state.ignoredLabel, rules.copy(kept = kept))
      case None => ofValues(scored, labels, output.name)
    }
    if (state.networkOutputs.length == 1) found
    else found.map { case (name, value) => s"${output.name}_$name" -> value }
  }

  override def copy(extra: ParamMap): NeuralEstimatorModel =
    copyValues(new NeuralEstimatorModel(uid, state), extra).setParent(parent)
}

/** Loads saved models: `NeuralEstimatorModel.load(path)`. */
object NeuralEstimatorModel extends MLReadable[NeuralEstimatorModel] {

  /** Reads a saved model. */
  override def read: StageReader[NeuralEstimatorModel] =
    new ModelReader[NeuralEstimatorModel]((uid, state) => new NeuralEstimatorModel(uid, state))

  /** Loads a saved model. */
  override def load(path: String): NeuralEstimatorModel = super.load(path)
}
