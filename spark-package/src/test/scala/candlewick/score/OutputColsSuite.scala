package candlewick.score

import candlewick.{nn, NeuralClassificationModel, SparkSuite}
import candlewick.jni.InvalidParameterException
import org.apache.spark.ml.attribute.AttributeGroup
import org.apache.spark.ml.functions.vector_to_array
import org.apache.spark.ml.linalg.Vector
import org.apache.spark.ml.param.ParamMap
import org.apache.spark.sql.functions.col

/** What layers put out as columns. */
class OutputColsSuite extends SparkSuite {
  private lazy val data = blobs(60).cache()
  private lazy val model = classifier().setEpochs(1).fit(data)

  private def asking(columns: (String, String)*): NeuralClassificationModel =
    model.copy(ParamMap.empty).setOutputCols(columns.toMap)

  private def message(body: => Any): String = intercept[InvalidParameterException](body).getMessage

  test("layers of a chain by their numbers") {
    val scored = asking("0" -> "linear", "1" -> "embedding").transform(data)
    assert(scored.columns.takeRight(3).toSet == Set("prediction", "linear", "embedding"))
    assert(AttributeGroup.fromStructField(scored.schema("embedding")).size == 8)
    val rows = scored.select("linear", "embedding", "prediction").collect()
    assert(rows.exists(_.getAs[Vector](0).toArray.exists(_ < 0)))
    rows.foreach { row =>
      val (linear, relu) = (row.getAs[Vector](0).toArray, row.getAs[Vector](1).toArray)
      assert(relu.toSeq == linear.map(math.max(_, 0.0)).toSeq)
    }
    val plain = model.transform(data).select("id", "prediction").collect().toSet
    assert(scored.select("id", "prediction").collect().toSet == plain)
  }

  test("where nothing else is read, nothing else is computed") {
    val alone = asking("1" -> "embedding").transform(data).select("id", "embedding")
    assert(alone.queryExecution.executedPlan.toString.contains("-> [embedding#"))
    val bits = alone.select(col("id"), vector_to_array(col("embedding"))).collect().toSet
    val beside = asking("1" -> "embedding").transform(data)
    assert(beside.select(col("id"), vector_to_array(col("embedding"))).collect().toSet == bits)
    assert(asking("1" -> "embedding").transform(data.limit(0)).columns.contains("embedding"))
  }

  test("saved, loaded, copied, and set on the estimator") {
    val path = freshPath()
    asking("1" -> "embedding").write.save(path)
    val loaded = NeuralClassificationModel.load(path)
    assert(loaded.getOutputCols == Map("1" -> "embedding"))
    assert(loaded.copy(ParamMap.empty).transform(data).columns.contains("embedding"))
    val estimator = classifier().setEpochs(0).setOutputCols(Map("0" -> "first"))
    assert(estimator.transformSchema(data.schema).fieldNames.last == "first")
    assert(estimator.fit(data).transform(data).columns.last == "first")
  }

  test("rows that are kept have null there too, and evaluate asks for none of it") {
    val holes = data.selectExpr("id", "label", "if(id < 3, null, features) as features")
    val keeping = asking("1" -> "embedding").setHandleInvalid("keep")
    assert(keeping.transform(holes).where("embedding is null").count() == 3)
    sameMetrics(keeping.evaluate(holes), model.evaluate(holes.where("id >= 3")))
  }

  test("names that are wrong") {
    val unknown = message(asking("9" -> "x").transform(data))
    assert(unknown.contains("no layer or node \"9\"; it has 0, 1, 2"), unknown)
    assert(message(asking("1" -> "prediction").transform(data)).contains("outputCols"))
    assert(message(asking("1" -> "label").transform(data)).contains("already has a column 'label'"))
    assert(message(asking()).contains("at least one name"))
    assert(message(asking("1" -> "")).contains("at least one name"))
  }

  test("an autoencoder gives its code and how far the reconstruction is off") {
    val session = spark
    import session.implicits._
    val points =
      (0 until 80).map(i => Array((i % 5) / 5.0, (i % 4) / 4.0, (i % 5) / 5.0)).toDF("point").cache()
    val x = nn.Input("point", 3)
    val code = nn.Tanh()("code", nn.Linear(2)(x))
    val autoencoder = regressor()
      .setNetwork(nn.Graph(Seq(x), "reconstruction" -> nn.Linear(3)(code)))
      .setLabelCol("point")
      .fit(points)
    val scored =
      autoencoder.setOutputCols(Map("code" -> "code", "reconstruction" -> "again")).transform(points)
    scored.select("code", "again", "prediction").collect().foreach { row =>
      assert(row.getAs[Vector](0).size == 2 && row.getAs[Vector](0).toArray.forall(math.abs(_) <= 1.0))
      assert(row.getAs[Vector](1) == row.getAs[Vector](2))
    }
  }
}
