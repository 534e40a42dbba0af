package candlewick.score

import candlewick.{nn, NeuralClassificationModel, NeuralEstimator, NeuralRegressionModel, SparkSuite}
import candlewick.internal.Failures
import candlewick.jni.{InvalidDataException, InvalidParameterException}
import org.apache.spark.ml.feature.StringIndexer
import org.apache.spark.ml.linalg.Vectors
import org.apache.spark.ml.param.ParamMap
import org.apache.spark.sql.DataFrame
import org.apache.spark.sql.functions.{col, when}

/** Rows that are not valid when they are scored: null, left out, or an error that names them. */
class KeepSuite extends SparkSuite {
  private lazy val data = blobs(60).cache()
  private lazy val model = classifier().setEpochs(1).fit(data)
  private lazy val holes = data.withColumn("features", when(col("id") % 5 =!= 0, col("features"))).cache()

  private def keeping: NeuralClassificationModel = model.copy(ParamMap.empty).setHandleInvalid("keep")

  private def metric(frame: DataFrame, name: String): Long = {
    frame.collect(): Unit
    ScorePlans.scores(frame).map(_.metrics(name).value).sum
  }

  private def told(body: => Any): String =
    Failures.causes(intercept[Exception](body)).map(_.getMessage).mkString("\n")

  test("with keep they have null in every column of the model") {
    val scored = keeping.transform(holes)
    val added = Seq("rawPrediction", "probability", "prediction")
    assert(added.forall(name => scored.schema(name).nullable) && scored.count() == 60)
    assert(added.forall(name => !model.transform(data).schema(name).nullable))
    val empty = scored.where(added.map(col(_).isNull).reduce(_ && _)).select("id").collect().map(_.getLong(0))
    assert(empty.sorted.toSeq == (0L until 60L by 5L))
    assert(scored.where("prediction is null or probability is null or rawPrediction is null").count() == 12)
    val valid = scored.where("prediction is not null").select("id", "prediction").collect().toSet
    assert(
      valid == model.transform(holes.where("features is not null")).select("id", "prediction").collect().toSet
    )
    assert(scored.groupBy("prediction").count().where("prediction is null").head().getLong(1) == 12)
  }

  test("invalid rows are counted, left out or not") {
    val skipping = model.copy(ParamMap.empty).setHandleInvalid("skip")
    for ((scores, out) <- Seq(keeping -> 60L, skipping -> 48L)) {
      val frame = scores.transform(holes)
      assert(metric(frame, "numInvalidRows") == 12)
      assert(metric(frame, "numOutputRows") == out)
      assert(metric(frame, "numBatches") >= 1)
    }
    assert(metric(model.transform(data), "numInvalidRows") == 0)
    assert(metric(model.transform(data), "scoreTime") > 0 && metric(model.transform(data), "loadTime") > 0)
  }

  test("evaluate compares those that have a prediction") {
    sameMetrics(keeping.evaluate(holes), model.evaluate(holes.where("features is not null")))
  }

  test("evaluate leaves out what is no class, where that is asked for") {
    val labels = data.withColumn("label", when(col("id") =!= 4, col("label")).otherwise(7.0))
    sameMetrics(keeping.evaluate(labels), model.evaluate(data.where("id <> 4")))
    val message = told(model.evaluate(labels))
    assert(message.contains("labelCol: column 'label' holds 7.0, which is no class of this model"), message)
  }

  test("columns of two ways to say them are refused") {
    val two = data.select(col("id"), col("label"), col("id").as("a"), (-col("id")).as("b"), col("features"))
    val model = classifier().setFeaturesCols(Array("a", "b")).setEpochs(1).fit(two)
    val both = model.copy(ParamMap.empty).setFeaturesCol("features")
    val message = intercept[InvalidParameterException](both.transform(two)).getMessage
    assert(message.contains("featuresCol and featuresCols are both set"), message)
  }

  test("a fit refuses keep and says what to set") {
    val message =
      intercept[InvalidParameterException](classifier().setHandleInvalid("keep").fit(holes)).getMessage
    assert(message.contains("\"keep\"") && message.contains("model.setHandleInvalid(\"keep\")"), message)
  }

  private val cities = 3

  /** City 0, 1 or 2, and one that is as many: what a StringIndexer gives to a text that it does not know. */
  private def visits(unknown: Boolean): DataFrame = {
    val known = data.withColumn("name", col("label").cast("string"))
    val indexer =
      new StringIndexer().setInputCol("name").setOutputCol("city").setHandleInvalid("keep").fit(known)
    val named =
      if (unknown) known.withColumn("name", when(col("id") =!= 7, col("name")).otherwise("x")) else known
    indexer.transform(named).withColumn("age", col("id").cast("double"))
  }

  private def embedding = {
    val (age, city) = (nn.Input("age"), nn.Input("city"))
    val place = nn.Flatten()("flat", nn.Embedding(cities, 2)("place", city))
    regressor()
      .setNetwork(nn.Graph(Seq(age, city), "y" -> nn.Linear(1)(nn.Concat()("joined", age, place))))
      .setEpochs(1)
      .setLabelCol("label")
  }

  test("one row with an index that a table does not have is told, whatever handleInvalid says") {
    val (age, city) = (nn.Input("age"), nn.Input("city"))
    val place = nn.Flatten()("flat", nn.Embedding(cities, 2)("place", city))
    val general = new NeuralEstimator()
      .setNetwork(nn.Graph(Seq(age, city), "y" -> nn.Linear(1)(nn.Concat()("joined", age, place))))
      .setLoss("y" -> nn.MSELoss())
      .setLabelCols(Array("label"))
      .setEpochs(0)
      .fit(visits(unknown = false))
    assert(general.predict(Vectors.dense(1.0, 2.0)).keySet == Set("y"))
    for (way <- Seq("error", "skip", "keep")) {
      val message = told(general.copy(ParamMap.empty).setHandleInvalid(way).predict(Vectors.dense(1.0, 99.0)))
      assert(message.contains("99"), s"$way: $message")
    }
  }

  private lazy val byCity: NeuralRegressionModel = embedding.fit(visits(unknown = false))

  test("an index outside of an embedding's table names column and row, in scoring and in training") {
    val whole = visits(unknown = true).coalesce(1).orderBy("id")
    val texts = Seq(
      told(byCity.transform(whole).collect()),
      intercept[InvalidDataException](embedding.fit(whole)).getMessage
    )
    texts.foreach { text =>
      Seq("column 'city' is 3", "from 0 to 2", "partition 0, row 7 of it", "handleInvalid=\"skip\"").foreach {
        part =>
          assert(text.contains(part), s"'$part' is not in: $text")
      }
    }
  }

  test("such rows are left out, or have null") {
    val rows = visits(unknown = true)
    val skipping = byCity.copy(ParamMap.empty).setHandleInvalid("skip")
    assert(skipping.transform(rows).collect().length == 59)
    val kept = byCity.copy(ParamMap.empty).setHandleInvalid("keep").transform(rows)
    assert(kept.where("prediction is null").select("id").collect().map(_.getLong(0)).toSeq == Seq(7L))
    val trained = embedding.setHandleInvalid("skip").fit(rows)
    assert(trained.summary.ledger.contains("\"rowsSkipped\":1"), trained.summary.ledger)
  }
}
