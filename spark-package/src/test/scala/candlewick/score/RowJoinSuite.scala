package candlewick.score

import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{UnsafeProjection, UnsafeRow}
import org.apache.spark.sql.catalyst.util.GenericArrayData
import org.apache.spark.sql.types._
import org.apache.spark.unsafe.types.UTF8String
import org.scalatest.funsuite.AnyFunSuite

class RowJoinSuite extends AnyFunSuite {
  private val left =
    StructType.fromDDL("a int, b string, c array<double>, d decimal(30, 2), e struct<x: int, y: string>")
  private val right = StructType.fromDDL("f double, g array<double>")

  private def rows(schema: StructType, values: Any*): UnsafeRow =
    UnsafeProjection.create(schema)(InternalRow.fromSeq(values)).copy()

  private def full = rows(
    left,
    1,
    UTF8String.fromString("text"),
    new GenericArrayData(Array[Any](1.0, 2.0)),
    Decimal(BigDecimal("12.34"), 30, 2),
    InternalRow(7, UTF8String.fromString("inner"))
  )
  private def empty = rows(left, null, null, null, null, null)

  test("only the fields that are handed on come out, in every choice") {
    val scored = rows(right, 0.5, new GenericArrayData(Array[Any](0.25, 0.75)))
    val types = (left.fields ++ right.fields).map(_.dataType)
    (0 to left.length).flatMap(left.indices.combinations).foreach { handed =>
      val join = RowJoin.create(RowJoin.Shape(left, handed.toArray, right))
      for (row <- Seq(full, empty, full)) {
        val joined = join(row, scored)
        assert(joined.numFields == handed.length + 2, handed)
        val taken = handed.map(at => row.get(at, types(at)))
        val wanted = taken :+ scored.get(0, types(5)) :+ scored.get(1, types(6))
        val read = handed ++ Seq(5, 6)
        assert(read.indices.map(at => joined.get(at, types(read(at)))) == wanted, handed)
      }
    }
  }

  test("a row is its own once it is joined: what it was made of may be written over") {
    Seq(Array.empty[Int], Array(1), left.indices.toArray).foreach { handed =>
      val (row, scored) = (full, rows(right, 0.5, null))
      val joined = RowJoin.create(RowJoin.Shape(left, handed, right))(row, scored)
      row.setNullAt(1)
      scored.setDouble(0, 9.0)
      assert(joined.getDouble(handed.length) == 0.5, handed.toSeq)
      if (handed.contains(1)) assert(!joined.isNullAt(handed.indexOf(1)))
    }
  }

  test("the projection gives what the generated joiner gives") {
    val scored = rows(right, 0.5, new GenericArrayData(Array[Any](0.25, 0.75)))
    val (copying, projecting) = (RowJoin.copying(left, right), RowJoin.projecting(left, right))
    for (row <- Seq(full, empty, full)) {
      val (one, other) = (copying(row, scored).copy(), projecting(row, scored).copy())
      assert(one.numFields == 7 && other.numFields == 7)
      val types = (left.fields ++ right.fields).map(_.dataType)
      types.indices.foreach(at => assert(one.get(at, types(at)) == other.get(at, types(at)), types(at)))
    }
  }

  test("a Spark without that joiner gets the projection") {
    val plain = RowJoin.orElse(throw new NoSuchMethodError("join"), RowJoin.projecting(left, right))
    assert(plain(rows(left, 1, null, null, null, null), rows(right, 0.5, null)).getDouble(5) == 0.5)
    intercept[IllegalStateException](
      RowJoin.orElse(throw new IllegalStateException, RowJoin.projecting(left, right))
    )
  }
}
