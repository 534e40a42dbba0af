package candlewick

import candlewick.jni.InvalidParameterException
import org.apache.spark.ml.functions.vector_to_array
import org.apache.spark.ml.linalg.Vector
import org.apache.spark.sql.functions.col

class PrecisionSuite extends SparkSuite {
  private lazy val data = blobs(300).cache()
  private lazy val exact = classifier().fit(data)
  private lazy val model = classifier().setPrecision("bf16").fit(data)

  private def probabilities(model: NeuralClassificationModel) =
    model.transform(data).select(col("id"), vector_to_array(col("probability"))).collect().toSet

  test("bf16 gives other weights than f32, and the same on two trainers") {
    assert(model.weightsHash != exact.weightsHash)
    assert(model.getPrecision == "bf16" && exact.getPrecision == "f32")
    val two = classifier().setPrecision("bf16").setNumTrainers(2).fit(data.repartition(5))
    assert(two.summary.numTrainers == 2 && two.weightsHash == model.weightsHash)
    val losses = model.summary.objectiveHistory.zip(exact.summary.objectiveHistory)
    assert(losses.forall { case (rounded, loss) => math.abs(rounded - loss) < 0.02 * loss })
  }

  test("the order of AMX gives weights and scores of its own, the same on two trainers") {
    // Batches large enough for sums whose order matters.
    def asked(precision: String) = classifier().setBatchSize(300).setPrecision(precision)
    def amx = asked("bf16_amx")
    val one = amx.fit(data)
    assert(!Seq("f32", "bf16").map(asked(_).fit(data).weightsHash).contains(one.weightsHash))
    assert(amx.setNumTrainers(2).fit(data.repartition(5)).weightsHash == one.weightsHash)
    val scores = Seq("f32", "bf16_amx").map { precision =>
      probabilities(one.copy(org.apache.spark.ml.param.ParamMap.empty).setScorePrecision(precision))
    }
    assert(scores.distinct.length == 2, "the same scores")
  }

  test("a model scores in f32 unless scorePrecision says otherwise, saved and loaded too") {
    assert(model.getScorePrecision == "f32")
    val before = probabilities(model)
    val path = freshPath()
    val rounded =
      probabilities(model.copy(org.apache.spark.ml.param.ParamMap.empty).setScorePrecision("bf16"))
    assert(rounded != before)
    val told = model.copy(org.apache.spark.ml.param.ParamMap.empty).setScorePrecision("bf16")
    told.write.overwrite().save(path)
    val loaded = NeuralClassificationModel.load(path)
    assert(loaded.getScorePrecision == "bf16" && probabilities(loaded) == rounded)
    assert(probabilities(model) == before)
    val row = data.select("features").head().getAs[Vector](0)
    assert(loaded.predictRaw(row) != model.predictRaw(row))
    assert(loaded.predictRaw(row) == told.transform(data).select("rawPrediction").head().getAs[Vector](0))
  }

  test("values that are none, and fp16 on processors") {
    for (set <- Seq[String => Any](classifier().setPrecision, classifier().setScorePrecision)) {
      val failure = intercept[Exception](set("int8"))
      assert(failure.getMessage.contains("\"f32\" or \"bf16\" or \"bf16_amx\""), failure.getMessage)
    }
    val failure = intercept[InvalidParameterException](classifier().setPrecision("fp16").fit(data))
    assert(failure.getMessage.contains("precision = \"fp16\" is for GPUs only"), failure.getMessage)
    assert(failure.getMessage.contains("trainers would compute on processors ("), failure.getMessage)
  }
}
