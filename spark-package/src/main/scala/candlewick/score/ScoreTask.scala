package candlewick.score

import candlewick.columns.{DataContract, GraphColumns, TrainingColumns}
import candlewick.internal.{Json, RowBatch, RowLayout}
import candlewick.jni.Scorer
import com.fasterxml.jackson.databind.JsonNode
import org.apache.spark.TaskContext
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.UnsafeRow
import org.apache.spark.sql.types.{DataType, StructField}
import org.apache.spark.unsafe.Platform

/** The body of a scoring task.
  *
  * @param columns
  *   position and field of the feature columns
  * @param types
  *   types of the child's columns
  * @param device
  *   where rows are computed
  * @param shape
  *   what comes out, without user-defined types
  */
private[score] final class ScoreTask(
    spec: ScoreTaskSpec,
    columns: Seq[(Int, StructField)],
    types: Array[DataType],
    device: ScoreDevice,
    shape: RowJoin.Shape,
    metrics: ScoreMetrics
) extends Serializable {

  /** Scores one partition. An empty one loads nothing. */
  def run(partition: Iterator[InternalRow]): Iterator[InternalRow] =
    if (!partition.hasNext) Iterator.empty
    else {
      RowLayout.check()
      val context = TaskContext.get()
      val started = System.nanoTime()
      val scorer = open(context)
      metrics.loadTime += System.nanoTime() - started
      val (bytes, most) = ScoreTask.batch(scorer)
      val held = new ScoreMemory(scorer, bytes, most)
      val rows =
        try new Rows(partition, held)
        catch {
          case error: Throwable =>
            held.close()
            throw error
        }
      // Most partitions have given it back before.
      context.addTaskCompletionListener[Unit](_ => held.taskEnds(rows))
      rows
    }

  private def open(context: TaskContext): Scorer = {
    val scorer = device.opened(context) { on =>
      ModelCache.open(spec, ScoreTask.document(spec, columns, types.length, Some(context.partitionId()), on))
    }
    val placed = scorer.placed()
    if (placed != ScoreTask.OnProcessor) metrics.deviceTasks += 1
    if (placed == ScoreTask.OnDeviceAnew) metrics.deviceModels += 1
    scorer
  }

  /** The scored rows: fills the batch, has it scored in one native call, then joins each row to its result. Both sides
    * of the join point into native memory; the joined row is reused, as is usual among operators.
    */
  private final class Rows(child: Iterator[InternalRow], held: ScoreMemory) extends Iterator[InternalRow] {
    private val scorer = held.scorer
    private val batch = held.batch
    private val unsafe = RowLayout.unsafe(types)
    private val join = RowJoin.create(shape)
    private val left = new UnsafeRow(types.length)
    private val right = new UnsafeRow(shape.appended.length)
    private var leftAt = 0L
    private var rightAt = 0L
    private var kept = 0L
    private var index = 0

    override def hasNext: Boolean = held.isOpen && {
      skip()
      while (index >= batch.rows && child.hasNext) {
        score()
        skip()
      }
      val more = index < batch.rows
      // A task may have many partitions, one after another: coalesce() makes such.
      if (!more) held.close()
      more
    }

    override def next(): InternalRow = {
      if (!hasNext) throw new NoSuchElementException("no more rows")
      if (Platform.getByte(null, kept + index) == ScoreTask.Nulls) metrics.invalid += 1
      left.pointTo(null, leftAt + RowBatch.HeaderBytes, RowLayout.sizeAt(leftAt))
      right.pointTo(null, rightAt + RowBatch.HeaderBytes, RowLayout.sizeAt(rightAt))
      val joined = join(left, right)
      advanceLeft()
      rightAt = RowLayout.next(rightAt)
      metrics.rows += 1
      joined
    }

    /** Passes over rows that were left out: they have no result. */
    private def skip(): Unit =
      while (index < batch.rows && Platform.getByte(null, kept + index) == 0) {
        metrics.invalid += 1
        advanceLeft()
      }

    private def advanceLeft(): Unit = {
      leftAt = RowLayout.next(leftAt)
      index += 1
    }

    /** After a failure there are no more rows: what is in the batch has no results. */
    private def score(): Unit =
      try scoreBatch()
      catch {
        case error: Throwable =>
          batch.clear()
          index = 0
          held.close()
          throw error
      }

    private def scoreBatch(): Unit = {
      batch.clear()
      while (!batch.isFull && child.hasNext) batch.append(unsafe(child.next()))
      val started = System.nanoTime()
      rightAt = scorer.run(batch.buffer, batch.bytes, batch.rows)
      metrics.nativeTime += System.nanoTime() - started
      metrics.batches += 1
      kept = scorer.kept()
      leftAt = batch.buffer.address()
      index = 0
    }
  }
}

private object ScoreTask {

  /** On processors rows stay in the caches until they are joined to their results. */
  private val BatchBytes = 1024L * 1024
  private val BatchRows = 4096

  /** A call of a GPU takes as long for a few rows; what the library computes together (native/src/scorer.rs). */
  private val DeviceBatchBytes = 16 * BatchBytes
  private val DeviceBatchRows = 16384

  /** Bytes of results that a call may give: a row of a large catalogue of classes has hundreds of kilobytes. */
  private val ResultBytes = 16L * 1024 * 1024

  /** Bytes and rows of a batch. */
  private def batch(scorer: Scorer): (Long, Int) = {
    val (bytes, rows) =
      if (scorer.placed() != OnProcessor) (DeviceBatchBytes, DeviceBatchRows) else (BatchBytes, BatchRows)
    (bytes, math.max(1L, math.min(rows.toLong, ResultBytes / math.max(1L, scorer.rowBytes()))).toInt)
  }

  /** What the native library says of a row whose outputs are null, because it is not valid. */
  val Nulls: Byte = 2

  /** What a scorer says of where it computes. */
  val OnProcessor = 0
  val OnDeviceAnew = 2

  /** What a scorer is told.
    *
    * @param columns
    *   position and field of the feature columns in rows of `numFields` fields
    * @param partition
    *   for messages; None where rows come one by one
    * @param device
    *   the GPU that computes, if one does
    */
  def document(
      spec: ScoreTaskSpec,
      columns: Seq[(Int, StructField)],
      numFields: Int,
      partition: Option[Int],
      device: Option[JsonNode] = None
  ): String = {
    val described = Json.obj(
      "numFields" -> numFields,
      "features" -> documents(columns, spec),
      "featureWidth" -> spec.featureWidth,
      "scale" -> spec.scale,
      "labelKind" -> None,
      "weight" -> None,
      "skipInvalid" -> false
    )
    Json
      .obj(
        "columns" -> described,
        "outputs" -> spec.outputs.map(_.json),
        "thresholds" -> spec.thresholds,
        "partition" -> partition,
        "handleInvalid" -> spec.handleInvalid,
        "precision" -> spec.precision,
        "device" -> device
      )
      .toString
  }

  /** The documents of feature columns in a scorer's `Columns`. */
  private def documents(columns: Seq[(Int, StructField)], spec: ScoreTaskSpec): Seq[JsonNode] = {
    val widths = GraphColumns
      .widths(spec.inputs, columns.map(_._2.name))
      .map(_.map(Option(_)))
      .getOrElse(DataContract.widths(spec.trained, columns.map(_._2.name)))
    columns.zipWithIndex.map { case ((ordinal, field), at) =>
      val shape = GraphColumns.shape(spec.inputs, columns.length, at, spec.inputShape)
      TrainingColumns.document(field, ordinal, widths(at), shape)
    }
  }
}
