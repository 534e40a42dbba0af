package candlewick.internal

import org.apache.spark.sql.SparkSession

/** What a Spark session says. */
private[candlewick] object Sessions {

  /** Whether the session tells apart columns whose names differ in case. */
  def caseSensitive(session: SparkSession): Boolean =
    session.conf.get("spark.sql.caseSensitive", "false").toBoolean

  /** The same of the session of this thread, else of the application: `transformSchema` is not told whose schema it
    * gets.
    */
  def caseSensitive: Boolean =
    SparkSession.getActiveSession.orElse(SparkSession.getDefaultSession).exists(caseSensitive(_))
}
