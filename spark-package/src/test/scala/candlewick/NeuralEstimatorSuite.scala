package candlewick

import candlewick.jni.{InvalidDataException, InvalidParameterException}
import org.apache.spark.ml.{Pipeline, PipelineModel}
import org.apache.spark.ml.evaluation.MulticlassClassificationEvaluator
import org.apache.spark.ml.functions.vector_to_array
import org.apache.spark.ml.linalg.Vector
import org.apache.spark.ml.param.ParamMap
import org.apache.spark.ml.tuning.{CrossValidator, CrossValidatorModel, ParamGridBuilder}
import org.apache.spark.sql.DataFrame
import org.apache.spark.sql.functions.{array, col, lit, slice, when}

/** Losses over named outputs and label columns. */
class NeuralEstimatorSuite extends SparkSuite {

  /** Points of three kinds with a size and two values besides. */
  private lazy val data: DataFrame = blobs(150)
    .withColumn("kind", col("label").cast("int"))
    .withColumn("size", vector_to_array(col("features"))(3))
    .withColumn("pair", vector_to_array(col("features")).cast("array<float>"))
    .drop("label")
    .cache()

  private def graph(): Graph = {
    val features = nn.Input("features", 4)
    val hidden = nn.Tanh()("hidden", nn.Linear(8)(features))
    nn.Graph(
      Seq(features),
      "kind" -> nn.Linear(3)(hidden),
      "size" -> nn.Linear(1)(hidden),
      "again" -> nn.Linear(4)(hidden)
    )
  }

  private def estimator: NeuralEstimator = new NeuralEstimator()
    .setNetwork(graph())
    .setLabelCols(Array("kind", "size", "pair"))
    .setLoss(
      "kind" -> nn.CrossEntropyLoss(),
      "size" -> nn.LossTerm(nn.MSELoss(), weight = 0.5),
      "again" -> nn.LossTerm(nn.HuberLoss(), label = "pair")
    )
    .setOptimizer(optim.AdamW(lr = 0.05))
    .setBatchSize(32)
    .setEpochs(6)
    .setSeed(7)

  private lazy val model = estimator.setNumTrainers(1).fit(data)

  private def told(body: => Any): String = intercept[InvalidParameterException](body: Unit).getMessage

  private def bare(frame: DataFrame) = frame.orderBy("id").drop("features").collect().toSeq

  test("several tasks at once, a column for each, the same weights on any number of trainers") {
    assert(estimator.setNumTrainers(2).fit(data).weightsHash == model.weightsHash)
    val scored = model.transform(data)
    assert(
      scored.columns.takeRight(3).toSeq == Seq("prediction_kind", "prediction_size", "prediction_again")
    )
    assert(estimator.transformSchema(data.schema) == model.transformSchema(data.schema))
    val right = scored.filter("prediction_kind = kind").count()
    assert(right > 130, s"$right of 150")
    val last = scored.select("prediction_size", "prediction_again").head()
    assert(!last.getDouble(0).isNaN && last.getAs[Vector](1).size == 4)
    assert(model.numFeatures == 4 && model.numOutputs == 8)
    assert(model.toString.contains("numOutputs=8") && model.networkSummary.contains("parameters"))
    assert(model.copy(ParamMap.empty).setPredictionCol("").transform(data).columns.length == 5)
  }

  test("columns are chosen, and what is not there is told") {
    val asked = Map("kind" -> "guess", "kind.probability" -> "sure", "hidden" -> "code", "size" -> "s")
    val chosen = model.copy(ParamMap.empty).setOutputCols(asked)
    val scored = chosen.transform(data)
    assert(scored.columns.takeRight(4).toSeq == Seq("guess", "sure", "code", "s"))
    val plain = model.transform(data)
    assert(
      bare(scored.select("id", "guess", "s")) == bare(
        plain.select("id", "prediction_kind", "prediction_size")
      )
    )
    scored.select("guess", "sure", "code").collect().foreach { row =>
      val sure = row.getAs[Vector](1)
      assert(sure.argmax == row.getDouble(0).toInt && math.abs(sure.toArray.sum - 1.0) < 1e-12)
      assert(row.getAs[Vector](2).size == 8)
    }
    def asking(pair: (String, String)) =
      told(model.copy(ParamMap.empty).setOutputCols(Map(pair)).transform(data))
    assert(asking("size.probability" -> "p").contains("does not tell classes apart"))
    assert(asking("kind" -> "id").contains("outputCols: the DataFrame already has a column 'id'"))
    val unknown = asking("kind.prob" -> "code")
    assert(unknown.contains("no layer or node \"kind.prob\""), unknown)
    assert(unknown.endsWith("; and kind.probability, kind.rawPrediction"), unknown)
  }

