package candlewick.score

import candlewick.internal.{Sha256, SentWeights, WeightsFile}
import java.nio.charset.StandardCharsets
import org.apache.spark.SparkContext

/** A model as executors load it.
  *
  * @param json
  *   `{"network", "inputShape", "label"}`
  * @param weights
  *   a safetensors file
  * @param key
  *   hash over both: networks with equal weights may still differ in what has none
  */
private[candlewick] final case class ModelBytes(json: String, weights: WeightsFile, key: String)

private[candlewick] object ModelBytes {

  /** With the key computed. */
  def of(json: String, weights: WeightsFile): ModelBytes = {
    val digest = Sha256.digest()
    digest.update(json.getBytes(StandardCharsets.UTF_8))
    ModelBytes(json, weights, weights.hash(digest))
  }
}

/** Sends weights to the executors once, however often the model transforms. Stays on the driver.
  *
  * @param checkedBy
  *   the golden vectors of a model that was loaded: one file, in one piece
  */
private[candlewick] final class SentModel(bytes: () => ModelBytes, checkedBy: Option[Array[Byte]]) {
  private var sent = Option.empty[(SparkContext, SentWeights, Option[SentWeights])]

  /** The weights for tasks of the application of `sc`; they go when nobody holds them any more. */
  def in(sc: SparkContext): SentWeights = of(sc)._2

  /** The golden vectors, the same way. */
  def golden(sc: SparkContext): Option[SentWeights] = of(sc)._3

  private def of(sc: SparkContext): (SparkContext, SentWeights, Option[SentWeights]) = synchronized {
    sent.filter(_._1 eq sc).getOrElse {
      val now = (sc, bytes().weights.send(sc), checkedBy.map(WeightsFile.of(_).send(sc)))
      sent = Some(now)
      now
    }
  }
}
