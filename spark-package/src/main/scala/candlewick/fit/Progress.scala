package candlewick.fit

import candlewick.internal.{Clock, Json}
import com.fasterxml.jackson.databind.JsonNode
import java.util.Locale

/** The line of an epoch: "epoch 3/10  loss 0.1234  val_loss 0.2345  52,000 rows/s  12 s left". */
private[candlewick] final class Progress(epochs: Int, quietMs: Long = Progress.QuietMs) {
  private var seconds = 0.0
  private var seen = 0
  private var quiet = new Clock
  private var quietStep = 0L

  /** A line for a trainer's sign of life, where no line came for a while: an epoch may last an hour.
    *
    * @param beat
    *   where the trainer is: epoch and step
    */
  def beat(beat: JsonNode): Option[String] = {
    val step = Json.field(beat, "step").asLong
    if (quiet.ms <= quietMs || step <= quietStep) None
    else {
      val rate = "%,.1f".formatLocal(Locale.ROOT, (step - quietStep) / quiet.seconds)
      restart(step)
      Some(
        s"epoch ${math.min(Json.field(beat, "epoch").asInt + 1, epochs)}/$epochs  step $step  $rate steps/s"
      )
    }
  }

  private def restart(step: Long): Unit = {
    quiet = new Clock
    quietStep = step
  }

  /** The line for a record of the history. */
  def line(record: JsonNode): String = {
    restart(Json.field(record, "step").asLong)
    val took = Json.field(record, "seconds").asDouble
    val epoch = Json.field(record, "epoch").asInt + 1
    seconds += took
    seen += 1
    val left = seconds / seen * math.max(0, epochs - epoch)
    val rate = Json.field(record, "rows").asDouble / math.max(took, 1e-9)
    val loss = Progress.number(Json.field(record, "loss").asDouble)
    val validated = Option(record.get("val_loss")).filter(_.isNumber)
    val told = validated.fold("")(value => s"  val_loss ${Progress.number(value.asDouble)}")
    s"epoch $epoch/$epochs  loss $loss$told  ${"%,.0f".formatLocal(Locale.ROOT, rate)} rows/s  ${math.round(left)} s left"
  }
}

private[candlewick] object Progress {

  /** Time without a line after which a sign of life gets one. */
  val QuietMs = 10000L

  /** Four decimals, or the exponent where those would hide the value. */
  private[fit] def number(value: Double): String = {
    val pattern = if (value == 0.0 || (math.abs(value) >= 1e-3 && math.abs(value) < 1e6)) "%.4f" else "%.3e"
    pattern.formatLocal(Locale.ROOT, value)
  }
}