  test("one row is scored as transform does it") {
    val rows =
      model
        .transform(data)
        .select("features", "prediction_kind", "prediction_size", "prediction_again")
        .limit(5)
    rows.collect().foreach { row =>
      val told = model.predict(row.getAs[Vector](0))
      assert(told == Map("kind" -> row.get(1), "size" -> row.get(2), "again" -> row.get(3)))
    }
    assert(told(model.predict(null)).contains("null"))
  }

  test("a chain whose first layer says its channels has the shape of inputShape") {
    val chain = nn.Sequential(nn.Conv1d(2, 3, 2), nn.Flatten(), nn.Linear(3, 3))
    val fitted = new NeuralEstimator()
      .setNetwork(chain)
      .setLoss(nn.CrossEntropyLoss())
      .setLabelCol("kind")
      .setInputShape(Array(2, 2))
      .setEpochs(1)
      .fit(data)
    assert(fitted.transform(data).count() == data.count())
  }

  test("an output without a loss is a column all the same") {
    val alone = estimator.setLabelCols(Array("kind")).setLoss("kind" -> nn.CrossEntropyLoss()).setEpochs(1)
    val scored = alone.fit(data).transform(data)
    assert(scored.columns.contains("prediction_size"))
  }

  test("saved, in a pipeline, in a search, in SQL") {
    val path = freshPath()
    model.write.save(path)
    val loaded = NeuralEstimatorModel.load(path)
    assert(bare(loaded.transform(data)) == bare(model.transform(data)))
    assert(loaded.dataContract.contains("\"labels\":[{\"name\":\"kind\",\"type\":\"int\""))
    val piped = new Pipeline().setStages(Array(estimator.setEpochs(1))).fit(data)
    val there = freshPath()
    piped.write.save(there)
    assert(PipelineModel.load(there).stages.head.isInstanceOf[NeuralEstimatorModel])
    val quick = estimator
    val grid = new ParamGridBuilder().addGrid(quick.epochs, Array(0, 6)).build()
    val judge =
      new MulticlassClassificationEvaluator().setLabelCol("kind").setPredictionCol("prediction_kind")
    val search = new CrossValidator().setEstimator(quick).setEstimatorParamMaps(grid).setEvaluator(judge)
    val best = search.setNumFolds(2).setSeed(1).fit(data.withColumn("kind", col("kind").cast("double")))
    assert(best.bestModel.asInstanceOf[NeuralEstimatorModel].getEpochs == 6)
    val kept = freshPath()
    best.write.save(kept)
    assert(CrossValidatorModel.load(kept).bestModel.isInstanceOf[NeuralEstimatorModel])
    candlewick.register(spark, "things", model)
    data.createOrReplaceTempView("things")
    val asked =
      spark.sql("SELECT id, candlewick_predict('things', features, 'kind.probability') p FROM things")
    val wanted = model.copy(ParamMap.empty).setOutputCols(Map("kind.probability" -> "p")).transform(data)
    assert(bare(asked) == bare(wanted.select("id", "p")))
    val which = told(spark.sql("SELECT candlewick_predict('things', features) FROM things"))
    assert(which.contains("the model has the outputs kind, size, again: name one"), which)
  }

  test("evaluate has the metrics of every output") {
    val found = model.evaluate(data)
    val scored = model.transform(data).withColumn("kind", col("kind").cast("double"))
    val judge =
      new MulticlassClassificationEvaluator().setLabelCol("kind").setPredictionCol("prediction_kind")
    assert(math.abs(found("kind_accuracy") - judge.setMetricName("accuracy").evaluate(scored)) < 1e-9)
    assert(Set("kind_log_loss", "size_rmse", "again_r2").subsetOf(found.keySet))
    val rows = scored.select("size", "prediction_size").collect()
    val squares = rows.map(row => math.pow(row.getDouble(0) - row.getDouble(1), 2)).sum / rows.length
    assert(math.abs(found("size_mse") - squares) < 1e-9)
  }

