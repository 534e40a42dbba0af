package candlewick

import candlewick.internal.{Bytes, Json}
import com.fasterxml.jackson.databind.JsonNode
import java.util.{Arrays, Locale}
import org.apache.spark.ml.classification.CandlewickTrainingSummary
import org.apache.spark.sql.{DataFrame, Row, SparkSession}
import org.apache.spark.sql.types.{DataType, DoubleType, IntegerType, LongType, StructType}

/** What one epoch was.
  *
  * @param epoch
  *   epoch, from 0
  * @param step
  *   steps completed since the start of training
  * @param loss
  *   mean loss over the epoch's rows
  * @param lr
  *   learning rate of its last step
  * @param rows
  *   rows trained on, over all trainers
  * @param seconds
  *   time it took
  * @param metrics
  *   every metric that is one number, by name: `accuracy` over the training steps, `val_loss` and `val_accuracy` over
  *   the validation rows; NaN where a value is not defined
  * @param json
  *   the whole record, with the confusion matrix and the evaluations within the epoch
  * @param again
  *   true where a callback is told of an epoch that was trained before: the fit goes on from a checkpoint
  */
final case class EpochRecord(
    epoch: Int,
    step: Long,
    loss: Double,
    lr: Double,
    rows: Long,
    seconds: Double,
    metrics: Map[String, Double],
    json: String,
    again: Boolean = false
)

/** How a fit went.
  *
  * {{{
  * val summary = model.summary
  * summary.history.foreach(record => println(record.loss))
  * println(summary.phases("train"))
  * }}}
  *
  * @param json
  *   the whole summary as a JSON document, the same in Scala and Python
  */
