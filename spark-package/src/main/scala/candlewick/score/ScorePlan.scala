package candlewick.score

import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Attribute, AttributeSet, SortOrder}
import org.apache.spark.sql.catalyst.plans.logical.{LogicalPlan, UnaryNode}
import org.apache.spark.sql.catalyst.plans.physical.Partitioning
import org.apache.spark.sql.execution.{SparkPlan, SparkStrategy, UnaryExecNode}
import org.apache.spark.sql.execution.metric.SQLMetric
import org.apache.spark.sql.types.{DataType, Metadata, StructField, StructType, UserDefinedType}

/** Appends what a model says of each row.
  *
  * The columns of the features are arguments, so Spark's rules see that they are needed, and prune the others where
  * nobody asks for them.
  *
  * @param read
  *   the child's columns that somebody above reads, the only ones that are handed on; all where it is not known
  */
private[candlewick] final case class ScoreLogical(
    features: Seq[Attribute],
    appended: Seq[Attribute],
    spec: ScoreTaskSpec,
    read: Option[Seq[Attribute]],
    child: LogicalPlan
) extends UnaryNode {

  /** The child's columns that are handed on. */
  def handed: Seq[Attribute] = read.fold(child.output) { some =>
    val ids = AttributeSet(some)
    child.output.filter(ids.contains)
  }

  override def output: Seq[Attribute] = handed ++ appended
  override def producedAttributes: AttributeSet = AttributeSet(appended)
  override def maxRows: Option[Long] = child.maxRows
  override def nodeName: String = "CandlewickScore"
  override protected def stringArgs: Iterator[Any] = ScoreExec.described(spec, features, appended)
  override protected def withNewChildInternal(newChild: LogicalPlan): ScoreLogical = copy(child = newChild)
}

/** The physical operator of [[ScoreLogical]].
  *
  * @param handed
  *   the child's columns that are handed on
  */
private[candlewick] final case class ScoreExec(
    features: Seq[Attribute],
    appended: Seq[Attribute],
    spec: ScoreTaskSpec,
    handed: Seq[Attribute],
    child: SparkPlan
) extends UnaryExecNode {
  override def output: Seq[Attribute] = handed ++ appended
  override def producedAttributes: AttributeSet = AttributeSet(appended)
  override def nodeName: String = "CandlewickScore"
  override def outputPartitioning: Partitioning = child.outputPartitioning
  override def outputOrdering: Seq[SortOrder] = child.outputOrdering
  override protected def stringArgs: Iterator[Any] = ScoreExec.described(spec, features, appended)
  override lazy val metrics: Map[String, SQLMetric] = ScoreMetrics.create(sparkContext)

  override protected def doExecute(): RDD[InternalRow] = {
    val task = new ScoreTask(
      spec,
      columns,
      child.output.map(_.dataType).toArray,
      ScoreDevice.of(sparkContext, spec.device),
      RowJoin.Shape(
        ScoreExec.plain(child.output),
        handed.map(one => child.output.indexWhere(_.exprId == one.exprId)).toArray,
        ScoreExec.plain(appended)
      ),
      ScoreMetrics.of(metrics)
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

  /** What EXPLAIN shows: the model, what goes in and what comes out. */
  def described(spec: ScoreTaskSpec, features: Seq[Attribute], appended: Seq[Attribute]): Iterator[Any] =
    Iterator(spec.label, features.mkString("[", ", ", "]"), appended.mkString("-> [", ", ", "]"))

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
    case score: ScoreLogical =>
      ScoreExec(score.features, score.appended, score.spec, score.handed, planLater(score.child)) :: Nil
    case _ => Nil
  }
}
