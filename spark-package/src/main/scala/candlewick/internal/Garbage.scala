package candlewick.internal

import java.lang.ref.{PhantomReference, ReferenceQueue}
import java.util.concurrent.ConcurrentHashMap

/** Runs what is left to do for objects that are garbage, on a thread of its own: what Java 9 has as Cleaner. */
private[candlewick] object Garbage {
  private val queue = new ReferenceQueue[AnyRef]
  // References must not be garbage before what they refer to.
  private val waiting = ConcurrentHashMap.newKeySet[Last]()
  private lazy val thread = {
    val thread = new Thread(() => run(), "candlewick-garbage")
    thread.setDaemon(true)
    // That of whoever comes first would live as long.
    thread.setContextClassLoader(null)
    thread.start()
    thread
  }

  /** Runs `last` once `of` is garbage, to which `last` must not refer. */
  def after(of: AnyRef)(last: () => Unit): Unit = {
    waiting.add(new Last(of, last))
    thread: Unit
  }

  private def run(): Unit = while (true) queue.remove() match {
    case last: Last =>
      try last.run()
      catch { case _: Throwable => () } // the next ones are not to wait for ever
      waiting.remove(last)
    case _ => ()
  }

  private final class Last(of: AnyRef, body: () => Unit) extends PhantomReference[AnyRef](of, queue) {
    def run(): Unit = body()
  }
}
