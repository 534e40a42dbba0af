package candlewick.columns

import candlewick.SparkSuite
import org.apache.spark.ml.linalg.{SQLDataTypes, Vectors}
import org.apache.spark.sql.{DataFrame, Encoders}
import org.apache.spark.sql.functions.{array, col, lit, raise_error, udf, when}
import org.apache.spark.sql.types.StructType

/** The first rows, from the plan that feeds and by a query of its own. */
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
        when(col("id") >= 33, array(lit(1.0), lit(2.0))).otherwise(array()).as("filled"),
        col("id").cast("double").as("number")
      )
  }
  private val all = 0 to 6
  private def look(rows: DataFrame, asked: Seq[Int], most: Int) = FirstRow.look(rows, asked, most)(() => ())
  private def sizes(seen: Seq[Seq[FirstRow.Seen]]) = seen.headOption.map(_.map(_.sizes))
  private val known = Seq(Seq(3), Seq(1000), Seq(3, 2), Seq(5), Seq(4), Seq(2), Seq(1))

  test("sizes of every kind of column, in a later partition too") {
    assert(sizes(look(rows, all, 1)).contains(known))
    assert(sizes(look(rows.cache(), all, 1)).contains(known))
    rows.unpersist()
    assert(sizes(look(rows.union(rows), Seq(4), 1)).contains(Seq(Seq(4))))
  }

  test("a query of its own finds the same, where a plan cannot be read from its front") {
    val ways = Seq(FirstRow.ask(rows, all, 1), FirstRow.read(rows, all, 1))
    assert(ways.forall(sizes(_).contains(known)))
    assert(sizes(look(rows.orderBy("number"), all, 1)).contains(known))
  }

  test("several rows of one partition, and what of Vectors is not zero") {
    val asked = Seq(0, 1)
    for (seen <- Seq(look(rows, asked, 4), FirstRow.read(rows, asked, 4), FirstRow.ask(rows, asked, 4))) {
      assert(seen.length == 4)
      // The first row has a zero where the others have their number.
      assert(seen.map(_.map(_.nonzeros)) == Seq(Seq(2, 1), Seq(3, 1), Seq(3, 1), Seq(3, 1)))
    }
  }

  test("an array with nothing in it tells no width") {
    val bytes = when(col("number") >= 38, lit("12").cast("binary")).otherwise(lit("").cast("binary"))
    val inner = when(col("number") >= 35, array(lit(1.0))).otherwise(array().cast("array<double>"))
    val made = rows.select(col("filled"), bytes.as("bytes"), array(inner, inner).as("nested"))
    val wanted = Seq(Seq(2), Seq(2), Seq(2, 1))
    for (seen <- Seq(look(made, 0 to 2, 1), FirstRow.read(made, 0 to 2, 1), FirstRow.ask(made, 0 to 2, 1)))
      assert(sizes(seen).contains(wanted))
    assert(look(rows.filter("number < 20"), Seq(5), 8).isEmpty)
  }

  test("a Vector with nothing in it tells no width") {
    val some = udf((id: Double) => Vectors.dense(Array.fill(if (id < 38) 0 else 3)(id)))
    val none = udf((id: Double) => Vectors.sparse(if (id < 35) 0 else 9, Nil))
    val made = rows.select(some(col("number")).as("dense"), none(col("number")).as("sparse"))
    for (seen <- Seq(look(made, 0 to 1, 1), FirstRow.read(made, 0 to 1, 1), FirstRow.ask(made, 0 to 1, 1)))
      assert(sizes(seen).contains(Seq(Seq(3), Seq(9))))
    assert(FirstRow.ask(made.limit(30), 0 to 1, 8).isEmpty)
  }

  test("a sparse Vector that is not valid, which Spark cannot make, has a size all the same") {
    val lines = Seq(
      """{"v":{"type":0,"size":5,"indices":[3,1],"values":[1.0,0.0]}}""",
      """{"v":{"type":0,"size":5,"indices":[7],"values":[1.0]}}""",
      """{"v":{"type":1,"values":[0.0,1.0,2.0,3.0,4.0]}}"""
    )
    val schema = new StructType().add("v", SQLDataTypes.VectorType)
    val made = spark.read.schema(schema).json(spark.createDataset(lines)(Encoders.STRING).coalesce(1))
    intercept[Exception](made.head())
    for (seen <- Seq(look(made, Seq(0), 8), FirstRow.read(made, Seq(0), 8), FirstRow.ask(made, Seq(0), 8)))
      assert(seen.flatten == Seq(1, 1, 4).map(FirstRow.Seen(Seq(5), _)))
  }

  test("no row that has the columns is none") {
    assert(look(rows.filter("number < 20"), Seq(4), 8).isEmpty)
    assert(look(rows.limit(0), Seq(0), 8).isEmpty)
  }

  test("a column that fails, and is not asked for, does not matter") {
    val broken = rows.select(col("dense"), raise_error(lit("off")).cast("double").as("label"))
    assert(sizes(look(broken, Seq(0), 1)).contains(Seq(Seq(3))))
  }
}
