package candlewick.score

import candlewick.cluster.{Executors, Gpus}
import candlewick.fit.{Device, GpuProbe}
import candlewick.internal.{Failures, Json}
import candlewick.jni.{CandlewickException, GpuScoring}
import com.fasterxml.jackson.databind.JsonNode
import java.util.Arrays
import java.util.concurrent.ConcurrentHashMap
import org.apache.spark.{SparkContext, SparkEnv, TaskContext}
import org.slf4j.LoggerFactory

/** Where tasks score.
  *
  * @param asked
  *   "cpu", "auto" or "cuda"
  * @param first
  *   the first GPU of each executor that had some when the query began, by id: for tasks that Spark gives none
  */
private[score] final case class ScoreDevice(asked: String, first: Map[String, String]) {

  /** Opens a scorer where this task scores: on a GPU, by the document of it, or without one on processors. */
  def opened[T](context: TaskContext)(open: Option[JsonNode] => T): T =
    place(context).fold(open(None)) { placed =>
      try open(Some(placed))
      catch {
        case error: CandlewickException if asked == Device.Auto =>
          ScoreDevice.fallsBack(error.getMessage)
          open(None)
      }
    }

  /** The GPU of this task; none for processors. */
  private def place(context: TaskContext): Option[JsonNode] =
    if (asked == Device.Cpu) None
    else
      try Some(ready(address(context)))
      catch {
        case error: CandlewickException if asked == Device.Auto =>
          ScoreDevice.fallsBack(error.getMessage)
          None
      }

  private def executor: String = SparkEnv.get.executorId

  /** The address that Spark gave the task, else the executor. */
  private def address(context: TaskContext): String = {
    val own = context.resources().get(Gpus.Resource).flatMap(_.addresses.headOption)
    own.orElse(first.get(executor)).getOrElse {
      throw Failures.parameter(
        s"Spark gave this task no GPU, and executor $executor had none when the query began: set ${Gpus.OfTask} " +
          "(0.1 lets ten tasks share one), or set scoreDevice to \"cpu\" or \"auto\""
      )
    }
  }

  private def ready(gpu: String): JsonNode = {
    def told(why: String) = s"executor $executor cannot score on its GPU $gpu: $why"
    val found = ScoreDevice.answers.of(gpu, asked == Device.Auto)(told) {
      GpuScoring.on(gpu, Arrays.asList(GpuProbe.pythons: _*))
    }
    Json.obj("library" -> found.library, "folders" -> found.folders, "address" -> gpu)
  }
}

private[score] object ScoreDevice {
  private val log = LoggerFactory.getLogger(classOf[ScoreDevice])

  /** What the GPUs of this JVM say. */
  private val answers = new GpuAnswers

  /** What was logged. */
  private val told = ConcurrentHashMap.newKeySet[String]()

  /** Chooses for an application. Throws where it cannot do what is asked for. */
  def of(sc: SparkContext, asked: String): ScoreDevice =
    if (asked == Device.Cpu) ScoreDevice(asked, Map.empty)
    else {
      val there = GpuScoring.isThere || (!sc.isLocal && Device.namesFolder(sc))
      val chosen = Device.choose(asked, Gpus.of(sc), there, Device.Scoring)
      if (chosen.gpus.isDefined) {
        // Those too that get no tasks just now: they may later in the query.
        val first =
          new Executors(sc).listedWithExcluded().flatMap(one => one.gpus.headOption.map(one.id -> _))
        ScoreDevice(asked, first.toMap)
      } else {
        fallsBack(chosen.reason)
        ScoreDevice(Device.Cpu, Map.empty)
      }
    }

  /** Says once in each JVM why "auto" computes on processors. */
  private def fallsBack(why: String): Unit =
    if (told.add(why)) log.warn("scoreDevice=\"auto\": models score on processors here: {}", why)
}
