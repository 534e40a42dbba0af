package candlewick

import candlewick.internal.Failures
import candlewick.jni.{InvalidDataException, InvalidParameterException}
import org.apache.spark.ml.attribute.AttributeGroup
import org.apache.spark.ml.evaluation.RegressionEvaluator
import org.apache.spark.ml.functions.vector_to_array
import org.apache.spark.ml.linalg.{SQLDataTypes, Vector}
import org.apache.spark.ml.param.ParamMap
import org.apache.spark.sql.Column
import org.apache.spark.sql.functions.{array, col, lit, when}
import org.apache.spark.sql.types.DoubleType

class RegressorSuite extends SparkSuite {
  private lazy val data = blobs(200)
    .withColumn("x", vector_to_array(col("features")))
    .withColumn("y", col("x")(0) * 2 - col("x")(1) + 0.5)
    .cache()

  test("one output: a double prediction that learns, saved and loaded") {
    val model = regressor().setLabelCol("y").setEpochs(30).fit(data)
    val scored = model.transform(data)
    assert(scored.schema("prediction").dataType == DoubleType)
    val rmse = new RegressionEvaluator().setLabelCol("y").setMetricName("rmse").evaluate(scored)
    assert(rmse < 0.6, s"rmse $rmse")
    val path = freshPath()
    model.write.save(path)
    val loaded = NeuralRegressionModel.load(path)
    assert(loaded.numOutputs == 1)
    assert(
      loaded.transform(data).select("id", "prediction").collect().toSet ==
        scored.select("id", "prediction").collect().toSet
    )
  }

  test("an array label gives a Vector prediction") {
    val two = data.withColumn("label", array(col("y"), -col("y")))
    val model = regressor(2).setEpochs(2).fit(two)
    assert(model.numOutputs == 2)
    val scored = model.transform(two)
    assert(scored.schema("prediction").dataType == SQLDataTypes.VectorType)
    assert(scored.select("prediction").head().getAs[Vector](0).size == 2)
    assert(regressor(2).transformSchema(two.schema)("prediction").dataType == SQLDataTypes.VectorType)
    val holes = data.withColumn("label", array(col("y"), when(col("id") =!= 3, col("y"))))
    val error = intercept[Exception](model.evaluate(holes))
    val told = Failures.find(error).map(_.getMessage)
    assert(
      told.exists(_.startsWith("labelCol: column 'label' holds null; filter such rows out before evaluate")),
      error
    )
  }

  test(
    "evaluate leaves out rows whose label or weight is not valid where handleInvalid says so, and else names what it is"
  ) {
    val model =
      regressor().setLabelCol("y").setWeightCol("w").setEpochs(1).fit(data.withColumn("w", lit(1.0)))
    val weighed = data.withColumn("w", lit(1.0))
    def broken(column: String, value: Column) =
      weighed.withColumn(column, when(col("id") =!= 3, col(column)).otherwise(value))
    val expected = model.evaluate(weighed.where("id <> 3"))
    val cases = Seq(
      ("y", lit(Double.NaN), "labelCol: column 'y' holds NaN"),
      ("y", lit(Double.NegativeInfinity), "labelCol: column 'y' holds -Infinity"),
      ("y", lit(null).cast("double"), "labelCol: column 'y' holds null"),
      ("w", lit(-1.0), "weightCol holds -1.0"),
      ("w", lit(Double.NaN), "weightCol holds NaN"),
      ("w", lit(null).cast("double"), "weightCol holds null")
    )
    for ((column, value, words) <- cases) {
      val rows = broken(column, value)
      val error = intercept[Exception](model.evaluate(rows))
      assert(Failures.find(error).exists(_.getMessage.contains(words)), error)
      for (way <- Seq("skip", "keep")) {
        val found = model.copy(ParamMap.empty).setHandleInvalid(way).evaluate(rows)
        for ((name, value) <- found) assert(math.abs(value - expected(name)) < 1e-9, s"$words $way $name")
      }
    }
  }

