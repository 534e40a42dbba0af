package candlewick.columns

import candlewick.internal.Failures
import org.apache.spark.sql.{CandlewickShim, Column, DataFrame, Row}
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.plans.logical.{Filter, LogicalPlan, Project, Union}
import org.apache.spark.sql.catalyst.util.ArrayData
import org.apache.spark.sql.functions.{col, length, size, unwrap_udt, when}
import org.apache.spark.sql.types.{ArrayType, BinaryType, DataType}
import scala.util.control.NonFatal

/** The first rows that have values in some columns. Vectors are read as Spark keeps them (kind, size, indices, values): one
  * that is not valid cannot be made, and whoever feeds it says so, or leaves it out.
  */
private[columns] object FirstRow {

  /** What is seen of a value.
    *
    * @param sizes
    *   one, or those of nested arrays
    * @param nonzeros
    *   values of a Vector that are not zero
    */
  final case class Seen(sizes: Seq[Int], nonzeros: Int)

  /** The kind of a sparse Vector, and where a Vector has its parts. */
  private val Sparse: Byte = 0
  private val KindAt = 0
  private val SizeAt = 1
  private val ValuesAt = 3

  /** The columns at the given positions in the first rows where none of them is null or empty, `most` at most; none
    * where there is no such row.
    *
    * @param check
    *   fails where nobody waits for it any more
    */
  def look(rows: DataFrame, positions: Seq[Int], most: Int)(check: () => Unit): Seq[Seq[Seen]] =
    if (isFlat(CandlewickShim.optimized(rows)))
      try read(rows, positions, most)
      catch {
        // Another column may fail where these do not; and Spark tells its own query's failures by their causes.
        case NonFatal(error) if !Thread.currentThread.isInterrupted && Failures.cancellation(error).isEmpty =>
          check()
          ask(rows, positions, most)
      }
    else ask(rows, positions, most)

  /** Whether the first rows are there without the others. */
  private def isFlat(plan: LogicalPlan): Boolean = plan.find {
    case _: Project | _: Filter | _: Union => false
    case node => node.children.nonEmpty
  }.isEmpty

  /** From the plan that feeds the rows too: no other is made and compiled for a few rows. */
  private[columns] def read(rows: DataFrame, positions: Seq[Int], most: Int): Seq[Seq[Seen]] = {
    val (rdd, types) = (CandlewickShim.rows(rows), rows.schema.map(_.dataType))
    val wanted = positions.map(at => at -> types(at)).toArray
    val (context, partitions) = (rdd.sparkContext, rdd.getNumPartitions)
    // As Spark's own `take`: one partition, then more at a time, but no further than to the first that has a row.
    def from(first: Int, many: Int): Seq[Seq[Seen]] =
      if (first >= partitions) Nil
      else {
        val until = math.min(partitions.toLong, first.toLong + many).toInt
        val found = context.runJob(rdd, ofFirst(wanted, most), first until until).find(_.nonEmpty)
        // A class of ours may be another one in executors, which load the jar themselves: what they give back is none.
        val all = found.map(_.map(_.map { case (sizes, nonzeros) => Seen(sizes, nonzeros) }))
        all.getOrElse(from(until, many * 4))
      }
    from(0, 1)
  }

  private def ofFirst(
      wanted: Array[(Int, DataType)],
      most: Int
  ): Iterator[InternalRow] => Seq[Seq[(Seq[Int], Int)]] =
    _.filter(row => wanted.forall { case (at, _) => !row.isNullAt(at) })
      .map(row => wanted.toSeq.map { case (at, kind) => plain(seen(row.get(at, kind), kind)) })
      .filter(_.forall { case (sizes, _) => sizes.forall(_ > 0) })
      .take(most)
      .toVector

  private def plain(one: Seen): (Seq[Int], Int) = (one.sizes, one.nonzeros)

  private def seen(value: Any, kind: DataType): Seen = (value, kind) match {
    case (vector: InternalRow, _) =>
      val values =
        if (vector.isNullAt(ValuesAt)) Array.empty[Double] else vector.getArray(ValuesAt).toDoubleArray()
      seenOf(vector.getByte(KindAt), vector.getInt(SizeAt), values)
    case (items: ArrayData, _) => Seen(sizesOf(items, kind), 0)
    case (other, _) => seenOf(other)
  }

  private def sizesOf(items: ArrayData, kind: DataType): Seq[Int] = kind match {
    case ArrayType(inner: ArrayType, _) if items.numElements() > 0 =>
      items.numElements() +: (if (items.isNullAt(0)) Seq(0) else sizesOf(items.getArray(0), inner))
    case _ => Seq(items.numElements())
  }

  /** Of a Vector, whose size stands in it where it is sparse. */
  private def seenOf(kind: Byte, size: => Int, values: scala.collection.Seq[Double]): Seen =
    Seen(Seq(if (kind == Sparse) size else values.length), values.count(_ != 0.0))

  /** By a query of its own. */
  private[columns] def ask(rows: DataFrame, positions: Seq[Int], most: Int): Seq[Seq[Seen]] = {
    val named = rows.toDF(rows.columns.indices.map(at => s"c$at"): _*)
    val wanted: Seq[Column] = positions.map(at => col(s"c$at"))
    def isVector(at: Int) = ColumnRules.isVector(rows.schema(at).dataType)
    val present = positions
      .zip(wanted)
      .map { case (at, column) => holds(column, rows.schema(at).dataType) }
      .reduce(_ && _)
    val read =
      positions.zip(wanted).map { case (at, column) => if (isVector(at)) unwrap_udt(column) else column }
    val first = named.filter(present).select(read: _*).head(most).toSeq
    first.map(row => positions.indices.map(at => seenOf(row.get(at))))
  }

  private def holds(column: Column, kind: DataType): Column = kind match {
    case ArrayType(inner, _) =>
      val filled = column.isNotNull && size(column) > 0
      inner match {
        case _: ArrayType => filled && holds(column(0), inner)
        case _ => filled
      }
    case BinaryType => column.isNotNull && length(column) > 0
    case vector if ColumnRules.isVector(vector) =>
      val parts = unwrap_udt(column)
      column.isNotNull && when(parts("type") === Sparse, parts("size")).otherwise(size(parts("values"))) > 0
    case _ => column.isNotNull
  }

  private def seenOf(value: Any): Seen = value match {
    case vector: Row =>
      val values = Option(vector.getSeq[Double](ValuesAt)).getOrElse(Nil)
      seenOf(vector.getByte(KindAt), vector.getInt(SizeAt), values)
    case other => Seen(sizesOf(other), 0)
  }

  private def sizesOf(value: Any): Seq[Int] = value match {
    case bytes: Array[Byte] => Seq(bytes.length)
    case items: scala.collection.Seq[_] =>
      val below = items.headOption.collect { case inner: scala.collection.Seq[_] => sizesOf(inner) }
      items.length +: below.getOrElse(Nil)
    case _ => Seq(1)
  }
}
