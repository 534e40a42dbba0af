package candlewick

import candlewick.persist.{ModelReader, StageReader}
import candlewick.score.{Evaluation, Labels, OutputColumn}
import org.apache.spark.ml.classification.ProbabilisticClassificationModel
import org.apache.spark.ml.linalg.{DenseVector, Vector}
import org.apache.spark.ml.param.ParamMap
import org.apache.spark.ml.util.{Identifiable, MLReadable}
import org.apache.spark.sql.DataFrame
import org.apache.spark.sql.functions.col

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
final class NeuralClassificationModel private[candlewick] (
    override val uid: String,
    private[candlewick] override val state: ModelState
) extends ProbabilisticClassificationModel[Vector, NeuralClassificationModel]
    with NeuralModel[NeuralClassificationModel]
    with NeuralClassifierParams {

  /** Without weights: service loaders, by which Spark Connect finds its classes, want such a constructor. */
  private[candlewick] def this() = this(Identifiable.randomUID("NeuralClassificationModel"), null)

  /** Number of classes. */
  override def numClasses: Int = state.numClasses.getOrElse(0)

  override def numFeatures: Int = state.featureWidth

  override private[candlewick] def outputs: Seq[OutputColumn] =
    OutputColumn.classifier($(rawPredictionCol), $(probabilityCol), $(predictionCol))

  override private[candlewick] def classifier: Boolean = true

  /** The class of one row of features. Like the others of one row it is computed in this JVM, without a Spark job.
    *
    * {{{
    * model.predict(Vectors.dense(5.1, 3.5, 1.4, 0.2)) // 0.0
    * }}}
    */
  override def predict(features: Vector): Double = classes(features)._2

  /** The rawPrediction of one row of features. */
  override def predictRaw(features: Vector): Vector = scored(features).raw

  /** The probability of each class, of one row of features. */
  override def predictProbability(features: Vector): Vector = classes(features)._1

  override private[candlewick] def evaluated(rows: DataFrame, keys: Seq[String]): Map[String, Double] = {
    val names = Seq("prediction", "probability").map(name => s"candlewick_$name")
    val renamed = judge.setPredictionCol(names.head).setProbabilityCol(names(1)).setRawPredictionCol("")
    val scored = renamed.transform(rows).select((keys ++ names).map(col): _*)
    Evaluation.classifier(scored, Labels.of($(labelCol), 1), numClasses, state.ignoredLabel, rules)
  }

  private def classes(features: Vector): (Vector, Double) = scored(features).classes.get

  /** Probabilities of the raw prediction of a row, for Spark's own `transform`, which is not used here. */
  override protected def raw2probabilityInPlace(rawPrediction: Vector): Vector = {
    val values = rawPrediction.asInstanceOf[DenseVector].values
    probabilities(values).copyToArray(values): Unit
    rawPrediction
  }

  private def probabilities(raw: Array[Double]): Array[Double] = state.outputWidth match {
    // A network that ends in the probability of class 1, or in its logit z: [-z, z].
    case 1 if raw.sum > 0.5 => raw
    case 1 => raw.map(z => 1.0 / (1.0 + math.exp(-z)))
    case _ =>
      val powers = raw.map(z => math.exp(z - raw.max))
      powers.map(_ / powers.sum)
  }

  /** Sets the thresholds, one for each class. */
  override def setThresholds(value: Array[Double]): NeuralClassificationModel = set(thresholds, value)

  override private[candlewick] def thresholdsJson: Option[Seq[Double]] = get(thresholds).map(_.toSeq)

  override def copy(extra: ParamMap): NeuralClassificationModel =
    copyValues(new NeuralClassificationModel(uid, state), extra).setParent(parent)
}

/** Loads saved models: `NeuralClassificationModel.load(path)`. */
object NeuralClassificationModel extends MLReadable[NeuralClassificationModel] {

  /** Reads a saved model. */
  override def read: StageReader[NeuralClassificationModel] =
    new ModelReader[NeuralClassificationModel]((uid, state) => new NeuralClassificationModel(uid, state))

  /** Loads a saved model. */
  override def load(path: String): NeuralClassificationModel = super.load(path)
}