  test(
    "evaluate leaves out labels of another length where handleInvalid says so, and else names their column"
  ) {
    val two = data.withColumn("two", array(col("y"), -col("y")))
    val model = regressor(2).setLabelCol("two").setEpochs(1).fit(two)
    for (value <- Seq(array(col("y")), array(col("y"), col("y"), col("y")))) {
      val rows = two.withColumn("two", when(col("id") === 3, value).otherwise(col("two")))
      val error = intercept[Exception](model.evaluate(rows))
      val told = Failures.find(error).collect { case wrong: InvalidDataException => wrong.getMessage }
      assert(told.exists(_.startsWith("labelCol: column 'two' holds ")), error)
      val skipping = model.copy(ParamMap.empty).setHandleInvalid("skip")
      sameMetrics(skipping.evaluate(rows), model.evaluate(two.where("id <> 3")))
    }
  }

  test("a loss that reads two outputs for a value gives a Vector of both") {
    val estimator =
      regressor(2).setLabelCol("y").setLoss(nn.GaussianNLLLoss(log_variance = true)).setEpochs(2)
    val model = estimator.fit(data)
    assert(model.numOutputs == 2)
    val scored = model.transform(data)
    assert(scored.schema("prediction").dataType == SQLDataTypes.VectorType)
    assert(scored.select("prediction").head().getAs[Vector](0).size == 2)
    assert(estimator.transformSchema(data.schema)("prediction").dataType == SQLDataTypes.VectorType)
  }

  test("the estimator tells the schema that its model appends, however the network ends") {
    val three = data.withColumn("label", array(col("y"), -col("y"), col("y")))
    val ends = Seq(
      nn.Sequential(nn.Linear(4), nn.Linear(3), nn.ReLU()),
      nn.Sequential(nn.Linear(3), nn.Softplus()),
      nn.Sequential(nn.Linear(8), nn.Sequential(nn.Tanh(), nn.Linear(3)))
    )
    val sized = new AttributeGroup("features", 4).toMetadata()
    for (
      network <- ends;
      frame <- Seq(three, three.withColumn("features", col("features").as("features", sized)))
    ) {
      val estimator = regressor().setNetwork(network).setEpochs(0)
      val told = estimator.transformSchema(frame.schema)("prediction")
      assert(told == estimator.fit(frame).transform(frame).schema("prediction"), network)
    }
    // As wide as the features, which no schema tells here: the label decides.
    val open = regressor().setNetwork(nn.PReLU(1))
    assert(open.transformSchema(three.schema)("prediction").dataType == SQLDataTypes.VectorType)
    val narrow = regressor().setNetwork(nn.Linear(5, 1)).setLabelCol("y")
    val sizedSchema = three.withColumn("features", col("features").as("features", sized)).schema
    intercept[InvalidParameterException](narrow.transformSchema(sizedSchema))
  }

  test("schedule, accumulation, moving average: every setter reaches the trainers") {
    def fit(change: NeuralRegressor => NeuralRegressor) =
      change(regressor().setLabelCol("y").setEpochs(3)).fit(data)
    val plain = fit(identity)
    val changes = Seq[NeuralRegressor => NeuralRegressor](
      _.setLrScheduler(optim.lr_scheduler.StepLR(1, gamma = 0.5)),
      _.setGradientAccumulationSteps(3),
      _.setLearningRate(0.01),
      _.setEmaDecay(0.9),
      _.setOptimizer(
        optim.AdamW(lr = 0.05, groups = Seq(Map[String, Any]("params" -> "0.*", "frozen" -> true)))
      ),
      _.setOnNonFinite("skip")
    )
    val models = changes.map(fit)
    assert((plain.weightsHash +: models.init.map(_.weightsHash)).distinct.length == 6)
    assert(models.last.weightsHash == plain.weightsHash, "nothing was skipped")
    assert(models.head.summary.history.map(_.lr).toSeq == Seq(0.05, 0.025, 0.0125))
    assert(models.last.summary.history.head.metrics("skippedSteps") == 0)
  }

  test("labels of any numeric type of equal value give the same weights") {
    val hashes = Seq("int", "bigint", "float", "double", "smallint", "decimal(10,2)").map { kind =>
      regressor().setEpochs(1).fit(data.withColumn("label", col("label").cast(kind))).weightsHash
    }
    assert(hashes.distinct.length == 1)
  }
}
