package candlewick.fit

import candlewick.cluster.{Assignment, Executor}
import candlewick.internal.Json
import com.fasterxml.jackson.databind.node.ObjectNode
import java.util.UUID

/** What every trainer of a job is told, besides who it is. Its text leaves out the secret. */
private[fit] final case class GangConfig(
    job: String,
    keys: JobKeys,
    coordinatorHost: String,
    coordinatorPort: Int,
    portRange: String,
    feedMemoryBytes: Long,
    loopback: Boolean
) {
  override def toString: String = s"GangConfig(job $job, coordinator $coordinatorHost:$coordinatorPort)"
}

/** A trainer and where it is.
  *
  * @param index
  *   its position among the trainers of that executor
  */
private[fit] final case class Placed(id: String, executor: Executor, threads: Int, index: Int)

/** The trainers that one executor shall start. Its text leaves out the secret. */
private[fit] final case class Order(place: Assignment, trainers: Seq[Placed], text: String) {

  /** Where they shall start. */
  def executor: Executor = place.executor

  override def toString: String = s"Order(${trainers.length} trainers on executor ${executor.id})"
}

/** Makes the orders of a job.
  *
  * @param weightsBytes
  *   length of the file of weights to start from, if any
  */
private[fit] final class Orders(config: GangConfig, weightsBytes: Option[Long]) {

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
      Seq.fill(place.trainers)(
        Placed(UUID.randomUUID().toString, place.executor, place.threads, free.next())
      )
    val text = LaunchTask.order(config.job, place.executor.id, config.loopback, trainers.map(line))
    Order(place, trainers, text)
  }

  private def line(trainer: Placed): ObjectNode =
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
      "feedMemory" -> config.feedMemoryBytes,
      "initialWeightsBytes" -> weightsBytes
    )
}
