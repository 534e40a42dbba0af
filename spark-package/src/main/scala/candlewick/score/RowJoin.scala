package candlewick.score

import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{BoundReference, JoinedRow, UnsafeProjection, UnsafeRow}
import org.apache.spark.sql.catalyst.expressions.codegen.GenerateUnsafeRowJoiner
import org.apache.spark.sql.types.StructType
import org.apache.spark.unsafe.Platform
import org.slf4j.LoggerFactory

/** Puts fields of two rows into one; the result is reused. */
private[score] object RowJoin {
  private val log = LoggerFactory.getLogger(getClass)

  /** A row of the child, and a row that is appended to it, to a row that is made of both.
    *
    * @param input
    *   fields of the child's rows
    * @param handed
    *   positions of those that come out, in order
    * @param appended
    *   fields of the other row
    */
  final case class Shape(input: StructType, handed: Array[Int], appended: StructType)

  /** Joins rows with as little copying as can be: nothing of the child's row where nothing of it comes out, both as they are
    * where all of it does, and else field by field.
    */
  def create(shape: Shape): (UnsafeRow, UnsafeRow) => InternalRow =
    if (shape.handed.isEmpty) second(shape.appended)
    else if (shape.handed.sameElements(shape.input.indices)) create(shape.input, shape.appended)
    else choosing(shape)

  /** Spark's generated joiner, which copies the two rows as they are. It is the most internal of all that is used here:
    * a Spark that has another one gets a projection, which takes the rows apart.
    */
  private def create(left: StructType, right: StructType): (UnsafeRow, UnsafeRow) => InternalRow =
    orElse(copying(left, right), projecting(left, right))

  /** The second, where the first needs classes or methods that this Spark does not have. */
  def orElse[T](first: => T, second: => T): T =
    try first
    catch {
      case error: LinkageError =>
        log.warn(
          "rows are joined by a projection, which is slower: this Spark's row joiner is another",
          error
        )
        second
    }

  /** By the generated joiner. */
  def copying(left: StructType, right: StructType): (UnsafeRow, UnsafeRow) => InternalRow = {
    val joiner = GenerateUnsafeRowJoiner.create(left, right)
    (one, other) => joiner.join(one, other)
  }

  /** By a projection. */
  def projecting(left: StructType, right: StructType): (UnsafeRow, UnsafeRow) => InternalRow =
    choosing(Shape(left, left.indices.toArray, right))

  /** By a projection that reads some fields of the first row. */
  private def choosing(shape: Shape): (UnsafeRow, UnsafeRow) => InternalRow = {
    val fields = shape.input.fields ++ shape.appended.fields
    val read = shape.handed ++ shape.appended.indices.map(shape.input.length + _)
    val projection =
      UnsafeProjection.create(
        read.toSeq.map(at => BoundReference(at, fields(at).dataType, fields(at).nullable))
      )
    val both = new JoinedRow
    (one, other) => projection(both(one, other))
  }

  /** The second row, copied into the heap: it lies where the next batch will, and whoever reads rows may look for the next one
    * before he is done with this one.
    */
  private def second(fields: StructType): (UnsafeRow, UnsafeRow) => InternalRow = {
    val row = new UnsafeRow(fields.length)
    var bytes = new Array[Byte](0)
    (_, other) => {
      val size = other.getSizeInBytes
      if (bytes.length < size) bytes = new Array[Byte](size)
      Platform.copyMemory(
        other.getBaseObject,
        other.getBaseOffset,
        bytes,
        Platform.BYTE_ARRAY_OFFSET.toLong,
        size.toLong
      )
      row.pointTo(bytes, Platform.BYTE_ARRAY_OFFSET.toLong, size)
      row
    }
  }
}
