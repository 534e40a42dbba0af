package candlewick.fit

import java.util.concurrent.{CopyOnWriteArrayList, LinkedBlockingQueue, TimeUnit}
import candlewick.internal.Clock
import org.slf4j.LoggerFactory
import scala.util.control.NonFatal

/** The user's functions that want to see a fit's lines. They run in a thread of their own, in order: one that blocks (a
  * `println` into a pipe that nobody reads) holds up the others and nothing else.
  */
private[fit] final class Listeners(fit: String) {
  private val log = LoggerFactory.getLogger(classOf[Listeners])
  private val listeners = new CopyOnWriteArrayList[String => Unit]()
  // None ends the thread.
  private val queue = new LinkedBlockingQueue[Option[String]](Listeners.MaxWaiting)
  private var thread = Option.empty[Thread]

  /** Calls `listener` with every line from now on. */
  def add(listener: String => Unit): Unit = synchronized {
    listeners.add(listener)
    if (thread.isEmpty) {
      val made = new Thread(() => deliver(), s"candlewick-lines-$fit")
      made.setDaemon(true)
      made.start()
      thread = Some(made)
    }
  }

  /** Hands a line over. Where thousands wait for a listener that is stuck, it is left out. */
  def pass(line: String): Unit = if (!listeners.isEmpty) queue.offer(Some(line)): Unit

  /** Waits until all lines are delivered, at most `ms`. */
  def close(ms: Long): Unit = {
    val clock = new Clock
    synchronized(thread).foreach { thread =>
      if (Thread.currentThread() ne thread)
        if (queue.offer(None, ms, TimeUnit.MILLISECONDS)) thread.join(math.max(1L, ms - clock.ms))
    }
  }

  private def deliver(): Unit = {
    var next = queue.take()
    while (next.isDefined) {
      next.foreach(line => listeners.forEach(listener => tell(listener, line)))
      next = queue.take()
    }
  }

  private def tell(listener: String => Unit, line: String): Unit =
    try listener(line)
    catch { case NonFatal(error) => log.warn(s"fit $fit: a progress listener failed", error) }
}

private object Listeners {
  val MaxWaiting = 10000
}
