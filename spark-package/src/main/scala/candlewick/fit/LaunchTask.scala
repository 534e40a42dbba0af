package candlewick.fit

import candlewick.internal.{Json, WeightsBroadcast}
import candlewick.jni.{CandlewickException, TrainerHost}
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode
import java.util.Arrays
import org.apache.spark.SparkEnv
import scala.util.control.NonFatal

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
  def run(weights: Option[WeightsBroadcast]): Iterator[String] => String = runWith(weights, _)

  private def runWith(weights: Option[WeightsBroadcast], orders: Iterator[String]): String =
    if (!orders.hasNext) Answer.Misplaced
    else {
      val order = Json.parse(orders.next())
      if (SparkEnv.get.executorId != Json.field(order, "executor").asText) ParkTask.misplaced()
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
      configs: Seq[JsonNode],
      weights: Option[WeightsBroadcast]
  ): String = {
    val host = Hosts.own(loopback)
    val lines = configs.map { config =>
      config.asInstanceOf[ObjectNode].put("bindHost", host)
      config.toString
    }
    // A failure is an answer and no exception: another attempt by Spark would run elsewhere, in vain.
    try
      Json
        .obj(
          "trainers" -> TrainerHost.ensure(job, Arrays.asList(lines: _*), weights.map(_.iterable).orNull).size
        )
        .toString
    catch {
      case error: CandlewickException => failure(error.kind, error.getMessage)
      case error: LinkageError => failure("internal", s"executor ${SparkEnv.get.executorId}: $error")
      case NonFatal(error) => failure("internal", s"executor ${SparkEnv.get.executorId}: $error")
    }
  }

  private def failure(kind: String, message: String): String =
    Json.obj("kind" -> kind, "message" -> message).toString
}
