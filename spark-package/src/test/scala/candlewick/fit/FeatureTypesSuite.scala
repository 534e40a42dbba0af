package candlewick.fit

import candlewick.{nn, optim, ClusterSuite, NeuralClassificationModel, NeuralClassifier}
import candlewick.internal.Json
import org.apache.spark.ml.attribute.AttributeGroup
import org.apache.spark.ml.functions.vector_to_array
import org.apache.spark.ml.linalg.{Vector, Vectors}
import org.apache.spark.sql.DataFrame
import org.apache.spark.sql.functions.{col, udf}

/** Rows are sent and held in the type of their columns, or as what is not zero of them: that changes what they take, and no bit
  * of the model.
  */
class FeatureTypesSuite extends ClusterSuite {
  import FeatureTypesSuite._

  /** Rows of small whole numbers, mostly zero; some come often, so that every trainer deals some of them. */
  private def table: DataFrame = {
    val made = current
    import made.implicits._
    val rows = (0 until Rows).map { row =>
      val at = (0 until Nonzeros).map(index => index * Step + (row * 7 + index) % Step)
      val values = at.map(index => (index * 31 + row * 17) % 100 + 1.0)
      (Vectors.sparse(Width, at.toArray, values.toArray), (row % 3).toDouble)
    }
    val often = rows.take(12).flatMap(Seq.fill(400)(_))
    made.createDataset(rows ++ often).toDF("features", "label").repartition(4)
  }

  private def estimator: NeuralClassifier = classifier()
    .setNumTrainers(2)
    .setInputShape(Array(Width))
    .setScale(1 / 128.0)
    .setValidationFraction(0.2)
    .setEpochs(3)

  private def ledger(of: NeuralClassificationModel, name: String): Long =
    Json.field(Json.parse(of.summary.ledger), name).asLong

  /** Bytes of rows in all trainers. */
  private def held(of: NeuralClassificationModel): Long =
    Json.items(Json.parse(of.summary.memory)).map(one => one.path("accounts").path("rows").asLong).sum

  test("columns of every type give the same model, and take what their type takes") {
    start("local[2]")
    val vectors = table.cache()
    def as(kind: String) =
      vectors.withColumn("features", vector_to_array(col("features")).cast(s"array<$kind>"))
    val bytes = udf((features: Vector) => features.toArray.map(_.toByte))
    val dense = udf((features: Vector) => Vectors.dense(features.toArray): Vector)
    val plain = estimator.fit(as("float"))
    val rows = ledger(plain, "rowsSent")
    assert(ledger(plain, "featureBytes") == rows * Width * 4)
    assert(ledger(plain, "rowsDealt") > 0, plain.summary.ledger)
    val sized = new AttributeGroup("features", Width).toMetadata()
    val same = Seq(
      "double" -> as("double") -> Width * 4L,
      "int" -> as("int") -> Width * 4L,
      "smallint" -> as("smallint") -> Width * 2L,
      "tinyint" -> as("tinyint") -> Width.toLong,
      "binary" -> vectors.withColumn("features", bytes(col("features"))) -> Width.toLong,
      "sparse" -> vectors -> Nonzeros * 8L,
      "sparse, of known width" -> vectors.withColumn("features", col("features").as("features", sized)) ->
        Nonzeros * 8L,
      "dense, mostly zero" -> vectors.withColumn("features", dense(col("features"))) -> Nonzeros * 8L
    )
    for (((name, data), perRow) <- same) {
      val model = estimator.fit(data)
      assert(model.weightsHash == plain.weightsHash, name)
      assert(ledger(model, "featureBytes") == rows * perRow, name)
      val parts = Json.field(Json.parse(model.summary.ledger), "hashSum")
      assert(parts == Json.field(Json.parse(plain.summary.ledger), "hashSum"), name)
      // Label, weight, hash and the like are beside the features.
      assert(
        held(model) < held(plain) * perRow / (Width * 4) + rows * 100,
        s"$name: ${held(model)}, ${held(plain)}"
      )
    }
    val other = estimator.setScale(1 / 100.0).fit(as("tinyint"))
    assert(other.weightsHash != plain.weightsHash)
  }

  test("a bag of counts takes vectors with and without zeros, and gives the same model and scores") {
    start("local[2]")
    val vectors = table.cache()
    val dense = udf((features: Vector) => Vectors.dense(features.toArray): Vector)
    val bag = nn.EmbeddingBag(Width, 4, mode = "sum", input = "counts")
    val of =
      classifier().setNetwork(nn.Sequential(bag, nn.Linear(3))).setOptimizer(optim.Adagrad()).setEpochs(2)
    val one = of.setNumTrainers(1).fit(vectors)
    val two = of.setNumTrainers(2).fit(vectors.withColumn("features", vector_to_array(col("features"))))
    assert(one.weightsHash == two.weightsHash)
    def scores(data: DataFrame) =
      one.transform(data).select("rawPrediction").collect().map(_.getAs[Vector](0)).toSeq
    assert(scores(vectors) == scores(vectors.withColumn("features", dense(col("features")))))
  }

  test("a trainer that is killed while rows move gives its sparse rows and bytes to others") {
    start("local-cluster[2,1,1024]")
    val vectors = table.cache()
    val bytes = udf((features: Vector) => features.toArray.map(_.toByte))
    for (data <- Seq(vectors, vectors.withColumn("features", bytes(col("features"))))) {
      val expected = estimator.fit(data)
      held("gang.deal=1") { gates =>
        val handle = estimator.startFit(data)
        val hits = Seq(gates.next(), gates.next())
        kill(hits.head.process)
        hits.foreach(_.go())
        gates.open()
        val model = over(handle).result()
        assert(model.weightsHash == expected.weightsHash)
        assert(Json.parse(model.summary.recoveryLog).size == 1, model.summary.recoveryLog)
      }
    }
  }
}

object FeatureTypesSuite {
  private val Rows = 600
  private val Nonzeros = 20

  /** So wide that sparse rows are computed as such. */
  private val Width = Nonzeros * 128
  private val Step = Width / Nonzeros
}
