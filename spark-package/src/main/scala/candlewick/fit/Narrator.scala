package candlewick.fit

import candlewick.internal.Json
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode

/** Tells how a fit's training goes: lines to the log and to who listens, as `verbose` asks for, and events to who looks
  * on.
  *
  * @param among
  *   whether other fits run in this driver: then lines say which one they are of
  */
private[fit] final class Narrator(prepared: Prepared, control: FitControl, among: => Boolean) {
  private val progress = new Progress(prepared.epochs, prepared.batchSize)

  /** An epoch is over. Called by the thread that polls the coordinator: never waits. */
  def epoch(record: JsonNode): Unit = {
    val told = progress.epoch(record)
    line(told.text)
    if (control.watched) control.events.put(event("epoch", told).set[ObjectNode]("record", record))
  }

  /** An epoch of the checkpoint that the fit goes on from. */
  def again(record: JsonNode): Unit =
    if (control.watched)
      control.events.put(
        event("epoch", Told("", 0.0, 0.0)).put("again", true).set[ObjectNode]("record", record)
      )

  /** A trainer stands there. */
  def step(beat: JsonNode): Unit = progress.step(beat).foreach { told =>
    if (progress.isQuiet) line(told.text)
    if (control.watched) {
      val step = event("step", told)
      Seq("epoch", "step", "stepsPerEpoch", "loss")
        .foreach(name => Option(beat.get(name)).foreach(value => step.set[JsonNode](name, value)))
      control.events.putStep(step)
    }
  }

  /** Training is over: where that came early, or another epoch was the best, a line says so.
    *
    * @param summary
    *   of the training
    */
  def end(summary: JsonNode): Unit = {
    val epochs = Json.items(Json.field(summary, "history")).length
    val reason = Option(summary.get("stopReason")).filterNot(_.isNull).map(_.asText)
    val best = Option(summary.get("bestEpoch")).filterNot(_.isNull).map(_.asInt + 1)
    val ended = reason.map(why => s"stopped after epoch $epochs/${prepared.epochs}: $why").toSeq
    val text = ended ++ best.map(epoch => s"the best was epoch $epoch")
    if (text.nonEmpty) {
      line(text.mkString("; "))
      if (control.watched) control.events.put(event("line", Told(text.mkString("; "), 0.0, 0.0)))
    }
  }

  private def event(kind: String, told: Told): ObjectNode = Json.obj(
    "event" -> kind,
    "text" -> (label + told.text),
    "epochs" -> prepared.epochs,
    "rowsPerSecond" -> told.rowsPerSecond,
    "secondsLeft" -> (if (told.secondsLeft.isNaN) None else Some(told.secondsLeft))
  )

  private def label: String = if (among) s"fit ${control.number}: " else ""

  private def line(text: String): Unit = prepared.launch.verbose match {
    case "true" if !control.shows => control.report(label + text)
    case "false" => ()
    case _ => control.note(label + text)
  }
}
