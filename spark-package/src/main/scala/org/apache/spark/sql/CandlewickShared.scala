package org.apache.spark.sql

import org.apache.hadoop.conf.Configuration
import org.apache.spark.{SparkEnv, TaskContext}
import org.apache.spark.broadcast.Broadcast
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.dsl.plans
import org.apache.spark.sql.catalyst.expressions.{
  Alias,
  Attribute,
  AttributeReference,
  Expression,
  NamedExpression
}
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.execution.{QueryExecution, SQLExecution, SparkStrategy}
import org.apache.spark.sql.internal.SessionState
import org.apache.spark.sql.types.StructField
import org.apache.spark.storage.BroadcastBlockId

/** What every line of Spark does by the same words, which are `private[sql]` or `private[spark]`: the part of
  * [[CandlewickShim]] that is written once.
  */
trait CandlewickShared {

  /** The state of a session that runs in this JVM. */
  protected def state(session: SparkSession): SessionState

  /** Where such a session keeps what others add to its planner. */
  protected def experimental(session: SparkSession): ExperimentalMethods

  /** A new attribute. Every argument is given: Spark's methods for defaults differ between its builds. */
  def attribute(field: StructField): Attribute =
    AttributeReference(field.name, field.dataType, field.nullable, field.metadata)(
      NamedExpression.newExprId,
      Seq.empty[String]
    )

  /** An expression under a name, with an id of its own; as with attributes, every argument is given. */
  def alias(expression: Expression, name: String): NamedExpression =
    Alias(expression, name)(NamedExpression.newExprId, Seq.empty[String], None, Seq.empty[String])

  /** Replaces a session's own function by what `update` makes of the one that is there; sessions that are cloned from it copy
    * it.
    */
  def updateFunction(session: SparkSession, name: String)(
      update: Option[Seq[Expression] => Expression] => Seq[Expression] => Expression
  ): Unit = session.synchronized {
    val registry = state(session).functionRegistry
    // Its identifier has a catalog and a database in later lines, and none in earlier ones.
    val known = registry.listFunction().find(_.funcName == name).flatMap(registry.lookupFunctionBuilder(_))
    registry.createOrReplaceTempFunction(name, update(known), "scala_udf")
  }

  /** A projection, made by the words that Spark's own tests use: constructors of its nodes are the first that change. */
  def project(columns: Seq[NamedExpression], child: LogicalPlan): LogicalPlan =
    plans.DslLogicalPlan(child).select(columns: _*)

  /** Hadoop's configuration as the session sees it, `spark.conf.set("fs.…", …)` included. */
  def hadoopConf(session: SparkSession): Configuration = state(session).newHadoopConf()

  /** What `collect()` does, but for its encoder, which Spark resolves and compiles for each Dataset. */
  protected def collected(query: QueryExecution): Array[InternalRow] =
    SQLExecution.withNewExecutionId(query, Some("collect")) {
      // Its metrics are those of this run, where it is not the first.
      query.executedPlan.resetMetrics()
      query.executedPlan.executeCollect()
    }

  /** A look at the rows of a query, as an execution of Spark SQL to its UI and to its tasks: those of any other job do not see the
    * classes that a session brought by `addArtifact`. Listeners of queries do not hear of it.
    */
  protected def lookedAt[T](query: QueryExecution)(look: RDD[InternalRow] => T): T =
    SQLExecution.withNewExecutionId(query, None)(look(query.toRdd))

  /** Appends a planner strategy to a session unless it is there; cloned sessions copy the list. */
  def install(session: SparkSession, strategy: SparkStrategy): Unit = session.synchronized {
    val methods = experimental(session)
    if (!methods.extraStrategies.contains(strategy))
      methods.extraStrategies = methods.extraStrategies :+ strategy
  }

  /** The same for a rule of the optimiser, which runs after Spark's own. */
  def install(session: SparkSession, rule: Rule[LogicalPlan]): Unit = session.synchronized {
    val methods = experimental(session)
    if (!methods.extraOptimizations.contains(rule))
      methods.extraOptimizations = methods.extraOptimizations :+ rule
  }

  /** The value of a broadcast, of which this JVM keeps no more than its serialised blocks: other executors fetch them here,
    * and Spark moves them to disk where it needs their memory.
    */
  def readOnce[T](broadcast: Broadcast[T]): T = {
    // A broadcast remembers its value. This copy of it is forgotten.
    val serializer = SparkEnv.get.closureSerializer.newInstance()
    val copy = serializer.deserialize[Broadcast[T]](serializer.serialize(broadcast))
    outsideOfTasks {
      val value = copy.value
      drop(broadcast.id)
      value
    }
  }

  /** Forgets the value of a broadcast in this JVM; its serialised blocks stay. */
  def dropValue(broadcast: Broadcast[_]): Unit = outsideOfTasks(drop(broadcast.id))

  private def drop(broadcast: Long): Unit = {
    val (blocks, value) = (SparkEnv.get.blockManager, BroadcastBlockId(broadcast, ""))
    if (blocks.getStatus(value).isDefined) blocks.removeBlock(value, tellMaster = false)
  }

  /** What a task reads of a broadcast it holds until it ends: it could neither be moved to disk meanwhile nor removed. */
  private def outsideOfTasks[T](body: => T): T = {
    val task = TaskContext.get()
    if (task == null) body
    else {
      TaskContext.unset()
      try body
      finally TaskContext.setTaskContext(task)
    }
  }
}
