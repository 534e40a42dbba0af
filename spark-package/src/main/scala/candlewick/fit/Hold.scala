package candlewick.fit

import candlewick.cluster.Executor
import candlewick.internal.Failures
import java.util.concurrent.ConcurrentHashMap
import org.apache.spark.{FutureAction, SparkContext}
import org.slf4j.LoggerFactory
import scala.collection.mutable
import scala.util.Failure

/** HOLD: one parked task per trainer keeps its slot accounted while it trains. It is bookkeeping, training never waits
  * for it: a task that lands elsewhere returns and is asked for again later. Its cancellation by the user is how a
  * cancel of the job group, or of all jobs, reaches training.
  */
private[fit] final class Hold(sc: SparkContext, control: FitControl, trainers: Seq[Executor]) {
  private val log = LoggerFactory.getLogger(classOf[Hold])
  private val clock = new Clock

  /** A job and the executors its tasks are for. */
  private final class Wave(executors: Seq[Executor]) {
    private val returned = ConcurrentHashMap.newKeySet[Int]()
    private val taken = mutable.Set.empty[Int]
    val job: FutureAction[Unit] = {
      sc.setJobDescription("Candlewick: hold the trainers' slots")
      val tasks = executors.map(executor => ParkTask.order(control.id, executor.id) -> Seq(executor.location))
      Jobs.submit(sc, tasks, ParkTask.hold)((index, _) => returned.add(index): Unit)
    }

    /** The executors whose tasks are over and that were not taken before. */
    def takeReturned(): Seq[Executor] = take(returned.contains(_))

    /** All executors that were not taken before. */
    def takeAll(): Seq[Executor] = take(_ => true)

    private def take(which: Int => Boolean): Seq[Executor] = {
      val now = executors.indices.filter(index => which(index) && !taken(index))
      taken ++= now
      now.map(executors)
    }
  }

  private var waves = Seq.empty[Wave]
  private var loose = trainers
  private var nextMs = 0L
  @volatile private var released = false

  /** Submits what is not held; call it now and then. */
  def tend(): Unit = if (!released) {
    waves.foreach(look)
    waves = waves.filterNot(_.job.isCompleted)
    if (loose.nonEmpty && clock.ms >= nextMs) {
      waves :+= new Wave(loose)
      loose = Nil
      nextMs = clock.ms + Hold.BackoffMs
    }
  }

  /** A wave goes on for the tasks in place; those that came back wait for the next one. */
  private def look(wave: Wave): Unit = wave.job.value match {
    case Some(Failure(error)) if Hold.isCancel(error) =>
      control.cancel("a Spark job of the fit was cancelled")
    case Some(Failure(error)) =>
      log.warn(s"fit ${control.id}: slots are not held for a while", error)
      loose ++= wave.takeAll()
    case _ => loose ++= wave.takeReturned()
  }

  /** Gives the slots back. The tasks end by themselves when the trainers have; only if they do not, they are killed.
    *
    * @param patienceMs
    *   how long to wait for that
    */
  def release(patienceMs: Long): Unit = {
    released = true
    val clock = new Clock
    while (waves.exists(!_.job.isCompleted) && clock.ms < patienceMs) Thread.sleep(Hold.PollMs)
    waves.filterNot(_.job.isCompleted).foreach(_.job.cancel())
  }
}

private[fit] object Hold {

  /** Pause before a task that could not be placed is submitted again. */
  private val BackoffMs = 5000L
  private val PollMs = 10L

  /** Whether a job's failure is its cancellation. Spark 4 names it; the text is the same in all versions. */
  def isCancel(error: Throwable): Boolean =
    Failures.causes(error).exists { cause =>
      val text = String.valueOf(cause.getMessage)
      text.contains("SPARK_JOB_CANCELLED") || text.contains("cancelled")
    }
}
