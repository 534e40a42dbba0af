package candlewick.score

import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.locks.ReentrantLock

/** Values that take long to make, kept until nobody has used them for a while, or until others need their room.
  *
  * Whoever wants a value that is being made waits for it; whoever wants another does not.
  *
  * @param idleNanos
  *   time without use after which [[sweep]] closes a value
  * @param most
  *   what all values may weigh: where they weigh more, those go that were not used for longest. The one that was made last
  *   stays, whatever it weighs.
  * @param weigh
  *   what a value weighs
  * @param now
  *   a clock that only goes forward, such as System.nanoTime
  */
private[score] final class ExpiringCache[V <: AutoCloseable](
    idleNanos: Long,
    most: () => Long,
    weigh: V => Long,
    now: () => Long
) {

  /** What belongs to a key; its lock is held while the value is made, used, or closed. */
  private final class Entry {
    val lock = new ReentrantLock
    var value: Option[V] = None
    var closed = false
    // Who looks for room reads both without the lock.
    @volatile var usedAt: Long = 0L
    @volatile var weight: Long = 0L
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
        entry.weight = weigh(made)
        entry.value = Some(made)
        made
      } finally
        if (entry.value.isEmpty) {
          entry.closed = true
          entries.remove(key, entry): Unit
        } else makeRoom(entry)
    }
    entry.usedAt = now()
    value
  }

  /** Closes values until the rest is light enough, those first that were not used for longest. */
  private def makeRoom(made: Entry): Unit = {
    var weight = 0L
    val others = Seq.newBuilder[(Long, String, Entry)]
    entries.forEach { (key, entry) =>
      weight += entry.weight
      // As it is now: others use it meanwhile, and a sort wants what stays.
      if (entry ne made) (others += ((entry.usedAt, key, entry))): Unit
    }
    val limit = most()
    if (weight > limit)
      others.result().sortBy { case (usedAt, _, _) => usedAt }.foreach { case (_, key, entry) =>
        if (weight > limit && close(key, entry)(_ => true)) weight -= entry.weight
      }
  }

  /** Closes what has not been used for long enough. */
  def sweep(): Unit = entries.forEach { (key, entry) =>
    close(key, entry)(now() - _ >= idleNanos): Unit
  }

  /** Closes a value unless somebody holds it, which is in use, or its last use does not allow it; true where it did. */
  private def close(key: String, entry: Entry)(allowed: Long => Boolean): Boolean =
    entry.lock.tryLock() && {
      try {
        val goes = entry.value.isDefined && !entry.closed && allowed(entry.usedAt)
        if (goes) {
          entry.closed = true
          entries.remove(key, entry): Unit
          entry.value.foreach(_.close())
        }
        goes
      } finally entry.lock.unlock()
    }

  /** Number of values. */
  def size: Int = entries.size()

  private def locked[R](entry: Entry)(body: => R): R = {
    entry.lock.lock()
    try body
    finally entry.lock.unlock()
  }
}
