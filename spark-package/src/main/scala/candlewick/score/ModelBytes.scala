package candlewick.score

import java.nio.charset.StandardCharsets
import java.security.MessageDigest
import org.apache.spark.SparkContext
import org.apache.spark.broadcast.Broadcast

/** A model as executors load it.
  *
  * @param json
  *   `{"network", "inputShape", "label"}`
  * @param weights
  *   a safetensors file
  * @param key
  *   hash over both: networks with equal weights may still differ in what has none
  */
private[candlewick] final case class ModelBytes(json: String, weights: Array[Byte], key: String)

private[candlewick] object ModelBytes {

  /** With the key computed. */
  def of(json: String, weights: Array[Byte]): ModelBytes = {
    val digest = MessageDigest.getInstance("SHA-256")
    digest.update(json.getBytes(StandardCharsets.UTF_8))
    val key = digest.digest(weights).map(byte => f"$byte%02x").mkString
    ModelBytes(json, weights, key)
  }
}

/** Sends weights to the executors once, however often the model transforms. Stays on the driver. */
private[candlewick] final class WeightsBroadcast(bytes: () => ModelBytes) {
  private var sent = Option.empty[(SparkContext, Broadcast[Array[Byte]])]

  /** The broadcast in the application of `sc`; Spark removes it when the model is garbage. */
  def in(sc: SparkContext): Broadcast[Array[Byte]] = synchronized {
    sent match {
      case Some((known, broadcast)) if known eq sc => broadcast
      case _ =>
        val broadcast = sc.broadcast(bytes().weights)
        sent = Some(sc -> broadcast)
        broadcast
    }
  }
}
