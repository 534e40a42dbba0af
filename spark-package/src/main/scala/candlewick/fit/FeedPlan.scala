package candlewick.fit

import org.apache.spark.rdd.RDD
import org.apache.spark.sql.CandlewickShim
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Attribute, AttributeSet}
import org.apache.spark.sql.catalyst.plans.logical.{LogicalPlan, UnaryNode}
import org.apache.spark.sql.execution.{SparkPlan, SparkStrategy, UnaryExecNode}
import org.apache.spark.sql.execution.metric.{SQLMetric, SQLMetrics}
import org.apache.spark.sql.types.{Metadata, StringType, StructField}

/** FEED as an operator: reads the rows of its child, feeds them to the trainers and gives one row per partition, the
  * ledger. As an operator it has one SQL execution in the UI, adaptive execution, metrics, and gets UnsafeRows.
  */
private[candlewick] final case class FeedLogical(
    input: Seq[Attribute],
    ledger: Attribute,
    spec: FeedTaskSpec,
    child: LogicalPlan
) extends UnaryNode {
  override def output: Seq[Attribute] = Seq(ledger)
  override def producedAttributes: AttributeSet = AttributeSet(ledger)
  override protected def withNewChildInternal(newChild: LogicalPlan): FeedLogical = copy(child = newChild)
}

private[candlewick] object FeedLogical {

  /** Feeds the rows of `child`. */
  def apply(spec: FeedTaskSpec, child: LogicalPlan): FeedLogical =
    FeedLogical(child.output, CandlewickShim.attribute(Ledger), spec, child)

  private val Ledger = StructField("ledger", StringType, nullable = false, Metadata.empty)
}

/** The physical operator of [[FeedLogical]]. */
private[candlewick] final case class FeedExec(
    input: Seq[Attribute],
    ledger: Attribute,
    spec: FeedTaskSpec,
    child: SparkPlan
) extends UnaryExecNode {
  override def output: Seq[Attribute] = Seq(ledger)
  override def producedAttributes: AttributeSet = AttributeSet(ledger)
  override def nodeName: String = "CandlewickFeed"
  override lazy val metrics: Map[String, SQLMetric] = Map(
    "numRows" -> SQLMetrics.createMetric(sparkContext, "rows fed"),
    "numBytes" -> SQLMetrics.createSizeMetric(sparkContext, "bytes of rows", 0L)
  )

  override protected def doExecute(): RDD[InternalRow] = {
    val task =
      new FeedTask(spec, child.output.map(_.dataType).toArray, longMetric("numRows"), longMetric("numBytes"))
    child.execute().mapPartitions(task.run, preservesPartitioning = false)
  }

  override protected def withNewChildInternal(newChild: SparkPlan): FeedExec = copy(child = newChild)
}

/** Plans [[FeedLogical]]. */
private[candlewick] object FeedStrategy extends SparkStrategy {
  override def apply(plan: LogicalPlan): Seq[SparkPlan] = plan match {
    case FeedLogical(input, ledger, spec, child) => FeedExec(input, ledger, spec, planLater(child)) :: Nil
    case _ => Nil
  }
}
