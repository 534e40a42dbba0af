package candlewick

import candlewick.columns.TrainingColumns
import candlewick.persist.{ParamsReader, StageReader}
import candlewick.score.{OutputColumn, OutputSizes}
import org.apache.spark.ml.classification.ProbabilisticClassifier
import org.apache.spark.ml.linalg.Vector
import org.apache.spark.ml.param.ParamMap
import org.apache.spark.ml.util.{Identifiable, MLReadable}
import org.apache.spark.sql.Dataset
import org.apache.spark.sql.types.StructType

/** Trains a neural network to tell classes apart, on the cluster that holds the data.
  *
  * Labels are whole numbers from 0 below the network's number of outputs; a network with one output under
  * BCEWithLogitsLoss tells two classes apart.
  *
  * {{{
  * import candlewick.{NeuralClassifier, nn, optim}
  *
  * val classifier = new NeuralClassifier()
  *   .setNetwork(nn.Sequential(nn.Linear(256), nn.ReLU(), nn.Linear(10)))
  *   .setOptimizer(optim.AdamW(lr = 1e-3))
  *   .setEpochs(10)
  *   .setNumTrainers(2)
  * val model = classifier.fit(train)
  * val scored = model.transform(test) // + rawPrediction, probability, prediction
  * }}}
  *
  * @param uid
  *   id of the stage
  */
final class NeuralClassifier(override val uid: String)
    extends ProbabilisticClassifier[Vector, NeuralClassifier, NeuralClassificationModel]
    with NeuralEstimatorBase[NeuralClassificationModel]
    with NeuralClassifierEstimatorParams {

  /** With a random id. */
  def this() = this(Identifiable.randomUID("NeuralClassifier"))

  override private[candlewick] def task: String = "classifier"

  override private[candlewick] def model(state: ModelState): NeuralClassificationModel =
    new NeuralClassificationModel(uid, state)

  override private[candlewick] def outputs: Seq[OutputColumn] =
    OutputColumn.classifier($(rawPredictionCol), $(probabilityCol), $(predictionCol))

  override private[candlewick] def appended(schema: StructType, columns: TrainingColumns): StructType =
    StructType(schema.fields ++ OutputColumn.fields(allOutputs, OutputSizes()))

  override protected def train(dataset: Dataset[_]): NeuralClassificationModel = fit(dataset)

  override def copy(extra: ParamMap): NeuralClassifier = defaultCopy(extra)
}

/** Loads saved classifiers: `NeuralClassifier.load(path)`. */
object NeuralClassifier extends MLReadable[NeuralClassifier] {

  /** Reads a saved estimator. */
  override def read: StageReader[NeuralClassifier] = new ParamsReader(new NeuralClassifier(_))

  /** Loads a saved estimator. */
  override def load(path: String): NeuralClassifier = super.load(path)
}
