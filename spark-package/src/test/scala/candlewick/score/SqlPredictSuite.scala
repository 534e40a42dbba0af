package candlewick.score

import candlewick.SparkSuite
import candlewick.internal.Failures
import candlewick.jni.InvalidParameterException
import org.apache.spark.ml.functions.vector_to_array
import org.apache.spark.ml.param.ParamMap
import org.apache.spark.sql.{AnalysisException, DataFrame}
import org.apache.spark.sql.functions.{col, expr}

/** `candlewick_predict` of SQL. */
class SqlPredictSuite extends SparkSuite {
  private lazy val data = blobs(90).cache()
  private lazy val model = classifier().setEpochs(2).fit(data)
  private lazy val expected = model.transform(data).cache()
  private lazy val ids =
    expected.select("id", "prediction").collect().map(row => row.getLong(0) -> row.getDouble(1)).toMap

  override protected def beforeAll(): Unit = {
    super.beforeAll()
    data.createOrReplaceTempView("points")
    candlewick.register(spark, "digits", model)
  }

  private def plan(frame: DataFrame): String = frame.queryExecution.executedPlan.toString

  private def operators(frame: DataFrame): Int = ScorePlans.scores(frame).length

  test("a column, as transform gives it, in one operator") {
    val frame = spark.sql("SELECT id, candlewick_predict('digits', features) AS p FROM points")
    assert(frame.collect().map(row => row.getLong(0) -> row.getDouble(1)).toMap == ids)
    assert(operators(frame) == 1 && !plan(frame).contains("candlewick_predict"), plan(frame))
    val three = spark.sql(
      "SELECT id, candlewick_predict('digits', features, 'probability') AS a, " +
        "candlewick_predict('digits', features, 'rawPrediction') AS b, candlewick_predict('digits', features, '1') AS c, " +
        "candlewick_predict('digits', features) + 1 AS d FROM points"
    )
    assert(operators(three) == 1, plan(three))
    val read = three.select(col("id"), vector_to_array(col("a")), vector_to_array(col("b")), col("d") - 1)
    val wanted = expected.select(
      col("id"),
      vector_to_array(col("probability")),
      vector_to_array(col("rawPrediction")),
      col("prediction")
    )
    assert(read.collect().toSet == wanted.collect().toSet)
    assert(three.select(vector_to_array(col("c"))).head().getSeq[Double](0).length == 8)
  }

  test("in conditions, and only for the rows that other conditions leave") {
    val frame = spark.sql("SELECT * FROM points WHERE candlewick_predict('digits', features) = 1 AND id < 30")
    assert(frame.columns.toSeq == data.columns.toSeq)
    val wanted = ids.collect { case (id, 1.0) if id < 30 => id }.toSet
    assert(frame.collect().map(_.getAs[Long]("id")).toSet == wanted && wanted.nonEmpty)
    assert(operators(frame) == 1 && !plan(frame).contains("candlewick_predict"), plan(frame))
    val text = plan(frame)
    assert(text.indexOf("CandlewickScore") < text.indexOf("< 30)"), text)
  }

  test("asked for twice, in a condition or an order too, and scored once") {
    val call = "candlewick_predict('digits', features)"
    val read = spark.sql(s"SELECT id, $call AS p FROM points WHERE $call = 1")
    assert(read.collect().map(row => row.getLong(0) -> row.getDouble(1)).toMap == ids.filter(_._2 == 1.0))
    assert(operators(read) == 1 && !plan(read).contains("candlewick_predict"), plan(read))
    val sorted = spark.sql(s"SELECT id, $call AS p FROM points ORDER BY $call DESC, id")
    assert(
      sorted.collect().map(_.getLong(0)).toSeq == ids.toSeq.sortBy { case (id, p) => (-p, id) }.map(_._1)
    )
    assert(operators(sorted) == 1, plan(sorted))
    // Another output of the same model, and another condition between.
    val more = spark.sql(
      s"SELECT id, candlewick_predict('digits', features, 'probability') AS q, p FROM (SELECT *, $call AS p FROM points) " +
        s"WHERE p = 1 AND id < 60 AND $call < 2"
    )
    assert(more.collect().map(_.getLong(0)).toSet == ids.filter { case (id, p) =>
      p == 1.0 && id < 60
    }.keySet)
    assert(operators(more) == 1, plan(more))
  }

  test("in the condition of a subquery") {
    spark.range(90).toDF("key").createOrReplaceTempView("keys")
    val call = "candlewick_predict('digits', p.features)"
    val ones = ids.filter(_._2 == 1.0).keySet
    def found(condition: String) =
      spark.sql(s"SELECT id FROM points p WHERE $condition").collect().map(_.getLong(0)).toSet
    assert(found(s"EXISTS (SELECT 1 FROM keys k WHERE k.key = $call AND k.key = 1)") == ones)
    assert(
      found(s"NOT EXISTS (SELECT 1 FROM keys k WHERE k.key = $call AND k.key = 1)") == ids.keySet -- ones
    )
    assert(found(s"p.id IN (SELECT k.key FROM keys k WHERE $call = 1)") == ones)
    assert(found(s"$call = (SELECT max(key) FROM keys k WHERE k.key < 2)") == ones)
  }

