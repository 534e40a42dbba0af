package candlewick

import candlewick.jni.{InvalidDataException, InvalidParameterException}
import org.apache.spark.ml.linalg.Vectors
import org.apache.spark.sql.DataFrame

/** Graphs over columns, the forms in which layers are written, and weights to start from. */
class GraphSuite extends SparkSuite {

  private lazy val data: DataFrame = {
    val session = spark
    import session.implicits._
    (0 until 120)
      .map { i =>
        val (a, b, c) = ((i % 7) / 7.0, (i % 5) / 5.0, (i % 3) / 3.0)
        (Vectors.dense(a, b), Array(c, a), b, a + c, Array(a + b, c))
      }
      .toDF("user", "item", "price", "label", "both")
      .cache()
  }

  private def graph(): Graph = {
    val (user, item, price) = (nn.Input("user", 2), nn.Input("item", Seq(2)), nn.Input("price"))
    val joined = nn.Concat()(user, item, price)
    val hidden = nn.Tanh()(nn.Linear(8)("first", joined))
    nn.Graph(
      Seq(user, item, price),
      "sum" -> nn.Linear(1)(hidden),
      "other" -> nn.Linear(1)(nn.Concat(dim = 1)(hidden, joined))
    )
  }

  private def regressor2(): NeuralRegressor =
    new NeuralRegressor().setNetwork(graph()).setLabelCol("both").setEpochs(3).setBatchSize(16)

  test("a graph is its document") {
    val x = nn.Input("x", 3)
    val code = nn.Linear(2)(x)
    val document = Document.parse("graph", nn.Graph(Seq(x), "code" -> code, "same" -> code).json)
    assert(
      document.get("nodes").toString ==
        """[{"name":"code","inputs":["x"],"layer":{"type":"Linear","out_features":2,"bias":true}},""" +
        """{"name":"same","inputs":["code"],"layer":{"type":"Add"}}]"""
    )
    assert(document.get("inputs").toString == """[{"name":"x","shape":[3]}]""")
    assert(document.get("outputs").toString == """["code","same"]""")
  }

  test("columns in, a column for each output out, the same weights on any number of trainers") {
    val model = regressor2().setNumTrainers(1).fit(data)
    assert(regressor2().setNumTrainers(2).fit(data).weightsHash == model.weightsHash)
    val scored = model.transform(data)
    assert(scored.columns.takeRight(3).toSeq == Seq("prediction", "prediction_sum", "prediction_other"))
    assert(regressor2().transformSchema(data.schema).fieldNames.toSeq == scored.columns.toSeq)
    scored.select("prediction", "prediction_sum", "prediction_other").collect().foreach { row =>
      val whole = row.getAs[org.apache.spark.ml.linalg.Vector](0)
      assert(whole(0) == row.getDouble(1) && whole(1) == row.getDouble(2))
    }
    assert(model.setPredictionCol("").transform(data).columns.length == data.columns.length)
  }

  test("what is equal is of one kind and of one document") {
    assert(nn.MSELoss() == nn.MSELoss() && nn.MSELoss().hashCode == nn.MSELoss().hashCode)
    assert(nn.MSELoss() != nn.L1Loss())
    assert(nn.Linear(3) == nn.Linear(3) && nn.Sequential(nn.Linear(3)) != nn.Linear(3))
    assert(graph() == graph() && graph() != graph().withInit("*" -> nn.init.zeros_()))
    val document = Document.of("SGD", Seq("lr" -> 0.1))
    assert(new Loss(document) != new Optimizer(document))
    assert(nn.MSELoss().toString == nn.MSELoss().json && nn.Linear(3).toString.contains("out_features"))
  }

  test("columns that are there already are told by the parameter that names them") {
    val model = regressor2().fit(data)
    val there =
      intercept[InvalidParameterException](model.transform(data.withColumnRenamed("label", "prediction_sum")))
    assert(there.getMessage.startsWith("predictionCol: the DataFrame already has a column 'prediction_sum'"))
    val x = nn.Input("price")
    val twins = nn.Graph(Seq(x), "a" -> nn.Linear(1)(x), "A" -> nn.Linear(1)(x))
    val same = intercept[InvalidParameterException](
      new NeuralRegressor().setNetwork(twins).setLabelCol("both").setEpochs(0).fit(data).transform(data)
    )
    assert(same.getMessage.contains("'prediction_a' and 'prediction_A'"), same.getMessage)
  }

  test("columns that do not fit are named") {
    val missing = intercept[InvalidParameterException](regressor2().fit(data.drop("item")))
    assert(missing.getMessage.contains("no column 'item'"))
    val narrow = data.selectExpr("user", "slice(item, 1, 1) item", "array(price, price) price", "both")
    val wrong = intercept[InvalidDataException](regressor2().fit(narrow))
    assert(wrong.getMessage.contains("column 'item' has 1 values, expected 2"))
  }

