package candlewick.fit

import candlewick.cluster.Executor
import candlewick.internal.{Clock, Failures}
import java.util.concurrent.ConcurrentHashMap
import org.apache.spark.{FutureAction, SparkContext}
import org.slf4j.LoggerFactory
import scala.collection.mutable
import scala.util.Failure

/** HOLD: one parked task per trainer keeps its slot accounted while it trains. It is bookkeeping, training never waits
  * for it: a task that lands elsewhere returns and is asked for again later. Its cancellation by the user is how a
  * cancel of the job group, or of all jobs, reaches training.
  *
  * @param trainers
  *   the executors of the trainers that hold slots now, each as often as it has some
  * @param needed
  *   whether somebody else could need the slots, and get them back without harm to the trainers
  */
private[fit] final class HoldJob(control: FitControl, trainers: () => Seq[Executor], needed: () => Boolean)(
    submit: HoldJob.Submit
) {
  private val log = LoggerFactory.getLogger(classOf[HoldJob])
  private val clock = new Clock

  /** A job and the executors its tasks are for. */
  private final class Submitted(executors: Seq[Executor]) {
    private val returned = ConcurrentHashMap.newKeySet[Int]()
    private val taken = mutable.Set.empty[Int]
    val job: FutureAction[Unit] = {
      val tasks = executors.map(executor => ParkTask.order(control.id, executor.id) -> executor.locations)
      submit(tasks, index => returned.add(index): Unit)
    }
    job.onComplete(_ => control.signal())(Jobs.direct)

    /** The executors whose tasks are over and that were not taken before. */
    def takeReturned(): Seq[Executor] = take(returned.contains(_))

    /** All executors that were not taken before. */
    def takeAll(): Seq[Executor] = take(_ => true)

    def isFor(executor: String): Boolean = executors.exists(_.id == executor)

    /** The executors on which no task of it runs yet. */
    def waiting: Seq[Executor] = executors.indices
      .filterNot(index => job.jobIds.exists(control.holdsOn(_, index).contains(executors(index).id)))
      .map(executors)

    private def take(which: Int => Boolean): Seq[Executor] = {
      val now = executors.indices.filter(index => which(index) && !taken(index))
      taken ++= now
      now.map(executors)
    }
  }

  // Changed under the lock, by the fit's thread and Spark's listener.
  @volatile private var jobs = Seq.empty[Submitted]
  private var unheld = trainers()
  private var nextMs = 0L
  @volatile private var released = false
  // Whether they are given back for what the callbacks do.
  private var lent = false

  /** Submits what is not held, and passes a cancel of a job on; to be called at every signal and each second. */
  def maintain(): Unit = synchronized(if (!released) {
    poll()
    val late = control.decisions.waitedMs >= HoldJob.LendMs
    lend(late && (lent || needed()))
    // The one that a cancel is to meet may have landed elsewhere, or its executor is lost.
    if (lent && jobs.isEmpty && trainers().length > 1 && clock.ms >= nextMs) hold(trainers().take(1))
    // Those that have gone need none.
    unheld = (unheld ++ jobs.flatMap(_.takeReturned())).intersect(trainers())
    if (unheld.nonEmpty && clock.ms >= nextMs && !lent) {
      hold(unheld)
      unheld = Nil
    }
  })

  private def hold(executors: Seq[Executor]): Unit = {
    jobs :+= new Submitted(executors)
    nextMs = clock.ms + HoldJob.BackoffMs
  }

  /** A Spark job of a callback may wait for a slot that is held here, while all trainers wait for the callback: where it takes
    * long, slots are given back until it has decided. One of several stays asked for, so that a cancel meets a job.
    */
  private def lend(late: Boolean): Unit = {
    if (late && !lent) {
      control.note("its callbacks take long: the trainers' slots are free until they have decided")
      giveBack(jobs)
      unheld = Nil
      nextMs = 0L
    } else if (lent && !late) {
      giveBack(jobs)
      unheld = trainers()
      nextMs = 0L
    }
    lent = late
  }

  /** The executors where slots, and what of GPUs a task takes, are not held yet, each as often as it has trainers there. */
  def waiting: Seq[Executor] = synchronized(unheld ++ jobs.flatMap(_.waiting))

  private def poll(): Unit = {
    // Asked once: a job that ends after this is polled the next time, and not dropped before.
    val (completed, running) = jobs.partition(_.job.isCompleted)
    jobs = running
    completed.foreach(pollCompleted)
  }

  private def pollCompleted(submitted: Submitted): Unit = submitted.job.value match {
    case Some(Failure(error)) =>
      Failures.cancellation(error) match {
        case Some((job, why)) if submitted.job.jobIds.contains(job) =>
          control.cancel(s"Spark job $job of the fit was cancelled $why".trim, Some(error))
        case _ =>
          log.warn(s"fit ${control.id}: slots are not held for a while", error)
          unheld ++= submitted.takeAll()
      }
    case _ => unheld ++= submitted.takeReturned()
  }

  /** Gives the slots back for as long as `body` runs, which feeds: it must not wait for slots that nobody needs meanwhile.
    * Afterwards they are asked for again, for the trainers that are there then.
    */
  def without[T](body: => T): T = {
    synchronized {
      // A cancel by the user that was not seen yet is one still.
      poll()
      giveBack(jobs)
      unheld = Nil
    }
    control.check()
    val result = body
    synchronized {
      unheld = trainers()
      nextMs = 0L
    }
    maintain()
    result
  }

  /** Spark tries the tasks of a lost executor again elsewhere, where they hold slots for nobody, and those that feed may
    * need them: the jobs that had some are asked for anew, without it. From Spark's listener.
    */
  def executorLost(executor: String): Unit = synchronized {
    // A cancel by the user that was not seen yet is one still.
    poll()
    val concerned = jobs.filter(_.isFor(executor))
    giveBack(concerned)
    unheld = (unheld ++ concerned.flatMap(_.takeAll())).filterNot(_.id == executor)
  }

  /** The trainers of an executor are others than before: slots are held for those that are there now. */
  def changed(executor: Executor): Unit = synchronized {
    executorLost(executor.id)
    nextMs = 0L
    unheld ++= trainers().filter(_.id == executor.id)
  }

  /** That these jobs end is no cancel by the user: they are taken out first. */
  private def giveBack(held: Seq[Submitted]): Unit = {
    jobs = jobs.diff(held)
    held.filterNot(_.job.isCompleted).foreach(_.job.cancel())
  }

  /** Gives the slots back. The tasks end by themselves when the trainers have; only if they do not, they are killed, and
    * end the trainers.
    *
    * @param patienceMs
    *   how long to wait for that
    */
  def release(patienceMs: Long): Unit = {
    released = true
    val clock = new Clock
    def running = jobs.filterNot(_.job.isCompleted)
    while (running.nonEmpty && clock.ms < patienceMs) control.await(patienceMs - clock.ms)
    running.foreach(_.job.cancel())
  }
}

private[fit] object HoldJob {

  /** What Spark shows of these jobs. */
  val Description = "Candlewick: hold the trainers' slots"

  /** Submits tasks; calls back with the index of each that is over. */
  type Submit = (Seq[(String, Seq[String])], Int => Unit) => FutureAction[Unit]

  /** Holds slots by Spark jobs. */
  def apply(
      sc: SparkContext,
      control: FitControl,
      trainers: () => Seq[Executor],
      needed: () => Boolean
  ): HoldJob =
    new HoldJob(control, trainers, needed)((tasks, over) => {
      sc.setJobDescription(Description)
      Jobs.submit(sc, tasks, ParkTask.hold)((index, _) => over(index))
    })

  /** Callbacks that take longer may be waiting for a slot. */
  private val LendMs = 2000L

  /** Pause before a task that could not be placed is submitted again. */
  private val BackoffMs = 5000L
}