  test("columns without a name of their own have the names of what was asked for") {
    val frame = spark.sql(
      "SELECT candlewick_predict('digits', features), candlewick_predict('digits', features, 'probability') FROM points"
    )
    assert(
      frame.columns.toSeq == Seq(
        "candlewick_predict(digits, features)",
        "candlewick_predict(digits, features, probability)"
      )
    )
  }

  test("in views, groups, orders and windows") {
    spark.sql(
      "CREATE OR REPLACE TEMP VIEW seen AS SELECT id, candlewick_predict('digits', features) AS p FROM points"
    )
    assert(spark.sql("SELECT count(*) FROM seen WHERE p = 2").head().getLong(0) == ids.values.count(_ == 2.0))
    assert(operators(spark.sql("SELECT id FROM seen")) == 0)
    val groups =
      spark.sql("SELECT candlewick_predict('digits', features) AS p, count(*) FROM points GROUP BY 1")
    assert(
      groups.collect().map(row => row.getDouble(0) -> row.getLong(1)).toMap ==
        ids.values.groupBy(identity).map { case (p, all) => p -> all.size.toLong }
    )
    val mean = spark.sql("SELECT avg(candlewick_predict('digits', features)) FROM points")
    assert(math.abs(mean.head().getDouble(0) - ids.values.sum / ids.size) < 1e-12 && operators(mean) == 1)
    val first =
      spark.sql("SELECT id FROM points ORDER BY candlewick_predict('digits', features) DESC, id LIMIT 1")
    assert(first.head().getLong(0) == ids.toSeq.sortBy { case (id, p) => (-p, id) }.head._1)
    val ranked = spark.sql(
      "SELECT id, row_number() OVER (PARTITION BY candlewick_predict('digits', features) ORDER BY id) AS n FROM points"
    )
    assert(ranked.where("n = 1").count() == ids.values.toSet.size)
  }

  test("row by row where there is no operator for it, with the same result") {
    val joined = spark.sql(
      "SELECT a.id, b.id FROM points a LEFT JOIN points b ON a.id = b.id AND candlewick_predict('digits', b.features) = 1"
    )
    assert(joined.where("b.id is not null").count() == ids.values.count(_ == 1.0))
    // Spark computes expressions over local rows while it optimises.
    val session = spark
    import session.implicits._
    val local =
      data.orderBy("id").limit(3).select("id", "features").as[(Long, org.apache.spark.ml.linalg.Vector)]
    val few = local.collect().toSeq.toDF("id", "features")
    val once = few.select(col("id"), expr("candlewick_predict('digits', features)"))
    assert(once.collect().forall(row => ids(row.getLong(0)) == row.getDouble(1)))
    val off = "spark.sql.optimizer.excludedRules"
    spark.conf.set(off, "candlewick.score.PredictRule,candlewick.score.LateScoreRule")
    try {
      val slow = spark.sql("SELECT id, candlewick_predict('digits', features) AS p FROM points")
      assert(operators(slow) == 0)
      assert(slow.collect().map(row => row.getLong(0) -> row.getDouble(1)).toMap == ids)
      val vectors =
        spark.sql("SELECT id, candlewick_predict('digits', features, 'probability') AS p FROM points")
      assert(vectors.collect().toSet == expected.select("id", "probability").collect().toSet)
    } finally spark.conf.unset(off)
  }

  test("several columns, and computed ones") {
    val wide =
      data.withColumn("xs", vector_to_array(col("features"))).selectExpr("id", "label", "xs[0] a", "xs[1] b")
    wide.createOrReplaceTempView("wide")
    val two = classifier().setFeaturesCols(Array("a", "b")).setEpochs(1).fit(wide)
    candlewick.register(spark, "two", two)
    val frame = spark.sql("SELECT id, candlewick_predict('two', a, b) AS prediction FROM wide")
    assert(frame.collect().toSet == two.transform(wide).select("id", "prediction").collect().toSet)
    val computed = spark.sql("SELECT id, candlewick_predict('two', a * 1, b + 0) AS prediction FROM wide")
    assert(computed.collect().toSet == frame.collect().toSet && operators(computed) == 1)
    // Two models in one query, and one of them over the other's result.
    val both = spark.sql(
      "SELECT candlewick_predict('two', a, candlewick_predict('two', a, b)) AS p, candlewick_predict('two', a, b) AS q FROM wide"
    )
    assert(both.collect().length == 90 && !plan(both).contains("candlewick_predict("))
  }

