package candlewick.fit

import candlewick.cluster.{Executor, Assignment}
import candlewick.internal.{Failures, Json}
import com.fasterxml.jackson.databind.node.ObjectNode
import java.util.UUID
import java.util.concurrent.ConcurrentHashMap
import org.apache.spark.SparkContext
import org.apache.spark.broadcast.Broadcast
import scala.collection.mutable

/** What every trainer of a job is told, besides who it is. */
private[fit] final case class GangConfig(
    job: String,
    keys: JobKeys,
    coordinatorHost: String,
    coordinatorPort: Int,
    portRange: String,
    feedMemoryBytes: Long,
    threadsPerTrainer: Int,
    loopback: Boolean
)

/** An executor that shall start trainers. */
private[fit] final case class Order(executor: Executor, trainers: Seq[String], text: String)

/** LAUNCH: one Spark task per executor starts its trainers. Spark's placement is a wish, so the task checks where it
  * is and rounds go on for the executors that were missed, until all have answered or the deadline passes.
  */
private[fit] final class Launch(
    sc: SparkContext,
    placement: Placement,
    control: FitControl,
    link: CoordinatorLink,
    config: GangConfig,
    weights: Option[Broadcast[Array[Byte]]],
    timeoutMs: Long
) {
  private val clock = new Clock
  private val answered = mutable.Map.empty[String, Order]
  private var warned = false

  /** Starts the trainers and waits until all are registered. Returns their ids with their executors. */
  def run(places: Seq[Assignment]): Seq[(String, Executor)] = {
    var missing = places.map(order)
    while (missing.nonEmpty) {
      missing = round(missing)
      if (missing.nonEmpty) {
        if (clock.ms > timeoutMs) throw late(missing.map(_.executor))
        warn(missing)
        pause()
        missing = replaceLost(missing)
      }
    }
    val trainers = answered.values.toSeq.flatMap(order => order.trainers.map(_ -> order.executor))
    awaitRegistered(trainers)
    trainers
  }

  private def order(place: Assignment): Order = {
    val threads =
      if (config.threadsPerTrainer > 0) config.threadsPerTrainer
      else math.max(1, place.executor.cores / place.trainers)
    val ids = Seq.fill(place.trainers)(UUID.randomUUID().toString)
    val lines = ids.zipWithIndex.map { case (id, index) => line(id, place.executor.id, index, threads) }
    Order(place.executor, ids, LaunchTask.order(config.job, place.executor.id, config.loopback, lines))
  }

  private def line(id: String, executor: String, index: Int, threads: Int): ObjectNode =
    Json.obj(
      "job" -> config.job,
      "trainer" -> id,
      "executor" -> executor,
      "index" -> index,
      "keys" -> config.keys.document,
      "coordinatorHost" -> config.coordinatorHost,
      "coordinatorPort" -> config.coordinatorPort,
      "portRange" -> config.portRange,
      "threads" -> threads,
      "feedMemory" -> config.feedMemoryBytes,
      "initialWeightsBytes" -> weights.map(_.value.length)
    )

  /** One job over the missing executors; returns those that did not answer for themselves. */
  private def round(missing: Seq[Order]): Seq[Order] = {
    val answers = new ConcurrentHashMap[Int, String]()
    sc.setJobDescription(s"Candlewick: launch trainers on ${missing.length} executor(s)")
    val tasks = missing.map(order => order.text -> Seq(order.executor.location))
    val job =
      Jobs.submit(sc, tasks, LaunchTask.run(weights))((index, answer) => answers.put(index, answer): Unit)
    try awaitJob(job.isCompleted, missing)
    finally if (!job.isCompleted) job.cancel()
    job.value.foreach(_.get)
    missing.zipWithIndex.filterNot { case (order, index) => accept(order, answers.get(index)) }.map(_._1)
  }

  private def awaitJob(completed: => Boolean, missing: Seq[Order]): Unit =
    link.await(Some(math.max(0L, timeoutMs - clock.ms)), late(missing.map(_.executor)), () => warn(missing)) {
      if (completed) Some(()) else None
    }

  private def accept(order: Order, answer: String): Boolean =
    if (answer == null || answer == Answer.Misplaced) false
    else {
      val found = Json.parse(answer)
      if (found.has("kind")) throw Failures.of(found.get("kind").asText, found.get("message").asText)
      answered(order.executor.id) = order
      true
    }

  /** Orders for executors that are gone go to executors that have none. */
  private def replaceLost(missing: Seq[Order]): Seq[Order] = {
    val active = placement.active()
    val ids = active.map(_.id).toSet
    val (here, lost) = missing.partition(order => ids(order.executor.id))
    val taken = answered.keySet ++ here.map(_.executor.id)
    val spare = active.filterNot(executor => taken(executor.id))
    val moved =
      lost.zip(spare).map { case (old, executor) => order(Assignment(executor, old.trainers.length)) }
    here ++ moved ++ lost.drop(spare.length)
  }

  private def awaitRegistered(trainers: Seq[(String, Executor)]): Unit = {
    def missing = trainers.filterNot { case (id, _) => link.registered(id) }.map(_._2).distinct
    val left = math.max(Launch.RegisterMs, timeoutMs - clock.ms)
    link.await(Some(left), late(missing))(if (missing.isEmpty) Some(()) else None)
  }

  private def pause(): Unit = {
    control.check()
    Thread.sleep(Launch.BackoffMs)
  }

  private def warn(missing: Seq[Order]): Unit = if (!warned && clock.ms > timeoutMs / 2) {
    warned = true
    control.report(s"waiting for a free slot on ${names(missing.map(_.executor))}")
  }

  private def late(missing: Seq[Executor]): Exception =
    Failures.unavailable(
      s"no trainer could be started on ${names(missing)} within ${timeoutMs / 1000} s: other tasks hold their slots " +
        "or the executors are gone; free slots, lower numTrainers or raise launchTimeout"
    )

  private def names(executors: Seq[Executor]): String =
    executors.map(executor => s"executor ${executor.id} (${executor.host})").mkString(", ")
}

private object Launch {
  val BackoffMs = 200L

  /** Shortest wait for a trainer that runs to register. */
  val RegisterMs = 10000L
}
