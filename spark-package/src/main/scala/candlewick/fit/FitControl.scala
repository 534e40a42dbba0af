package candlewick.fit

import candlewick.internal.Failures
import java.util.concurrent.{ConcurrentLinkedQueue, CopyOnWriteArrayList}
import java.util.concurrent.atomic.AtomicReference
import org.slf4j.LoggerFactory
import scala.util.control.NonFatal

/** What others may do to a running fit: cancel it, tell it that an executor is gone, read its lines. Thread safe. */
private[candlewick] final class FitControl(val id: String) {
  private val log = LoggerFactory.getLogger(classOf[FitControl])
  private val reason = new AtomicReference[String]()
  private val lines = new ConcurrentLinkedQueue[String]()
  private val listeners = new CopyOnWriteArrayList[String => Unit]()
  private val cancelActions = new CopyOnWriteArrayList[String => Unit]()
  private val lossActions = new CopyOnWriteArrayList[(String, String) => Unit]()

  /** Tag of the fit's Spark jobs. */
  val tag: String = s"candlewick-$id"

  /** Asks the fit to stop. Only the first reason counts. */
  def cancel(why: String): Unit =
    if (reason.compareAndSet(null, why)) cancelActions.forEach(action => run(action)(why))

  /** Runs `action` when the fit is cancelled, at once if it is already. */
  def onCancel(action: String => Unit): Unit = {
    cancelActions.add(action)
    Option(reason.get()).foreach(run(action))
  }

  /** Runs `action` with id and reason whenever Spark removes an executor. */
  def onExecutorLost(action: (String, String) => Unit): Unit = lossActions.add(action): Unit

  /** Spark removed an executor. */
  def executorLost(executor: String, why: String): Unit = lossActions.forEach { action =>
    try action(executor, why)
    catch {
      case NonFatal(error) => log.warn(s"fit $id: the loss of executor $executor was not passed on", error)
    }
  }

  /** Why the fit was cancelled, if it was. */
  def cancelled: Option[String] = Option(reason.get())

  /** Throws if the fit was cancelled. */
  def check(): Unit = cancelled.foreach(why => throw Failures.cancelled(s"the fit was cancelled: $why"))

  /** A line for the user: to the log, to `progressLines` and to the listeners. */
  def report(line: String): Unit = {
    log.info(s"fit $id: $line")
    lines.add(line)
    listeners.forEach(listener => run(listener)(line))
  }

  /** Takes the lines said since the last call. */
  def drain(): Array[String] = Iterator.continually(lines.poll()).takeWhile(_ != null).toArray

  /** Calls `listener` with every line from now on. */
  def listen(listener: String => Unit): Unit = listeners.add(listener): Unit

  private def run(action: String => Unit)(text: String): Unit =
    try action(text)
    catch { case NonFatal(error) => log.warn(s"fit $id: a listener failed", error) }
}
