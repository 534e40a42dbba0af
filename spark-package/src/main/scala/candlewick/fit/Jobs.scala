package candlewick.fit

import candlewick.internal.Failures
import org.apache.spark.{FutureAction, SparkContext, SparkException}
import scala.concurrent.ExecutionContext

/** Spark jobs of tasks that each get one text and a preferred location, and answer with a text: texts pass any
  * serializer that a user may have configured.
  */
private[fit] object Jobs {

  /** Submits a job without waiting. `handler` gets index and answer of each task, from Spark's event thread. */
  def submit(sc: SparkContext, tasks: Seq[(String, Seq[String])], body: Iterator[String] => String)(
      handler: (Int, String) => Unit
  ): FutureAction[Unit] = {
    val rdd = sc.makeRDD(tasks)
    sc.submitJob(rdd, body, tasks.indices, handler, ())
  }

  /** Runs short callbacks in the thread that completes a future. */
  val direct: ExecutionContext = new ExecutionContext {
    override def execute(task: Runnable): Unit = task.run()
    override def reportFailure(error: Throwable): Unit = throw error
  }

  // With error classes (Spark 4) the text follows "[SPARK_JOB_CANCELLED] "; before, it stood alone.
  private val Cancelled = """(?s)^(?:\[SPARK_JOB_CANCELLED\] )?Job (\d+) cancelled(.*)$""".r

  /** Id and reason of the cancelled Spark job that made `error`. Only what Spark itself says of a job counts: a failure
    * of the user's own that speaks of something cancelled does not.
    */
  def cancellation(error: Throwable): Option[(Int, String)] =
    Failures
      .causes(error)
      .collect { case spark: SparkException => String.valueOf(spark.getMessage) }
      .collectFirst { case Cancelled(job, why) =>
        job.toInt -> why.replaceAll(" SQLSTATE: .*", "").trim
      }
}

/** Answers of a task that must run on one executor. */
private[fit] object Answer {
  val Misplaced = "misplaced"
}
