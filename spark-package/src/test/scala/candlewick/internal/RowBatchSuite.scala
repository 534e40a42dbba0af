package candlewick.internal

import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{UnsafeProjection, UnsafeRow}
import org.apache.spark.sql.types.{BinaryType, DataType, LongType}
import org.apache.spark.unsafe.Platform
import org.scalatest.funsuite.AnyFunSuite

class RowBatchSuite extends AnyFunSuite {
  private val types = Array[DataType](LongType, BinaryType)
  private val projection = UnsafeProjection.create(types)

  private def row(id: Long, bytes: Int): UnsafeRow = projection(InternalRow(id, Array.fill(bytes)(id.toByte)))

  test("the native library reads what this Spark writes") {
    RowLayout.check()
  }

  test("rows come back as they went in, and a long row makes the memory grow") {
    val batch = new RowBatch(1024, 100)
    try {
      // 168 bytes make the longest row that is copied word by word.
      val sizes = Seq(0, 5, 168, 169, 300, 200000, 8)
      sizes.zipWithIndex.foreach { case (size, id) => batch.append(row(id.toLong, size)) }
      assert(batch.rows == sizes.length && batch.isFull)
      var at = batch.buffer.address()
      sizes.zipWithIndex.foreach { case (size, id) =>
        assert(Platform.getInt(null, at + 4) == 0)
        val read = new UnsafeRow(2)
        read.pointTo(null, at + RowBatch.HeaderBytes, RowLayout.sizeAt(at))
        assert(read.copy() == row(id.toLong, size).copy())
        at = RowLayout.next(at)
      }
      assert(at - batch.buffer.address() == batch.bytes)
      batch.clear()
      assert(batch.rows == 0 && batch.bytes == 0 && !batch.isFull)
    } finally batch.close()
  }

  test("one that is closed takes no rows") {
    val batch = new RowBatch(1024, 100)
    batch.append(row(1, 5))
    batch.close()
    intercept[IllegalStateException](batch.append(row(2, 5)))
    batch.close()
  }

  test("a batch is full after its rows or its bytes") {
    val batch = new RowBatch(1 << 20, 2)
    try {
      batch.append(row(1, 1))
      assert(!batch.isFull)
      batch.append(row(2, 1))
      assert(batch.isFull)
    } finally batch.close()
  }

  test("rows of another class are projected") {
    val unsafe = RowLayout.unsafe(types)
    assert(unsafe(InternalRow(3L, Array[Byte](3, 3))) == row(3, 2))
  }
}
