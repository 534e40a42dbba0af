package candlewick.fit

import candlewick.internal.Json
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode

/** What every feed task of a fit needs. Its text stands in plans, in the UI and in event logs, so it says nothing secret.
  *
  * @param feed
  *   the `FeedSpec` document without what differs from round to round: that is the [[FeedRound]]
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

/** The order of a feed round: its number, who takes which shards, where partitions went before if they have to go there
  * again, and what a stream to one of them may hold. It reaches
  * the tasks as a local property of the job, so that every round runs the same plan over the same partitions (rule A5).
  */
private[fit] object FeedRound {

  /** Name of the property. */
  val Property = "candlewick.feed.round"

  /** The order as the coordinator gave it, with what the streams of a task may hold. */
  def document(asked: JsonNode, launch: LaunchSpec, tasks: Int): ObjectNode = {
    val owners = Json.field(asked, "owners")
    // A quarter is for the rows that tasks hand on (rowBytes), the rest for the streams to the owners.
    val streams = launch.feedMemoryBytes / 4 * 3
    Json.obj(
      "round" -> Json.field(asked, "round"),
      "owners" -> owners,
      "homes" -> Option(asked.get("homes")),
      "streamBytes" -> streams / math.max(1, tasks) / math.max(1, owners.size())
    )
  }

  /** The `FeedSpec` document of a task: what all have in common, and the round that it belongs to. */
  def complete(feed: String, round: String): ObjectNode = {
    val document = Json.parse(feed).asInstanceOf[ObjectNode]
    document.setAll[ObjectNode](Json.parse(round).asInstanceOf[ObjectNode])
  }
}

/** What the `FeedSpec` documents of a fit have in common. */
private[fit] object FeedSpec {
  private val MinRows = 64L * 1024
  private val MaxRows = 1024L * 1024

  /** The document, without the round. */
  def document(prepared: Prepared): ObjectNode = Json.obj(
    "job" -> Json.field(prepared.job, "job"),
    "logicalShards" -> prepared.logicalShards,
    "columns" -> prepared.columns,
    "validation" -> Option(Json.field(prepared.job, "data").get("validation")),
    "dataShuffle" -> prepared.dataShuffle,
    "timeoutMs" -> math.max(10000L, prepared.failureTimeoutMs * 2)
  )

  /** Bytes of UnsafeRows that a task hands on at a time. */
  def rowBytes(launch: LaunchSpec, tasks: Int): Long =
    (launch.feedMemoryBytes / math.max(1, tasks) / 4).max(MinRows).min(MaxRows)
}