  test("a layer that is called again shares its weights") {
    val (user, item) = (nn.Input("user", 2), nn.Input("item", Seq(2)))
    val tower = nn.Sequential(nn.Linear(4), nn.Tanh())
    val net = nn.Graph(
      Seq(user, item),
      "score" -> nn.Linear(1)(nn.Multiply()(tower("tower", user), tower("other", item)))
    )
    val nodes = Document.parse("graph", net.json).get("nodes")
    assert(nodes.get(1).toString == """{"name":"other","inputs":["item"],"shares":"tower"}""")
    def fit(trainers: Int) =
      new NeuralRegressor().setNetwork(net).setEpochs(2).setBatchSize(16).setNumTrainers(trainers).fit(data)
    val model = fit(1)
    assert(model.networkJson.contains("\"shares\":\"tower\""))
    assert(fit(2).weightsHash == model.weightsHash)
  }

  test("a table is a graph over its columns") {
    val table = candlewick.tabular(Seq("age"), Seq("city" -> 1200, "plan" -> 5), Map("plan" -> 3))
    assert(table.toString == "Tabular(age, city, plan)")
    val (age, city, plan) = (nn.Input("age"), nn.Input("city"), nn.Input("plan"))
    val codes = Seq(
      nn.Flatten()(nn.Embedding(1200, 85)("city_embedding", city)),
      nn.Flatten()(nn.Embedding(5, 3)("plan_embedding", plan))
    )
    val joined = nn.Concat()(age +: codes: _*)
    val wanted = nn.Graph(Seq(age, city, plan), "out" -> nn.Linear(2)(nn.ReLU()(nn.Linear(8)(joined))))
    assert(table.head(nn.Linear(8), nn.ReLU(), nn.Linear(2)) == wanted)
    val scaled = candlewick.tabular(Seq("scaled", "out"), widths = Map("scaled" -> 6)).head(nn.Linear(2))
    val six = nn.Input("scaled", Seq(6))
    val out = nn.Input("out")
    assert(scaled == nn.Graph(Seq(six, out), "out_" -> nn.Linear(2)(nn.Concat()(six, out))))
    for (
      (wrong, message) <- Seq[(() => Any, String)](
        (() => candlewick.tabular(), "at least one column"),
        (() => candlewick.tabular(Seq("age"), embedding_dim = Map("age" -> 2)), "embedding_dim names 'age'"),
        (() => candlewick.tabular(Seq("age"), widths = Map("city" -> 2)), "widths names 'city'"),
        (() => candlewick.tabular(Seq("a.b")), "rename the column before"),
        (() => candlewick.tabular(Seq("age")).head(), "head needs at least one layer")
      )
    ) assert(intercept[IllegalArgumentException](wrong()).getMessage.contains(message))
  }

  test("misuse is refused") {
    def message(body: => Any): String = intercept[IllegalArgumentException](body: Unit).getMessage
    val (x, y) = (nn.Input("x"), nn.Input("y"))
    assert(message(nn.Linear(1)()).contains("without a tensor"))
    assert(
      message(nn.Graph(Seq(x), "out" -> nn.Add()(x, y))).endsWith("Input(y), which is not listed in inputs")
    )
    val again = message(nn.Graph(Seq(x, nn.Input("y")), "out" -> nn.Add()(x, y)))
    assert(
      again.contains("which is not listed in inputs; the one of that name there is another nn.Input"),
      again
    )
    assert(message(nn.Graph(Seq(x, y), "out" -> nn.Linear(1)(x))).contains("no output needs Input(y)"))
    assert(message(nn.Graph(Seq(x), "x" -> nn.Linear(1)(x))).contains("the name 'x' is given twice"))
    assert(message(nn.Input("a.b")).contains("cannot be the name of a node"))
    assert(message(nn.Input("a", 0)).contains("at least 1"))
    assert(
      message(nn.Graph(Seq(nn.Linear(1)(x)), "out" -> nn.Linear(1)(x)))
        .contains("inputs must be a list of nn.Input")
    )
  }

