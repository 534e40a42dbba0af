package candlewick.fit

import candlewick.internal.Json
import candlewick.jni.{CandlewickException, TrainerHost}
import com.fasterxml.jackson.databind.node.ObjectNode
import org.apache.spark.{FutureAction, SparkContext, SparkEnv, TaskContext}
import org.apache.spark.broadcast.Broadcast
import scala.jdk.CollectionConverters._

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
}

/** Answers of a task that must run on one executor. */
private[fit] object Answer {
  val Misplaced = "misplaced"
}

/** Starts the trainers of one executor. The preferred location is only a wish, so the task looks where it is. */
private[fit] object LaunchTask {

  /** The order of one executor. */
  def order(job: String, executor: String, loopback: Boolean, configs: Seq[ObjectNode]): String =
    Json.obj("job" -> job, "executor" -> executor, "loopback" -> loopback, "configs" -> configs).toString

  /** What a task answers for one order: "misplaced", or `{"trainers": n}`, or `{"kind", "message"}`.
    *
    * @param weights
    *   the file of weights to start from, if any
    */
  def run(weights: Option[Broadcast[Array[Byte]]]): Iterator[String] => String = runWith(weights, _)

  private def runWith(weights: Option[Broadcast[Array[Byte]]], orders: Iterator[String]): String =
    if (!orders.hasNext) Answer.Misplaced
    else {
      val order = Json.parse(orders.next())
      if (SparkEnv.get.executorId != Json.field(order, "executor").asText) Answer.Misplaced
      else
        start(
          Json.field(order, "job").asText,
          Json.field(order, "loopback").asBoolean,
          Json.items(Json.field(order, "configs")),
          weights
        )
    }

  private def start(
      job: String,
      loopback: Boolean,
      configs: Seq[com.fasterxml.jackson.databind.JsonNode],
      weights: Option[Broadcast[Array[Byte]]]
  ): String = {
    val host = Hosts.own(loopback)
    val lines = configs.map { config =>
      config.asInstanceOf[ObjectNode].put("bindHost", host)
      config.toString
    }
    // A failure is an answer and no exception: another attempt by Spark would run elsewhere, in vain.
    try
      Json.obj("trainers" -> TrainerHost.ensure(job, lines.asJava, weights.map(_.value).orNull).size).toString
    catch {
      case error: CandlewickException =>
        Json.obj("kind" -> error.kind, "message" -> error.getMessage).toString
    }
  }
}

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

/** The hosts that coordinator and trainers bind to: those of Spark's block managers, so reachable and no wider. */
private[fit] object Hosts {
  private val Loopback = "127.0.0.1"
  private val Wildcards = Set("0.0.0.0", "::", "[::]", "0:0:0:0:0:0:0:0")

  /** Whether all of the application runs on this machine, so that loopback does. */
  def loopback(sc: SparkContext): Boolean = sc.isLocal || sc.master.startsWith("local-cluster")

  /** The host of this JVM. */
  def own(loopback: Boolean): String =
    if (loopback) Loopback else SparkEnv.get.blockManager.blockManagerId.host

  /** Where the driver's coordinator binds: in a container that may differ from the host that others use. */
  def driverBind(sc: SparkContext): String = {
    val configured = sc.getConf.getOption("spark.driver.bindAddress").filterNot(Wildcards)
    if (loopback(sc)) Loopback else configured.getOrElse(own(loopback = false))
  }
}
