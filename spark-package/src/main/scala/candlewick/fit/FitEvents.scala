package candlewick.fit

import candlewick.internal.Clock
import com.fasterxml.jackson.databind.node.ObjectNode

/** What a fit tells of its training, for the one who takes it: Python's loop, or [[CallbackRunner]]. All that happened
  * is kept until it is taken; of steps the youngest alone. Thread safe.
  */
private[candlewick] final class FitEvents {
  private val lock = new Object
  private val kept = new java.util.ArrayDeque[ObjectNode]()
  private var step = Option.empty[ObjectNode]
  private var over = false

  /** Something happened. */
  def put(event: ObjectNode): Unit = lock.synchronized {
    kept.addLast(event)
    // A step before it is no news.
    step = None
    if (kept.size > FitEvents.Most) kept.pollFirst(): Unit
    lock.notifyAll()
  }

  /** A step was made. */
  def putStep(event: ObjectNode): Unit = lock.synchronized {
    step = Some(event)
    lock.notifyAll()
  }

  /** The fit is over: nobody waits any more. */
  def end(): Unit = lock.synchronized {
    over = true
    lock.notifyAll()
  }

  /** Waits until there is something to take or the fit is over, at most `ms`. */
  def await(ms: Long): Unit = lock.synchronized {
    if (kept.isEmpty && step.isEmpty && !over && ms > 0) lock.wait(ms)
  }

  /** Takes what happened since the last call; waits for something, at most `ms`. */
  def take(ms: Long): Seq[ObjectNode] = lock.synchronized {
    await(ms)
    val events = Seq.newBuilder[ObjectNode]
    while (!kept.isEmpty) events += kept.pollFirst()
    step.foreach(events += _)
    step = None
    events.result()
  }
}

private object FitEvents {

  /** More than anybody who looks on has waiting. */
  val Most = 10000
}

/** What callbacks have decided at the ends of epochs: that another may begin, or that training is over. Thread safe.
  *
  * @param signal
  *   wakes up who waits for a decision
  */
private[candlewick] final class Decisions(signal: () => Unit) {
  private var seen = 0
  private var asked = 0
  private var since = new Clock
  private var stopped = Option.empty[String]
  private var action: (Int, Boolean) => Unit = (_, _) => ()

  /** All callbacks have seen so many epochs, and nobody ends the training. */
  def goOn(epochs: Int): Unit = decide(epochs, None)

  /** The callback `by` ends the training after so many epochs. */
  def stop(epochs: Int, by: String): Unit = decide(epochs, Some(by))

  private def decide(epochs: Int, by: Option[String]): Unit = {
    val act = synchronized {
      seen = math.max(seen, epochs)
      // The first one stands.
      stopped = stopped.orElse(by)
      val over = stopped.isDefined
      val told = action
      () => told(if (over) epochs else epochs + 1, over)
    }
    act()
    signal()
  }

  /** So many epochs have been made, and training waits for what the callbacks say of the last one. */
  def ask(epochs: Int): Unit = synchronized {
    if (epochs > asked) {
      asked = epochs
      since = new Clock
    }
  }

  /** For how long it has waited; 0 where it does not. */
  def waitedMs: Long = synchronized(if (asked > seen) since.ms else 0L)

  /** Whether the callbacks have seen so many epochs. */
  def hasSeen(epochs: Int): Boolean = synchronized(seen >= epochs)

  /** The callback that has ended the training. */
  def stoppedBy: Option[String] = synchronized(stopped)

  /** Calls `action` with what is decided from now on: how many epochs may be made, and whether training is over then. */
  def listen(action: (Int, Boolean) => Unit): Unit = synchronized { this.action = action }
}