  test("short and full forms, by position and by name") {
    def same(left: Module, right: Module): Unit = assert(left == right): Unit
    same(nn.Linear(784, 256), nn.Linear(in_features = 784, out_features = 256))
    same(nn.Linear(16, bias = false), nn.Linear(out_features = 16, bias = false))
    assert(
      nn.Linear(784, 256, false).toString.contains("\"in_features\":784,\"out_features\":256,\"bias\":false")
    )
    assert(nn.AdaptiveAvgPool2d((3, None)).toString.contains("[3,null]"))
    same(nn.AdaptiveAvgPool2d((3, 5)), nn.AdaptiveAvgPool2d(Seq(3, 5)))
    assert(nn.AdaptiveAvgPool2d(3).toString.contains(":3}"))
    same(nn.GroupNorm(2, 8), nn.GroupNorm(num_groups = 2, num_channels = 8))
    same(nn.GroupNorm(8, eps = 0.1), nn.GroupNorm(num_groups = 8, eps = 0.1))
    same(nn.GroupNorm(2, 8, 0.1), nn.GroupNorm(2, 8, eps = 0.1))
    def fields(layer: Module) = layer.toString.split(",\"dilation").head
    assert(
      fields(nn.Conv2d(32, 3)) ==
        """{"type":"Conv2d","out_channels":32,"kernel_size":3,"stride":1,"padding":0"""
    )
    assert(
      fields(nn.Conv2d(1, 32, 3, padding = "same")) ==
        """{"type":"Conv2d","in_channels":1,"out_channels":32,"kernel_size":3,"stride":1,"padding":"same""""
    )
    same(nn.Conv2d(1, 32, (3, 5), 2, 1), nn.Conv2d(1, 32, Seq(3, 5), stride = 2, padding = 1))
    same(
      nn.Conv2d(1, 32, 3, bias = false),
      nn.Conv2d(in_channels = 1, out_channels = 32, kernel_size = 3, bias = false)
    )
    same(
      nn.Conv2d(32, 3, padding = (1, 2)),
      nn.Conv2d(out_channels = 32, kernel_size = 3, padding = Seq(1, 2))
    )
    same(nn.Bilinear(2, 3, 4), nn.Bilinear(2, 3, 4, bias = true))
    assert(nn.Bilinear(4).toString == """{"type":"Bilinear","out_features":4,"bias":true}""")
    same(nn.LSTM(5, 7, bidirectional = true), nn.LSTM(input_size = 5, hidden_size = 7, bidirectional = true))
    assert(Seq(1, 2).map(nn.Linear(_)) == Seq(nn.Linear(1), nn.Linear(2)))
    // What may be left out goes by name where the sizes of the input are left out: 2 is no stride.
    assertTypeError("nn.Linear(16, false)")
    assertTypeError("nn.Linear(16, nothing = false)")
    assert(
      nn.Embedding(3, 4)
        .toString == """{"type":"Embedding","num_embeddings":3,"embedding_dim":4,"padding_idx":null}"""
    )
    same(nn.Embedding(3, 4, Some(0)), nn.Embedding(3, 4, padding_idx = 0))
  }

  test("containers take layers one by one") {
    val residual = nn.Residual(nn.Linear(4), nn.ReLU())
    assert(
      nn.Sequential(residual).json.contains(""""layers":[{"type":"Residual","layers":[{"type":"Linear"""")
    )
    assert(nn.Concat(1, nn.Linear(2), nn.ReLU()).toString.endsWith(""""dim":1}"""))
    val model = classifier().setNetwork(nn.Sequential(residual, nn.Linear(3))).fit(blobs(60))
    assert(model.networkSummary.contains("Residual"))
  }

  test("training starts from given weights") {
    val first = classifier().fit(blobs(60))
    val again = classifier().setEpochs(0).setSeed(1)
    assert(
      again.copy(org.apache.spark.ml.param.ParamMap.empty).fit(blobs(60)).weightsHash != first.weightsHash
    )
    val model = again.setInitialModel(first).fit(blobs(60))
    assert(model.weightsHash == first.weightsHash)
    assert(model.summary.initialWeights.exists(_.contains("\"loaded\":4")))
    val path = freshPath()
    first.save(path)
    val file = s"$path/data/weights.safetensors"
    assert(again.setInitialWeights(file).fit(blobs(60)).weightsHash == first.weightsHash)
    val other = again.setNetwork(nn.Sequential(nn.Linear(8), nn.ReLU(), nn.Linear(2)))
    val wrong = intercept[InvalidParameterException](other.fit(blobs(60, 2)))
    assert(wrong.getMessage.contains("2.weight [3, 8] instead of [2, 8]"))
    val part = other.setStrictWeights(false).fit(blobs(60, 2))
    assert(part.summary.initialWeights.exists(_.contains("\"loaded\":2")))
  }

  test("parameters start as the rules say, and every network has a table") {
    val data = blobs(50)
    val net = nn.Sequential(nn.Linear(8), nn.Tanh(), nn.Linear(3))
    val ruled = net.withInit("*.weight" -> nn.init.xavier_uniform_(gain = 2), "*.bias" -> nn.init.zeros_())
    def hash(network: Network) =
      new NeuralClassifier().setNetwork(network).setEpochs(0).setNumTrainers(1).fit(data).weightsHash
    assert(
      hash(ruled) == hash(
        net.withInit("*.weight" -> nn.init.xavier_uniform_(gain = 2)).withInit("*" -> nn.init.zeros_())
      )
    )
    assert(hash(ruled) != hash(net))
    assert(ruled.summary(Seq(4)).contains("67 parameters"))
    val (left, right) = (nn.Input("left", 2), nn.Input("right"))
    assert(
      nn.Graph(Seq(left, right), "y" -> nn.Linear(1)(nn.Concat()(left, right)))
        .summary()
        .contains("4 parameters")
    )
    assert(intercept[IllegalArgumentException](net.summary()).getMessage.contains("summary needs inputShape"))
  }
}
