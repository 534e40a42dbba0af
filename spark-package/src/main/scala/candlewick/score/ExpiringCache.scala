package candlewick.score

import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.locks.ReentrantLock

/** Values that take long to make, kept until nobody has used them for a while.
  *
  * Whoever wants a value that is being made waits for it; whoever wants another does not.
  *
  * @param idleNanos
  *   time without use after which [[sweep]] closes a value
  * @param now
  *   a clock that only goes forward, such as System.nanoTime
  */
private[score] final class ExpiringCache[V <: AutoCloseable](idleNanos: Long, now: () => Long) {

  /** What belongs to a key; its lock is held while the value is made, used, or closed. */
  private final class Entry {
    val lock = new ReentrantLock
    var value: Option[V] = None
    var usedAt: Long = 0L
    var closed = false
  }

  private val entries = new ConcurrentHashMap[String, Entry]

  /** Gives the value of `key` to `body`, after making it where it is not there. It is not closed meanwhile. */
  def use[R](key: String)(make: => V)(body: V => R): R = {
    var result = Option.empty[R]
    while (result.isEmpty) {
      val entry = entries.computeIfAbsent(key, _ => new Entry)
      // An entry that was closed between the two lines has left the map: the next look-up makes another.
      result = locked(entry)(if (entry.closed) None else Some(body(valueOf(key, entry)(make))))
    }
    result.get
  }

  private def valueOf(key: String, entry: Entry)(make: => V): V = {
    val value = entry.value.getOrElse {
      try {
        val made = make
        entry.value = Some(made)
        made
      } finally
        if (entry.value.isEmpty) {
          entry.closed = true
          entries.remove(key, entry): Unit
        }
    }
    entry.usedAt = now()
    value
  }

  /** Closes what has not been used for long enough. */
  def sweep(): Unit = entries.forEach { (key, entry) =>
    // One that somebody holds is in use.
    if (entry.lock.tryLock())
      try
        if (entry.value.isDefined && now() - entry.usedAt >= idleNanos) {
          entry.closed = true
          entries.remove(key, entry): Unit
          entry.value.foreach(_.close())
        }
      finally entry.lock.unlock()
  }

  /** Number of values. */
  def size: Int = entries.size()

  private def locked[R](entry: Entry)(body: => R): R = {
    entry.lock.lock()
    try body
    finally entry.lock.unlock()
  }
}
