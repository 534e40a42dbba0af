package candlewick

import candlewick.columns.{ColumnRules, GraphColumns}
import candlewick.internal.{Failures, Json}
import candlewick.persist.{ModelReader, StageReader}
import candlewick.score.{Labels, OutputColumn}
import org.apache.spark.ml.linalg.Vector
import org.apache.spark.ml.param.ParamMap
import org.apache.spark.ml.regression.RegressionModel
import org.apache.spark.ml.util.{Identifiable, MLReadable}
import org.apache.spark.sql.DataFrame
import org.apache.spark.sql.functions.col

/** A trained regressor. `transform` appends prediction: a number, or a Vector where the network has
  * several outputs.
  *
  * {{{
  * model.transform(test).select("price", "prediction").show()
  * }}}
  *
  * @param uid
  *   id of the stage
  */
final class NeuralRegressionModel private[candlewick] (
    override val uid: String,
    private[candlewick] override val state: ModelState
) extends RegressionModel[Vector, NeuralRegressionModel]
    with NeuralModel[NeuralRegressionModel] {

  /** Without weights: service loaders, by which Spark Connect finds its classes, want such a constructor. */
  private[candlewick] def this() = this(Identifiable.randomUID("NeuralRegressionModel"), null)

  /** The prediction of one row of features, of a model with one output. It is computed in this JVM, without a Spark job. */
  override def predict(features: Vector): Double = {
    if (numOutputs != 1)
      throw Failures.parameter(
        s"predict gives one number, but this model has $numOutputs outputs; use predictRaw, which gives a Vector of them"
      )
    scored(features).raw(0)
  }

  /** The values that the network gives of one row of features. */
  def predictRaw(features: Vector): Vector = scored(features).raw

  override private[candlewick] def evaluated(rows: DataFrame, keys: Seq[String]): Map[String, Double] = {
    if (numOutputs > 1 && !ColumnRules.isMulti(rows.schema(keys.head).dataType))
      throw Failures.parameter(
        s"evaluate compares every output with a value of the label, but the model has $numOutputs outputs and labelCol is " +
          "a number; take the metrics of one of them by RegressionEvaluator"
      )
    state.labelWidth.filter(_ != numOutputs).foreach { width =>
      throw Failures.parameter(
        s"evaluate compares every output with a value of the label, but the network has $numOutputs outputs for a label of $width " +
          "value(s), as its loss needs; val_loss in the summary is the loss of the validation rows, and what transform appends " +
          "can be measured"
      )
    }
    val name = "candlewick_prediction"
    val scored =
      judge.setPredictionCol(name).transform(rows).select((keys :+ name).map(col): _*)
    ofValues(scored, Labels.of($(labelCol), numOutputs), output = "")
  }

  /** Number of values of a prediction. */
  def numOutputs: Int = state.outputWidth

  override private[candlewick] def values: Int = numOutputs

  override def numFeatures: Int = state.featureWidth

  override private[candlewick] def outputs: Seq[OutputColumn] =
    OutputColumn.regressor($(predictionCol), GraphColumns.outputs(Json.field(state.document, "network")))

  override def copy(extra: ParamMap): NeuralRegressionModel =
    copyValues(new NeuralRegressionModel(uid, state), extra).setParent(parent)
}

/** Loads saved models: `NeuralRegressionModel.load(path)`. */
object NeuralRegressionModel extends MLReadable[NeuralRegressionModel] {

  /** Reads a saved model. */
  override def read: StageReader[NeuralRegressionModel] =
    new ModelReader[NeuralRegressionModel]((uid, state) => new NeuralRegressionModel(uid, state))

  /** Loads a saved model. */
  override def load(path: String): NeuralRegressionModel = super.load(path)
}
