package candlewick.internal

import candlewick.jni.NativeBuffer
import org.apache.spark.sql.catalyst.expressions.UnsafeRow
import org.apache.spark.unsafe.Platform

/** Rows on their way to native code: a batch of UnsafeRows, copied one after another into memory outside the heap.
  *
  * Per row `[u32 size][u32 0][bytes, padded to 8]`. A child row is valid only until its iterator moves, so it is
  * copied at once. For one thread; the owner closes it.
  *
  * @param targetBytes
  *   bytes after which the batch counts as full; a longer row still fits, the memory grows
  * @param maxRows
  *   rows after which the batch counts as full
  */
private[candlewick] final class RowBatch(targetBytes: Long, maxRows: Int) extends AutoCloseable {
  private var memory = NativeBuffer.allocate(targetBytes + RowBatch.Slack)
  private var address = memory.address()
  private var usedBytes = 0L
  private var count = 0

  /** The memory, for the native call. */
  def buffer: NativeBuffer = memory

  /** Bytes in use. */
  def bytes: Long = usedBytes

  /** Rows in the batch. */
  def rows: Int = count

  /** Whether the batch should be handed on before another row comes. */
  def isFull: Boolean = usedBytes >= targetBytes || count >= maxRows

  /** Copies a row to the end. */
  def append(row: UnsafeRow): Unit = {
    if (address == 0) throw new IllegalStateException("RowBatch is closed")
    val size = row.getSizeInBytes
    val padded = (size + 7L) & ~7L
    reserve(RowBatch.HeaderBytes + padded)
    val at = address + usedBytes
    // Little endian, as the machine is: the size in the low half, zero in the high one.
    Platform.putLong(null, at, size.toLong)
    if (padded != size) Platform.putLong(null, at + RowBatch.HeaderBytes + padded - 8, 0L)
    val from = row.getBaseObject
    val offset = row.getBaseOffset
    val to = at + RowBatch.HeaderBytes
    if (padded == size && size <= RowBatch.ShortBytes) RowBatch.copyShort(from, offset, to, size)
    else Platform.copyMemory(from, offset, null, to, size.toLong)
    usedBytes += RowBatch.HeaderBytes + padded
    count += 1
  }

  /** Empties the batch. */
  def clear(): Unit = {
    usedBytes = 0
    count = 0
  }

  private def reserve(more: Long): Unit =
    if (usedBytes + more > memory.capacity()) {
      val larger = NativeBuffer.allocate(math.max(usedBytes + more, memory.capacity() * 2))
      Platform.copyMemory(null, address, null, larger.address(), usedBytes)
      memory.close()
      memory = larger
      address = larger.address()
    }

  /** Frees the memory. */
  override def close(): Unit = {
    address = 0
    memory.close()
  }
}

private[candlewick] object RowBatch {

  /** Bytes before each row. */
  val HeaderBytes = 8L

  /** Rows up to here are copied word by word: a call of copyMemory costs as much as that. */
  private val ShortBytes = 192

  private def copyShort(from: AnyRef, offset: Long, to: Long, size: Int): Unit = {
    var at = 0
    while (at < size) {
      Platform.putLong(null, to + at, Platform.getLong(from, offset + at))
      at += 8
    }
  }

  /** Room beyond the target, so that usual rows never make the memory grow. */
  private val Slack = 64L * 1024
}
