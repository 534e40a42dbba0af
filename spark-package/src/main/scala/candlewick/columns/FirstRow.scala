package candlewick.columns

import org.apache.spark.ml.linalg.Vector
import org.apache.spark.sql.{CandlewickShim, Column, DataFrame}
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.plans.logical.{Filter, LogicalPlan, Project, Union}
import org.apache.spark.sql.catalyst.util.ArrayData
import org.apache.spark.sql.functions.col
import org.apache.spark.sql.types.{ArrayType, DataType, UserDefinedType}
import scala.util.control.NonFatal

/** The first row that has values in some columns. */
private[columns] object FirstRow {

  /** Sizes of the columns at the given positions in the first row where none of them is null: one, or those of nested arrays.
    * None where there is no such row.
    */
  def sizes(rows: DataFrame, positions: Seq[Int]): Option[Seq[Seq[Int]]] =
    if (isFlat(CandlewickShim.optimized(rows)))
      try read(rows, positions)
      // Another column may fail where these do not; and Spark tells its own query's failures by their causes.
      catch { case NonFatal(_) if !Thread.currentThread.isInterrupted => ask(rows, positions) }
    else ask(rows, positions)

  /** Whether the first rows are there without the others. */
  private def isFlat(plan: LogicalPlan): Boolean = plan.find {
    case _: Project | _: Filter | _: Union => false
    case node => node.children.nonEmpty
  }.isEmpty

  /** From the plan that feeds the rows too: no other is made and compiled for one row. */
  private[columns] def read(rows: DataFrame, positions: Seq[Int]): Option[Seq[Seq[Int]]] = {
    val (rdd, types) = (CandlewickShim.rows(rows), rows.schema.map(_.dataType))
    val wanted = positions.map(at => at -> types(at)).toArray
    val (context, partitions) = (rdd.sparkContext, rdd.getNumPartitions)
    // As Spark's own `take`: one partition, then more at a time.
    def from(first: Int, many: Int): Option[Seq[Seq[Int]]] =
      if (first >= partitions) None
      else {
        val until = math.min(partitions.toLong, first.toLong + many).toInt
        val found = context.runJob(rdd, ofFirst(wanted), first until until)
        found.collectFirst { case Some(sizes) => sizes }.orElse(from(until, many * 4))
      }
    from(0, 1)
  }

  private def ofFirst(wanted: Array[(Int, DataType)]): Iterator[InternalRow] => Option[Seq[Seq[Int]]] =
    _.find(row => wanted.forall { case (at, _) => !row.isNullAt(at) })
      .map(row => wanted.toSeq.map { case (at, kind) => sizesOf(row.get(at, kind), kind) })

  private def sizesOf(value: Any, kind: DataType): Seq[Int] = (value, kind) match {
    case (_, udt: UserDefinedType[_]) => scalaSizes(udt.deserialize(value))
    case (items: ArrayData, ArrayType(inner: ArrayType, _))
        if items.numElements() > 0 && !items.isNullAt(0) =>
      items.numElements() +: sizesOf(items.getArray(0), inner)
    case (items: ArrayData, _) => Seq(items.numElements())
    case (other, _) => scalaSizes(other)
  }

  /** By a query of its own. */
  private[columns] def ask(rows: DataFrame, positions: Seq[Int]): Option[Seq[Seq[Int]]] = {
    val named = rows.toDF(rows.columns.indices.map(at => s"c$at"): _*)
    val wanted: Seq[Column] = positions.map(at => col(s"c$at"))
    val present = wanted.map(_.isNotNull).reduce(_ && _)
    val first = named.filter(present).select(wanted: _*).head(1).headOption
    first.map(row => positions.indices.map(at => scalaSizes(row.get(at))))
  }

  private def scalaSizes(value: Any): Seq[Int] = value match {
    case vector: Vector => Seq(vector.size)
    case bytes: Array[Byte] => Seq(bytes.length)
    case items: scala.collection.Seq[_] =>
      val below = items.headOption.collect { case inner: scala.collection.Seq[_] => scalaSizes(inner) }
      items.length +: below.getOrElse(Nil)
    case _ => Seq(1)
  }
}