  test("evaluate names the column of a label that is none, or of another length, or leaves its row out") {
    val features = nn.Input("features", 4)
    val net = nn.Graph(Seq(features), "pair" -> nn.Linear(2)(features), "size" -> nn.Linear(1)(features))
    def made = new NeuralEstimator()
      .setNetwork(net)
      .setLabelCols(Array("pair", "size"))
      .setLoss("pair" -> nn.MSELoss(), "size" -> nn.MSELoss())
      .setEpochs(1)
    val two = data.withColumn("pair", slice(col("pair"), 1, 2))
    val trained = made.fit(two)
    val skipping = trained.copy(ParamMap.empty).setHandleInvalid("skip")
    val expected = trained.evaluate(two.where("id <> 7"))
    val cases = Seq(
      slice(col("pair"), 1, 1) -> "1 values; the model compares it with 2",
      slice(col("pair"), 1, 3) -> "3 values; the model compares it with 2",
      lit(null).cast("array<float>") -> "null",
      array(lit(1.0f), lit(null).cast("float")) -> "null",
      array(lit(1.0f), lit(Float.NaN)) -> "NaN"
    )
    for ((value, why) <- cases) {
      val pair = when(col("id") === 7, value).otherwise(slice(col("pair"), 1, 2))
      val rows = data.withColumn("pair", pair)
      val error = intercept[Exception](trained.evaluate(rows))
      val wrong =
        internal.Failures.find(error).collect { case wrong: InvalidDataException => wrong.getMessage }
      assert(wrong.exists(_.startsWith(s"labelCols: column 'pair' holds $why")), error)
      sameMetrics(skipping.evaluate(rows), expected)
    }
    val fewer = trained.copy(ParamMap(trained.labelCols -> Array("pair")))
    assert(told(fewer.evaluate(two)).contains("labelCols names 1 columns, but the model was trained on 2"))
  }

  test("losses name the columns of the label as labelCols does, in whatever case of letters") {
    val other = estimator
      .setLabelCols(Array("Kind", "size", "PAIR"))
      .setLoss(
        "kind" -> nn.LossTerm(nn.CrossEntropyLoss(), label = "Kind"),
        "size" -> nn.LossTerm(nn.MSELoss(), weight = 0.5),
        "again" -> nn.LossTerm(nn.HuberLoss(), label = "PAIR")
      )
      .fit(data)
    assert(other.weightsHash == model.weightsHash)
    // The model knows the names that the rows had.
    assert(other.dataContract == model.dataContract)
    sameMetrics(other.evaluate(data), model.evaluate(data))
    val missing = told(estimator.setLabelCols(Array("KIND", "size", "pair")).fit(data))
    assert(missing.contains("none has that name: name one of KIND, size, pair"), missing)
  }

  test("one loss over one output is what the other estimators have") {
    def set[E <: NeuralEstimatorBase[_]](one: E): E = {
      one.setNetwork(nn.Sequential(nn.Linear(8), nn.Tanh(), nn.Linear(3))).setEpochs(2).setSeed(3)
      one
    }
    val general = set(new NeuralEstimator().setLabelCol("kind").setLoss(nn.CrossEntropyLoss())).fit(data)
    val special = set(new NeuralClassifier().setLabelCol("kind")).fit(data)
    assert(general.weightsHash == special.weightsHash)
    val scored = general.transform(data)
    assert(scored.columns.last == "prediction")
    assert(
      bare(scored.select("id", "prediction")) == bare(special.transform(data).select("id", "prediction"))
    )
    val (found, wanted) = (general.evaluate(data), special.evaluate(data))
    assert(found.keySet == wanted.keySet)
    found.foreach { case (name, value) => assert(math.abs(value - wanted(name)) < 1e-9, name) }
    val values = set(new NeuralEstimator().setLabelCols(Array("size", "id", "kind")).setLoss(nn.MSELoss()))
    assert(values.fit(data).transform(data).select("prediction").head().getAs[Vector](0).size == 3)
  }

