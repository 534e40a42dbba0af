package candlewick.fit

import candlewick.internal.{Clock, Json}
import com.fasterxml.jackson.databind.JsonNode
import java.util.Locale

/** How fast it goes, and a line that says so.
  *
  * @param text
  *   "epoch 3/10  loss 0.1234  val_loss 0.2345  52,000 rows/s  12 s left"
  */
private[candlewick] final case class Told(text: String, rowsPerSecond: Double, secondsLeft: Double)

/** Words for how a training goes. Epochs are counted from 1 in them, as people do; records count from 0.
  *
  * @param batchSize
  *   rows of a step
  * @param quietMs
  *   time without a line after which a long epoch gets one
  * @param beatMs
  *   least time between two steps that are told
  */
private[candlewick] final class Progress(
    epochs: Int,
    batchSize: Int,
    quietMs: Long = Progress.QuietMs,
    beatMs: Long = Progress.BeatMs
) {
  private var seconds = 0.0
  private var seen = 0
  private var quiet = new Clock
  private var beaten = Option.empty[Clock]
  private var lastStep = 0L
  // Where this epoch's time is counted from.
  private var began = Option.empty[(Clock, Long)]

  /** Where a trainer stands; nothing where it is the same place, or was told just now.
    *
    * @param beat
    *   epoch, step, and if they are known the loss so far and the steps of an epoch
    */
  def step(beat: JsonNode): Option[Told] = {
    val (step, epoch) = (Json.field(beat, "step").asLong, Json.field(beat, "epoch").asInt)
    val perEpoch = beat.path("stepsPerEpoch").asLong
    val news = step > lastStep && perEpoch > 0 && beaten.forall(_.ms > beatMs)
    if (!news) None
    else {
      beaten = Some(new Clock)
      lastStep = step
      val (clock, from) = began.getOrElse((new Clock, step))
      if (began.isEmpty) began = Some((clock, from))
      val rate = (step - from).toDouble / math.max(clock.seconds, 1e-3)
      val left = if (rate > 0) math.max(0L, epochs * perEpoch - step) / rate else Double.NaN
      val loss = Option(beat.get("loss")).filter(_.isNumber).map(_.asDouble)
      val within = math.min(step - epoch * perEpoch, perEpoch)
      val parts = Seq(s"epoch ${math.min(epoch + 1, epochs)}/$epochs", s"step $within/$perEpoch") ++
        loss.map(value => s"loss ${Progress.number(value)}") ++ Progress.pace(rate * batchSize, left)
      Some(Told(parts.mkString("  "), rate * batchSize, left))
    }
  }

  /** True, once, where no line came for so long that a sign of life is due. */
  def isQuiet: Boolean = {
    val due = quiet.ms > quietMs
    if (due) quiet = new Clock
    due
  }

  /** What a record of the history says. */
  def epoch(record: JsonNode): Told = {
    quiet = new Clock
    lastStep = math.max(lastStep, Json.field(record, "step").asLong)
    began = Some((new Clock, lastStep))
    val took = Json.field(record, "seconds").asDouble
    val epoch = Json.field(record, "epoch").asInt + 1
    seconds += took
    seen += 1
    val left = seconds / seen * math.max(0, epochs - epoch)
    val rate = Json.field(record, "rows").asDouble / math.max(took, 1e-9)
    val parts = s"epoch $epoch/$epochs" +: (Progress.metrics(record) ++ Progress.pace(rate, left))
    Told(parts.mkString("  "), rate, left)
  }
}

private[candlewick] object Progress {

  /** Time without a line after which a sign of life gets one. */
  val QuietMs = 10000L

  /** Steps are told a few times a second. */
  val BeatMs = 250L

  /** A loss that grows by so much has no use. */
  private val Diverged = 10.0

  private val plain = Set("epoch", "step", "lr", "rows", "seconds")

  /** "loss 0.1234", and every other number of the record, in its order. */
  private def metrics(record: JsonNode): Seq[String] = Json.fields(record).collect {
    case (name, value) if !plain(name) && value.isIntegralNumber => s"$name ${value.asLong}"
    case (name, value) if !plain(name) && value.isNumber => s"$name ${number(value.asDouble)}"
    case (name, value) if !plain(name) && value.isNull => s"$name -"
  }

  private def pace(rowsPerSecond: Double, secondsLeft: Double): Seq[String] =
    // The first look says where it stands and not how fast it goes.
    if (secondsLeft.isNaN) Nil
    else
      Seq(s"${"%,.0f".formatLocal(Locale.ROOT, rowsPerSecond)} rows/s", s"${math.round(secondsLeft)} s left")

  /** Four decimals, or the exponent where those would hide the value. */
  private[fit] def number(value: Double): String = {
    val pattern = if (value == 0.0 || (math.abs(value) >= 1e-3 && math.abs(value) < 1e6)) "%.4f" else "%.3e"
    pattern.formatLocal(Locale.ROOT, value)
  }

  /** What to tell of a schedule that lowered the learning rate after a metric that no epoch had. */
  def unjudged(job: JsonNode, history: Seq[JsonNode]): Option[String] = {
    val schedule = job.path("train").path("lrScheduler")
    val metric = schedule.path("metric").asText
    if (
      schedule.path("type").asText != "ReduceLROnPlateau" || history.isEmpty ||
      history.exists(_.path(metric).isNumber)
    ) None
    else
      Some(
        s"ReduceLROnPlateau: $metric was not defined in any epoch, which counts as no better, so the learning rate was lowered " +
          s"however the training went: ${EarlyEnd.Undefined}"
      )
  }

  /** What to tell of a training whose loss has grown out of all measure. */
  def diverged(history: Seq[JsonNode]): Option[String] = for {
    first <- history.headOption.map(Json.field(_, "loss").asDouble)
    last <- history.lastOption.map(Json.field(_, "loss").asDouble)
    if first > 0.0 && last >= Diverged * first
  } yield s"the loss grew from ${number(first)} in the first epoch to ${number(last)} in the last: the training diverged, and " +
    "the model is of little use; lower the learning rate (learningRate, or lr of the optimizer) or scale the features " +
    "(StandardScaler), or set clipNorm"
}
