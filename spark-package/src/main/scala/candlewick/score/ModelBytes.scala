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

/** Sends weights to the executors once, however often the model transforms. Stays on the driver. */
private[candlewick] final class SentModel(bytes: () => ModelBytes) {
  private var sent = Option.empty[(SparkContext, SentWeights)]

  /** The weights for tasks of the application of `sc`; they go when nobody holds them any more. */
  def in(sc: SparkContext): SentWeights = synchronized {
    sent match {
      case Some((known, weights)) if known eq sc => weights
      case _ =>
        val weights = bytes().weights.send(sc)
        sent = Some(sc -> weights)
        weights
    }
  }
}
