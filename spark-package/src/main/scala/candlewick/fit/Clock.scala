package candlewick.fit

/** Time since its creation. */
private[candlewick] final class Clock {
  private val started = System.nanoTime()

  /** Milliseconds. */
  def ms: Long = (System.nanoTime() - started) / 1000000L

  /** Seconds. */
  def seconds: Double = (System.nanoTime() - started) / 1e9
}