final class TrainingSummary private[candlewick] (val json: String)
    extends CandlewickTrainingSummary
    with Serializable {
  private def node: JsonNode = Json.parse(json)

  /** A record an epoch; they count from 0, lines about progress from 1. */
  def history: Array[EpochRecord] =
    Json.items(Json.field(node, "history")).map(TrainingSummary.record).toArray

  /** The loss of each epoch. */
  override def objectiveHistory: Array[Double] =
    Json.items(Json.field(node, "objectiveHistory")).map(_.asDouble).toArray

  /** Whether early stopping or a callback ended the training before its last epoch. */
  def stoppedEarly: Boolean = Json.field(node, "stoppedEarly").asBoolean

  /** Which of them, and why; `None` where training went to its last epoch. */
  def stopReason: Option[String] = Option(node.get("stopReason")).filterNot(_.isNull).map(_.asText)

  /** Epoch of the best value, from 0; `None` without early stopping. */
  def bestEpoch: Option[Int] = Option(Json.field(node, "bestEpoch")).filterNot(_.isNull).map(_.asInt)

  /** The best value of the metric that early stopping looks at. */
  def bestValue: Option[Double] = Option(Json.field(node, "bestValue")).filterNot(_.isNull).map(_.asDouble)

  /** What rows of each class weighed in the loss, where `classWeight` said so; `None` where it was not set. */
  def classWeights: Option[Array[Double]] =
    Option(node.get("classWeights")).filterNot(_.isNull).map(Json.items(_).map(_.asDouble).toArray)

  /** Steps of the optimiser. */
  def totalSteps: Long = Json.field(node, "totalSteps").asLong

  /** The same by the name that Spark has for it. */
  override def totalIterations: Int = Math.toIntExact(totalSteps)

  /** What became of the rows, as JSON: read, sent, skipped, in the trainers' spools, per logical shard. */
  def ledger: String = Json.field(node, "ledger").toString

  /** Hash of the weights: equal weights, equal hash. */
  def weightsHash: String = Json.field(node, "weightsHash").asText

  /** Logical shards the rows were dealt to. */
  def logicalShards: Int = Json.field(node, "logicalShards").asInt

  /** Where rows went: "hash", to the logical shard of their content, or "none", to the trainer beside their executor. */
  def dataShuffle: String = Option(node.get("dataShuffle")).fold("hash")(_.asText)

  /** Trainer processes. */
  def numTrainers: Int = Json.field(node, "numTrainers").asInt

  /** What the trainers computed on: "cpu" or "cuda". */
  def device: String = Option(node.get("device")).fold("cpu")(_.asText)

  /** Why there, where `device` of the estimator was "auto" among others; empty in models of before there was a choice. */
  def deviceReason: String = Option(node.get("deviceReason")).fold("")(_.asText)

  /** Whether connections of the fit were encrypted: "tls" or "none". */
  def transportSecurity: String = Option(node.get("transportSecurity")).fold("none")(_.asText)

  /** Seconds of each phase: prepare (checks, and the first row where nothing else tells a width), queue (until slots
    * for all trainers are free), launch, feed, hold (on GPUs: until the trainers' tasks hold them), resume (where checkpointDir or resumeOptimizer is set), train; and in total.
    */
  def phases: Map[String, Double] =
    Json.fields(Json.field(node, "phases")).map { case (name, value) => name -> value.asDouble }.toMap

  /** Rows trained on per second, over all epochs. */
  def rowsPerSecond: Double = Json.field(node, "rowsPerSecond").asDouble

  /** What was taken of initialWeights, as JSON: loaded (a number), missing, unexpected and mismatched; none where they
    * were not set.
    */
  def initialWeights: Option[String] =
    Option(node.get("initialWeights")).filterNot(_.isNull).map(_.toString)

  /** The recoveries, as a JSON list of objects: generation, cause, lost (trainers), resumeStep, stepsRedone, rowsRefed, and
    * seconds of detect, halt, feed, donate and resume. Empty where nothing happened. `lost` is empty where a connection
    * between two trainers broke that both lived on.
    */
  def recoveryLog: String = Json.field(node, "recoveryLog").toString

  /** How the gang changed by plan, as a JSON list of objects: generation, cause, joined and left (trainers), trainers (how
    * many from then on), resumeStep, rowsMoved (from trainer to trainer) and seconds. Empty where nobody came or left.
    */
  def rescaleLog: String = Option(node.get("rescaleLog")).fold("[]")(_.toString)

  /** How long each trainer worked and how long it waited for the others, as a JSON list with an object for each epoch:
    * epoch, skew (time of the slowest over the mean) and trainers, the slowest first (trainer, host, executor, shards,
    * busySeconds, waitedSeconds). An epoch in which a trainer was lost has the time since
    * then. The last 1,000 epochs; empty with one trainer.
    */
  def stragglerLog: String = Option(node.get("stragglerLog")).fold("[]")(_.toString)

  /** What memory the trainers needed, as a JSON list with an object for each: trainer, host, limit (bytes that it might use, 0:
    * without a limit), accounts (the most that each held at a time, bytes; not all had their most at once) and spilledBytes
    * (rows that were written to disk).
    */
  def memory: String = Option(node.get("memory")).fold("[]")(_.toString)

  /** What the trainers sent each other of their gradients, where `gradientCompression` made them smaller, as a JSON object:
    * sentBytes, and plainBytes, those of the same values as f32; with "auto" also kind, what the trainers decided, and reason. `None`
    * without compression, and, where it was not "auto", with one trainer, which sends nothing. A trainer that was lost told nothing of
    * its own.
    */
  def compression: Option[String] = Option(node.get("compression")).filterNot(_.isNull).map(_.toString)

  /** How the trainers added up their gradients, as a JSON object: algorithm ("direct", "halving", "two-level", "host-halving",
    * "ring") and reason, values (of one exchange), exchanges, predictedSeconds, meanSeconds and leastSeconds (of one; who comes
    * first waits for the others), and links by kind ("host", "network") with latencySeconds and bytesPerSecond as they were
    * measured. None with one trainer. `docs/scaling.md` says how it is chosen.
    */
  def exchange: Option[String] = Option(node.get("exchange")).filterNot(_.isNull).map(_.toString)

  /** Steps of the checkpoint or of the model that the training went on from; `None` where it began at the beginning. The history is that of
    * the whole training.
    */
  def resumedFromStep: Option[Long] =
    Option(node.get("resumedFromStep")).filterNot(_.isNull).map(_.asLong)

  /** The history as a DataFrame: a row for every epoch with epoch, step, loss, lr, rows, seconds and a column for each metric
    * that is one number, null where an epoch has none.
    *
    * {{{
    * summary.historyDF(spark).orderBy("val_loss").show(1)
    * }}}
    */
  def historyDF(spark: SparkSession): DataFrame = {
    val records = history.toSeq
    val metrics = records.flatMap(_.metrics.keys).distinct.sorted
    val rows = records.map { record =>
      val plain =
        Seq[Any](record.epoch, record.step, record.loss, record.lr, record.rows, record.seconds)
      Row.fromSeq(plain ++ metrics.map(name => record.metrics.get(name).filterNot(_.isNaN).orNull[Any]))
    }
    spark.createDataFrame(Arrays.asList(rows: _*), TrainingSummary.schema(metrics))
  }

  /** One line: epochs, steps, trainers, time and the last losses; [[json]] has everything. */
  override def toString: String = {
    val records = history
    val last = records.lastOption
    val said = Seq[(String, Option[String])](
      "epochs" -> Some(records.length.toString),
      "totalSteps" -> Some(totalSteps.toString),
      "numTrainers" -> Some(numTrainers.toString),
      "seconds" -> phases.get("total").map(TrainingSummary.short),
      "loss" -> last.map(record => TrainingSummary.short(record.loss)),
      "val_loss" -> last.flatMap(_.metrics.get("val_loss")).map(TrainingSummary.short),
      "bestEpoch" -> bestEpoch.map(_.toString),
      "stoppedEarly" -> Some("true").filter(_ => stoppedEarly),
      "memory" -> TrainingSummary.largest(Json.items(node.path("memory")))
    )
    said.collect { case (name, Some(value)) => s"$name=$value" }.mkString("TrainingSummary(", ", ", ")")
  }
}

