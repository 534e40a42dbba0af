package candlewick

import candlewick.jni.InvalidParameterException
import org.apache.spark.ml.{PredictionModel, Predictor}
import org.apache.spark.ml.classification._
import org.apache.spark.ml.evaluation._
import org.apache.spark.ml.functions.vector_to_array
import org.apache.spark.ml.linalg.{Vector, Vectors}
import org.apache.spark.ml.param.{ParamMap, ParamsSuite => SparkParams}
import org.apache.spark.ml.param.shared._
import org.apache.spark.ml.regression.{RegressionModel, Regressor}
import org.apache.spark.ml.tuning._
import org.apache.spark.ml.util.{DefaultReadWriteTest, KeptSummary, MLTestingUtils}
import org.apache.spark.sql.functions.{array, col, lit}

/** Estimators and models as what Spark ML takes them for: by its types, its own tests and its meta-algorithms. */
class SparkTypesSuite extends SparkSuite with DefaultReadWriteTest {
  private lazy val data = blobs(300).cache()
  private lazy val two = blobs(200, classes = 2).cache()
  private lazy val model = classifier().fit(data)
  private lazy val line = data.withColumn("y", vector_to_array(col("features"))(0) * 2).cache()
  private lazy val straight = regressor().setLabelCol("y").fit(line)

  test("Spark ML's types and shared parameters") {
    def shared(stage: Any): Unit = assert(
      stage.isInstanceOf[HasFeaturesCol with HasLabelCol with HasPredictionCol] &&
        stage.isInstanceOf[HasWeightCol] && stage.isInstanceOf[HasHandleInvalid]
    )
    Seq(new NeuralClassifier(), new NeuralRegressor(), new NeuralEstimator(), model, straight).foreach(shared)
    (new NeuralClassifier(): Predictor[Vector, NeuralClassifier, NeuralClassificationModel]): Unit
    (new NeuralClassifier(): ProbabilisticClassifier[
      Vector,
      NeuralClassifier,
      NeuralClassificationModel
    ]): Unit
    (new NeuralRegressor(): Regressor[Vector, NeuralRegressor, NeuralRegressionModel]): Unit
    (model: ProbabilisticClassificationModel[Vector, NeuralClassificationModel] with HasThresholds): Unit
    (straight: RegressionModel[Vector, NeuralRegressionModel]): Unit
    (straight: PredictionModel[Vector, NeuralRegressionModel]): Unit
    assert(new NeuralClassifier().isInstanceOf[HasSeed with HasValidationIndicatorCol])
    assert(new NeuralClassifier().getSeed == 0L, "the default is the catalogue's")
    // The setters of Spark's types give our types.
    new NeuralClassifier().setFeaturesCol("x").setLabelCol("y").setProbabilityCol("p").setEpochs(3): Unit
    assert(KeptSummary.of(model).map(_.totalSteps).contains(50L))
  }

  test("Spark's own checks of parameters, copies and ids") {
    Seq(new NeuralClassifier(), new NeuralRegressor(), model, straight).foreach(SparkParams.checkParams)
    MLTestingUtils.checkCopyAndUids(model.parent.asInstanceOf[NeuralClassifier], model)
    MLTestingUtils.checkCopyAndUids(straight.parent.asInstanceOf[NeuralRegressor], straight)
    SparkParams.checkParams(new NeuralClassifier().copy(ParamMap.empty))
  }

  test("Spark's own test of saving and loading") {
    testDefaultReadWrite(
      classifier().setThresholds(Array(0.5, 0.0, 2.0)).setFeaturesCol("x").setWeightCol("w")
    )
    testDefaultReadWrite(regressor().setInputShape(Array(2, 2)).setHandleInvalid("skip"))
    testDefaultReadWrite(model.copy(ParamMap.empty).setPredictionCol("guess"))
    testDefaultReadWrite(straight)
  }

