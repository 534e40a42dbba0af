package candlewick.internal

import org.apache.spark.sql.SparkSession

/** What a Spark session says. */
private[candlewick] object Sessions {

  /** The message where the session is not in this JVM. */
  def needed(method: String): String =
    s"$method needs a Spark session in this JVM; this one is of Spark Connect, for which Spark ML has no client in Scala: " +
      "use a session with a master, on Databricks compute in dedicated access mode, or Python"

  /** Whether the session tells apart columns whose names differ in case. */
  def caseSensitive(session: SparkSession): Boolean =
    session.conf.get("spark.sql.caseSensitive", "false").toBoolean

  /** The same of the session of this thread, else of the application: `transformSchema` is not told whose schema it
    * gets.
    */
  def caseSensitive: Boolean =
    SparkSession.getActiveSession.orElse(SparkSession.getDefaultSession).exists(caseSensitive(_))
}
