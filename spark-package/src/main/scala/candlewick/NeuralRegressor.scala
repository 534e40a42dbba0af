package candlewick

import candlewick.columns.{GraphColumns, TrainingColumns}
import candlewick.persist.{ParamsReader, StageReader}
import candlewick.score.{OutputColumn, OutputSizes}
import org.apache.spark.ml.linalg.Vector
import org.apache.spark.ml.param.ParamMap
import org.apache.spark.ml.regression.Regressor
import org.apache.spark.ml.util.{Identifiable, MLReadable}
import org.apache.spark.sql.Dataset
import org.apache.spark.sql.types.StructType

/** Trains a neural network to predict one number, or several where the label is an array or a Vector.
  *
  * {{{
  * import candlewick.{NeuralRegressor, nn}
  *
  * val regressor = new NeuralRegressor()
  *   .setNetwork(nn.Sequential(nn.Linear(64), nn.ReLU(), nn.Linear(1)))
  *   .setLabelCol("price")
  * val model = regressor.fit(train)
  * val scored = model.transform(test) // + prediction
  * }}}
  *
  * @param uid
  *   id of the stage
  */
final class NeuralRegressor(override val uid: String)
    extends Regressor[Vector, NeuralRegressor, NeuralRegressionModel]
    with NeuralEstimatorBase[NeuralRegressionModel] {

  /** With a random id. */
  def this() = this(Identifiable.randomUID("NeuralRegressor"))

  override private[candlewick] def task: String = "regressor"

  override private[candlewick] def model(state: ModelState): NeuralRegressionModel =
    new NeuralRegressionModel(uid, state)

  override private[candlewick] def outputs: Seq[OutputColumn] =
    OutputColumn.regressor($(predictionCol), graph.fold(Seq.empty[String])(GraphColumns.outputs))

  /** The native library tells how wide the outputs are. Where they depend on the width of features that no schema tells,
    * the label has as many values: several are a Vector.
    */
  override private[candlewick] def appended(schema: StructType, columns: TrainingColumns): StructType = {
    val widths = networkDocument.flatMap(ModelState.networkOutputs(_, columns.knownShape)).getOrElse(Nil)
    val values = if (widths.nonEmpty) widths.map(_.width).sum else if (columns.multiLabel) 2 else 1
    val fields = OutputColumn.fields(
      allOutputs,
      OutputSizes(None, values, widths.map(output => output.name -> output.width).toMap)
    )
    StructType(schema.fields ++ fields)
  }

  override protected def train(dataset: Dataset[_]): NeuralRegressionModel = fit(dataset)

  override def copy(extra: ParamMap): NeuralRegressor = defaultCopy(extra)
}

/** Loads saved regressors: `NeuralRegressor.load(path)`. */
object NeuralRegressor extends MLReadable[NeuralRegressor] {

  /** Reads a saved estimator. */
  override def read: StageReader[NeuralRegressor] = new ParamsReader(new NeuralRegressor(_))

  /** Loads a saved estimator. */
  override def load(path: String): NeuralRegressor = super.load(path)
}
