package candlewick

import candlewick.jni.InvalidParameterException
import org.apache.spark.SparkEnv
import org.apache.spark.ml.functions.vector_to_array
import org.apache.spark.ml.linalg.Vector
import org.apache.spark.ml.param.ParamMap
import org.apache.spark.sql.functions.{array, col, lit, map, struct}
import org.apache.spark.sql.streaming.Trigger

class TransformSuite extends SparkSuite {
  private lazy val data = blobs(120).cache()
  private lazy val model = classifier().setEpochs(2).fit(data)
  private lazy val expected = model.transform(data).select("id", "prediction").collect().toSet

  test("other columns pass through untouched, whatever their types") {
    val wide = data
      .withColumn("text", col("id").cast("string"))
      .withColumn("nested", struct(col("id"), array(col("label"), lit(null))))
      .withColumn("pairs", map(lit("k"), col("id")))
      .withColumn("big", col("id").cast("decimal(38,10)"))
    val scored = model.transform(wide)
    assert(scored.drop("rawPrediction", "probability", "prediction").collect().toSet == wide.collect().toSet)
    assert(scored.select("id", "prediction").collect().toSet == expected)
  }

  test("one row at a time or all at once: the same bits") {
    val bits = vector_to_array(col("probability"))
    val all = model.transform(data.coalesce(1)).select(col("id"), bits).collect().toSet
    val each = model.transform(data.repartition(120)).select(col("id"), bits).collect().toSet
    assert(all == each)
  }

  test("joined with itself, cached, limited, filtered, aggregated") {
    val scored = model.transform(data)
    val left = scored.select("id", "prediction")
    assert(left.as("a").join(left.as("b"), col("a.id") === col("b.id")).count() == 120)
    val both =
      left.as("a").join(left.as("b"), col("a.id") === col("b.id")).select("a.prediction", "b.prediction")
    assert(both.collect().forall(row => row.getDouble(0) == row.getDouble(1)))
    assert(scored.limit(5).collect().length == 5)
    assert(scored.filter("prediction = 1").count() == expected.count(_.getDouble(1) == 1.0))
    val kept = scored.cache()
    assert(kept.select("id", "prediction").collect().toSet == expected)
    kept.unpersist()
  }

  test("two models one after another, and outputs left out") {
    val once =
      model.copy(ParamMap.empty).setRawPredictionCol("").setProbabilityCol("")
    val twice = model
      .copy(ParamMap.empty)
      .setRawPredictionCol("r2")
      .setProbabilityCol("p2")
      .setPredictionCol("c2")
    val scored = twice.transform(once.transform(data))
    assert(scored.columns.toSeq == Seq("features", "label", "id", "prediction", "r2", "p2", "c2"))
    assert(scored.filter("prediction <> c2").count() == 0)
  }

  test("columns that nobody asks for are not read") {
    val path = freshPath()
    data.withColumn("unused", lit("x")).write.parquet(path)
    val plan =
      model.transform(spark.read.parquet(path)).select("prediction").queryExecution.executedPlan.toString
    assert(plan.contains("CandlewickScore"), plan)
    assert(!plan.contains("unused"), plan)
  }

  test("a size of the cache of models that is not legal is refused by transform, and fails no task") {
    val (name, conf) = ("spark.candlewick.modelCache.maxSize", SparkEnv.get.conf)
    val whole = model.transform(data)
    val point = data.select("features").head().getAs[Vector](0)
    try
      for ((size, scale) <- Seq("1.5g" -> 2.0, "much" -> 3.0, "99999999999g" -> 4.0)) {
        conf.set(name, size)
        val message = intercept[InvalidParameterException](model.transform(data)).getMessage
        assert(
          message == s"$name = $size is not legal: expected a whole number with a unit, such as 2g or 1536m"
        )
        // A row without a query, by a scorer that is made now; and a query of before.
        val probabilities = model.copy(ParamMap.empty).setScale(scale).predictProbability(point)
        assert(math.abs(probabilities.toArray.sum - 1) < 1e-6)
        assert(whole.select("id", "prediction").collect().toSet == expected)
      }
    finally conf.remove(name)
    assert(model.transform(data).select("id", "prediction").collect().toSet == expected)
  }

  test("empty DataFrames and empty partitions") {
    assert(model.transform(data.filter("id < 0")).count() == 0)
    assert(model.transform(data.filter("id < 2").repartition(6)).count() == 2)
  }

  test("a view made in one session works in a new one") {
    model.transform(data).createOrReplaceGlobalTempView("scored")
    val other = spark.newSession()
    assert(other.sql("select id, prediction from global_temp.scored").collect().toSet == expected)
  }

  test("names are compared as the DataFrame's session compares them, not as the thread's") {
    val other = spark.newSession()
    other.conf.set("spark.sql.caseSensitive", "true")
    val frame = other.createDataFrame(
      data.withColumn("PREDICTION", lit(1)).rdd,
      data.withColumn("PREDICTION", lit(1)).schema
    )
    assert(
      model.transform(frame).columns.takeRight(4).toSeq == Seq(
        "PREDICTION",
        "rawPrediction",
        "probability",
        "prediction"
      )
    )
    assert(model.transform(frame).select("id", "prediction").collect().toSet == expected)
    intercept[candlewick.jni.InvalidParameterException](
      model.transform(data.withColumn("PREDICTION", lit(1)))
    )
  }

  test("columns of any name, and twice the same, pass through") {
    val odd = data
      .withColumn("a.b`c", lit(1))
      .join(data.select(col("id").as("x"), col("label")), col("id") === col("x"))
    val once = model.transform(odd)
    assert(once.columns.toSeq.take(odd.columns.length) == odd.columns.toSeq)
    assert(once.select("id", "prediction").collect().toSet == expected)
    // A column of the DataFrame from before is the same column.
    assert(model.transform(data).filter(data("id") === 3).count() == 1)
  }

  test("a continuous stream is refused") {
    val input = spark.readStream.format("rate").load().select(col("value").cast("double").as("x0"))
    val scored = classifier()
      .setFeaturesCol("x0")
      .setEpochs(0)
      .fit(data.select(col("id").cast("double").as("x0"), col("label")))
      .transform(input)
    val writer = scored.writeStream.format("noop").option("checkpointLocation", freshPath())
    val error = intercept[Exception](writer.trigger(Trigger.Continuous("1 second")).start())
    assert(error.getMessage.contains("CandlewickScore"), error.getMessage)
  }

  test("on a stream") {
    val path = freshPath()
    data.select("id", "features").repartition(3).write.parquet(path)
    val schema = spark.read.parquet(path).schema
    val input = spark.readStream.schema(schema).option("maxFilesPerTrigger", "1").parquet(path)
    val scored = model.transform(input).select("id", "prediction")
    val query = scored.writeStream.format("memory").queryName("scores").outputMode("append").start()
    try {
      query.processAllAvailable()
      assert(query.recentProgress.length >= 3)
      assert(spark.table("scores").collect().toSet == expected)
    } finally query.stop()
  }
}
