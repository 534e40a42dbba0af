package candlewick

import java.io.{ByteArrayOutputStream, PrintStream}
import org.apache.spark.ml.{Pipeline, PipelineModel}
import org.apache.spark.ml.attribute.{Attribute, AttributeGroup, NominalAttribute}
import org.apache.spark.ml.evaluation.MulticlassClassificationEvaluator
import org.apache.spark.ml.feature.VectorAssembler
import org.apache.spark.ml.linalg.Vector
import org.apache.spark.ml.tuning.{CrossValidator, CrossValidatorModel, ParamGridBuilder}
import org.apache.spark.sql.functions.{col, rand}

class ClassifierSuite extends SparkSuite {
  private lazy val data = blobs(300).cache()
  private lazy val model = classifier().fit(data)

  private def accuracy(model: NeuralClassificationModel) =
    model.transform(data).filter(col("prediction") === col("label")).count().toDouble / data.count()

  test("fit learns, transform appends three columns with attributes") {
    assert(accuracy(model) > 0.9)
    val scored = model.transform(data)
    assert(
      scored.columns.toSeq == Seq("features", "label", "id", "rawPrediction", "probability", "prediction")
    )
    assert(
      Attribute
        .fromStructField(scored.schema("prediction"))
        .asInstanceOf[NominalAttribute]
        .getNumValues == Some(3)
    )
    assert(AttributeGroup.fromStructField(scored.schema("probability")).size == 3)
    scored.select("probability", "rawPrediction", "prediction").collect().foreach { row =>
      val probability = row.getAs[Vector](0).toArray
      assert(math.abs(probability.sum - 1) < 1e-6)
      assert(row.getAs[Vector](1).argmax == row.getDouble(2).toInt)
      assert(probability.indexOf(probability.max) == row.getDouble(2).toInt)
    }
  }

  test("the summary holds history, ledger, phases and hash") {
    val summary = model.summary
    assert(summary.history.map(_.epoch).toSeq == (0 until 5))
    assert(summary.history.forall(_.rows == 300))
    assert(summary.objectiveHistory.last < summary.objectiveHistory.head)
    assert(summary.totalSteps == 5 * 10)
    assert(summary.logicalShards == 8 && summary.numTrainers == 1)
    assert(summary.weightsHash == model.weightsHash)
    assert(summary.phases.keySet == Set("prepare", "queue", "launch", "feed", "train", "total"))
    assert(summary.ledger.contains("\"rowsSpooled\":300"))
    assert(model.numClasses == 3 && model.numFeatures == 4 && model.hasSummary)
  }

  test("metrics, validation rows and early stopping") {
    val rule = EarlyStopping("val_accuracy", patience = 2)
    val fitted = classifier()
      .setMetrics(Array("accuracy", "roc_auc"))
      .setValidationFraction(0.3)
      .setEarlyStopping(rule)
      .setEpochs(60)
      .fit(data)
    val summary = fitted.summary
    val last = summary.history.last
    assert(last.metrics.keySet == Set("accuracy", "val_loss", "val_accuracy", "val_roc_auc"))
    assert(summary.stoppedEarly && summary.bestEpoch.contains(last.epoch - 2))
    assert(summary.bestValue.contains(summary.history.map(_.metrics("val_accuracy")).max))
    assert(last.rows < 300 && last.json.contains("\"val_loss\""))
    assert(model.summary.bestEpoch.isEmpty && !model.summary.stoppedEarly)
  }

  test("two trainers and another partitioning give the same weights") {
    val two = classifier().setNumTrainers(2).fit(data)
    assert(two.summary.numTrainers == 2)
    assert(two.weightsHash == model.weightsHash)
    assert(classifier().fit(data.repartition(7)).weightsHash == model.weightsHash)
    assert(classifier().fit(data.orderBy("label")).weightsHash == model.weightsHash)
    assert(classifier().setSeed(8).fit(data).weightsHash != model.weightsHash)
  }

  test("a model is saved and loaded, with its parameters") {
    val path = freshPath()
    model.setPredictionCol("guess").write.overwrite().save(path)
    val loaded = NeuralClassificationModel.load(path)
    model.setPredictionCol("prediction")
    assert(loaded.getPredictionCol == "guess")
    assert(loaded.uid == model.uid)
    assert(loaded.weightsHash == model.weightsHash)
    assert(loaded.summaryJson == model.summaryJson)
    assert(loaded.weightsSafetensors.sameElements(model.weightsSafetensors))
    val before = model.transform(data).select("id", "prediction").collect().toSet
    assert(loaded.transform(data).select("id", "guess").collect().toSet == before)
    assert(intercept[java.io.IOException](model.write.save(path)).getMessage.contains("overwrite"))
    val wrong = intercept[candlewick.jni.InvalidParameterException](NeuralRegressionModel.load(path))
    assert(wrong.getMessage.contains("NeuralClassificationModel"))
  }

  test("an estimator is saved and loaded, with builders' documents") {
    val path = freshPath()
    val estimator = classifier().setFeaturesCols(Array("a", "b")).setClipNorm(1.5).setInputShape(Array(2))
    estimator.write.save(path)
    val loaded = NeuralClassifier.load(path)
    assert(loaded.uid == estimator.uid)
    assert(loaded.paramsJson == estimator.paramsJson)
    assert(loaded.extractParamMap().toSeq.length == estimator.extractParamMap().toSeq.length)
  }

