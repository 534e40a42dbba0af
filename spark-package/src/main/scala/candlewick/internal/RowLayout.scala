package candlewick.internal

import candlewick.jni.Canary
import org.apache.spark.ml.linalg.{SQLDataTypes, Vector, Vectors}
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{UnsafeArrayData, UnsafeProjection, UnsafeRow}
import org.apache.spark.sql.types._
import org.apache.spark.unsafe.Platform

/** The rows that cross into native code: UnsafeRows of a layout that is checked once per JVM. */
private[candlewick] object RowLayout {

  private lazy val verified: Boolean = {
    val types = canaryTypes
    val row = UnsafeProjection.create(types)(InternalRow.fromSeq(canaryValues))
    val batch = new RowBatch(row.getSizeInBytes.toLong, 1)
    try {
      batch.append(row)
      Canary.check(batch.buffer.address() + RowBatch.HeaderBytes, row.getSizeInBytes)
    } finally batch.close()
    true
  }

  /** Throws if the native library reads other values from a row than this Spark wrote. */
  def check(): Unit = {
    val _ = verified
  }

  /** A function that gives rows as UnsafeRows: nearly every operator does already, the others are projected. */
  def unsafe(types: Array[DataType]): InternalRow => UnsafeRow = {
    lazy val projection = UnsafeProjection.create(types)

    {
      case row: UnsafeRow => row
      case row => projection(row)
    }
  }

  private def vectorType: UserDefinedType[Vector] =
    SQLDataTypes.VectorType.asInstanceOf[UserDefinedType[Vector]]

  /** `Canary.TYPES`. */
  private def canaryTypes: Array[DataType] = Array(
    BooleanType,
    ByteType,
    ShortType,
    IntegerType,
    LongType,
    FloatType,
    DoubleType,
    DecimalType(10, 2),
    DecimalType(30, 2),
    BinaryType,
    ArrayType(FloatType, containsNull = false),
    ArrayType(DoubleType, containsNull = false),
    ArrayType(IntegerType, containsNull = false),
    vectorType,
    vectorType,
    DoubleType
  )

  private def canaryValues: Seq[Any] = Seq(
    true,
    (-5).toByte,
    300.toShort,
    -70000,
    5000000000L,
    2.5f,
    -1.25,
    Decimal(BigDecimal("12.34"), 10, 2),
    Decimal(BigDecimal("-12.34"), 30, 2),
    Array[Byte](1, 2, -1),
    UnsafeArrayData.fromPrimitiveArray(Array(1.5f, -2.5f, 3.5f)),
    UnsafeArrayData.fromPrimitiveArray(Array(0.25, -8.0)),
    UnsafeArrayData.fromPrimitiveArray(Array(7, -7, 70000)),
    vectorType.serialize(Vectors.dense(1.0, 2.0)),
    vectorType.serialize(Vectors.sparse(5, Array(1, 3), Array(1.5, -2.5))),
    null
  )

  /** Size of the row at `address` in the format of [[RowBatch]]. */
  def sizeAt(address: Long): Int = Platform.getInt(null, address)

  /** Where the row after the one at `address` begins. */
  def next(address: Long): Long = address + RowBatch.HeaderBytes + ((sizeAt(address) + 7L) & ~7L)
}