  test("one row is scored as transform does it, without a job") {
    val frame = model.transform(data)
    val rows = frame.select("features", "rawPrediction", "probability", "prediction").limit(20).collect()
    val lines = line.limit(20)
    val values = straight.transform(lines).select("features", "prediction").collect()
    val jobs = new java.util.concurrent.atomic.AtomicInteger
    val listener = new org.apache.spark.scheduler.SparkListener {
      override def onJobStart(start: org.apache.spark.scheduler.SparkListenerJobStart): Unit =
        jobs.incrementAndGet(): Unit
    }
    org.apache.spark.ListenerEvents.drain(spark.sparkContext)
    spark.sparkContext.addSparkListener(listener)
    try {
      rows.foreach { row =>
        val features = row.getAs[Vector](0)
        assert(model.predictRaw(features) == row.getAs[Vector](1))
        assert(model.predictProbability(features.toSparse) == row.getAs[Vector](2))
        assert(model.predict(features) == row.getDouble(3))
      }
      values.foreach(row => assert(straight.predict(row.getAs[Vector](0)) == row.getDouble(1)))
      org.apache.spark.ListenerEvents.drain(spark.sparkContext)
      assert(jobs.get == 0)
    } finally spark.sparkContext.removeSparkListener(listener)
    val moved = model.copy(ParamMap.empty).setThresholds(Array(1.0, 1.0, 0.0))
    rows.foreach(row => assert(moved.predict(row.getAs[Vector](0)) == 2.0))
  }

  test("Spark's own way from raw predictions to probabilities gives the engine's") {
    // A method for subclasses, which any code of Spark may call.
    val method = classOf[ProbabilisticClassificationModel[_, _]].getMethod("raw2probability", classOf[Vector])
    val ending = nn.Sequential(nn.Linear(1), nn.Sigmoid())
    val probable = classifier().setNetwork(ending).setLoss(nn.BCELoss()).setEpochs(1).fit(two)
    for (fitted <- Seq(model, binaryOf(1), classifier(1).setEpochs(1).fit(two), probable)) {
      val features = Vectors.dense(0.5, -1.0, 0.25, 2.0)
      val found = method.invoke(fitted, fitted.predictRaw(features)).asInstanceOf[Vector].toArray
      val wanted = fitted.predictProbability(features).toArray
      found.zip(wanted).foreach { case (a, b) => assert(math.abs(a - b) < 1e-12, s"$a, $b") }
    }
  }

  test("a row that is no row of the model is refused") {
    def told(features: Vector) = intercept[InvalidParameterException](model.predict(features)).getMessage
    assert(told(Vectors.dense(1.0)) == "the features have 1 values, but the model was trained on 4")
    assert(told(Vectors.dense(1.0, Double.NaN, 0.0, 0.0)).startsWith("value 1 of the features is NaN"))
    assert(told(null).contains("null"))
    val several = regressor(2).setEpochs(0).fit(line.withColumn("label", array(col("y"), col("y"))))
    val wide = intercept[InvalidParameterException](several.predict(Vectors.zeros(4)))
    assert(wide.getMessage.contains("predictRaw") && several.predictRaw(Vectors.zeros(4)).size == 2)
  }

  test("the network of a model trains again") {
    val again = classifier().setNetwork(model.network).fit(data)
    assert(again.weightsHash == model.weightsHash)
  }

  test("OneVsRest: fit, transform, saved and loaded") {
    val rest = new OneVsRest().setClassifier(classifier(2).setEpochs(8)).setParallelism(2)
    val fitted = rest.fit(data)
    val scored = fitted.transform(data)
    val right = scored.filter(col("prediction") === col("label")).count()
    assert(right > 250, s"$right of 300")
    val path = freshPath()
    fitted.write.save(path)
    val loaded = OneVsRestModel.load(path)
    assert(
      loaded.transform(data).select("prediction").collect().toSeq ==
        scored.select("prediction").collect().toSeq
    )
    // One output for two classes, and weights.
    val weighted = new OneVsRest().setClassifier(classifier(1)).setWeightCol("w")
    assert(weighted.fit(data.withColumn("w", lit(1.0))).models.length == 3)
    OneVsRest.load({ val at = freshPath(); rest.write.save(at); at }): Unit
  }

