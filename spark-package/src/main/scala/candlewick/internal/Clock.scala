package candlewick.internal

/** Time since its creation. */
private[candlewick] final class Clock {
  private val started = Clock.nanos()

  /** Milliseconds. */
  def ms: Long = (Clock.nanos() - started) / 1000000L

  /** Seconds. */
  def seconds: Double = (Clock.nanos() - started) / 1e9
}

private[candlewick] object Clock {

  /** Nanoseconds since some moment. A test that wants hours to pass sets it; nothing else does. */
  @volatile var nanos: () => Long = () => System.nanoTime()
}
