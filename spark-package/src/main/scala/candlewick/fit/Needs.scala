package candlewick.fit

import candlewick.cluster.MemoryLimit
import candlewick.internal.{Bytes, Failures, Json}
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode

/** What the largest trainer of a job needs.
  *
  * @param accounts
  *   bytes beside rows, by account
  * @param rowBytes
  *   a row that stays in memory
  * @param indexBytes
  *   what finds it
  * @param share
  *   of all rows, those of its shards
  */
private[fit] final case class Needs(
    accounts: Seq[(String, Long)],
    rowBytes: Long,
    indexBytes: Long,
    share: Double
) {

  /** Before it holds a row. */
  def besideRows: Long = accounts.map(_._2).sum

  /** Its part of so many rows. */
  def rows(all: Long, replicas: Int): Long = ofRows(all, replicas).map(_._2).sum

  /** The same by account. */
  def ofRows(all: Long, replicas: Int): Seq[(String, Long)] = {
    val own = all * math.min(1.0, share * replicas)
    Seq("rows" -> (own * rowBytes).toLong, "index" -> (own * indexBytes).toLong)
  }

  /** The document that an executor is given. */
  def document: ObjectNode =
    Json.obj(
      "memory" -> Json.obj(accounts: _*),
      "rowBytes" -> rowBytes,
      "indexBytes" -> indexBytes,
      "share" -> share
    )
}

private[fit] object Needs {

  /** Reads the native library's answer. */
  def of(node: JsonNode): Needs = Needs(
    Json.fields(Json.field(node, "memory")).map { case (name, bytes) => name -> bytes.asLong },
    Json.field(node, "rowBytes").asLong,
    Json.field(node, "indexBytes").asLong,
    Json.field(node, "share").asDouble
  )

  /** Throws where what a trainer needs beside rows is more than it has. */
  def check(needs: Needs, limit: MemoryLimit): Unit =
    if (needs.besideRows >= limit.bytes) {
      val parts = needs.accounts.map { case (name, bytes) => s"$name ${Bytes.text(bytes)}" }.mkString(", ")
      throw Failures.parameter(
        s"a trainer of this job needs ${Bytes.text(needs.besideRows)} of memory before it holds a row ($parts), but may use " +
          s"${Bytes.text(limit.bytes)} (${limit.source}): ${raise(needs.besideRows, limit)}, or lower batchSize"
      )
    }

  /** What to set so that a trainer has so many bytes. */
  def raise(bytes: Long, limit: MemoryLimit): String = {
    // Room for some rows too.
    val wanted = bytes / 4 * 5 + (16L << 20)
    def least(trainers: Int) = s"at least ${(wanted * trainers >> 20) + 1}m"
    def own = limit.group.fold(s"set trainerMemory to ${least(1)}") { trainers =>
      s"give that control group, a container's, ${least(math.max(1, trainers))}"
    }
    limit.overhead.fold(own) { trainers =>
      s"set spark.executor.memoryOverhead to at least ${MemoryLimit.overheadFor(wanted, trainers)}m (or trainerMemory, where " +
        "the container has more)"
    }
  }
}