private[candlewick] object TrainingSummary {

  /** The record of an epoch. */
  def record(node: JsonNode): EpochRecord = EpochRecord(
    Json.field(node, "epoch").asInt,
    Json.field(node, "step").asLong,
    Json.field(node, "loss").asDouble,
    Json.field(node, "lr").asDouble,
    Json.field(node, "rows").asLong,
    Json.field(node, "seconds").asDouble,
    metrics(node),
    node.toString
  )

  /** What the trainer needed at most that needed most, and its limit. */
  private def largest(memory: Seq[JsonNode]): Option[String] = {
    def sum(one: JsonNode) = Json.fields(Json.field(one, "accounts")).map(_._2.asLong).sum
    memory.sortBy(sum).lastOption.map { most =>
      val limit = Json.field(most, "limit").asLong
      Bytes.text(sum(most)) + (if (limit > 0) s" of ${Bytes.text(limit)}" else "")
    }
  }

  private val plain = Set("epoch", "step", "loss", "lr", "rows", "seconds")

  /** The columns of the history, of which metrics may be null. */
  private def schema(metrics: Seq[String]): StructType = {
    val plain = Seq[(String, DataType)](
      "epoch" -> IntegerType,
      "step" -> LongType,
      "loss" -> DoubleType,
      "lr" -> DoubleType,
      "rows" -> LongType,
      "seconds" -> DoubleType
    )
    val known = plain.foldLeft(new StructType()) { case (so, (name, kind)) => so.add(name, kind, false) }
    metrics.foldLeft(known)(_.add(_, DoubleType, true))
  }

  /** Four digits, as far as a line needs them. */
  private def short(value: Double): String = "%.4g".formatLocal(Locale.ROOT, value)

  private def metrics(node: JsonNode): Map[String, Double] = {
    val numbers = Json.fields(node).filter { case (name, value) =>
      !plain(name) && (value.isNumber || value.isNull)
    }
    numbers.map { case (name, value) => name -> (if (value.isNull) Double.NaN else value.asDouble) }.toMap
  }
}