  test("TrainValidationSplit keeps the models of a grid") {
    val estimator = classifier(2)
    val grid = new ParamGridBuilder().addGrid(estimator.epochs, Array(1, 6)).build()
    val split = new TrainValidationSplit()
      .setEstimator(estimator)
      .setEstimatorParamMaps(grid)
      .setEvaluator(new BinaryClassificationEvaluator())
      .setParallelism(2)
      .setCollectSubModels(true)
      .setSeed(3)
      .fit(two)
    assert(
      split.subModels.map(_.asInstanceOf[NeuralClassificationModel].summary.history.length).toSeq == Seq(1, 6)
    )
    val path = freshPath()
    split.write.option("persistSubModels", "true").save(path)
    assert(TrainValidationSplitModel.load(path).subModels.length == 2)
  }

  test("evaluate gives what Spark's evaluators give") {
    def near(a: Double, b: Double) = assert(math.abs(a - b) < 1e-9, s"$a, $b")
    val found = model.evaluate(data)
    val scored = model.transform(data)
    val judge = new MulticlassClassificationEvaluator()
    for ((name, metric) <- Seq("accuracy" -> "accuracy", "f1" -> "f1", "recall" -> "weightedRecall"))
      near(found(name), judge.setMetricName(metric).evaluate(scored))
    near(found("log_loss"), judge.setMetricName("logLoss").evaluate(scored))
    val binary = classifier(2).setEpochs(1).fit(two)
    val areas = new BinaryClassificationEvaluator().setMetricName("areaUnderROC")
    near(binary.evaluate(two)("roc_auc"), areas.evaluate(binary.transform(two)))
    val values = straight.evaluate(line)
    val real = new RegressionEvaluator().setLabelCol("y")
    for (name <- Seq("rmse", "mse", "mae", "r2"))
      near(values(name), real.setMetricName(name).evaluate(straight.transform(line)))
    assert(values.keySet == Set("mae", "mse", "rmse", "r2", "mape"))
  }

  test("evaluate weighs rows, takes its columns by parameter, and says what is wrong") {
    val weighted = data.withColumn("w", col("id") % 2).withColumnRenamed("label", "truth")
    val judge = model.copy(ParamMap.empty).setLabelCol("truth").setWeightCol("w")
    val half = model.evaluate(data.filter("id % 2 = 1"))
    judge.evaluate(weighted).foreach { case (name, value) =>
      assert(math.abs(value - half(name)) < 1e-12, name)
    }
    assert(intercept[InvalidParameterException](model.evaluate(weighted)).getMessage.contains("'label'"))
    val wrong = intercept[Exception](model.evaluate(data.withColumn("label", lit(7))))
    assert(internal.Failures.find(wrong).exists(_.getMessage.contains("is no class of this model")), wrong)
    assert(binaryOf(1).evaluate(two.filter("label = 1"))("roc_auc").isNaN)
  }

  test("evaluate of several outputs: their mean, and only against as many values") {
    val both = line.withColumn("label", array(col("y"), -col("y") * 3))
    val fitted = regressor(2).fit(both)
    val values = vector_to_array(col("prediction"))
    val scored = fitted
      .transform(both)
      .withColumn("a", values(0))
      .withColumn("b", values(1))
      .withColumn("x", col("label")(0))
      .withColumn("z", col("label")(1))
    val rmse = new RegressionEvaluator().setMetricName("rmse")
    val wanted = (rmse.setLabelCol("x").setPredictionCol("a").evaluate(scored) +
      rmse.setLabelCol("z").setPredictionCol("b").evaluate(scored)) / 2
    assert(math.abs(fitted.evaluate(both)("rmse") - wanted) < 1e-9)
    val one = intercept[InvalidParameterException](fitted.evaluate(line.withColumn("label", col("y"))))
    assert(one.getMessage.contains("the model has 2 outputs and labelCol is a number"))
  }

  private def binaryOf(epochs: Int) = classifier(2).setEpochs(epochs).fit(two)
}
