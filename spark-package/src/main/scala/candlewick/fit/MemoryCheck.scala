package candlewick.fit

import candlewick.cluster.{
  Assignment,
  Capacity,
  Executor,
  Executors,
  FoundMemory,
  Machine,
  MemoryLimit,
  Share
}
import candlewick.internal.{Bytes, Json}
import candlewick.jni.Native
import com.fasterxml.jackson.databind.node.ObjectNode
import org.apache.spark.SparkContext

/** Whether trainers will have the memory that the job needs, before any is started. */
private[fit] object MemoryCheck {

  /** What trainers are told of their memory. */
  def order(sc: SparkContext, launch: LaunchSpec): MemoryOrder = MemoryOrder(
    launch.trainerMemoryBytes,
    MemoryLimit.ofContainer(sc.getConf, sc.master),
    MemoryLimit.sharers(sc.master),
    launch.spoolDirs,
    sc.getConf.getBoolean("spark.io.encryption.enabled", defaultValue = false),
    new Executors(sc).slotsOf
  )

  /** Throws where what is beside the rows does not fit, with the setting to raise; tells where rows will go to disk. */
  def run(sc: SparkContext, prepared: Prepared, places: Seq[Assignment], needs: Needs)(
      tell: String => Unit
  ): Unit =
    smallest(sc, prepared.launch, places).foreach { limit =>
      Needs.check(needs, limit)
      spill(needs, limit, KnownRows.of(prepared.source), prepared).foreach(tell)
    }

  /** What bounds the trainer that has least. */
  private def smallest(sc: SparkContext, launch: LaunchSpec, places: Seq[Assignment]): Option[MemoryLimit] = {
    val executors = new Executors(sc)
    val shares = places.map(place => place.share(executors.slots(place.executor))).distinct
    shares
      .flatMap(limit(sc, launch, _, here(sc)))
      .reduceOption((one, other) => if (other.bytes < one.bytes) other else one)
  }

  /** What the largest of these trainers needs. */
  def of(sc: SparkContext, prepared: Prepared, places: Seq[Assignment]): Needs = {
    val trainers = places.map(_.trainers).sum
    val near =
      if (Hosts.loopback(sc)) trainers
      else places.groupBy(_.executor.host).values.map(_.map(_.trainers).sum).max
    val executors = new Executors(sc)
    val feeders = Feeders.of(executors.active(), executors)
    Needs.of(Json.parse(Native.trainingPlan(request(prepared, trainers, near, feeders).toString)))
  }

  /** Memory where the trainers are, as far as the driver knows: where all of the application is on its machine. */
  def here(sc: SparkContext): FoundMemory =
    if (Hosts.loopback(sc)) Machine.room() else FoundMemory(None, None)

  /** What bounds a trainer among those that have such a share of its executor. */
  def limit(sc: SparkContext, launch: LaunchSpec, share: Share, room: FoundMemory): Option[MemoryLimit] =
    MemoryLimit.of(sc.getConf, sc.master, launch.trainerMemoryBytes, share, room)

  /** What the native library is asked.
    *
    * @param near
    *   trainers that share a machine
    */
  def request(prepared: Prepared, trainers: Int, near: Int, feeders: Feeders): ObjectNode =
    Json.obj(
      "job" -> prepared.job,
      "trainers" -> math.min(trainers, prepared.logicalShards),
      "threads" -> 1,
      "sideBySide" -> near,
      "feeders" -> feeders.executors,
      "streams" -> feeders.tasks
    )

  /** A line where rows will go to disk, as far as their number is known. */
  def spill(
      needs: Needs,
      limit: MemoryLimit,
      rows: Option[Long],
      prepared: Prepared
  ): Option[String] = rows.flatMap { known =>
    val bytes = needs.rows(known, prepared.replicas)
    val room = limit.bytes - needs.besideRows
    if (bytes <= room) None
    else
      Some(
        s"$known rows take about ${Bytes.text(bytes)} in each trainer, which has ${Bytes.text(room)} for them " +
          s"(${limit.source}): the others are on disk (spoolDir), which is slower where the disk is; to keep them in memory " +
          Needs.raise(needs.besideRows + bytes, limit)
      )
  }
}

/** Who feeds trainers at a time.
  *
  * @param executors
  *   each has a connection to every trainer
  * @param tasks
  *   that they run together, each with a stream to every trainer
  */
private[fit] final case class Feeders(executors: Int, tasks: Int)

private[fit] object Feeders {

  /** The executors that are there, one at least. */
  def of(active: Seq[Executor], executors: Executors): Feeders =
    Feeders(math.max(1, active.length), math.max(1, active.map(executors.slots).sum))

  /** Executors that there may be while rows are read: dynamic allocation may bring more. A fit is not refused for those. */
  def most(sc: SparkContext, active: Seq[Executor]): Int = {
    val dynamic = sc.getConf.getBoolean("spark.dynamicAllocation.enabled", defaultValue = false)
    (Seq(1, active.length) ++ Some(sc.getConf).filter(_ => dynamic).flatMap(Capacity.mostDynamic)).max
  }
}
