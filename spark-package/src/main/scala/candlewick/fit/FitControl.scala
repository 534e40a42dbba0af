package candlewick.fit

import candlewick.internal.{Clock, Failures}
import java.util.concurrent.{ConcurrentHashMap, ConcurrentLinkedDeque, CopyOnWriteArrayList}
import java.util.concurrent.atomic.{AtomicInteger, AtomicReference}
import org.slf4j.LoggerFactory
import scala.util.control.NonFatal

/** What others may do to a running fit: cancel it, tell it that an executor is gone, read its lines. Thread safe.
  *
  * @param watched
  *   somebody takes its events
  * @param decides
  *   and says at the end of every epoch whether training goes on
  * @param shows
  *   and shows them to the user, so that no lines are wanted
  */
private[candlewick] final class FitControl(
    val id: String,
    val watched: Boolean = false,
    val decides: Boolean = false,
    val shows: Boolean = false
) {
  private val log = LoggerFactory.getLogger(classOf[FitControl])
  private val reason = new AtomicReference[FitControl.Reason]()
  private val lines = new ConcurrentLinkedDeque[String]()
  private val lineCount = new AtomicInteger()
  private val listeners = new Listeners(id)
  private val cancelActions = new CopyOnWriteArrayList[String => Unit]()
  private val lossActions = new CopyOnWriteArrayList[(String, String) => Unit]()
  private val lost = new ConcurrentHashMap[String, String]()
  private val jobs = ConcurrentHashMap.newKeySet[Int]()
  @volatile private var refusal = Option.empty[Int => Unit]
  // Of jobs that hold slots: the job of a stage, and where the tasks of a job run, by their index.
  private val holdStages = new ConcurrentHashMap[Int, Int]()
  private val holdTasks = new ConcurrentHashMap[(Int, Int), String]()
  private val signals = new Object
  private var signalled = false

  /** What happens in its training, where it is watched. */
  val events = new FitEvents

  /** What its callbacks decide. */
  val decisions = new Decisions(() => signal())

  /** Fits of this driver are numbered from 1, those that begin: whoever only looks takes no number. */
  lazy val number: Int = FitControl.numbers.incrementAndGet()

  /** Tag of the fit's Spark jobs. */
  val tag: String = s"candlewick-$id"

  /** Asks the fit to stop. Only the first reason counts.
    *
    * @param cause
    *   the failure of a Spark job that says so, if one does
    */
  def cancel(why: String, cause: Option[Throwable] = None): Unit =
    end(FitControl.Reason(why, cause, failed = false))

  /** Ends the fit with an error of one who looks on, which is what its user meets. */
  def fail(error: Throwable): Unit =
    end(FitControl.Reason(String.valueOf(error.getMessage), Some(error), failed = true))

  private def end(why: FitControl.Reason): Unit =
    if (reason.compareAndSet(null, why)) {
      cancelActions.forEach(action => run(action)(why.why))
      signal()
    }

  /** Runs `action` when the fit is cancelled, at once if it is already. */
  def onCancel(action: String => Unit): Unit = {
    cancelActions.add(action)
    cancelled.foreach(run(action))
  }

  /** Runs `action` with id and reason whenever Spark removes an executor, and for those removed before. */
  def onExecutorLost(action: (String, String) => Unit): Unit = {
    lossActions.add(action)
    lost.forEach((executor, why) => passOn(executor, why, action))
  }

  /** Spark removed an executor. */
  def executorLost(executor: String, why: String): Unit = {
    lost.put(executor, why)
    lossActions.forEach(action => passOn(executor, why, action))
    signal()
  }

  private def passOn(executor: String, why: String, action: (String, String) => Unit): Unit =
    try action(executor, why)
    catch {
      case NonFatal(error) => log.warn(s"fit $id: the loss of executor $executor was not passed on", error)
    }

  /** Why Spark removed the executor, if it did since the fit began. Its id never comes back. */
  def lossOf(executor: String): Option[String] = Option(lost.get(executor))

  /** Jobs of the fit that start from now on are ended by `cancel`: while Spark plans a query there is no job yet that a
    * cancel would meet.
    */
  def refuseJobs(cancel: Int => Unit): Unit = refusal = Some(cancel)

  /** A Spark job of the fit has started. */
  def jobStarted(job: Int): Unit = {
    jobs.add(job)
    refusal.foreach(_(job))
    signal()
  }

  /** A Spark job of the fit that holds slots has started, with its stage. */
  def holdStarted(job: Int, stage: Int): Unit = holdStages.put(stage, job): Unit

  /** A task has started, of whatever job. */
  def taskStarted(stage: Int, index: Int, executor: String): Unit =
    Option(holdStages.get(stage)).foreach { job =>
      holdTasks.put((job, index), executor)
      signal()
    }

  /** Where the latest attempt of a task that holds a slot runs or has run. */
  def holdsOn(job: Int, index: Int): Option[String] = Option(holdTasks.get((job, index)))

  /** Whether a Spark job belongs to the fit. Spark tells of it a moment after it has begun, so this waits a moment. */
  def owns(job: Int): Boolean = {
    val clock = new Clock
    while (!jobs.contains(job) && clock.ms < FitControl.ListenerMs) await(FitControl.ListenerMs - clock.ms)
    jobs.contains(job)
  }

  /** Something has changed that whoever waits in [[await]] may wait for. */
  def signal(): Unit = signals.synchronized {
    signalled = true
    signals.notifyAll()
  }

  /** Waits for a signal, one that came since the last wait too, or for `ms`. Only the fit's own thread waits. */
  def await(ms: Long): Unit = signals.synchronized {
    if (!signalled && ms > 0) signals.wait(ms)
    signalled = false
  }

  /** Why the fit was cancelled, if it was. */
  def cancelled: Option[String] = Option(reason.get()).map(_.why)

  /** The exception of the cancel, if there was one. */
  def cancellation: Option[Throwable] = Option(reason.get()).map {
    case FitControl.Reason(_, Some(error), true) => error
    case FitControl.Reason(why, cause, _) =>
      val error = Failures.cancelled(s"the fit was cancelled: $why")
      cause.foreach(error.initCause)
      error
  }

  /** Throws if the fit was cancelled. */
  def check(): Unit = cancellation.foreach(throw _)

  /** A line for the user: to the log, to `progressLines` and to the listeners. Never waits for any of them. */
  def report(line: String): Unit = {
    log.info(s"fit $id: $line")
    pass(line)
  }

  /** A line for the log alone. */
  def note(line: String): Unit = log.info(s"fit $id: $line")

  /** A line that a user should see even where nobody asked for progress: the log shows it by default. */
  def warn(line: String): Unit = {
    log.warn(s"fit $id: $line")
    pass(line)
  }

  private def pass(line: String): Unit = {
    lines.addLast(line)
    if (lineCount.incrementAndGet() > FitControl.MaxLines && lines.pollFirst() != null)
      lineCount.decrementAndGet(): Unit
    listeners.pass(line)
  }

  /** Takes the lines reported since the last call; the latest thousands where nobody called for long. */
  def drain(): Array[String] = Iterator
    .continually(lines.pollFirst())
    .takeWhile(_ != null)
    .map { line =>
      lineCount.decrementAndGet()
      line
    }
    .toArray

  /** Calls `listener` with every line from now on, from a thread of its own. */
  def listen(listener: String => Unit): Unit = listeners.add(listener)

  /** The fit is over: lets the listeners have the last lines, but does not wait for one that is stuck. What a cancel or
    * the loss of an executor would call is let go: whoever keeps the handle of the fit keeps nothing of it alive.
    */
  def finish(): Unit = {
    cancelActions.clear()
    lossActions.clear()
    refusal = None
    listeners.close(FitControl.LastLinesMs)
  }

  private def run(action: String => Unit)(text: String): Unit =
    try action(text)
    catch { case NonFatal(error) => log.warn(s"fit $id: a cancel was not passed on", error) }
}

private[fit] object FitControl {

  /** Why a fit was cancelled.
    *
    * @param failed
    *   the cause is what the user meets
    */
  final case class Reason(why: String, cause: Option[Throwable], failed: Boolean)

  private val numbers = new AtomicInteger()

  /** Lines kept for `progressLines`. */
  val MaxLines = 10000

  /** Longest wait for listeners that lag behind at the end of a fit. */
  val LastLinesMs = 5000L

  /** How far Spark's listeners may be behind. */
  val ListenerMs = 2000L
}
