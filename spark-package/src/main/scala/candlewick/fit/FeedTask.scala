package candlewick.fit

import candlewick.internal.{Json, RowBatch, RowLayout}
import candlewick.jni.Feeder
import org.apache.spark.{SparkEnv, TaskContext}
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.codegen.UnsafeRowWriter
import org.apache.spark.sql.execution.metric.SQLMetric
import org.apache.spark.sql.types.DataType
import org.apache.spark.unsafe.types.UTF8String

/** The body of a feed task. */
private[fit] final class FeedTask(
    spec: FeedTaskSpec,
    types: Array[DataType],
    rows: SQLMetric,
    bytes: SQLMetric
) extends Serializable {

  /** Feeds one partition; gives its ledger. An empty partition has one too. */
  def run(partition: Iterator[InternalRow]): Iterator[InternalRow] = {
    RowLayout.check()
    val context = TaskContext.get()
    val feeder = Feeder.open(document(context), spec.keys.json)
    context.addTaskCompletionListener[Unit](_ => feeder.close())
    val batch = new RowBatch(spec.batchBytes, FeedTask.MaxRows)
    context.addTaskCompletionListener[Unit](_ => batch.close())
    val read = push(context, feeder, batch, partition)
    // Closing ends the streams for good; the ledger comes before.
    val ledger = feeder.finish(read)
    feeder.close()
    batch.close()
    // A projection would have code generated in each task.
    val row = new UnsafeRowWriter(1)
    row.reset()
    row.zeroOutNullBytes()
    row.write(0, UTF8String.fromString(ledger))
    Iterator.single(row.getRow)
  }

  private def push(
      context: TaskContext,
      feeder: Feeder,
      batch: RowBatch,
      partition: Iterator[InternalRow]
  ): Long = {
    val unsafe = RowLayout.unsafe(types)
    var read = 0L
    // False after an invalid row: the ledger tells of it, and the rest of the partition need not be read. With
    // dataShuffle="none" a partition that has nothing for this round is not read at all.
    var wanted = feeder.push(batch.buffer, 0, 0, context.isInterrupted())
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
        "feed" -> FeedRound.complete(spec.feed, context.getLocalProperty(FeedRound.Property)),
        "partition" -> context.partitionId(),
        "attempt" -> context.taskAttemptId(),
        "executor" -> SparkEnv.get.executorId,
        "host" -> Hosts.ofSpark
      )
      .toString
}

private object FeedTask {
  val MaxRows = 8192
}
