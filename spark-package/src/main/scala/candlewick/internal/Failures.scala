package candlewick.internal

import candlewick.jni._

/** Failures as they travel in JSON, and the exceptions a user meets. */
private[candlewick] object Failures {

  /** A wrong parameter, network or schema; nothing was started. */
  def parameter(message: String): CandlewickException = new InvalidParameterException(message)

  /** A wrong row, or no row at all. */
  def data(message: String): CandlewickException = new InvalidDataException(message)

  /** A lost process, connection or deadline. */
  def unavailable(message: String): CandlewickException = new RetryableException(message)

  /** The user or Spark cancelled the fit. */
  def cancelled(message: String): CandlewickException = new CancelledException(message)

  /** The exception of a failure that came as JSON. */
  def of(kind: String, message: String): CandlewickException = FailureKinds.exception(kind, message)

  /** The first exception of Candlewick among the causes: Spark wraps what a task throws. */
  def find(error: Throwable): Option[CandlewickException] =
    causes(error).collectFirst { case found: CandlewickException => found }

  /** The exception and its causes; a cycle ends the list. */
  def causes(error: Throwable): Seq[Throwable] = {
    val seen = scala.collection.mutable.LinkedHashSet.empty[Throwable]
    var next = error
    while (next != null && seen.add(next)) next = next.getCause
    seen.toSeq
  }
}
