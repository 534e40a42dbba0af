package candlewick.fit

import candlewick.{ClusterSuite, NeuralClassificationModel, NeuralClassifier, SparkSuite}
import candlewick.internal.Json
import com.fasterxml.jackson.databind.JsonNode
import org.apache.spark.sql.DataFrame
import org.apache.spark.sql.functions.{explode, expr, lit, monotonically_increasing_id}

/** Rows that come often are dealt among the shards: they fill evenly, and the model is the same on any cluster and through
  * losses.
  */
class SkewedRowsSuite extends ClusterSuite {
  import SkewedRowsSuite._

  private def gang(trainers: Int): NeuralClassifier = classifier()
    .setNumTrainers(trainers)
    .setInputShape(Array(4))
    .setLogicalShards(16)
    .setEpochs(2)
    .setBatchSize(4096)

  /** So many rows that differ, each as often as `copies` says of its column `at`. */
  private def table(distinct: Int, copies: String): DataFrame = {
    val made = current
    import made.implicits._
    val data = (0 until distinct).map { row =>
      val values = SparkSuite.point(row, 3).toArray
      // Points are not all different.
      (row, values(0), values(1), values(2), values(3) + row * 1e-3, (row % 3).toDouble)
    }
    made
      .createDataset(data)
      .toDF("at", "a", "b", "c", "d", "label")
      .withColumn("copy", explode(expr(s"sequence(1, cast($copies as int))")))
      .repartition(4)
  }

  private def hundred: DataFrame = table(100, "1000")
  private def zipf: DataFrame = table(5000, "10000 / (at + 1) + 1")

  private def fit(data: DataFrame, trainers: Int): NeuralClassificationModel =
    gang(trainers).setFeaturesCols(Array("a", "b", "c", "d")).fit(data)

  private def ledger(of: NeuralClassificationModel): JsonNode = Json.parse(of.summary.ledger)

  test("the shards fill evenly, and any number of trainers and any order gives the same bits") {
    start("local[3]")
    for (data <- Seq(hundred, zipf)) {
      val one = fit(data, 1)
      val rows = Json.items(ledger(one).get("shardRows")).map(_.asLong).toSeq
      assert(rows.length == 16 && rows.sum == data.count(), rows)
      assert(rows.max * 16 <= rows.sum * Even, rows)
      assert(ledger(one).get("rowsDealt").asLong > rows.sum / 2, ledger(one))
      val others = Seq(fit(data, 2), fit(data.orderBy("at"), 3), fit(data.repartition(11), 2))
      for (other <- others) {
        assert(other.weightsHash == one.weightsHash)
        assert(ledger(other).get("shardRows") == ledger(one).get("shardRows"))
      }
    }
  }

  test("copies stay together where rows are put aside; copies with weights of their own are other rows") {
    start("local[2]")
    val aside = gang(2).setFeaturesCols(Array("a", "b", "c", "d")).setValidationFraction(0.25)
    val together = ledger(aside.fit(hundred))
    assert(together.get("validationRows").asLong % 1000 == 0, together)
    val weighted = hundred.withColumn("weight", lit(1) + monotonically_increasing_id() % 100000)
    val apart = ledger(aside.setWeightCol("weight").fit(weighted))
    assert(apart.get("validationRows").asLong % 1000 != 0, apart)
    assert(apart.get("rowsDealt").asLong < apart.get("rowsSpooled").asLong / 10, apart)
    val equal = ledger(aside.setWeightCol("weight").fit(hundred.withColumn("weight", lit(2.0))))
    assert(equal.get("rowsDealt") == together.get("rowsDealt"), equal)
  }

  test("a trainer that is killed while it deals, or later, changes no bit") {
    start("local-cluster[2,1,1024]")
    val data = hundred.cache()
    val estimator = gang(2).setFeaturesCols(Array("a", "b", "c", "d"))
    val expected = estimator.fit(data)
    for (point <- Seq("gang.deal=1", "train.step=30"))
      held(point) { gates =>
        val handle = estimator.startFit(data)
        val hits = Seq(gates.next(), gates.next())
        kill(hits.head.process)
        hits.foreach(_.go())
        gates.open()
        val model = over(handle).result()
        assert(model.weightsHash == expected.weightsHash, point)
        assert(model.summary.ledger == expected.summary.ledger, point)
        assert(Json.parse(model.summary.recoveryLog).size == 1, model.summary.recoveryLog)
      }
  }
}

object SkewedRowsSuite {

  /** The busiest shard may have so much of the mean. */
  private val Even = 1.05
}
