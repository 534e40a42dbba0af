package candlewick

import org.apache.spark.ml.functions.vector_to_array
import org.apache.spark.ml.linalg.{Vector, Vectors}
import org.apache.spark.ml.param.ParamMap
import org.apache.spark.sql.DataFrame
import org.apache.spark.sql.functions.{col, expr}

/** The Scala of docs/general-networks.md; a test of the documents compares both texts. */
class GeneralPageSuite extends SparkSuite {

  private def rows(width: Int, name: String): DataFrame = {
    val session = spark
    import session.implicits._
    val made = (0 until 60).map { i =>
      (Vectors.dense(Array.tabulate(width)(at => ((i * (at + 3)) % 17) / 17.0)): Vector, (i % 10).toDouble)
    }
    val table = made.toDF(name, "digit")
    table
      .withColumn("width", vector_to_array(col(name))(0))
      .withColumn("height", expr("array(digit, width)")(1))
      .cache()
  }

  test("several tasks at once, and the columns that are chosen") {
    val train = rows(64, "pixels")
    val test = train

    val pixels = nn.Input("pixels", 64)
    val hidden = nn.ReLU()("hidden", nn.Linear(32)(pixels))
    val net = nn.Graph(Seq(pixels), "digit" -> nn.Linear(10)(hidden), "size" -> nn.Linear(2)(hidden))
    val estimator = new NeuralEstimator()
      .setNetwork(net)
      .setLabelCols(Array("digit", "width", "height"))
      .setLoss(
        "digit" -> nn.CrossEntropyLoss(),
        "size" -> nn.LossTerm(nn.MSELoss(), weight = 0.1, label = Seq("width", "height"))
      )
    val model = estimator.fit(train)
    model.transform(test).select("prediction_digit", "prediction_size").show()

    val chosen = model
      .copy(ParamMap.empty)
      .setOutputCols(
        Map("digit" -> "guess", "digit.probability" -> "sure", "size" -> "frame", "hidden" -> "embedding")
      )
    chosen.transform(test).select("guess", "sure", "frame", "embedding").show()

    assert(model.evaluate(test).keySet.exists(_ == "size_rmse"))
  }

  test("an autoencoder") {
    val points = rows(16, "point")

    val point = nn.Input("point", 16)
    val code = nn.Tanh()("code", nn.Linear(4)(point))
    val autoencoder = new NeuralEstimator()
      .setNetwork(nn.Graph(Seq(point), "again" -> nn.Linear(16)(code)))
      .setLabelCols(Array("point"))
      .setLoss(nn.MSELoss())
      .setOutputCols(Map("again" -> "reconstruction", "code" -> "code"))
    autoencoder.fit(points).transform(points).select("reconstruction", "code").show()

    assert(
      autoencoder.transformSchema(points.schema).fieldNames.takeRight(2).toSeq == Seq(
        "reconstruction",
        "code"
      )
    )
  }
}
