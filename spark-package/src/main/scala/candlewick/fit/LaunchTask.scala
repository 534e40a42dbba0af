package candlewick.fit

import candlewick.cluster.{Machine, MemoryLimit, FoundMemory}
import candlewick.internal.{Json, SentWeights}
import candlewick.jni.{CandlewickException, TrainerHost}
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode
import java.util.Arrays
import org.apache.spark.SparkEnv
import scala.util.control.NonFatal

/** Starts the trainers of one executor. The preferred location is only a wish, so the task looks where it is. */
private[fit] object LaunchTask {

  /** The order of one executor.
    *
    * @param sharers
    *   trainers on its machine, among which the machine's memory is shared where nothing else bounds them
    * @param needs
    *   what the largest trainer needs of memory
    * @param gpus
    *   address of the GPU of each trainer, none where they compute on processors
    */
  def order(
      job: String,
      executor: String,
      loopback: Boolean,
      sharers: Int,
      needs: Needs,
      configs: Seq[ObjectNode],
      gpus: Seq[String]
  ): String =
    Json
      .obj(
        "job" -> job,
        "executor" -> executor,
        "loopback" -> loopback,
        "sharers" -> sharers,
        "needs" -> needs.document,
        "configs" -> configs,
        "gpus" -> gpus
      )
      .toString

  /** What a task answers for one order: "misplaced", or `{"trainers": n}`, or `{"kind", "message"}`.
    *
    * @param weights
    *   the file of weights to start from, if any
    */
  def run(weights: Option[SentWeights]): Iterator[String] => String = runWith(weights, _)

  private def runWith(weights: Option[SentWeights], orders: Iterator[String]): String =
    if (!orders.hasNext) Answer.Misplaced
    else {
      val order = Json.parse(orders.next())
      if (SparkEnv.get.executorId != Json.field(order, "executor").asText) ParkTask.misplaced()
      else {
        val configs = Json.items(Json.field(order, "configs"))
        answered {
          val gpus = Json.items(Json.field(order, "gpus")).map(_.asText)
          // Before any trainer starts: what is wrong with a driver or a GPU is told by name.
          gpus.distinct.foreach(GpuProbe.check(_, Json.field(order, "executor").asText))
          configs.foreach(config => complete(Json.field(config, "memory"), order, Machine.room()))
          start(order, configs, gpus, weights)
        }
      }
    }

  /** What only the executor knows: the memory of its machine and the folders that Spark has there. Throws where a trainer needs
    * more than it may use here, which it would find itself once it runs.
    */
  private[fit] def complete(memory: JsonNode, order: JsonNode, room: FoundMemory): Unit = {
    val node = memory.asInstanceOf[ObjectNode]
    val (told, sharers) = (Json.field(node, "limit").asLong, Json.field(order, "sharers").asInt)
    val executor = Json.field(order, "executor").asText
    if (told == 0) room.memory.foreach(bytes => node.put("limit", MemoryLimit.ofMachine(bytes, sharers)))
    // A trainer finds its control group itself, but not with whom it shares it.
    val group = room.group.map(_ / math.max(1, sharers))
    val limit = Json.field(node, "limit").asLong
    val lower = group.filter(_ < limit || limit == 0)
    lower.foreach(node.put("limit", _))
    val share =
      s"${MemoryLimit.OfMachine} % of the memory of executor $executor's machine, for $sharers trainer(s)"
    val own = MemoryLimit(limit, if (told == 0) share else "what it was told", None)
    val bounded = lower.map { bytes =>
      val among = if (sharers > 1) s", for $sharers trainers" else ""
      val source = s"the limit of the control group of executor $executor$among"
      MemoryLimit(bytes, source, None, Some(sharers))
    }
    bounded.orElse(Some(own).filter(_.bytes > 0)).foreach { found =>
      Needs.check(Needs.of(Json.field(order, "needs")), found)
    }
    if (Json.items(Json.field(node, "spoolDirs")).isEmpty)
      node.set[JsonNode]("spoolDirs", Json.list(Machine.localDirs(SparkEnv.get.conf))): Unit
  }

  private def start(
      order: JsonNode,
      configs: Seq[JsonNode],
      gpus: Seq[String],
      weights: Option[SentWeights]
  ): String = {
    val job = Json.field(order, "job").asText
    val host = Hosts.own(Json.field(order, "loopback").asBoolean)
    val lines = configs.map { config =>
      config.asInstanceOf[ObjectNode].put("bindHost", host)
      config.toString
    }
    Warmup.feeding()
    val (told, from) = (Arrays.asList(lines: _*), weights.map(_.iterable).orNull)
    val trainers =
      if (gpus.isEmpty) TrainerHost.ensure(job, told, from)
      else TrainerHost.ensure(job, told, Arrays.asList(gpus: _*), from)
    Json.obj("trainers" -> trainers.size).toString
  }

  /** A failure is an answer and no exception: another attempt by Spark would run elsewhere, in vain. */
  private def answered(body: => String): String =
    try body
    catch {
      case error: CandlewickException => failure(error.kind, error.getMessage)
      case error: LinkageError => failure("internal", s"executor ${SparkEnv.get.executorId}: $error")
      case NonFatal(error) => failure("internal", s"executor ${SparkEnv.get.executorId}: $error")
    }

  private def failure(kind: String, message: String): String =
    Json.obj("kind" -> kind, "message" -> message).toString
}
