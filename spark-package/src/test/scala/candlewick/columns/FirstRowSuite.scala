package candlewick.columns

import candlewick.SparkSuite
import org.apache.spark.ml.linalg.Vectors
import org.apache.spark.sql.functions.{array, col, lit, raise_error, udf, when}

/** The first row, from the plan that feeds and by a query of its own. */
class FirstRowSuite extends SparkSuite {
  private lazy val dense = udf((id: Long) => Vectors.dense(id.toDouble, 1.0, 2.0))
  private lazy val sparse = udf((id: Long) => Vectors.sparse(1000, Array(id.toInt), Array(1.0)))

  private lazy val rows = {
    val late = when(col("id") >= 30, array(col("id"), col("id"), lit(0L), lit(1L)))
    spark
      .range(0, 40, 1, 7)
      .select(
        dense(col("id")).as("dense"),
        sparse(col("id")).as("sparse"),
        array(array(lit(1.0), lit(2.0)), array(lit(3.0), lit(4.0)), array(lit(5.0), lit(6.0))).as("nested"),
        lit("12345").cast("binary").as("bytes"),
        late.as("late"),
        array().cast("array<double>").as("empty"),
        col("id").cast("double").as("number")
      )
  }
  private val all = 0 to 6
  private val sizes = Seq(Seq(3), Seq(1000), Seq(3, 2), Seq(5), Seq(4), Seq(0), Seq(1))

  test("sizes of every kind of column, in a later partition too") {
    assert(FirstRow.sizes(rows, all).contains(sizes))
    assert(FirstRow.sizes(rows.cache(), all).contains(sizes))
    rows.unpersist()
    assert(FirstRow.sizes(rows.union(rows), Seq(4)).contains(Seq(Seq(4))))
  }

  test("a query of its own finds the same, where a plan cannot be read from its front") {
    assert(FirstRow.ask(rows, all).contains(sizes) && FirstRow.read(rows, all).contains(sizes))
    assert(FirstRow.sizes(rows.orderBy("number"), all).contains(sizes))
  }

  test("no row that has the columns is none") {
    assert(FirstRow.sizes(rows.filter("number < 20"), Seq(4)).isEmpty)
    assert(FirstRow.sizes(rows.limit(0), Seq(0)).isEmpty)
  }

  test("a column that fails, and is not asked for, does not matter") {
    val broken = rows.select(col("dense"), raise_error(lit("off")).cast("double").as("label"))
    assert(FirstRow.sizes(broken, Seq(0)).contains(Seq(Seq(3))))
  }
}
