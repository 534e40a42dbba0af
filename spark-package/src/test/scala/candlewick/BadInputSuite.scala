package candlewick

import candlewick.jni.{CandlewickException, InvalidDataException, InvalidParameterException}
import org.apache.spark.ml.linalg.{SQLDataTypes, Vector, Vectors}
import org.apache.spark.sql.{DataFrame, Encoders}
import org.apache.spark.sql.functions.{col, current_date, lit, udf, when}
import org.apache.spark.sql.types.StructType
import scala.reflect.ClassTag

class BadInputSuite extends SparkSuite {
  private lazy val data = blobs(40).cache()

  private def message[T <: CandlewickException: ClassTag](fit: => Any): String = intercept[T](fit).getMessage

  private def check(text: String, parts: String*): Unit =
    parts.foreach(part => assert(text.contains(part), s"'$part' is not in: $text"))

  private def fitOn(frame: DataFrame) = classifier().setEpochs(1).fit(frame)

  test("columns that are missing, of the wrong type, or named twice") {
    check(
      message[InvalidParameterException](classifier().setLabelCol("y").fit(data)),
      "labelCol",
      "'y'",
      "id"
    )
    check(
      message[InvalidParameterException](fitOn(data.withColumn("label", col("label").cast("string")))),
      "'label' is a string",
      "StringIndexer"
    )
    check(message[InvalidParameterException](fitOn(data.withColumn("features", lit("x")))), "string")
    check(message[InvalidParameterException](fitOn(data.withColumn("features", current_date()))), "is date")
    // Spark's own functions could not tell them apart.
    val alike = data.toDF("features", "label", "Label")
    val one = "labelCol: the DataFrame has the columns 'label' and 'Label', one name to Spark"
    check(message[InvalidParameterException](fitOn(alike)), one)
    val model = fitOn(data)
    check(message[InvalidParameterException](model.evaluate(alike)), one)
    assert(model.transform(alike).columns.contains("prediction"))
    spark.conf.set("spark.sql.caseSensitive", "true")
    try {
      assert(fitOn(alike).weightsHash == model.weightsHash)
      sameMetrics(model.evaluate(alike), model.evaluate(data))
    } finally spark.conf.unset("spark.sql.caseSensitive")
  }

  test("a column that is there in another way, and thousands of columns") {
    def missing(frame: DataFrame, name: String) =
      message[InvalidParameterException](classifier().setFeaturesCol(name).fit(frame))
    val nested = data.selectExpr("label", "struct(features) as row", "features as `my.features`")
    check(missing(nested, "row.features"), "there is no column 'row.features'", "select col('row.features')")
    check(missing(nested, "`my.features`"), "set featuresCol to 'my.features', without backticks")
    check(missing(nested, "my.feature"), "which has: label, row, my.features; set featuresCol to one of them")
    val wide = data.select(col("label") +: (0 until 60).map(at => lit(at).as(s"x$at")): _*)
    val told = missing(wide, "x60")
    check(told, "x48 and 11 more; set featuresCol")
    assert(!told.contains("x49"), told)
  }

  test("no rows") {
    check(message[InvalidDataException](fitOn(data.limit(0))), "is empty")
    check(
      message[InvalidDataException](classifier().setFeaturesCol("id").fit(data.filter("id < 0"))),
      "is empty"
    )
  }

  test("null, NaN and infinity in features or label name column and partition") {
    val bad = udf((vector: Vector, value: Double) => Vectors.dense(vector.toArray.updated(1, value)))
    def features(value: Double) = data.withColumn(
      "features",
      when(col("id") === 7, bad(col("features"), lit(value))).otherwise(col("features"))
    )
    check(message[InvalidDataException](fitOn(features(Double.NaN))), "features", "partition", "NaN")
    check(
      message[InvalidDataException](fitOn(features(Double.PositiveInfinity))),
      "features",
      "partition",
      "inf"
    )
    check(
      message[InvalidDataException](
        fitOn(data.withColumn("features", when(col("id") =!= 7, col("features"))))
      ),
      "features",
      "null"
    )
    check(
      message[InvalidDataException](fitOn(data.withColumn("label", when(col("id") =!= 7, col("label"))))),
      "label",
      "null"
    )
  }