  test("in a pipeline, saved and loaded") {
    val wide = data.select(col("label"), col("id").cast("double").as("x"), (col("label") * 2 - 1).as("y"))
    val assembler = new VectorAssembler().setInputCols(Array("x", "y")).setOutputCol("features")
    val fitted = new Pipeline().setStages(Array(assembler, classifier().setScale(0.01))).fit(wide)
    assert(fitted.stages.last.asInstanceOf[NeuralClassificationModel].hasSummary)
    val path = freshPath()
    fitted.write.overwrite().save(path)
    val again = PipelineModel.load(path)
    assert(
      again.transform(wide).select("prediction").collect().toSeq ==
        fitted.transform(wide).select("prediction").collect().toSeq
    )
  }

  test("in a cross validation, two at a time, saved and loaded") {
    val estimator = classifier().setEpochs(3)
    val grid = new ParamGridBuilder().addGrid(estimator.batchSize, Array(16, 64)).build()
    val validator = new CrossValidator()
      .setEstimator(estimator)
      .setEstimatorParamMaps(grid)
      .setEvaluator(new MulticlassClassificationEvaluator().setMetricName("accuracy"))
      .setNumFolds(2)
      .setParallelism(2)
      .setSeed(1)
    val fitted = validator.fit(data)
    assert(fitted.avgMetrics.length == 2 && fitted.avgMetrics.forall(_ > 0.5))
    val path = freshPath()
    fitted.write.overwrite().save(path)
    val best = CrossValidatorModel.load(path).bestModel.asInstanceOf[NeuralClassificationModel]
    assert(best.weightsHash == fitted.bestModel.asInstanceOf[NeuralClassificationModel].weightsHash)
  }

  test("one output under BCEWithLogitsLoss tells two classes apart; thresholds move the border") {
    val two = blobs(100, classes = 2)
    val binary = classifier(1).fit(two)
    assert(binary.numClasses == 2)
    val row = binary.transform(two).select("rawPrediction", "probability").head()
    assert(row.getAs[Vector](0)(0) == -row.getAs[Vector](0)(1))
    binary.setThresholds(Array(0.0, 1.0))
    assert(binary.transform(two).filter(col("prediction") === 1.0).count() == 0)
  }

  test("weights of rows count, and no epoch leaves the initial weights") {
    val weighted = data.withColumn("w", (col("id") % 2).cast("int"))
    val alone = data.filter("id % 2 = 1")
    val zero = classifier().setWeightCol("w").setEpochs(2).fit(weighted)
    assert(zero.summary.history.forall(_.rows == 300))
    assert(classifier().setEpochs(2).fit(alone).summary.history.forall(_.rows == 150))
    val initial = classifier().setEpochs(0).fit(data)
    assert(initial.summary.history.isEmpty && initial.summary.totalSteps == 0)
    assert(initial.transform(data).count() == 300)
  }

  test("fewer rows than trainers, and empty partitions, are legal") {
    val one = classifier().setNumTrainers(2).setEpochs(1).fit(data.limit(1).repartition(4))
    assert(one.summary.history.map(_.rows).toSeq == Seq(1L))
  }

  test("a non-deterministic DataFrame earns a warning, VectorAssembler does not") {
    def lines(frame: org.apache.spark.sql.DataFrame) = {
      val handle = classifier().setEpochs(1).startFit(frame)
      handle.result(): Unit
      handle.progressLines().mkString
    }
    val assembled = new VectorAssembler().setInputCols(Array("label", "id")).setOutputCol("features")
    assert(!lines(assembled.transform(data.drop("features"))).contains("deterministic"))
    assert(lines(data.withColumn("label", (rand(1) * 3).cast("int"))).contains("(rand)"))
  }

  test("verbose prints a line per epoch; a handle hands them out") {
    val handle = classifier().setVerbose(true).startFit(data)
    handle.result()
    val lines = handle.progressLines()
    assert(
      lines.count(_.matches("epoch \\d/5  loss \\S+  [\\d,]+ rows/s  \\d+ s left")) == 5,
      lines.mkString("\n")
    )
    assert(handle.progressLines().isEmpty)
  }

  test("fit prints where verbose is true, with callbacks too, and nothing where it is not") {
    def printed(estimator: NeuralClassifier): String = {
      val bytes = new ByteArrayOutputStream
      // A DataFrame that earns a warning.
      val drawn = data.withColumn("label", (rand(1) * 3).cast("int"))
      Console.withOut(new PrintStream(bytes, true, "UTF-8"))(estimator.setEpochs(2).fit(drawn)): Unit
      bytes.toString("UTF-8")
    }
    val shown = printed(classifier().setVerbose(true).setCallbacks(_ => false))
    assert(shown.linesIterator.count(_.startsWith("epoch ")) == 2 && shown.contains("(rand)"), shown)
    assert(printed(classifier()) == "")
    assert(printed(classifier().setVerbose(false)) == "")
  }
}
