package candlewick.fit

import candlewick.internal.Json
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode

/** What a feed task needs. Its text stands in plans, in the UI and in event logs, so it says nothing secret.
  *
  * @param feed
  *   the `FeedSpec` document
  * @param keys
  *   the key for feeding and no other
  */
private[candlewick] final class FeedTaskSpec(
    val feed: String,
    val keys: JobKeys,
    val batchBytes: Long,
    label: String
) extends Serializable {
  override def toString: String = label
}

/** The `FeedSpec` document. */
private[fit] object FeedSpec {
  private val MinRows = 64L * 1024
  private val MaxRows = 1024L * 1024

  /** The document of the first round.
    *
    * @param tasks
    *   feed tasks that run in one executor at a time: they share its feedMemory
    */
  def document(
      prepared: Prepared,
      answer: JsonNode,
      tasks: Int
  ): ObjectNode = {
    val owners = Json.field(answer, "owners")
    // A quarter is for the rows that tasks hand on (rowBytes), the rest for the streams to the owners.
    val streams = prepared.launch.feedMemoryBytes / 4 * 3
    val share = streams / math.max(1, tasks) / math.max(1, owners.size())
    Json.obj(
      "job" -> Json.field(prepared.job, "job"),
      "round" -> Json.field(answer, "round"),
      "logicalShards" -> prepared.logicalShards,
      "owners" -> owners,
      "columns" -> prepared.columns,
      "validation" -> Option(Json.field(prepared.job, "data").get("validation")),
      "streamBytes" -> share,
      "timeoutMs" -> math.max(30000L, prepared.failureTimeoutMs * 2)
    )
  }

  /** Bytes of UnsafeRows that a task hands on at a time. */
  def rowBytes(launch: LaunchSpec, tasks: Int): Long =
    (launch.feedMemoryBytes / math.max(1, tasks) / 4).max(MinRows).min(MaxRows)
}
