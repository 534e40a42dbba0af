package candlewick.fit

import com.fasterxml.jackson.databind.node.ObjectNode
import candlewick.internal.{Json, RowBatch, RowLayout}
import candlewick.jni.Feeder
import org.apache.spark.{SparkEnv, TaskContext}
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{
  Attribute,
  AttributeReference,
  AttributeSet,
  UnsafeProjection
}
import org.apache.spark.sql.catalyst.plans.logical.{LogicalPlan, UnaryNode}
import org.apache.spark.sql.execution.{SparkPlan, SparkStrategy, UnaryExecNode}
import org.apache.spark.sql.execution.metric.{SQLMetric, SQLMetrics}
import org.apache.spark.sql.types.{DataType, StringType}
import org.apache.spark.unsafe.types.UTF8String

/** What a feed task needs. Its text stands in plans, in the UI and in event logs, so it says nothing secret.
  *
  * @param feed
  *   the `FeedSpec` document
  */
private[candlewick] final class FeedOrder(
    val feed: String,
    val secret: String,
    val batchBytes: Long,
    label: String
) extends Serializable {
  override def toString: String = label
}

/** FEED as an operator: reads the rows of its child, feeds them to the trainers and gives one row per partition, the
  * ledger. As an operator it has one SQL execution in the UI, adaptive execution, metrics, and gets UnsafeRows.
  */
private[candlewick] final case class FeedLogical(
    input: Seq[Attribute],
    ledger: Attribute,
    order: FeedOrder,
    child: LogicalPlan
) extends UnaryNode {
  override def output: Seq[Attribute] = Seq(ledger)
  override def producedAttributes: AttributeSet = AttributeSet(ledger)
  override protected def withNewChildInternal(newChild: LogicalPlan): FeedLogical = copy(child = newChild)
}

private[candlewick] object FeedLogical {

  /** Feeds the rows of `child`. */
  def apply(order: FeedOrder, child: LogicalPlan): FeedLogical =
    FeedLogical(child.output, AttributeReference("ledger", StringType, nullable = false)(), order, child)
}

/** The physical operator of [[FeedLogical]]. */
private[candlewick] final case class FeedExec(
    input: Seq[Attribute],
    ledger: Attribute,
    order: FeedOrder,
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
      new FeedTask(order, child.output.map(_.dataType).toArray, longMetric("numRows"), longMetric("numBytes"))
    child.execute().mapPartitions(task.run)
  }

  override protected def withNewChildInternal(newChild: SparkPlan): FeedExec = copy(child = newChild)
}

/** Plans [[FeedLogical]]. */
private[candlewick] object FeedStrategy extends SparkStrategy {
  override def apply(plan: LogicalPlan): Seq[SparkPlan] = plan match {
    case FeedLogical(input, ledger, order, child) => FeedExec(input, ledger, order, planLater(child)) :: Nil
    case _ => Nil
  }
}

/** The body of a feed task. */
private[fit] final class FeedTask(order: FeedOrder, types: Array[DataType], rows: SQLMetric, bytes: SQLMetric)
    extends Serializable {

  /** Feeds one partition; gives its ledger. An empty partition has one too. */
  def run(partition: Iterator[InternalRow]): Iterator[InternalRow] = {
    RowLayout.check()
    val context = TaskContext.get()
    val feeder = Feeder.open(document(context), order.secret)
    context.addTaskCompletionListener[Unit](_ => feeder.close())
    val batch = new RowBatch(order.batchBytes, FeedTask.MaxRows)
    context.addTaskCompletionListener[Unit](_ => batch.close())
    val read = push(context, feeder, batch, partition)
    // Closing ends the streams for good; the ledger comes before.
    val ledger = feeder.finish(read)
    feeder.close()
    batch.close()
    val projection = UnsafeProjection.create(Array[DataType](StringType))
    Iterator.single(projection(InternalRow(UTF8String.fromString(ledger))))
  }

  private def push(
      context: TaskContext,
      feeder: Feeder,
      batch: RowBatch,
      partition: Iterator[InternalRow]
  ): Long = {
    val unsafe = RowLayout.unsafe(types)
    var read = 0L
    // False after an invalid row: the ledger tells of it, and the rest of the partition need not be read.
    var wanted = true
    def flush(): Unit = if (batch.rows > 0) {
      wanted = feeder.push(batch.buffer, batch.bytes, batch.rows, context.isInterrupted())
      rows += batch.rows
      bytes += batch.bytes
      batch.clear()
    }
    // hasNext before every next: the iterator of a cached table needs it.
    while (wanted && partition.hasNext) {
      batch.append(unsafe(partition.next()))
      read += 1
      if (batch.isFull) flush()
    }
    flush()
    read
  }

  private def document(context: TaskContext): String =
    Json
      .obj(
        "feed" -> Json.parse(order.feed),
        "partition" -> context.partitionId(),
        "attempt" -> context.taskAttemptId(),
        "executor" -> SparkEnv.get.executorId
      )
      .toString
}

private object FeedTask {
  val MaxRows = 8192
}

/** The `FeedSpec` document. */
private[fit] object FeedSpecs {
  private val MinBatch = 16L * 1024
  private val MaxBatch = 1024L * 1024

  /** The document of the first round.
    *
    * @param tasks
    *   feed tasks that run in one executor at a time: they share its feedMemory
    */
  def document(
      prepared: Prepared,
      answer: com.fasterxml.jackson.databind.JsonNode,
      tasks: Int
  ): ObjectNode = {
    val owners = Json.field(answer, "owners")
    val share = prepared.launch.feedMemoryBytes / math.max(1, tasks) / math.max(1, owners.size())
    Json.obj(
      "job" -> Json.field(prepared.job, "job"),
      "round" -> Json.field(answer, "round"),
      "logicalShards" -> prepared.logicalShards,
      "owners" -> owners,
      "columns" -> prepared.columns,
      "validation" -> Option(Json.field(prepared.job, "data").get("validation")),
      "batchBytes" -> share.max(MinBatch).min(MaxBatch),
      "timeoutMs" -> math.max(30000L, prepared.failureTimeoutMs * 2)
    )
  }

  /** Bytes of UnsafeRows that a task hands on at a time. */
  def rowBytes(launch: LaunchSpec, tasks: Int): Long =
    (launch.feedMemoryBytes / math.max(1, tasks) / 4).max(4 * MinBatch).min(MaxBatch)
}
