package candlewick.score

import candlewick.{nn, NeuralEstimator, SparkSuite}
import java.util.concurrent.ConcurrentLinkedQueue
import org.apache.spark.ml.linalg.Vector
import org.apache.spark.ml.param.ParamMap
import org.apache.spark.sql.DataFrame
import org.apache.spark.sql.functions.expr
import scala.util.Try

/** What scoring holds outside the heap, and until when. */
class ScoreMemorySuite extends SparkSuite {
  private lazy val data = blobs(60).cache()
  private lazy val model = classifier().setEpochs(1).fit(data)

  /** Waits until no partition holds any: where somebody is still reading, it may be a while. */
  private def none(): Unit = {
    val deadline = System.nanoTime() + 60000000000L
    while (ScoreMemory.open.get > 0 && System.nanoTime() < deadline) {
      System.gc()
      Thread.sleep(20)
    }
    assert(ScoreMemory.open.get == 0, "partitions hold memory")
  }

  test("a task of many partitions holds that of one at a time") {
    none()
    val many = model.transform(data.repartition(30)).select("id", "prediction").coalesce(1)
    val held = many.rdd.mapPartitions(rows => rows.map(_ => ScoreMemory.open.get)).collect()
    assert(held.length == 60 && held.max == 1, held.mkString(" "))
    none()
  }

  test("a task that stops early gives it back") {
    none()
    assert(model.transform(data).limit(1).collect().length == 1)
    assert(model.transform(data).rdd.mapPartitions(_.take(1)).count() == 3)
    none()
  }

  test("a thread that goes on reading after the end of the task reads on, and gives it back") {
    none()
    val session = spark
    val rows = data.crossJoin(session.range(5000).toDF("again")).coalesce(1)
    val lines = model.transform(rows).select("id", "prediction").rdd.map(_.mkString(",")).pipe("head -n 1")
    assert(lines.collect().length == 1)
    none()
    assert(model.transform(data).count() == 60)
  }

  test("whoever reads on after a failure gets no rows, and nothing stays") {
    none()
    val holes = data.coalesce(1).withColumn("features", expr("if(id = 3, null, features)"))
    val read = model.transform(holes).select("id", "prediction").rdd.mapPartitions { rows =>
      val failed = Try(rows.next()).isFailure
      Iterator(failed -> rows.hasNext)
    }
    assert(read.collect().toSeq == Seq(true -> false))
    none()
  }

  test("rows that many threads score one by one take a scorer for each processor") {
    val general = new NeuralEstimator()
      .setNetwork(nn.Sequential(nn.Linear(3)))
      .setLoss(nn.CrossEntropyLoss())
      .setEpochs(0)
      .fit(data)
    val before = ModelCache.rowScorers
    val row = data.select("features").head().getAs[Vector](0)
    val all = Runtime.getRuntime.availableProcessors * 4
    val found = new ConcurrentLinkedQueue[Any]
    val threads =
      Seq.fill(all)(new Thread(() => found.add(general.predict(row)("prediction")): Unit))
    threads.foreach(_.start())
    threads.foreach(_.join())
    assert(found.size == all && found.toArray.toSet.size == 1)
    assert(ModelCache.rowScorers - before <= Runtime.getRuntime.availableProcessors)
  }

  test("a batch is no larger than its results allow") {
    val classes = 20000
    val wide = classifier()
      .setNetwork(nn.Sequential(nn.Linear(4), nn.Linear(classes)))
      .setEpochs(0)
      .fit(data)
    def batches(frame: DataFrame): Long = {
      frame.collect(): Unit
      ScorePlans.scores(frame).map(_.metrics("numBatches").value).sum
    }
    val one = data.coalesce(1)
    // 320 kB of scores and probabilities a row, 16 MiB a batch.
    assert(batches(wide.transform(one)) == 2)
    val alone = wide.copy(ParamMap.empty).setRawPredictionCol("").setProbabilityCol("")
    assert(batches(alone.transform(one)) == 1)
    assert(
      alone.transform(one).select("prediction").collect().toSeq ==
        wide.transform(one).select("prediction").collect().toSeq
    )
  }
}
