package candlewick

import candlewick.fit.FitControl
import candlewick.internal.Json
import java.util.concurrent.{CountDownLatch, TimeUnit}
import java.util.concurrent.atomic.AtomicReference
import scala.util.{Failure, Success, Try}

/** A fit that runs in the background, made by `startFit`.
  *
  * {{{
  * val handle = classifier.startFit(train)
  * while (!handle.awaitTermination(500)) handle.progressLines().foreach(println)
  * val model = handle.result()
  * }}}
  *
  * @tparam M
  *   class of the model
  */
final class FitHandle[M] private[candlewick] (control: FitControl) {
  private val finished = new CountDownLatch(1)
  private val outcome = new AtomicReference[Try[M]]()

  /** Id of the fit, as it stands in the log, in the tags of its Spark jobs and in messages. */
  def id: String = control.id

  /** Waits until the fit is over, at most `timeoutMs` milliseconds. Returns whether it is. */
  def awaitTermination(timeoutMs: Long): Boolean = finished.await(timeoutMs, TimeUnit.MILLISECONDS)

  /** The model. Waits until the fit is over, and throws what made it fail. */
  def result(): M = {
    finished.await()
    outcome.get().get
  }

  /** Cancels the fit: its Spark jobs end, its trainers end, `result` throws a `CancelledException` that gives `reason`.
    * No effect on a fit that is over.
    */
  def cancel(reason: String): Unit = control.cancel(reason)

  /** Takes the lines for the user that came since the last call: epochs where `verbose` is set, and what the fit waits
    * for.
    */
  def progressLines(): Array[String] = control.drain()

  /** Calls `listener` with every such line from now on, from one thread made for that: a listener that blocks delays
    * other lines and nothing else.
    */
  def listenProgress(listener: String => Unit): Unit = control.listen(listener)

  /** Whether the fit is over, and the lines and the events since the last call, as JSON; for Python, in one call, since each
    * wakes up two processes. Waits for an event or the end, at most `timeoutMs` milliseconds.
    */
  private[candlewick] def look(timeoutMs: Long): String = {
    control.events.await(timeoutMs)
    // Asked first: what comes before the end is in the lists then.
    val over = finished.getCount == 0
    Json.obj("over" -> over, "lines" -> control.drain().toSeq, "events" -> control.events.take(0L)).toString
  }

  /** All callbacks have seen so many epochs, and training goes on. */
  private[candlewick] def goOn(epochs: Int): Unit = control.decisions.goOn(epochs)

  /** The callback `by` ends the training after so many epochs. */
  private[candlewick] def stopAfter(epochs: Int, by: String): Unit = control.decisions.stop(epochs, by)

  /** Number of the fit. */
  private[candlewick] def number: Int = control.number

  /** Runs `body` in a fresh thread. Fresh, so that it inherits the local properties of the caller: job group, scheduler
    * pool, description.
    */
  private[candlewick] def start(body: => M): this.type = {
    val run: Runnable = () =>
      try outcome.set(Try(body))
      catch { case fatal: Throwable => outcome.set(Failure(fatal)) } // an Error too must reach who waits
      finally {
        control.finish()
        finished.countDown()
        control.events.end()
      }
    val thread = new Thread(run, s"candlewick-fit-${control.id}")
    thread.setDaemon(true)
    thread.start()
    this
  }

  override def toString: String = Option(outcome.get()) match {
    case None => s"FitHandle($id, running)"
    case Some(Success(_)) => s"FitHandle($id, finished)"
    case Some(Failure(e)) => s"FitHandle($id, failed: ${e.getMessage})"
  }
}
