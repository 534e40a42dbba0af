package candlewick.fit

import candlewick.SparkSuite
import org.apache.spark.sql.functions.col

/** The number of rows that needs no job is the number that there is. */
class KnownRowsSuite extends SparkSuite {
  private def numbers = spark.range(0, 200, 1, 3).toDF()

  test("rows that are only moved or renamed are known, and so are the first of them") {
    val moved = numbers.selectExpr("id * 2 as twice").repartition(5).sort("twice")
    assert(KnownRows.of(moved).contains(200L))
    assert(KnownRows.of(numbers.repartitionByRange(4, col("id"))).contains(200L))
    assert(KnownRows.of(numbers.limit(7)).contains(7L))
    assert(KnownRows.of(numbers.limit(700)).contains(200L))
    assert(KnownRows.of(numbers.union(numbers.limit(5))).contains(205L))
  }

  test("rows of which nobody knows how many are left are not known") {
    val some = numbers.where("id % 7 < 3")
    for (unknown <- Seq(some, some.limit(150), numbers.sample(0.5, 1L), some.union(numbers)))
      assert(KnownRows.of(unknown).isEmpty, unknown.queryExecution.optimizedPlan)
    assert(KnownRows.of(numbers.where("id % 2 = 0").limit(150).localCheckpoint()).isEmpty)
    val train = numbers.randomSplit(Array(0.8, 0.2), 1L).head
    assert(KnownRows.of(train).isEmpty)
    spark.conf.set("spark.sql.cbo.enabled", "true")
    try assert(KnownRows.of(some).isEmpty)
    finally spark.conf.unset("spark.sql.cbo.enabled")
  }

  test("what is cached is known once it is there") {
    val cached = numbers.where("id % 2 = 0").limit(150).cache()
    try {
      assert(KnownRows.of(cached.select("id")).isEmpty)
      assert(cached.count() == 100)
      assert(KnownRows.of(cached.select("id")).contains(100L))
    } finally cached.unpersist(): Unit
  }
}
