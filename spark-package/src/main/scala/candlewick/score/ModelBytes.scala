package candlewick.score

import candlewick.internal.{Sha256, WeightsBroadcast, WeightsFile}
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
  private var sent = Option.empty[(SparkContext, WeightsBroadcast)]

  /** The broadcast in the application of `sc`; Spark removes it when the model is garbage. */
  def in(sc: SparkContext): WeightsBroadcast = synchronized {
    sent match {
      case Some((known, broadcast)) if known eq sc => broadcast
      case _ =>
        val broadcast = bytes().weights.broadcast(sc)
        sent = Some(sc -> broadcast)
        broadcast
    }
  }
}
