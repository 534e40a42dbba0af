package candlewick

import candlewick.internal.Json
import candlewick.jni.{InvalidParameterException, Native}
import java.nio.charset.StandardCharsets
import java.nio.file.{Files, Paths}
import org.apache.spark.ml.param.{Param, ParamMap}
import org.apache.spark.ml.tuning.ParamGridBuilder

/** Parameters where they are set: what is legal, and what a wrong value is told. */
class ParamsSuite extends SparkSuite {

  private def told(body: => Any): String = intercept[InvalidParameterException](body: Unit).getMessage

  /** What the native library says of the same value. */
  private def native(name: String, value: Any): String = {
    val request =
      Json.obj(
        "job" -> "00",
        "task" -> "classifier",
        "featureWidth" -> 4,
        "params" -> Json.obj(name -> value)
      )
    told(Native.resolve(request.toString))
  }

  test("a wrong value is refused at its setter, in the words of the native library") {
    val stage = new NeuralClassifier()
    def check(name: String, value: Any)(set: => Any): Unit = {
      val message = told(set)
      assert(message == native(name, value))
      assert(message.startsWith(s"parameter $name = ") && !stage.isSet(stage.getParam(name)), message)
    }
    check("epochs", -1)(stage.setEpochs(-1))
    check("epochs", 1000001)(stage.setEpochs(1000001))
    check("batchSize", 0)(stage.setBatchSize(0))
    check("logicalShards", 65537)(stage.setLogicalShards(65537))
    check("clipNorm", 0.0)(stage.setClipNorm(0.0))
    check("scale", -1.5)(stage.setScale(-1.5))
    check("emaDecay", 1.0)(stage.setEmaDecay(1.0))
    check("validationFraction", -0.1)(stage.setValidationFraction(-0.1))
    check("handleInvalid", "keep")(stage.setHandleInvalid("keep"))
    check("onNonFinite", "Error")(stage.setOnNonFinite("Error"))
    check("inputShape", Seq(-1, 6))(stage.setInputShape(Array(-1, 6)))
    check("inputShape", Seq.empty[Int])(stage.setInputShape(Array.empty))
    check("thresholds", Seq(0.5, -0.5))(stage.setThresholds(Array(0.5, -0.5)))
    check("metrics", Seq.empty[String])(stage.setMetrics(Array.empty))
    check("failureTimeout", "0s")(stage.setFailureTimeout("0s"))
    check("launchTimeout", "soon")(stage.setLaunchTimeout("soon"))
    check("progressTimeout", "1.5h")(stage.setProgressTimeout("1.5h"))
    check("feedMemory", "12345678901")(stage.setFeedMemory("12345678901"))
  }

  test("NaN and infinity are no numbers of a parameter") {
    val stage = new NeuralClassifier()
    for (wrong <- Seq(Double.NaN, Double.PositiveInfinity)) {
      assert(told(stage.setClipValue(wrong)).contains("expected a finite number above 0"))
      assert(told(stage.setEmaDecay(wrong)).contains("of at least 0 and below 1"))
      assert(told(stage.setThresholds(Array(wrong, 1.0))).contains("each of at least 0"))
    }
  }

  test("what is legal at its bounds is taken") {
    val stage = new NeuralClassifier()
      .setEpochs(0)
      .setBatchSize(1 << 24)
      .setEmaDecay(0.0)
      .setThresholds(Array(0.0, 7.5))
      .setLaunchTimeout(" 15 S ")
      .setFeedMemory("0064MB")
      .setSeed(Long.MinValue)
    assert(stage.getEpochs == 0 && stage.getThresholds.toSeq == Seq(0.0, 7.5))
  }

  test("every default is legal, and told with its range") {
    val stage = new NeuralClassifier()
    // Each goes through its validator once more.
    val again = stage.extractParamMap().toSeq.map(pair => pair.param.asInstanceOf[Param[Any]].w(pair.value))
    assert(again.length > 20)
    assert(stage.explainParam(stage.epochs).contains("(whole number from 0 to 1000000) (default: 10"))
  }

  test("param maps and grids are checked where they are made") {
    val stage = new NeuralClassifier()
    assert(told(ParamMap(stage.epochs -> -1)).contains("epochs = -1"))
    assert(told(ParamMap(stage.epochs.w(-1))).contains("epochs = -1"))
    assert(told(stage.copy(ParamMap.empty.put(stage.batchSize, 0))).contains("batchSize = 0"))
    val grid = new ParamGridBuilder().addGrid(stage.epochs, Array(1, -1))
    assert(told(grid.build()).contains("epochs = -1"))
  }

  test("a document that is no JSON object is refused at its setter") {
    val stage = new NeuralClassifier()
    for (text <- Seq("adam", "[1]", "{")) {
      val wrong = intercept[IllegalArgumentException](stage.setOptimizer(text))
      assert(wrong.getMessage.startsWith("parameter optimizer is not "), wrong.getMessage)
    }
  }

  test("EarlyStopping has the catalogue's defaults") {
    assert(EarlyStopping() == EarlyStopping("val_loss", 3, 0.0, "auto", restoreBest = true))
    val document = Json.parse(EarlyStopping("val_accuracy", patience = 5).json)
    assert(document.get("type").asText == "EarlyStopping" && document.get("patience").asInt == 5)
    assert(
      Json.fields(document).map(_._1) ==
        Seq("type", "metric", "patience", "minDelta", "mode", "restoreBest")
    )
  }

  test("an estimator that was saved before parameters had ranges is loaded") {
    val path = freshPath()
    val saved =
      """{"class":"candlewick.NeuralClassifier","timestamp":1764160000000,"sparkVersion":"4.0.1",
        |"uid":"NeuralClassifier_3f2a","paramMap":{"network":"{\"format\":\"candlewick.network/1\",\"layers\":[]}",
        |"epochs":3,"clipNorm":0.5,"inputShape":[1,4],"thresholds":[0.5,1.0],"metrics":["accuracy"],
        |"earlyStopping":"{\"type\":\"EarlyStopping\",\"patience\":2}","seed":-4},
        |"defaultParamMap":{"featuresCol":"features","epochs":12,"failureTimeout":"15s","feedMemory":"64m",
        |"optimizer":"{\"type\": \"AdamW\", \"lr\": 0.001}","validationFraction":0.0,"handleInvalid":"error"}}"""
    val metadata = Paths.get(path, "metadata", "part-00000")
    Files.createDirectories(metadata.getParent)
    Files.write(metadata, saved.stripMargin.replace("\n", "").getBytes(StandardCharsets.UTF_8))
    spark
    val loaded = NeuralClassifier.load(path)
    assert(loaded.uid == "NeuralClassifier_3f2a" && loaded.getEpochs == 3 && loaded.getSeed == -4)
    assert(loaded.getDefault(loaded.epochs).contains(12) && loaded.getInputShape.toSeq == Seq(1, 4))
  }
}
