package candlewick.fit

import candlewick.internal.Clock
import candlewick.jni.TrainerHost
import org.apache.spark.{SparkEnv, TaskContext}

/** Keeps a slot. */
private[fit] object ParkTask {
  private val PollMs = 50L

  /** How long a first attempt that runs elsewhere than it should stays before it says so: the driver's next try is
    * not at once, and meanwhile there is a job that a cancel meets.
    */
  private val MisplacedMs = 200L

  /** Parks anywhere until Spark kills the task. */
  def run(ignored: Iterator[String]): String = {
    if (ignored.hasNext) ignored.next(): Unit
    park(true)
    "released"
  }

  /** What [[hold]] and [[stop]] take. */
  def order(job: String, executor: String): String = s"$job $executor"

  /** Parks on the wanted executor as long as it has trainers of the job, else answers "misplaced". So HOLD ends by itself
    * when the job does, and nothing has to be killed. It is killed where the fit has failed or was cancelled, and where
    * the slot is needed to feed again what was lost. Trainers end or go on by their coordinator's word; those that are
    * frozen hear none, and are of no use to either.
    */
  def hold(orders: Iterator[String]): String = onExecutor(orders, misplaced()) { job =>
    // Not by looks now and then: the fit waits for the end of this task.
    def outlive = TrainerHost.outlives(job, PollMs)
    try while (!TaskContext.get().isInterrupted() && outlive) {}
    catch {
      case interrupted: InterruptedException =>
        TrainerHost.killFrozen(job)
        throw interrupted
    }
    if (TaskContext.get().isInterrupted()) TrainerHost.killFrozen(job)
    "released"
  }

  /** Ends the trainers of a job on the wanted executor. */
  def stop(orders: Iterator[String]): String = onExecutor(orders, Answer.Misplaced) { job =>
    TrainerHost.stop(job)
    "released"
  }

  private def onExecutor(orders: Iterator[String], elsewhere: => String)(body: String => String): String =
    if (!orders.hasNext) Answer.Misplaced
    else {
      val (job, executor) = orders.next().span(_ != ' ')
      if (executor.drop(1) == SparkEnv.get.executorId) body(job) else elsewhere
    }

  /** The answer of a task that runs elsewhere. An answer is a success, and Spark kills other attempts of the same task
    * then; so a copy (speculation, or a retry after a loss) waits until it is killed itself: either the attempt in the
    * right place answers, or the driver, which knows of every lost executor, ends the job.
    */
  def misplaced(): String = {
    val context = TaskContext.get()
    val clock = new Clock
    park(context.attemptNumber() > 0 || clock.ms < MisplacedMs)
    Answer.Misplaced
  }

  private def park(wanted: => Boolean): Unit = {
    val context = TaskContext.get()
    while (!context.isInterrupted() && wanted) Thread.sleep(PollMs)
  }
}