  test("what is wrong is told before anything starts") {
    def refused(change: NeuralEstimator => Any): String = told {
      val one = estimator
      change(one)
      one.fit(data)
    }
    assert(refused(one => one.clear(one.loss)).contains("a NeuralEstimator has no loss of its own"))
    assert(
      refused(_.setLoss("kinds" -> nn.MSELoss()))
        .contains("no output \"kinds\"; its outputs are kind, size, again; did you mean 'kind'?")
    )
    assert(
      refused(_.setLoss("kind" -> nn.CrossEntropyLoss())).contains("no loss reads the label column 'size'")
    )
    assert(refused(_.setLoss(nn.MSELoss())).contains("it is not said which of them the loss is for"))
    assert(refused(_.setLabelCol("kind")).contains("labelCol and labelCols are both set"))
    assert(refused(_.setLabelCols(Array("kind", "kind"))).contains("the column 'kind' is named twice"))
    assert(refused(_.setLabelCols(Array("sise"))).contains("labelCols: there is no column 'sise'"))
    assert(refused(_.setMetrics(Array("accuracy"))).contains("is of one output"))
    assert(
      refused(_.setLoss(nn.MultiLoss(Seq(nn.LossTerm(nn.MSELoss(), output = Seq("kind", "again"))))))
        .contains("the outputs kind, again do not stand one after another")
    )
    val other = "size" -> nn.LossTerm(nn.MSELoss(), output = "kind")
    assert(told(new NeuralEstimator().setLoss(other)).contains("is a LossTerm over the output"))
    assert(
      told(new NeuralEstimator().setLoss("size" -> nn.MultiLoss(Seq(nn.MSELoss()))))
        .contains("is a MultiLoss")
    )
    assert(
      told(new NeuralEstimator().setLoss("a" -> nn.MSELoss(), "a" -> nn.L1Loss())).contains("is named twice")
    )
  }

  test("a label that is no class of its output is a wrong row") {
    val wrong = data.withColumn("kind", when(col("id") === 7, 5).otherwise(col("kind")))
    val row = intercept[InvalidDataException](estimator.setEpochs(1).fit(wrong)).getMessage
    assert(row.contains("column 'kind' (the label) is 5: the labels of an output with 3 classes"), row)
    assert(row.contains("in partition"), row)
    val skipped = estimator.setEpochs(1).setHandleInvalid("skip").fit(wrong)
    assert(internal.Json.parse(skipped.summaryJson).get("ledger").get("rowsSkipped").asInt == 1)
  }

  test("a loss that reads no label needs none") {
    val triplet = new NeuralEstimator()
      .setNetwork(nn.Sequential(nn.Linear(6)))
      .setLoss(nn.TripletMarginLoss())
      .setLabelCol("")
      .setEpochs(1)
    val made = triplet.fit(data)
    assert(made.dataContract.contains("\"labels\":[]"))
    assert(told(made.evaluate(data)).contains("compares nothing one by one"))
    assert(told(triplet.setLabelCol("size").fit(data)).contains("no loss reads the label column 'size'"))
  }

  test("names of outputs in the losses of a regressor") {
    val x = nn.Input("features", 4)
    val net = nn.Graph(Seq(x), "a" -> nn.Linear(1)(x), "b" -> nn.Linear(1)(x))
    def fit(loss: Loss) = new NeuralRegressor()
      .setNetwork(net)
      .setLabelCol("size")
      .setLoss(loss)
      .setEpochs(1)
      .fit(data.withColumn("size", lit(1.0) * col("size")))
    val named = fit(nn.MultiLoss(Seq(nn.LossTerm(nn.MSELoss(), output = "b", labels = Seq(0, 1)))))
    val numbered = fit(nn.MultiLoss(Seq(nn.LossTerm(nn.MSELoss(), outputs = Seq(1, 2), labels = Seq(0, 1)))))
    assert(named.weightsHash == numbered.weightsHash)
    assert(
      told(fit(nn.MultiLoss(Seq(nn.LossTerm(nn.MSELoss(), output = "b", label = "size")))))
        .contains("use a NeuralEstimator, which has labelCols")
    )
  }
}
