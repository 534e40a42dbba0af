package candlewick.score

import candlewick.internal.{Garbage, RowBatch}
import candlewick.jni.Scorer
import java.util.concurrent.atomic.AtomicLong

/** What a partition that is scored holds outside the heap: until its rows are read, or the task is over.
  *
  * Another thread than the task's may read them and go on when the task is over, as that of `RDD.pipe` does. What it may be
  * in the middle of is not taken from it: it gives the memory back when it asks for the next row, or with the rows.
  */
private[score] final class ScoreMemory(val scorer: Scorer, batchBytes: Long, batchRows: Int)
    extends AutoCloseable {

  /** The rows at hand. */
  val batch: RowBatch =
    try new RowBatch(batchBytes, batchRows)
    catch {
      case error: Throwable =>
        scorer.close()
        throw error
    }

  @volatile private var reader: Thread = null
  @volatile private var ended = false
  private var closed = false
  ScoreMemory.open.incrementAndGet(): Unit

  /** Whether the memory is there: whoever reads asks before each row. */
  def isOpen: Boolean = {
    val here = Thread.currentThread
    if (reader ne here) reader = here
    // Said after the reader's name: either the end of the task sees that, or it is seen here.
    if (ended) close()
    !closed
  }

  /** The task is over.
    *
    * @param rows
    *   what its rows are read from
    */
  def taskEnds(rows: AnyRef): Unit = {
    ended = true
    val reads = reader
    if (reads == null || (reads eq Thread.currentThread) || !reads.isAlive) close()
    else Garbage.after(rows)(() => close())
  }

  /** Gives it back. Closing again has no effect. */
  override def close(): Unit = synchronized {
    if (!closed) {
      closed = true
      ScoreMemory.open.decrementAndGet(): Unit
      try scorer.close()
      finally batch.close()
    }
  }
}

private[score] object ScoreMemory {

  /** Partitions of this JVM that hold memory. */
  val open = new AtomicLong
}
