package candlewick.score

import candlewick.internal.{RowBatch, RowLayout}
import candlewick.jni.Scorer
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{UnsafeProjection, UnsafeRow}
import org.apache.spark.sql.types.{DataType, UserDefinedType}

/** Scores rows of feature columns one after another; the owner closes it. For one thread at a time. */
private[score] final class RowScorer(scorer: Scorer, types: Array[DataType], result: DataType)
    extends AutoCloseable {
  RowLayout.check()
  private val project = UnsafeProjection.create(types)
  private val batch = new RowBatch(RowScorer.Bytes, 1)
  private val scored = new UnsafeRow(1)

  /** The model's column for a row; null where the row is not valid. */
  def score(row: InternalRow): Any = {
    batch.clear()
    batch.append(project(row))
    val at = scorer.run(batch.buffer, batch.bytes, batch.rows)
    scored.pointTo(null, at + RowBatch.HeaderBytes, RowLayout.sizeAt(at))
    result match {
      case _ if scored.isNullAt(0) => null
      // The next row is written over this one.
      case kind: UserDefinedType[_] => scored.copy().get(0, kind.sqlType)
      case other => scored.get(0, other)
    }
  }

  /** Frees the scorer and the batch. */
  override def close(): Unit =
    try scorer.close()
    finally batch.close()
}

private object RowScorer {
  private val Bytes = 4096L
}
