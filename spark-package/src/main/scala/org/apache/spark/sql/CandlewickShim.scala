package org.apache.spark.sql

import org.apache.spark.sql.catalyst.expressions.{Alias, Attribute}
import org.apache.spark.sql.catalyst.plans.logical.{LogicalPlan, Project}
import org.apache.spark.sql.classic.{Dataset => ClassicDataset, SparkSession => ClassicSession}
import org.apache.spark.sql.execution.SparkStrategy

/** The only place that knows how this line of Spark (4.x) turns a plan into a DataFrame: the functions are
  * `private[sql]`, so it lives in Spark's package.
  */
object CandlewickShim {

  /** The session behind a Dataset, if it runs in this JVM; None for Spark Connect. */
  def classic(dataset: Dataset[_]): Option[ClassicSession] = dataset.sparkSession match {
    case session: ClassicSession => Some(session)
    case _ => None
  }

  /** The plan of a Dataset, resolved. */
  def analyzed(dataset: Dataset[_]): LogicalPlan =
    dataset.asInstanceOf[ClassicDataset[_]].queryExecution.analyzed

  /** The optimised plan of a Dataset. */
  def optimized(dataset: Dataset[_]): LogicalPlan =
    dataset.asInstanceOf[ClassicDataset[_]].queryExecution.optimizedPlan

  /** A DataFrame of a plan. */
  def ofRows(session: ClassicSession, plan: LogicalPlan): DataFrame = ClassicDataset.ofRows(session, plan)

  /** A projection that passes `kept` through and gives `renamed` new names and new expression ids: an alias is what
    * Spark knows how to tell apart when a DataFrame is joined with itself.
    */
  def project(kept: Seq[Attribute], renamed: Seq[(Attribute, String)], child: LogicalPlan): LogicalPlan =
    Project(kept ++ renamed.map { case (attribute, name) => Alias(attribute, name)() }, child)

  /** Appends a planner strategy to a session unless it is there; cloned sessions copy the list. */
  def install(session: ClassicSession, strategy: SparkStrategy): Unit = session.synchronized {
    val present = session.experimental.extraStrategies
    if (!present.contains(strategy)) session.experimental.extraStrategies = present :+ strategy
  }
}
