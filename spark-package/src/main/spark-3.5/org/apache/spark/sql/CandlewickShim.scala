package org.apache.spark.sql

import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan
import org.apache.spark.sql.internal.SessionState

/** The only place that knows how this line of Spark (3.5) gets from a DataFrame to its plan and back. The functions are
  * `private[sql]`, so it lives in Spark's package. No type of the line stands in a signature: what is outside compiles against
  * every line.
  */
object CandlewickShim extends CandlewickShared {

  /** The session of a Dataset, if it runs in this JVM; None for Spark Connect. */
  def session(dataset: Dataset[_]): Option[SparkSession] = Some(dataset.sparkSession)

  /** The plan of a Dataset, resolved. */
  def analyzed(dataset: Dataset[_]): LogicalPlan = dataset.queryExecution.analyzed

  /** The optimised plan of a Dataset. */
  def optimized(dataset: Dataset[_]): LogicalPlan = dataset.queryExecution.optimizedPlan

  /** The rows of a Dataset as Spark holds them. */
  def rows(dataset: Dataset[_]): RDD[InternalRow] = dataset.queryExecution.toRdd

  /** What `look` makes of the rows of a Dataset, as Spark holds them. */
  def lookAt[T](dataset: Dataset[_])(look: RDD[InternalRow] => T): T = lookedAt(dataset.queryExecution)(look)

  /** The rows of a Dataset, as Spark holds them: `collect()` to Spark's UI and listeners, without an encoder. */
  def collect(dataset: Dataset[_]): Array[InternalRow] = collected(dataset.queryExecution)

  /** A DataFrame of a plan. */
  def ofRows(session: SparkSession, plan: LogicalPlan): DataFrame = Dataset.ofRows(session, plan)

  /** Whether a session runs in this JVM; those of Spark Connect have a class of another jar in this line. */
  def isClassic(session: SparkSession): Boolean = session != null

  override protected def state(session: SparkSession): SessionState = session.sessionState

  override protected def experimental(session: SparkSession): ExperimentalMethods = session.experimental
}
