package candlewick.internal

import candlewick.jni._
import org.apache.spark.SparkException

/** Failures as they travel in JSON, and the exceptions a user meets. */
private[candlewick] object Failures {

  /** A wrong parameter, network or schema: told before anything is started where that can be known; what only the rows
    * show (a loss that is not finite, a schedule longer than the training) while training.
    */
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

  // With error classes (Spark 4) the text follows "[SPARK_JOB_CANCELLED] "; before, it stood alone.
  private val Cancelled = """(?s)^(?:\[SPARK_JOB_CANCELLED\] )?Job (\d+) cancelled(.*)$""".r

  /** Id and reason of the cancelled Spark job that made `error`. Only what Spark itself says of a job counts: a failure
    * of the user's own that speaks of something cancelled does not.
    */
  def cancellation(error: Throwable): Option[(Int, String)] = causes(error)
    .collect { case spark: SparkException => String.valueOf(spark.getMessage) }
    .collectFirst { case Cancelled(job, why) =>
      job.toInt -> why.replaceAll(" SQLSTATE: .*", "").trim
    }
}