  test("over groups: what they are, and aggregates of them") {
    val wide = data
      .withColumn("xs", vector_to_array(col("features")))
      .selectExpr("id % 7 AS k", "xs[0] AS x", "xs[1] AS y")
    wide.createOrReplaceTempView("measured")
    val two = classifier(7)
      .setFeaturesCols(Array("x", "y"))
      .setLabelCol("k")
      .setEpochs(1)
      .fit(wide)
    candlewick.register(spark, "grouped", two)
    val means = spark.sql("SELECT k, avg(x) AS x, avg(y) AS y FROM measured GROUP BY k").cache()
    val wanted = two.transform(means).selectExpr("k", "prediction").collect().toSet
    val call = "candlewick_predict('grouped', %s, %s)"
    val grouped = Seq(
      s"SELECT k, ${call.format("avg(x)", "avg(y)")} AS p FROM measured GROUP BY k",
      s"SELECT k, ${call.format("mx", "my")} AS p FROM (SELECT k, avg(x) mx, avg(y) my FROM measured GROUP BY k)",
      s"SELECT k, ${call.format("avg(x)", "avg(y)")} + 0 * count(*) AS p FROM measured GROUP BY k HAVING count(*) > 0"
    )
    for (query <- grouped) {
      val frame = spark.sql(query)
      assert(frame.collect().toSet == wanted, query)
      assert(operators(frame) == 1 && !plan(frame).contains("candlewick_predict("), plan(frame))
    }
    val each = two.transform(wide).selectExpr("x", "y", "prediction").collect().toSet
    val distinct = Seq(
      spark.sql(s"SELECT x, y, ${call.format("x", "y")} AS p FROM measured GROUP BY x, y"),
      wide.select("x", "y").distinct().selectExpr("x", "y", s"${call.format("x", "y")} AS p")
    )
    for (frame <- distinct) {
      assert(frame.collect().toSet == each)
      assert(operators(frame) == 1 && !plan(frame).contains("candlewick_predict("), plan(frame))
    }
    // A group by what the model says, beside one of the group, and one of the rows of each.
    val mixed = spark.sql(
      s"SELECT ${call.format("x", "y")} AS p, max(${call.format("x", "y")}) AS q, ${call.format("min(x)", "max(y)")} AS r " +
        "FROM measured GROUP BY 1"
    )
    val rows = mixed.collect()
    assert(rows.map(_.getDouble(0)).toSet == each.map(_.getDouble(2)) && rows.forall(row => row(0) == row(1)))
    // Spark computes what rows are grouped by on its own.
    assert(operators(mixed) == 3, plan(mixed))
  }

  test("rows that are not valid: null, or an error that names them") {
    val holes = "SELECT id, candlewick_predict('%s', if(id < 5, null, features)) AS p FROM points"
    val error = intercept[Exception](spark.sql(holes.format("digits")).collect())
    val told = Failures.causes(error).map(_.getMessage).mkString
    assert(told.contains("argument 2 of candlewick_predict") && told.contains("is null"), told)
    for (kind <- Seq("skip", "keep")) {
      candlewick.register(spark, kind, model.copy(ParamMap.empty).setHandleInvalid(kind))
      assert(spark.sql(holes.format(kind)).where("p is null").count() == 5)
      assert(spark.sql(holes.format(kind)).count() == 90)
    }
  }

  test("what is set on the model later does not count, and a name can be given anew") {
    val changing = model.copy(ParamMap.empty)
    candlewick.register(spark, "changing", changing)
    changing.setThresholds(Array(1.0, 1e9, 1e9))
    val query = "SELECT id, candlewick_predict('changing', features) AS p FROM points"
    assert(spark.sql(query).collect().map(row => row.getLong(0) -> row.getDouble(1)).toMap == ids)
    candlewick.register(spark, "changing", changing)
    assert(spark.sql(query).where("p <> 0").count() == 0)
  }

  test("errors say what to do") {
    def message(sql: String) = intercept[InvalidParameterException](spark.sql(sql).collect()).getMessage
    val unknown = message("SELECT candlewick_predict('numbers', features) FROM points")
    assert(unknown.contains("no model is registered as 'numbers'") && unknown.contains("digits"), unknown)
    assert(message("SELECT candlewick_predict(id, features) FROM points").contains("the name of a model"))
    assert(message("SELECT candlewick_predict('digits') FROM points").contains("the name of a model"))
    assert(
      message("SELECT candlewick_predict('digits', id) FROM points").contains("the features hold 1 values")
    )
    assert(
      message("SELECT candlewick_predict('digits', features, 'no') FROM points")
        .contains("it has 0, 1, 2; and prediction, probability, rawPrediction")
    )
    assert(
      intercept[InvalidParameterException](candlewick.register(spark, "", model)).getMessage.contains("empty")
    )
    intercept[AnalysisException](spark.newSession().sql("SELECT candlewick_predict('digits', 1)"))
  }
}
