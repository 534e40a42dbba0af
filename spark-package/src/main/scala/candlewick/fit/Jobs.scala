package candlewick.fit

import org.apache.spark.{FutureAction, SparkContext}
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
}

/** Answers of a task that must run on one executor. */
private[fit] object Answer {
  val Misplaced = "misplaced"
}
