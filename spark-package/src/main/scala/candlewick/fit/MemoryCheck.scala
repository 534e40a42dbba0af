package candlewick.fit

import candlewick.cluster.{Assignment, Machine, MemoryLimit}
import candlewick.internal.{Bytes, Failures, Json}
import candlewick.jni.Native
import com.fasterxml.jackson.databind.JsonNode
import org.apache.spark.SparkContext
import org.apache.spark.sql.{CandlewickShim, DataFrame}
import org.apache.spark.sql.catalyst.plans.logical.{LogicalPlan, Project, RepartitionOperation, Sort}

/** Whether trainers will have the memory that the job needs, before any is started. */
private[fit] object MemoryCheck {

  /** What trainers are told of their memory. */
  def order(sc: SparkContext, launch: LaunchSpec): MemoryOrder = MemoryOrder(
    launch.trainerMemoryBytes,
    MemoryLimit.ofContainer(sc.getConf, sc.master),
    MemoryLimit.sharers(sc.master),
    launch.spoolDirs,
    sc.getConf.getBoolean("spark.io.encryption.enabled", defaultValue = false)
  )

  /** Throws where what is beside the rows does not fit, with the setting to raise; tells where rows will go to disk. */
  def run(sc: SparkContext, prepared: Prepared, places: Seq[Assignment])(tell: String => Unit): Unit =
    limit(sc, prepared.launch, places.map(_.trainers).max).foreach { limit =>
      val trainers = places.map(_.trainers).sum
      val needs = Needs.of(Json.parse(Native.trainingPlan(request(prepared, trainers, 1, 0))))
      check(needs, limit)
      spill(needs, limit, knownRows(prepared.source), prepared, trainers).foreach(tell)
    }

  /** What bounds a trainer among so many of its executor, as far as the driver knows. */
  def limit(sc: SparkContext, launch: LaunchSpec, trainers: Int): Option[MemoryLimit] = {
    val machine = if (Hosts.loopback(sc)) Machine.memory() else None
    MemoryLimit.of(sc.getConf, sc.master, launch.trainerMemoryBytes, trainers, machine)
  }

  /** What the native library is asked. */
  def request(prepared: Prepared, trainers: Int, threads: Int, probeMs: Int, sideBySide: Int = 1): String =
    Json
      .obj(
        "job" -> prepared.job,
        "trainers" -> math.min(trainers, prepared.logicalShards),
        "threads" -> threads,
        "probeMs" -> probeMs,
        "sideBySide" -> sideBySide
      )
      .toString

  /** Rows of a DataFrame where Spark knows them without reading any. */
  def knownRows(source: DataFrame): Option[Long] = knownRows(CandlewickShim.optimized(source))

  private def knownRows(plan: LogicalPlan): Option[Long] = {
    // Spark's own estimate loses the number at every projection.
    def below = plan match {
      case same: Project => knownRows(same.child)
      case same: RepartitionOperation => knownRows(same.child)
      case same: Sort => knownRows(same.child)
      case _ => None
    }
    plan.stats.rowCount.filter(_.isValidLong).map(_.toLong).orElse(below)
  }

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
    def own = s"set trainerMemory to at least ${(wanted >> 20) + 1}m"
    limit.overhead.fold(own) { trainers =>
      s"set spark.executor.memoryOverhead to at least ${MemoryLimit.overheadFor(wanted, trainers)}m (or trainerMemory, where " +
        "the container has more)"
    }
  }

  /** A line where rows will go to disk, as far as their number is known. */
  def spill(
      needs: Needs,
      limit: MemoryLimit,
      rows: Option[Long],
      prepared: Prepared,
      trainers: Int
  ): Option[String] = rows.flatMap { known =>
    val bytes = needs.rows(known, trainers, prepared.replicas)
    val room = limit.bytes - needs.besideRows
    if (bytes <= room) None
    else
      Some(
        s"$known rows take about ${Bytes.text(bytes)} in each trainer, which has ${Bytes.text(room)} for them " +
          s"(${limit.source}): the others are on disk (spoolDir), which is slower where the disk is; to keep them in memory " +
          raise(needs.besideRows + bytes, limit)
      )
  }
}

/** What the largest trainer of a job needs.
  *
  * @param accounts
  *   bytes beside rows, by account
  * @param rowBytes
  *   a row that stays in memory
  */
private[fit] final case class Needs(accounts: Seq[(String, Long)], rowBytes: Long) {

  /** Before it holds a row. */
  def besideRows: Long = accounts.map(_._2).sum

  /** Its part of so many rows. */
  def rows(all: Long, trainers: Int, replicas: Int): Long =
    (all.toDouble * rowBytes * math.min(replicas, trainers) / math.max(1, trainers)).toLong
}

private[fit] object Needs {

  /** Reads the native library's answer. */
  def of(node: JsonNode): Needs = Needs(
    Json.fields(Json.field(node, "memory")).map { case (name, bytes) => name -> bytes.asLong },
    Json.field(node, "rowBytes").asLong
  )
}
