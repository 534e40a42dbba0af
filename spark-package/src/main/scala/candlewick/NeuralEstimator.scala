package candlewick

import candlewick.columns.{GraphColumns, TrainingColumns}
import candlewick.persist.{ParamsReader, StageReader}
import candlewick.score.{NetworkOutput, OutputColumn}
import com.fasterxml.jackson.databind.JsonNode
import org.apache.spark.ml.Estimator
import org.apache.spark.ml.param.ParamMap
import org.apache.spark.ml.util.{Identifiable, MLReadable}
import org.apache.spark.sql.types.StructType

/** Trains any network by losses over its outputs and any label columns: several tasks at once, autoencoders, two towers,
  * quantiles. [[NeuralClassifier]] and [[NeuralRegressor]] are the usual cases of it.
  *
  * {{{
  * import candlewick.{NeuralEstimator, nn}
  *
  * val pixels = nn.Input("pixels", 64)
  * val hidden = nn.ReLU()(nn.Linear(32)(pixels))
  * val net = nn.Graph(Seq(pixels), "digit" -> nn.Linear(10)(hidden), "width" -> nn.Linear(1)(hidden))
  * val estimator = new NeuralEstimator()
  *   .setNetwork(net)
  *   .setLabelCols(Array("digit", "w"))
  *   .setLoss("digit" -> nn.CrossEntropyLoss(), "width" -> nn.LossTerm(nn.MSELoss(), weight = 0.1, label = "w"))
  * val scored = estimator.fit(train).transform(test) // + prediction_digit, prediction_width
  * }}}
  *
  * @param uid
  *   id of the stage
  */
final class NeuralEstimator(override val uid: String)
    extends Estimator[NeuralEstimatorModel]
    with NeuralEstimatorBase[NeuralEstimatorModel]
    with NeuralGeneralParams {

  /** With a random id. */
  def this() = this(Identifiable.randomUID("NeuralEstimator"))

  override private[candlewick] def task: String = TrainingColumns.General

  override private[candlewick] def labels: (Seq[String], String) = GeneralColumns.labels(this)

  override private[candlewick] def model(state: ModelState): NeuralEstimatorModel =
    new NeuralEstimatorModel(uid, state)

  /** Sets the column of the features. */
  def setFeaturesCol(value: String): this.type = set(featuresCol, value)

  /** Sets the column of the label; an empty text where the loss reads none. */
  def setLabelCol(value: String): this.type = set(labelCol, value)

  /** Sets the column of the one output of the network, or what the names of the columns of several begin with. */
  def setPredictionCol(value: String): this.type = set(predictionCol, value)

  override private[candlewick] def outputs: Seq[OutputColumn] = columnsFor(saidShape)

  /** The values that a graph reads, as its inputs say, or inputShape. */
  private def saidShape: Option[Seq[Int]] =
    graph
      .map(document => Seq(GraphColumns.inputs(document).map(_.width).sum))
      .orElse(get(inputShape).map(_.toSeq))

  override private[candlewick] def allOutputs: Seq[OutputColumn] = outputs

  /** The columns that transform will append, as far as it is known before rows are. */
  private def columnsFor(shape: Option[Seq[Int]]): Seq[OutputColumn] = {
    // Where the outputs depend on rows, the network is a chain: one output without a name.
    val known = networkOutputs(shape).getOrElse(Seq(NetworkOutput("", 1, None)))
    GeneralColumns.columns(this, known)
  }

  private def networkOutputs(shape: Option[Seq[Int]]): Option[Seq[NetworkOutput]] = {
    val said: JsonNode = get(loss).fold[JsonNode](null)(GeneralColumns.lossDocument(loss, _))
    networkDocument.flatMap(ModelState.networkOutputs(_, shape, said))
  }

  /** The native library tells how wide the outputs are, and the loss which of them tell classes apart. Where they depend
    * on the width of features that no schema tells, the label has as many values: several are a Vector.
    */
  override private[candlewick] def appended(schema: StructType, columns: TrainingColumns): StructType = {
    val shape = columns.knownShape.orElse(saidShape)
    val known = networkOutputs(shape)
    val width = known.fold(if (columns.multiLabel) 2 else 1)(_.map(_.width).sum)
    val sizes = GeneralColumns.sizes(known.getOrElse(Nil), width, Map.empty)
    StructType(schema.fields ++ OutputColumn.fields(columnsFor(shape), sizes))
  }

  override def copy(extra: ParamMap): NeuralEstimator = defaultCopy(extra)
}

/** Loads saved estimators: `NeuralEstimator.load(path)`. */
object NeuralEstimator extends MLReadable[NeuralEstimator] {

  /** Reads a saved estimator. */
  override def read: StageReader[NeuralEstimator] = new ParamsReader(new NeuralEstimator(_))

  /** Loads a saved estimator. */
  override def load(path: String): NeuralEstimator = super.load(path)
}
