package candlewick

import candlewick.internal.{Bytes, Json}
import com.fasterxml.jackson.databind.JsonNode
import java.util.Locale

/** What a fit will need and take, as `plan` of an estimator says before it is made.
  *
  * {{{
  * val plan = classifier.plan(train)
  * println(plan)
  * if (plan.seconds > 3600) println(plan.advice.mkString("\n"))
  * }}}
  *
  * @param json
  *   the whole plan as a JSON document, the same in Scala and Python
  */
final class TrainingPlan private[candlewick] (val json: String) extends Serializable {
  private def node: JsonNode = Json.parse(json)
  private def long(name: String): Long = Json.field(node, name).asLong
  private def of(part: String, name: String): JsonNode = Json.field(Json.field(node, part), name)

  /** Rows of the DataFrame: as Spark knows them, or counted, or as `plan` was told. */
  def rows: Long = long("rows")

  /** Steps of an epoch; about so many, where rows are put aside for validation. */
  def stepsPerEpoch: Long = long("stepsPerEpoch")

  /** Steps over all epochs. */
  def totalSteps: Long = long("totalSteps")

  /** Trainer processes: numTrainers, or one for each executor or GPU: those that a fit waits for, where Spark's settings say how
    * many executors there will be, else those that are up.
    */
  def numTrainers: Int = long("numTrainers").toInt

  /** Number of logical shards. */
  def logicalShards: Int = long("logicalShards").toInt

  /** Whether connections between executors, trainers and driver will be encrypted: "tls" or "none". */
  def transportSecurity: String = Json.field(node, "transportSecurity").asText

  /** Bytes of rows that are fed to the trainers. */
  def feedBytes: Long = long("feedBytes")

  /** Bytes that all trainers send together in a step. */
  def exchangeBytesPerStep: Long = long("exchangeBytesPerStep")

  /** How gradients will be exchanged, as a JSON object: algorithm and reason, parts (that go out while earlier layers are computed),
    * compression ("auto" as it would be decided) and compressionReason. Between machines by what a network is taken to be: the fit
    * measures it. None with one trainer, and where no step was tried.
    */
  def exchange: Option[String] = Option(node.get("exchange")).filterNot(_.isNull).map(_.toString)

  /** Memory of the largest trainer in bytes, by account. */
  def memory: Map[String, Long] =
    Json.fields(of("memory", "accounts")).map { case (name, bytes) => name -> bytes.asLong }.toMap

  /** All of it. */
  def memoryNeeded: Long = of("memory", "needed").asLong

  /** What the trainer may use; none where only its executor knows. */
  def memoryLimit: Option[Long] = Some(of("memory", "limit")).filterNot(_.isNull).map(_.asLong)

  /** Whether a fit gets past the check of its memory; rows beyond the limit go to disk. */
  def fits: Boolean = of("memory", "fits").asBoolean

  /** Seconds from DataFrame to model, about: of this machine as it is now. Where the fit would be refused for its memory no
    * step is tried, nor where it computes on GPUs or the driver has no room for them: the steps count as 0, and advice says
    * why.
    */
  def seconds: Double = of("seconds", "total").asDouble

  /** Seconds of an epoch. */
  def secondsPerEpoch: Double = of("seconds", "epoch").asDouble

  /** What takes most of the time: "compute", "exchange" or "feed"; "memory" where rows go to disk, "unknown" where no step was tried. */
  def bound: String = Json.field(node, "bound").asText

  /** Whether one trainer would be as fast. */
  def oneTrainerIsAsFast: Boolean = Json.field(node, "oneTrainerIsAsFast").asBoolean

  /** What to set, if anything. */
  def advice: Seq[String] = Json.items(Json.field(node, "advice")).map(_.asText)

  /** A table for people. */
  override def toString: String = {
    def seconds(name: String) = TrainingPlan.duration(of("seconds", name).asDouble)
    val limit = memoryLimit.fold("known on the executors") { bytes =>
      s"${Bytes.text(bytes)} (${of("memory", "limitSource").asText})"
    }
    val lines = Seq(
      "rows" -> rows.toString,
      "steps" -> s"$totalSteps, $stepsPerEpoch an epoch",
      "trainers" -> s"$numTrainers for $logicalShards logical shards, ${long("threadsPerTrainer")} threads each",
      "feed" -> s"${Bytes.text(feedBytes)}, ${seconds("feed")}",
      "exchange" -> s"${Bytes.text(exchangeBytesPerStep)} a step, ${Bytes.text(long("exchangeBytesPerEpoch"))} an epoch"
    ) ++ (if (transportSecurity == "tls") Seq("encrypted" -> "by TLS 1.3") else Nil) ++ Seq(
      "memory" -> s"${Bytes.text(memoryNeeded)} of $limit"
    ) ++ memory.toSeq.sortBy(-_._2).map { case (name, bytes) => s"  $name" -> Bytes.text(bytes) } ++ Seq(
      "a step" -> s"${seconds("step")} (compute ${seconds("compute")}, exchange ${seconds("exchange")})",
      "an epoch" -> seconds("epoch"),
      "in all" -> seconds("total"),
      "bound by" -> bound
    ) ++ advice.map("advice" -> _)
    val width = lines.map(_._1.length).max
    lines
      .map { case (name, value) => s"${name.padTo(width, ' ')}  $value" }
      .mkString("TrainingPlan\n", "\n", "")
  }
}

private[candlewick] object TrainingPlan {

  /** Seconds with three digits or all before the point, milliseconds where they are short: never an exponent. */
  def duration(seconds: Double): String = {
    def text(pattern: String, number: Double) = String.format(Locale.ROOT, pattern, Double.box(number))
    if (seconds == 0) "0 s"
    else if (seconds < 0.01) text("%.3g ms", seconds * 1000)
    else if (seconds < 99.95) text("%.3g s", seconds)
    else text("%.0f s", seconds)
  }
}
