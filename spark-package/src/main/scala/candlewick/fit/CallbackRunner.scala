package candlewick.fit

import candlewick._
import candlewick.internal.{Clock, Json}
import candlewick.jni.JobFailedException
import com.fasterxml.jackson.databind.JsonNode
import org.slf4j.LoggerFactory
import scala.util.control.NonFatal

/** Calls the callbacks of a fit, in a thread of their own: the fit goes on with what else it has to do. */
private[candlewick] final class CallbackRunner(
    callbacks: Seq[Callback],
    control: FitControl,
    asked: FitInfo
) {
  private val log = LoggerFactory.getLogger(classOf[CallbackRunner])
  @volatile private var over = false
  // Nobody waits for it any more.
  @volatile private var left = false
  // What it calls.
  @volatile private var at = ""
  private val thread = new Thread(() => run(), s"candlewick-callbacks-${control.id}")
  thread.setDaemon(true)

  /** Runs a fit among its callbacks. */
  def around[M <: NeuralModel[M]](fit: => M): M = if (callbacks.isEmpty) fit
  else
    try {
      each("onFitBegin")(_.onFitBegin(asked))
      thread.start()
      val model =
        try fit
        catch {
          case error: Throwable =>
            leave()
            throw error
        }
      finish(Long.MaxValue)
      // The callbacks have seen the last epoch only now.
      control.check()
      each("onFitEnd")(_.onFitEnd(model, asked))
      model
    } catch {
      case NonFatal(error) =>
        callbacks.foreach { callback =>
          try callback.onException(error, asked)
          catch {
            case NonFatal(other) => log.warn(s"fit ${control.id}: a callback's onException failed", other)
          }
        }
        throw error
    }

  /** Waits for the callbacks to have seen everything; a fit that was cancelled does not wait for one that is stuck. */
  private def finish(mostMs: Long): Unit = {
    val clock = new Clock
    over = true
    control.events.end()
    while (thread.isAlive && control.cancelled.isEmpty && clock.ms < mostMs)
      thread.join(CallbackRunner.LookMs)
  }

  /** The fit has failed: its error does not wait for a callback that is stuck, which then sees nothing more. */
  private def leave(): Unit = {
    finish(FitControl.LastLinesMs)
    left = true
    if (thread.isAlive && control.cancelled.isEmpty)
      control.warn(s"the fit has failed, and does not wait for $at, which has not returned")
  }

  private def run(): Unit =
    try {
      var last = false
      while (!last) {
        last = over
        control.events.take(if (last) 0L else CallbackRunner.LookMs).foreach { event =>
          if (control.cancelled.isEmpty && !left) pass(event)
        }
      }
    } catch {
      // Whatever it is: trainers may wait for what this thread would have said.
      case error: Throwable => control.fail(error)
    }

  private def pass(event: JsonNode): Unit = Json.field(event, "event").asText match {
    case "step" =>
      val step = CallbackRunner.step(event)
      each(s"onStep, in epoch ${step.epoch}")(_.onStep(step, asked))
    case "epoch" =>
      val record = CallbackRunner.epoch(event)
      // Every callback sees every epoch.
      val stops = callbacks.zipWithIndex.filter { case (callback, index) =>
        !left && call(callback, index, s"onEpochEnd of epoch ${record.epoch}")(_.onEpochEnd(record, asked))
      }
      stops.headOption match {
        case Some((callback, index)) =>
          control.decisions.stop(record.epoch + 1, CallbackRunner.name(callback, index))
        case None => if (!left) control.decisions.goOn(record.epoch + 1)
      }
    case _ => ()
  }

  private def each(what: String)(action: Callback => Unit): Unit =
    callbacks.zipWithIndex.foreach { case (callback, index) =>
      if (!left) call(callback, index, what)(action)
    }

  private def call[T](callback: Callback, index: Int, what: String)(action: Callback => T): T = {
    val named = s"the callback ${CallbackRunner.name(callback, index)}"
    at = s"$named in $what"
    try action(callback)
    catch {
      // A class that is missing or too old for the callback, and a `return` out of it, are the callback's failures too.
      case error: Throwable =>
        throw new JobFailedException(s"$named failed in $what: $error").initCause(error)
    }
  }
}

private[candlewick] object CallbackRunner {

  /** How often an idle runner looks whether the fit is over. */
  private val LookMs = 100L

  /** What a callback is called in messages: its class, or its place where that says nothing. */
  def name(callback: Callback, index: Int): String = {
    val name = callback.getClass.getName
    if (name.contains("$anon$") || name.contains("$$Lambda")) s"number ${index + 1}"
    else name
  }

  /** The record of an epoch that an event tells of. */
  def epoch(event: JsonNode): EpochRecord =
    TrainingSummary.record(Json.field(event, "record")).copy(again = event.path("again").asBoolean)

  /** Where the fit stands, by an event; what that does not know is NaN, not 0. */
  def step(event: JsonNode): StepRecord = StepRecord(
    Json.field(event, "epoch").asInt,
    Json.field(event, "step").asLong,
    Json.field(event, "stepsPerEpoch").asLong,
    event.path("loss").asDouble(Double.NaN),
    Json.field(event, "rowsPerSecond").asDouble,
    event.path("secondsLeft").asDouble(Double.NaN)
  )
}
