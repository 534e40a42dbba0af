package candlewick.fit

import candlewick.cluster.{Executor, Executors}
import candlewick.internal.Clock
import java.util.concurrent.ConcurrentHashMap
import org.apache.spark.{FutureAction, SparkContext}
import org.slf4j.LoggerFactory
import scala.util.control.NonFatal

/** STOP: ends the trainers of a fit that is over and left some behind, by one Spark task on each of their executors. A
  * trainer that is frozen hears neither its coordinator nor the end of a HOLD task that there was not yet. Spark may run a task elsewhere, where
  * there is nothing to end; then it is asked for again, until the executor itself has answered, or is gone, or it is too
  * late.
  *
  * @param isGone
  *   whether the application no longer has the executor
  * @param pauseMs
  *   how long to wait before a task that ran elsewhere is submitted again
  */
private[fit] final class StopJob(fit: String, isGone: Executor => Boolean, pauseMs: Long = StopJob.PauseMs)(
    submit: StopJob.Submit
) {
  private val log = LoggerFactory.getLogger(classOf[StopJob])
  private val changed = new Object

  /** Waits until no trainer is left on the executors, at most [[StopJob.DeadlineMs]]. */
  def run(executors: Seq[Executor]): Unit = {
    val clock = new Clock
    def left = StopJob.DeadlineMs - clock.ms
    var open = executors.filterNot(isGone)
    while (open.nonEmpty && left > 0) {
      open = round(open, left).filterNot(isGone)
      if (open.nonEmpty) pause(math.min(pauseMs, left))
    }
    if (open.nonEmpty)
      log.warn(
        s"fit $fit: no task reached ${open.map(one => s"executor ${one.id} (${one.host})").mkString(", ")} within " +
          s"${StopJob.DeadlineMs / 1000} s to end trainers that may hang there; they end with their executor"
      )
  }

  /** One job. Returns the executors that have not answered. */
  private def round(executors: Seq[Executor], ms: Long): Seq[Executor] = {
    val clock = new Clock
    val answers = new ConcurrentHashMap[Int, String]()
    val tasks = executors.map(executor => ParkTask.order(fit, executor.id) -> executor.locations)
    val job = submit(tasks, (index, answer) => answers.put(index, answer): Unit)
    job.onComplete(_ => changed.synchronized(changed.notifyAll()))(Jobs.direct)
    def silent = executors.indices.filterNot(answers.containsKey(_)).map(executors)
    while (!job.isCompleted && clock.ms < ms && !silent.forall(isGone))
      changed.synchronized {
        if (!job.isCompleted) changed.wait(math.max(1L, math.min(StopJob.LookMs, ms - clock.ms)))
      }
    if (!job.isCompleted) job.cancel()
    executors.indices.filter(index => Option(answers.get(index)).forall(_ == Answer.Misplaced)).map(executors)
  }

  private def pause(ms: Long): Unit = if (ms > 0) Thread.sleep(ms)
}

private[fit] object StopJob {

  /** Submits tasks; calls back with index and answer of each. */
  type Submit = (Seq[(String, Seq[String])], (Int, String) => Unit) => FutureAction[Unit]

  /** Ends them in a thread of its own, which inherits the local properties of the caller. Nobody waits for it. */
  def start(sc: SparkContext, control: FitControl, executors: Seq[Executor]): Unit = {
    val all = new Executors(sc)
    def isGone(executor: Executor) =
      sc.isStopped || control.lossOf(executor.id).isDefined || all.lacks(executor)
    val job = new StopJob(control.id, isGone)((tasks, answered) => {
      sc.setJobDescription("Candlewick: end trainers that may hang")
      Jobs.submit(sc, tasks, ParkTask.stop)(answered)
    })
    val run: Runnable = () =>
      try job.run(executors)
      catch {
        // With the application its executors end, and with them their trainers.
        case NonFatal(_) if sc.isStopped => ()
        case NonFatal(error) => job.log.warn(s"fit ${control.id}: could not end the trainers", error)
      }
    val thread = new Thread(run, s"candlewick-stop-${control.id}")
    thread.setDaemon(true)
    thread.start()
  }

  /** Longest wait for a slot on the executors. */
  val DeadlineMs = 600000L

  /** Pause before a task that ran elsewhere is submitted again. */
  private val PauseMs = 5000L

  /** How often it looks whether an executor is gone. */
  private val LookMs = 1000L
}
