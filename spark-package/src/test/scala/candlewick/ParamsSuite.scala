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
    check("handleInvalid", "drop")(stage.setHandleInvalid("drop"))
    check("onNonFinite", "Error")(stage.setOnNonFinite("Error"))
    check("dataShuffle", "local")(stage.setDataShuffle("local"))
    for (wrong <- Seq("bf15", "BF16", "topk:0", "topk:1.5", "topk", "powersgd:0", ""))
      check("gradientCompression", wrong)(stage.setGradientCompression(wrong))
    for (wrong <- Seq("late", "Delayed", "")) check("asynchrony", wrong)(stage.setAsynchrony(wrong))
    for (wrong <- Seq("", ",", "spool", "/data,", "file:///data"))
      check("spoolDir", wrong)(stage.setSpoolDir(wrong))
    check("inputShape", Seq(-1, 6))(stage.setInputShape(Array(-1, 6)))
    check("inputShape", Seq.empty[Int])(stage.setInputShape(Array.empty))
    check("thresholds", Seq(0.5, -0.5))(stage.setThresholds(Array(0.5, -0.5)))
    check("thresholds", Seq(0.0, 1.0, 0.0))(stage.setThresholds(Array(0.0, 1.0, 0.0)))
    check("classWeight", "Balanced")(stage.setClassWeight("Balanced"))
    for (wrong <- Seq("""{"0":-1.0}""", """{"a":1.0}""", """{"01":1.0}""", "{}"))
      check("classWeight", Json.parse(wrong))(stage.setClassWeight(wrong))
    check("classWeight", Json.parse("""{"-1":1.0}"""))(stage.setClassWeight(Map(-1 -> 1.0)))
    assert(told(stage.setClassWeight(Map(0 -> Double.NaN))).contains("classWeight = "))
    check("metrics", Seq.empty[String])(stage.setMetrics(Array.empty))
    assert(told(stage.setFeaturesCols(Array.empty)).endsWith("expected a list of at least one text"))
    check("failureTimeout", "0s")(stage.setFailureTimeout("0s"))
    check("launchTimeout", "soon")(stage.setLaunchTimeout("soon"))
    check("progressTimeout", "1.5h")(stage.setProgressTimeout("1.5h"))
    check("feedMemory", "12345678901")(stage.setFeedMemory("12345678901"))
  }

  test("null is told what is legal") {
    val stage = new NeuralClassifier()
    assert(
      told(stage.setGradientCompression(null))
        .startsWith("parameter gradientCompression = null is not legal: expected \"none\"")
    )
    assert(told(stage.setTrainerMemory(null)).contains("= null is not legal: expected a size such as"))
    assert(told(stage.setSpoolDir(null)).contains("= null is not legal: expected absolute paths"))
    assert(told(stage.setThresholds(null)).contains("thresholds = null is not legal"))
    assert(told(stage.setInputShape(null)).contains("inputShape = null is not legal"))
  }

  /** What the native library says of a layer, behind the place where it stands. */
  private def nativeOf(layer: String): String = {
    val request = s"""{"network":{"format":"candlewick.network/1","layers":[$layer]},"inputShape":[4]}"""
    told(Native.networkSummary(request)).stripPrefix("layers.0 ").replace("(", "").replace(")", "")
  }

  test("a wrong argument is refused at its builder, in the words of the native library") {
    def check(layer: String, arguments: String)(build: => Any): Unit =
      assert(told(build) == nativeOf(s"""{"type":"$layer",$arguments}""")): Unit
    check("Dropout", "\"p\":2.0")(nn.Dropout(p = 2))
    check("Linear", "\"out_features\":-1")(nn.Linear(-1))
    check("Linear", "\"in_features\":0,\"out_features\":1")(nn.Linear(0, 1))
    check("GELU", "\"approximate\":\"x\"")(nn.GELU("x"))
    check("TransformerEncoderLayer", "\"nhead\":2,\"activation\":\"swish\"")(
      nn.TransformerEncoderLayer(2, activation = "swish")
    )
    check("BatchNorm1d", "\"momentum\":1.5")(nn.BatchNorm1d(momentum = 1.5))
    check("BatchNorm1d", "\"num_features\":-3")(nn.BatchNorm1d(-3))
    check("Unflatten", "\"dim\":1,\"unflattened_size\":[]")(nn.Unflatten(1, Seq.empty[Int]))
    check("MaxPool2d", "\"kernel_size\":[2,0]")(nn.MaxPool2d((2, 0)))
    check("AvgPool2d", "\"kernel_size\":[2,2,2]")(nn.AvgPool2d((2, 2, 2)))
  }

  test("a wrong argument of any kind of builder is refused with its name and range") {
    assert(told(nn.Conv2d(3, (2, 2, 2))).startsWith("Conv2d: kernel_size = [2,2,2] is not legal"))
    assert(told(nn.Conv2d(1, 8, 3, padding = "full")).contains("Conv2d: padding = \"full\""))
    assert(told(nn.Conv2d(8, 3, padding = -1)).contains("Conv2d: padding = -1"))
    assert(told(nn.AdaptiveAvgPool2d((0, None))).contains("AdaptiveAvgPool2d: output_size = [0,null]"))
    assert(
      told(nn.CrossEntropyLoss(label_smoothing = 1.5)).contains("CrossEntropyLoss: label_smoothing = 1.5")
    )
    assert(told(nn.CrossEntropyLoss(weight = Seq(1.0, Double.NaN))).contains("CrossEntropyLoss: weight = "))
    assert(told(nn.MSELoss(reduction = "none")).endsWith("expected \"mean\" or \"sum\""))
    assert(told(nn.MultiLoss(Nil)).contains("MultiLoss: losses = []"))
    assert(
      told(optim.SGD(-0.1)).contains("SGD: lr = -0.1 is not legal: expected a finite number of at least 0")
    )
    assert(told(optim.AdamW(betas = (0.9, 1.0))).contains("AdamW: betas = [0.9,1.0]"))
    assert(told(optim.SGD(0.1, groups = Seq.empty[Map[String, Any]])).contains("SGD: groups = []"))
    assert(told(optim.lr_scheduler.StepLR(0)).contains("StepLR: step_size = 0"))
    assert(told(nn.init.kaiming_normal_(mode = "fan")).contains("kaiming_normal_: mode = \"fan\""))
    assert(told(nn.Concat(1 << 30, nn.ReLU())).contains("Concat: dim = "))
    assert(told(EarlyStopping(patience = -1)).contains("EarlyStopping: patience = -1"))
    assert(told(EarlyStopping("loss").copy(mode = "least")).contains("EarlyStopping: mode = \"least\""))
  }

  test("what is legal at the bounds of a builder is taken") {
    nn.Dropout(1.0): Unit
    nn.Conv2d(1, 1, 1, padding = (0, 3)): Unit
    nn.AdaptiveAvgPool2d((None, 1)): Unit
    nn.BatchNorm1d(momentum = None): Unit
    nn.LayerNorm(Seq(1, 2, 3, 4)): Unit
    optim.AdamW(lr = 0.0, betas = (0.0, 0.5)): Unit
  }

  test("NaN and infinity are no numbers of a parameter") {
    val stage = new NeuralClassifier()
    for (wrong <- Seq(Double.NaN, Double.PositiveInfinity)) {
      assert(told(stage.setClipValue(wrong)).contains("expected a finite number above 0"))
      assert(told(stage.setEmaDecay(wrong)).contains("of at least 0 and below 1"))
      assert(
        told(stage.setThresholds(Array(wrong, 1.0))).contains("each of at least 0, at most one of them 0")
      )
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
    assert(
      stage.explainParams().contains("labelCol: Column of the label, for fit and for a model's evaluate")
    )
    assert(stage.explainParam(stage.labelCol).endsWith("(text) (default: label)"))
    assert(stage.explainParam(stage.epochs).contains("(whole number from 0 to 1000000) (default: 10"))
  }

  test("networks and optimisers are told in short") {
    val stage = new NeuralClassifier()
      .setNetwork(nn.Sequential(nn.Linear(8), nn.ReLU()))
      .setOptimizer(optim.SGD(lr = 0.5))
      .setLoss("crossentropyloss")
    def said(param: Param[_]) = stage.explainParam(param)
    assert(said(stage.network).endsWith("(current: Sequential(Linear(out_features=8, bias=true), ReLU()))"))
    assert(
      said(stage.optimizer).contains("(default: AdamW(lr=") && said(stage.optimizer).contains(
        "current: SGD(lr=0.5"
      )
    )
    assert(said(stage.loss).endsWith("(current: crossentropyloss)"))
    assert(said(stage.lrScheduler).endsWith("(undefined)"))
    stage.setNetwork(nn.Sequential(Seq.fill(40)(nn.Linear(8)): _*))
    assert(said(stage.network).endsWith(", Linear...)"), said(stage.network))
    val x = nn.Input("x", 4)
    stage.setNetwork(nn.Graph(Seq(x), "a" -> nn.Linear(1)(x)))
    assert(said(stage.network).endsWith("(current: Graph(1 nodes))"))
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
    for (text <- Seq("[1]", "{")) {
      val wrong = intercept[InvalidParameterException](stage.setNetwork(text))
      assert(wrong.getMessage.startsWith("parameter network is not "), wrong.getMessage)
    }
    intercept[InvalidParameterException](stage.setOptimizer("{")): Unit
  }

  test("losses, optimisers and schedules may be named") {
    val stage = new NeuralClassifier().setOptimizer("adam").setLoss("CROSSENTROPYLOSS")
    val wrong = told(stage.setOptimizer("adm"))
    assert(
      wrong.startsWith("parameter optimizer = adm is not legal") && wrong.contains(", Adam, AdamW, "),
      wrong
    )
    assert(stage.getOptimizer == "adam")
    val rows = blobs(40)
    val named = classifier().setOptimizer("SGD").setEpochs(1).fit(rows)
    assert(named.weightsHash == classifier().setOptimizer(optim.SGD()).setEpochs(1).fit(rows).weightsHash)
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
        |"candlewick":{"format":"candlewick.stage/1","candlewickVersion":"0.1.0"},
        |"uid":"NeuralClassifier_3f2a","paramMap":{"network":"{\"format\":\"candlewick.network/1\",\"layers\":[]}",
        |"epochs":3,"clipNorm":0.5,"featuresCols":[],"inputShape":[1,4],"thresholds":[0.5,1.0],"metrics":["accuracy"],
        |"earlyStopping":"{\"type\":\"EarlyStopping\",\"patience\":2}","seed":-4,"verbose":true},
        |"defaultParamMap":{"featuresCol":"features","epochs":12,"failureTimeout":"15s","feedMemory":"64m",
        |"optimizer":"{\"type\": \"AdamW\", \"lr\": 0.001}","validationFraction":0.0,"handleInvalid":"error",
        |"verbose":false}}"""
    val metadata = Paths.get(path, "metadata", "part-00000")
    Files.createDirectories(metadata.getParent)
    Files.write(metadata, saved.stripMargin.replace("\n", "").getBytes(StandardCharsets.UTF_8))
    spark
    val loaded = NeuralClassifier.load(path)
    assert(loaded.uid == "NeuralClassifier_3f2a" && loaded.getEpochs == 3 && loaded.getSeed == -4)
    assert(loaded.getDefault(loaded.epochs).contains(12) && loaded.getInputShape.toSeq == Seq(1, 4))
    assert(!loaded.isSet(loaded.featuresCols), "an empty list stood for none")
    assert(loaded.getVerbose == "true" && loaded.getDefault(loaded.verbose).contains("false"))
    assert(loaded.copy(ParamMap.empty).setVerbose("auto").getVerbose == "auto")
  }

  test("a stage trains by the defaults that it was saved with") {
    val path = freshPath()
    new NeuralClassifier().setNetwork(nn.Sequential(nn.Linear(3))).save(path)
    val metadata = Paths.get(path, "metadata", "part-00000")
    val saved = new String(Files.readAllBytes(metadata), StandardCharsets.UTF_8)
    val other = saved
      .replace("\"epochs\":10", "\"epochs\":2")
      .replace("\"logicalShards\":8", "\"logicalShards\":4")
    assert(other.length < saved.length)
    Files.delete(metadata.resolveSibling(".part-00000.crc"))
    Files.write(metadata, other.getBytes(StandardCharsets.UTF_8))
    val loaded = NeuralClassifier.load(path)
    val summary = loaded.fit(blobs(40)).summary
    assert(summary.history.length == 2 && summary.logicalShards == 4)
    assert(loaded.setEpochs(1).fit(blobs(40)).summary.history.length == 1)
  }
}
