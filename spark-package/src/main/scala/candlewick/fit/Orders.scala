package candlewick.fit

import candlewick.cluster.{Assignment, Executor}
import candlewick.internal.Json
import com.fasterxml.jackson.databind.node.ObjectNode
import java.util.UUID

/** What every trainer of a job is told, besides who it is. Its text leaves out the secret.
  *
  * @param feeders
  *   executors that feed it at a time
  */
private[fit] final case class GangConfig(
    job: String,
    keys: JobKeys,
    coordinatorHost: String,
    coordinatorPort: Int,
    portRange: String,
    feeders: Int,
    loopback: Boolean,
    memory: MemoryOrder
) {
  override def toString: String = s"GangConfig(job $job, coordinator $coordinatorHost:$coordinatorPort)"
}

/** What trainers are told of their memory.
  *
  * @param asked
  *   trainerMemory, 0 where it is not set
  * @param room
  *   what Spark's settings leave the trainers of one executor; none: its machine tells
  * @param machineShare
  *   executors on a machine, as far as that is known here
  * @param spoolDirs
  *   folders for rows that do not fit, none: those of Spark
  * @param encrypt
  *   whether Spark encrypts what it writes
  * @param slots
  *   tasks that an executor of so many cores runs at a time
  */
private[fit] final case class MemoryOrder(
    asked: Long,
    room: Option[Long],
    machineShare: Int,
    spoolDirs: Seq[String],
    encrypt: Boolean,
    slots: Int => Int
) {

  /** The document for one of these trainers. What it leaves out (limit 0) the executor fills in. */
  def document(place: Assignment): ObjectNode = {
    val share = place.share(slots(place.executor.cores))
    val limit = if (asked > 0) asked else room.fold(0L)(bytes => math.max(1L, share.of(bytes)))
    Json.obj("limit" -> limit, "spoolDirs" -> spoolDirs, "encrypt" -> encrypt)
  }
}

/** A trainer and where it is.
  *
  * @param index
  *   its position among the trainers of that executor
  * @param gpu
  *   address of the GPU that it computes on; none on processors
  */
private[fit] final case class Placed(
    id: String,
    executor: Executor,
    threads: Int,
    index: Int,
    gpu: Option[String] = None
)

/** The trainers that one executor shall start. Its text leaves out the secret. */
private[fit] final case class Order(place: Assignment, trainers: Seq[Placed], text: String) {

  /** Where they shall start. */
  def executor: Executor = place.executor

  /** What is left of it where these trainers are gone, if anything. */
  def without(gone: Set[String]): Option[Order] = {
    val kept = trainers.filterNot(trainer => gone(trainer.id))
    if (kept.isEmpty) None
    else {
      val stands = place.copy(trainers = kept.length, gpus = kept.flatMap(_.gpu))
      Some(copy(place = stands, trainers = kept))
    }
  }

  override def toString: String = s"Order(${trainers.length} trainers on executor ${executor.id})"
}

/** Makes the orders of a job.
  *
  * @param needs
  *   what the largest trainer needs of memory
  * @param weightsBytes
  *   length of the file of weights to start from, if any
  */
private[fit] final class Orders(config: GangConfig, needs: Needs, weightsBytes: Option[Long]) {

  /** Where trainers look for the coordinator. */
  def coordinator: String = s"${config.coordinatorHost}:${config.coordinatorPort}"

  /** An order for new trainers.
    *
    * @param taken
    *   positions that trainers of the job have on this executor
    */
  def at(place: Assignment, taken: Set[Int] = Set.empty): Order = {
    val free = Iterator.from(0).filterNot(taken)
    val trainers =
      (0 until place.trainers).map { at =>
        val gpu = place.gpus.lift(at)
        Placed(UUID.randomUUID().toString, place.executor, place.threads, free.next(), gpu)
      }
    val there = place.trainers + taken.size
    // By their own cores: those that are there, of this fit or of others, have the others.
    val memory = config.memory.document(place)
    val text = LaunchTask.order(
      config.job,
      place.executor.id,
      config.loopback,
      there * config.memory.machineShare,
      needs,
      trainers.map(line(_, memory)),
      trainers.flatMap(_.gpu)
    )
    Order(place, trainers, text)
  }

  private def line(trainer: Placed, memory: ObjectNode): ObjectNode =
    Json.obj(
      "job" -> config.job,
      "trainer" -> trainer.id,
      "executor" -> trainer.executor.id,
      "index" -> trainer.index,
      "keys" -> config.keys.document,
      "coordinatorHost" -> config.coordinatorHost,
      "coordinatorPort" -> config.coordinatorPort,
      "portRange" -> config.portRange,
      "threads" -> trainer.threads,
      "feeders" -> config.feeders,
      "initialWeightsBytes" -> weightsBytes,
      "memory" -> memory
    )
}
