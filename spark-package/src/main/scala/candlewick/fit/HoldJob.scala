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
private[fit] final class HoldJob(sc: SparkContext, control: FitControl, trainers: Seq[Executor]) {
  private val log = LoggerFactory.getLogger(classOf[HoldJob])
  private val clock = new Clock

  /** A job and the executors its tasks are for. */
  private final class Submitted(executors: Seq[Executor]) {
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

  private var jobs = Seq.empty[Submitted]
  private var unheld = trainers
  private var nextMs = 0L
  @volatile private var released = false

  /** Submits what is not held; call it now and then. */
  def maintain(): Unit = if (!released) {
    jobs.foreach(poll)
    jobs = jobs.filterNot(_.job.isCompleted)
    if (unheld.nonEmpty && clock.ms >= nextMs) {
      jobs :+= new Submitted(unheld)
      unheld = Nil
      nextMs = clock.ms + HoldJob.BackoffMs
    }
  }

  /** A job goes on for the tasks in place; those that came back wait for the next one. */
  private def poll(submitted: Submitted): Unit = submitted.job.value match {
    case Some(Failure(error)) if HoldJob.isCancel(error) =>
      control.cancel("a Spark job of the fit was cancelled")
    case Some(Failure(error)) =>
      log.warn(s"fit ${control.id}: slots are not held for a while", error)
      unheld ++= submitted.takeAll()
    case _ => unheld ++= submitted.takeReturned()
  }

  /** Gives the slots back. The tasks end by themselves when the trainers have; only if they do not, they are killed.
    *
    * @param patienceMs
    *   how long to wait for that
    */
  def release(patienceMs: Long): Unit = {
    released = true
    val clock = new Clock
    while (jobs.exists(!_.job.isCompleted) && clock.ms < patienceMs) Thread.sleep(HoldJob.PollMs)
    jobs.filterNot(_.job.isCompleted).foreach(_.job.cancel())
  }
}

private[fit] object HoldJob {

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
