package candlewick

import candlewick.jni.InvalidParameterException
import java.util.concurrent.atomic.AtomicInteger
import org.apache.spark.ListenerEvents
import org.apache.spark.ml.classification.OneVsRest
import org.apache.spark.scheduler.{SparkListener, SparkListenerJobStart}
import org.apache.spark.sql.DataFrame
import org.apache.spark.sql.functions.{col, lit, when}

/** `classWeight`: what rows of a class weigh in the loss. */
class ClassWeightSuite extends SparkSuite {

  /** Three classes, of which the last is rare. */
  private lazy val skewed = blobs(400).filter("label < 2 or id % 7 = 0").cache()

  /** scikit-learn's formula over what Spark SQL counts. */
  private lazy val counted: Map[Int, Double] = {
    val counts =
      skewed.groupBy("label").count().collect().map(row => row.getDouble(0).toInt -> row.getLong(1))
    val all = counts.map(_._2).sum.toDouble
    counts.map { case (label, rows) => label -> all / (counts.length * rows.toDouble) }.toMap
  }

  /** What losses may differ by that add the same numbers in another order. */
  private val Rounding = 1e-3

  private def net = classifier().setMetrics(Array("accuracy"))

  private def weights(model: NeuralClassificationModel): Seq[Double] = model.summary.classWeights.get.toSeq

  private def far(one: NeuralClassificationModel, other: NeuralClassificationModel): Double =
    one.summary.objectiveHistory
      .zip(other.summary.objectiveHistory)
      .map { case (a, b) => math.abs(a - b) }
      .max

  test("balanced is what Spark SQL counts, the same bits on one and on two trainers") {
    val balanced = net.setClassWeight("balanced")
    val one = balanced.setNumTrainers(1).fit(skewed)
    val two = balanced.setNumTrainers(2).fit(skewed.repartition(5))
    assert(weights(one) == counted.toSeq.sortBy(_._1).map(_._2))
    assert(two.weightsHash == one.weightsHash && weights(two) == weights(one))
    val said = net.setClassWeight(counted).fit(skewed)
    assert(said.weightsHash == one.weightsHash && weights(said) == weights(one))
    val plain = net.fit(skewed)
    assert(plain.weightsHash != one.weightsHash && plain.summary.classWeights.isEmpty)
    assert(one.getClassWeight == "balanced")
  }

  test("it is CrossEntropyLoss(weight) of PyTorch, and what weightCol does with the same numbers") {
    val model = net.setClassWeight(counted).fit(skewed)
    val loss = nn.CrossEntropyLoss(weight = counted.toSeq.sortBy(_._1).map(_._2))
    assert(far(net.setLoss(loss).fit(skewed), model) < Rounding)
    assert(far(net.fit(skewed), model) > 20 * Rounding)
    // The weight is part of a row's identity, so weightCol has its rows in another order: one step of all rows.
    def step(estimator: NeuralClassifier, rows: DataFrame) =
      estimator.setBatchSize(4096).setEpochs(3).fit(rows)
    val ofLabel = counted.foldLeft(lit(0.0)) { case (rest, (label, weight)) =>
      when(col("label") === label, weight).otherwise(rest)
    }
    val weighed = step(net.setWeightCol("w"), skewed.withColumn("w", ofLabel))
    assert(far(step(net.setClassWeight("balanced"), skewed), weighed) < Rounding)
    // Both multiply.
    val both = step(net.setClassWeight("balanced").setWeightCol("w"), skewed.withColumn("w", lit(2.0)))
    assert(far(both, weighed) < Rounding)
  }

  test("what cannot be meant is refused before any job is started") {
    val jobs = new AtomicInteger
    val listener = new SparkListener {
      override def onJobStart(start: SparkListenerJobStart): Unit = jobs.incrementAndGet(): Unit
    }
    val rows = blobs(30)
    ListenerEvents.drain(spark.sparkContext)
    spark.sparkContext.addSparkListener(listener)
    try {
      def told(estimator: NeuralClassifier) =
        intercept[InvalidParameterException](estimator.setInputShape(Array(4)).fit(rows)).getMessage
      assert(
        told(classifier().setClassWeight(Map(0 -> 1.0, 3 -> 2.0))) ==
          "parameter classWeight names class 3, but the network tells 3 classes apart, 0 to 2"
      )
      assert(
        told(classifier().setClassWeight(Map(0 -> 0.0, 1 -> 0.0, 2 -> 0.0)))
          .contains("every class the weight 0")
      )
      val twice =
        classifier().setClassWeight("balanced").setLoss(nn.CrossEntropyLoss(weight = Seq(1.0, 1.0, 2.0)))
      assert(told(twice).contains("classWeight and weight of CrossEntropyLoss both say what a class weighs"))
      ListenerEvents.drain(spark.sparkContext)
      assert(jobs.get == 0)
    } finally spark.sparkContext.removeSparkListener(listener)
  }

  test("a class without rows weighs nothing and breaks nothing; one output tells two classes") {
    val none = net.setClassWeight("balanced").fit(blobs(200, classes = 2))
    assert(weights(none).length == 3 && weights(none).last == 1.0)
    assert(none.summary.objectiveHistory.forall(loss => !loss.isNaN))
    val two = skewed.filter("label > 0").withColumn("label", col("label") - 1)
    val binary = classifier(1).setClassWeight("balanced").fit(two)
    assert(weights(binary).length == 2 && weights(binary)(1) > weights(binary).head)
  }

  test("rows that are put aside or left out do not count, and OneVsRest passes it on") {
    val marked = skewed.withColumn("aside", col("label") === 2 && col("id") % 2 === 0)
    val train = marked.filter(!col("aside"))
    val aside = net.setClassWeight("balanced").setValidationIndicatorCol("aside").fit(marked)
    val rows = train.groupBy("label").count().orderBy("label").collect().map(_.getLong(1))
    assert(weights(aside) == rows.toSeq.map(of => rows.sum.toDouble / (rows.length * of.toDouble)))
    val broken =
      train.withColumn("features", when(col("id") % 5 =!= 0 || col("label") =!= 0, col("features")))
    val skipped = net.setClassWeight("balanced").setHandleInvalid("skip").fit(broken)
    assert(weights(skipped).head > weights(aside).head)
    val rest =
      new OneVsRest().setClassifier(classifier(2).setEpochs(1).setClassWeight("balanced")).fit(skewed)
    assert(rest.models.forall(_.asInstanceOf[NeuralClassificationModel].summary.classWeights.isDefined))
  }

  test("a training goes on with the weights that it had, and with no others") {
    val first = net.setClassWeight("balanced").setEpochs(2).setSaveOptimizer(true).fit(skewed)
    val further = net.setEpochs(4).setInitialModel(first).setResumeOptimizer(true)
    val whole = net.setClassWeight("balanced").setEpochs(4).fit(skewed)
    assert(
      further
        .copy(org.apache.spark.ml.param.ParamMap.empty)
        .setClassWeight("balanced")
        .fit(skewed)
        .weightsHash ==
        whole.weightsHash
    )
    val other = intercept[InvalidParameterException](further.fit(skewed)).getMessage
    assert(other.contains("classWeight"), other)
  }
}
