package candlewick.fit

import candlewick.internal.Json
import com.fasterxml.jackson.databind.JsonNode

/** How early stopping went.
  *
  * @param rule
  *   what was asked for
  * @param report
  *   what the trainers say of it
  */
private[fit] final class EarlyEnd private (rule: JsonNode, report: JsonNode) {

  /** The epoch of the best value; null where there never was a value. */
  def bestEpoch: JsonNode = Json.field(report, "bestEpoch")

  /** The best value; null where there never was one. */
  def bestValue: JsonNode = Json.field(report, "bestValue")

  private def metric = Json.field(rule, "metric").asText

  /** Why the training ended before its last epoch, if that is so. */
  def reason: Option[String] =
    if (!Json.field(report, "stoppedEarly").asBoolean) None
    else
      Some(s"earlyStopping: $metric ${if (bestEpoch.isNull) "was never defined" else "got no better"}")

  /** What to tell where no epoch had a value to judge by. */
  def unseen: Option[String] =
    if (!bestEpoch.isNull) None
    else
      Some(
        s"earlyStopping: $metric was not defined in any epoch, so no epoch was better than another and the model has the last " +
          s"weights: ${EarlyEnd.Undefined}"
      )

  /** Of the epochs those up to the one whose weights the model has. */
  def kept(epochs: Seq[JsonNode]): Seq[JsonNode] =
    if (Json.field(rule, "restoreBest").asBoolean && !bestEpoch.isNull) epochs.take(bestEpoch.asInt + 1)
    else epochs
}

private[fit] object EarlyEnd {

  /** Why a metric is not defined, and what helps. */
  val Undefined: String =
    "the rows that it is of hold one class only, or none that weighs anything; raise validationFraction or choose another metric"

  /** Of a job and what its training came to; None where nobody asked for early stopping. */
  def of(job: JsonNode, done: JsonNode): Option[EarlyEnd] = {
    val rule = job.path("train").path("evaluation").path("earlyStopping")
    Option(done.get("stopping")).filterNot(_.isNull).map(new EarlyEnd(rule, _))
  }
}
