package candlewick.score

import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{JoinedRow, UnsafeProjection, UnsafeRow}
import org.apache.spark.sql.catalyst.expressions.codegen.GenerateUnsafeRowJoiner
import org.apache.spark.sql.types.StructType
import org.slf4j.LoggerFactory

/** Puts the fields of two rows into one; the result is reused. */
private[score] object RowJoin {
  private val log = LoggerFactory.getLogger(getClass)

  /** Spark's generated joiner, which copies the two rows as they are. It is the most internal of all that is used here:
    * a Spark that has another one gets a projection, which takes the rows apart.
    */
  def create(left: StructType, right: StructType): (UnsafeRow, UnsafeRow) => InternalRow =
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
  def projecting(left: StructType, right: StructType): (UnsafeRow, UnsafeRow) => InternalRow = {
    val projection = UnsafeProjection.create((left.fields ++ right.fields).map(_.dataType))
    val both = new JoinedRow
    (one, other) => projection(both(one, other))
  }
}