  test("a vector of another length, and labels that are no classes") {
    val short = udf((vector: Vector) => Vectors.dense(vector.toArray.take(3)))
    val mixed =
      data.withColumn("features", when(col("id") === 39, short(col("features"))).otherwise(col("features")))
    check(message[InvalidDataException](fitOn(mixed)), "3", "4")
    Seq(3.5, -1.0, 3.0).foreach { label =>
      val wrong = data.withColumn("label", when(col("id") === 7, label).otherwise(col("label")))
      check(message[InvalidDataException](fitOn(wrong)), "label")
    }
  }

  test("invalid rows are left out and counted with handleInvalid=skip") {
    val holes = data.withColumn("features", when(col("id") >= 10, col("features")))
    val model = classifier().setHandleInvalid("skip").setEpochs(1).fit(holes)
    check(model.summary.ledger, "\"rowsSkipped\":10", "\"rowsSpooled\":30")
    assert(model.transform(holes).count() == 30)
    model.setHandleInvalid("error")
    val error = intercept[Exception](model.transform(holes).collect())
    check(candlewick.internal.Failures.causes(error).map(_.getMessage).mkString, "null")
    val none = data.withColumn("label", when(col("id") < 0, col("label")))
    check(message[InvalidDataException](classifier().setHandleInvalid("skip").fit(none)), "all 40 rows")
  }

  test("a sparse vector that is not valid is a wrong row, the first one too") {
    val schema = new StructType().add("features", SQLDataTypes.VectorType).add("label", "double")
    val good = (0 until 40).map { at =>
      s"{'features':{'type':0,'size':4,'indices':[0,${1 + at % 3}],'values':[0.5,$at]},'label':${at % 3}}"
    }
    val wrong = "{'features':{'type':0,'size':4,'indices':[3,1],'values':[1.0,2.0]},'label':0}"
    def read(lines: Seq[String]) =
      spark.read.schema(schema).json(spark.createDataset(lines)(Encoders.STRING).coalesce(1))
    val rows = read(wrong +: good)
    check(
      message[InvalidDataException](fitOn(rows)),
      "features",
      "indices that ascend",
      "in partition 0, row 0 of it"
    )
    // Where a query of its own looks at the first rows, too.
    for (data <- Seq(rows, rows.repartition(1), rows.orderBy("label"))) {
      val model = classifier().setHandleInvalid("skip").setEpochs(1).fit(data)
      check(model.summary.ledger, "\"rowsSkipped\":1", "\"rowsSpooled\":40")
      assert(model.weightsHash == fitOn(read(good)).weightsHash)
    }
  }

  test("networks and parameters that do not fit") {
    check(message[InvalidParameterException](new NeuralClassifier().fit(data)), "network is not set")
    check(message[InvalidParameterException](classifier().setNetwork(nn.Linear(9, 3)).fit(data)), "9", "4")
    val unknown = """{"format":"candlewick.network/1","layers":[{"type":"Lineal","out_features":3}]}"""
    check(message[InvalidParameterException](classifier().setNetwork(unknown).fit(data)), "Lineal", "Linear")
    check(message[InvalidParameterException](classifier().setBatchSize(0).fit(data)), "batchSize")
    check(
      message[InvalidParameterException](classifier().setLaunchTimeout("soon").fit(data)),
      "launchTimeout"
    )
    check(message[InvalidDataException](classifier().setInputShape(Array(5)).fit(data)), "5", "4")
  }

  test("binary features need inputShape") {
    val bytes = data.withColumn("features", col("label").cast("string").cast("binary"))
    check(message[InvalidParameterException](fitOn(bytes)), "binary", "inputShape")
  }

  test("more trainers than the cluster can host") {
    val text = message[InvalidParameterException](classifier().setNumTrainers(3).fit(data))
    check(text, "numTrainers=3", "2 task slots", "local[2]")
  }

  test("a stream, and columns of the model that are there already") {
    val stream = spark.readStream
      .format("rate")
      .load()
      .withColumn("label", lit(0.0))
      .withColumnRenamed("value", "features")
    check(message[InvalidParameterException](fitOn(stream)), "foreachBatch")
    val model = fitOn(data)
    check(
      message[InvalidParameterException](model.transform(data.withColumn("prediction", lit(1)))),
      "predictionCol"
    )
    check(
      message[InvalidParameterException](model.setProbabilityCol("prediction").transform(data)),
      "different names"
    )
  }

  test("after all that the session works") {
    assert(fitOn(data).transform(data).count() == 40)
  }
}
