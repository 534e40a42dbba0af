package candlewick

import candlewick.columns.GraphColumns
import candlewick.internal.Json
import candlewick.persist.ModelReader
import candlewick.score.OutputColumn
import org.apache.spark.ml.param.ParamMap
import org.apache.spark.ml.util.{MLReadable, MLReader}

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
final class NeuralRegressionModel private[candlewick] (override val uid: String, state: ModelState)
    extends NeuralModel[NeuralRegressionModel](state) {

  /** Number of values of a prediction. */
  def numOutputs: Int = state.outputWidth

  override private[candlewick] def values: Int = numOutputs

  override private[candlewick] def outputs: Seq[OutputColumn] =
    OutputColumn.regressor($(predictionCol), GraphColumns.outputs(Json.field(state.document, "network")))

  override def copy(extra: ParamMap): NeuralRegressionModel =
    copyValues(new NeuralRegressionModel(uid, state), extra).setParent(parent)

  override def toString: String =
    s"NeuralRegressionModel: uid=$uid, numOutputs=$numOutputs, numFeatures=$numFeatures"
}

/** Loads saved models: `NeuralRegressionModel.load(path)`. */
object NeuralRegressionModel extends MLReadable[NeuralRegressionModel] {

  /** Reads a saved model. */
  override def read: MLReader[NeuralRegressionModel] =
    new ModelReader[NeuralRegressionModel]((uid, state) => new NeuralRegressionModel(uid, state))

  /** Loads a saved model. */
  override def load(path: String): NeuralRegressionModel = super.load(path)
}
