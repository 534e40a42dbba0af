package candlewick

import candlewick.persist.ModelReader
import candlewick.score.OutputColumn
import org.apache.spark.ml.param.ParamMap
import org.apache.spark.ml.util.{MLReadable, MLReader}

/** A trained classifier. `transform` appends rawPrediction (the network's outputs, of two less their mean, so that the
  * second ranks rows as their probabilities do), probability and prediction.
  *
  * {{{
  * model.write.overwrite().save("hdfs:///models/digits")
  * val again = NeuralClassificationModel.load("hdfs:///models/digits")
  * again.transform(test).groupBy("label", "prediction").count().show()
  * }}}
  *
  * @param uid
  *   id of the stage
  */
final class NeuralClassificationModel private[candlewick] (override val uid: String, state: ModelState)
    extends NeuralModel[NeuralClassificationModel](state)
    with NeuralClassifierParams {

  /** Number of classes. */
  def numClasses: Int = state.numClasses.getOrElse(0)

  override private[candlewick] def outputs: Seq[OutputColumn] =
    OutputColumn.classifier($(rawPredictionCol), $(probabilityCol), $(predictionCol))

  override private[candlewick] def thresholdsJson: Option[Seq[Double]] = get(thresholds).map(_.toSeq)

  override def copy(extra: ParamMap): NeuralClassificationModel =
    copyValues(new NeuralClassificationModel(uid, state), extra).setParent(parent)

  override def toString: String =
    s"NeuralClassificationModel: uid=$uid, numClasses=$numClasses, numFeatures=$numFeatures"
}

/** Loads saved models: `NeuralClassificationModel.load(path)`. */
object NeuralClassificationModel extends MLReadable[NeuralClassificationModel] {

  /** Reads a saved model. */
  override def read: MLReader[NeuralClassificationModel] =
    new ModelReader[NeuralClassificationModel]((uid, state) => new NeuralClassificationModel(uid, state))

  /** Loads a saved model. */
  override def load(path: String): NeuralClassificationModel = super.load(path)
}
