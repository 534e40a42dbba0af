package candlewick.score

import candlewick.columns.TrainingColumns
import candlewick.internal.Failures
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.{
  CandlewickShim,
  DataFrame,
  Dataset,
  SparkSessionExtensions,
  SparkSessionExtensionsProvider
}
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Attribute, AttributeSet, SortOrder}
import org.apache.spark.sql.catalyst.plans.logical.{LogicalPlan, UnaryNode}
import org.apache.spark.sql.catalyst.plans.physical.Partitioning
import org.apache.spark.sql.execution.{SparkPlan, SparkStrategy, UnaryExecNode}
import org.apache.spark.sql.execution.metric.{SQLMetric, SQLMetrics}
import org.apache.spark.sql.types.{DataType, Metadata, StructField, StructType, UserDefinedType}

/** Appends what a model says of each row.
  *
  * The columns of the features are arguments, so Spark's rules see that they are needed, and prune the others where
  * nobody asks for them.
  */
private[candlewick] final case class ScoreLogical(
    features: Seq[Attribute],
    appended: Seq[Attribute],
    spec: ScoreTaskSpec,
    child: LogicalPlan
) extends UnaryNode {
  override def output: Seq[Attribute] = child.output ++ appended
  override def producedAttributes: AttributeSet = AttributeSet(appended)
  override def maxRows: Option[Long] = child.maxRows
  override def nodeName: String = "CandlewickScore"
  override protected def withNewChildInternal(newChild: LogicalPlan): ScoreLogical = copy(child = newChild)
}

/** The physical operator of [[ScoreLogical]]. */
private[candlewick] final case class ScoreExec(
    features: Seq[Attribute],
    appended: Seq[Attribute],
    spec: ScoreTaskSpec,
    child: SparkPlan
) extends UnaryExecNode {
  override def output: Seq[Attribute] = child.output ++ appended
  override def producedAttributes: AttributeSet = AttributeSet(appended)
  override def nodeName: String = "CandlewickScore"
  override def outputPartitioning: Partitioning = child.outputPartitioning
  override def outputOrdering: Seq[SortOrder] = child.outputOrdering
  override lazy val metrics: Map[String, SQLMetric] = Map(
    "numOutputRows" -> SQLMetrics.createMetric(sparkContext, "number of output rows"),
    "scoreTime" -> SQLMetrics.createNanoTimingMetric(sparkContext, "scoring time", 0L)
  )

  override protected def doExecute(): RDD[InternalRow] = {
    val task = new ScoreTask(
      spec,
      columns,
      child.output.map(_.dataType).toArray,
      ScoreExec.plain(child.output),
      ScoreExec.plain(appended),
      longMetric("numOutputRows"),
      longMetric("scoreTime")
    )
    child.execute().mapPartitions(task.run, preservesPartitioning = true)
  }

  /** The `Columns` of the rows as they come from the child. */
  private def columns: Seq[(Int, StructField)] = features.map { feature =>
    val ordinal = child.output.indexWhere(_.exprId == feature.exprId)
    ordinal -> StructField(feature.name, feature.dataType, feature.nullable, feature.metadata)
  }

  override protected def withNewChildInternal(newChild: SparkPlan): ScoreExec = copy(child = newChild)
}

private object ScoreExec {

  /** A schema without user-defined types: the row joiner only asks which fields are of fixed length. */
  def plain(attributes: Seq[Attribute]): StructType =
    StructType(attributes.zipWithIndex.map { case (attribute, at) =>
      StructField(s"c$at", plain(attribute.dataType), attribute.nullable, Metadata.empty)
    })

  private def plain(kind: DataType): DataType = kind match {
    case udt: UserDefinedType[_] => udt.sqlType
    case other => other
  }
}

/** Plans [[ScoreLogical]]. */
private[candlewick] object ScoreStrategy extends SparkStrategy {
  override def apply(plan: LogicalPlan): Seq[SparkPlan] = plan match {
    case ScoreLogical(features, appended, spec, child) =>
      ScoreExec(features, appended, spec, planLater(child)) :: Nil
    case _ => Nil
  }
}

/** Makes the operator known to every session that is created with this jar on the application's class path, so that a
  * view made in one session works in another. Sessions that are there already learn of it in `transform`.
  */
final class CandlewickExtensions extends SparkSessionExtensionsProvider {
  override def apply(extensions: SparkSessionExtensions): Unit =
    extensions.injectPlannerStrategy(_ => ScoreStrategy)
}

/** Puts the operator on top of a DataFrame. */
private[candlewick] object Scoring {

  /** Appends `fields` to the columns of `dataset`.
    *
    * @param features
    *   columns of the features, fields of the dataset's schema
    */
  def append(dataset: Dataset[_], features: Seq[Int], fields: Seq[StructField])(
      spec: org.apache.spark.SparkContext => ScoreTaskSpec
  ): DataFrame = {
    val session = CandlewickShim.session(dataset).getOrElse {
      throw Failures.parameter(
        "transform needs a Spark session in this JVM; Spark Connect sessions are not supported"
      )
    }
    CandlewickShim.install(session, ScoreStrategy)
    val child = CandlewickShim.analyzed(dataset)
    val appended = fields.map(CandlewickShim.attribute)
    val scored = ScoreLogical(features.map(child.output), appended, spec(session.sparkContext), child)
    // Each appended column as an alias of itself: Spark gives aliases, and not a node that it does not know, fresh ids
    // where a DataFrame is joined with itself.
    val aliases = fields.map(field => field.name -> TrainingColumns.column(field)).toMap
    CandlewickShim.ofRows(session, scored).withColumns(aliases)
  }
}
