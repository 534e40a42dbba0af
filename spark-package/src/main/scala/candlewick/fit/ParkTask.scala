package candlewick.fit

import candlewick.jni.TrainerHost
import org.apache.spark.{SparkEnv, TaskContext}

/** Keeps a slot. */
private[fit] object ParkTask {
  private val PollMs = 50L

  /** Parks anywhere until Spark kills the task. */
  def run(ignored: Iterator[String]): String = {
    if (ignored.hasNext) ignored.next(): Unit
    park(true)
  }

  /** What [[hold]] takes. */
  def order(job: String, executor: String): String = s"$job $executor"

  /** Parks on the wanted executor as long as it has trainers of the job, else answers "misplaced" at once. So HOLD ends
    * by itself when the job does, and nothing has to be killed.
    */
  def hold(orders: Iterator[String]): String =
    if (!orders.hasNext) Answer.Misplaced
    else {
      val (job, executor) = orders.next().span(_ != ' ')
      if (executor.drop(1) != SparkEnv.get.executorId) Answer.Misplaced else park(TrainerHost.alive(job))
    }

  private def park(wanted: => Boolean): String = {
    val context = TaskContext.get()
    while (!context.isInterrupted() && wanted) Thread.sleep(PollMs)
    "released"
  }
}
