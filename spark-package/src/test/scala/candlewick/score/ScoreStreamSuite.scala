package candlewick.score

import candlewick.SparkSuite
import java.util.concurrent.ConcurrentLinkedQueue
import org.apache.spark.sql.{DataFrame, Dataset, Row}
import org.apache.spark.sql.functions.{col, timestamp_seconds, window}

/** Streams whose plan holds the operator. */
class ScoreStreamSuite extends SparkSuite {
  private lazy val data = blobs(120).withColumn("at", timestamp_seconds(col("id") * 10)).cache()
  private lazy val model = classifier().setEpochs(1).fit(data)
  private lazy val expected = model.transform(data).cache()

  private lazy val path = {
    val folder = freshPath()
    // One after the other: a stream reads files by their age, and rows that are late count in no window.
    for (part <- 0 until 3)
      data
        .where(col("id").between(part * 40, part * 40 + 39))
        .coalesce(1)
        .write
        .mode("append")
        .parquet(folder)
    folder
  }

  private def input: DataFrame = spark.readStream
    .schema(spark.read.parquet(path).schema)
    .option("maxFilesPerTrigger", "1")
    .parquet(path)

  /** The rows of a sink in memory after everything was read. */
  private def drained(frame: DataFrame, mode: String, name: String): Array[Row] = {
    val query = frame.writeStream
      .format("memory")
      .queryName(name)
      .outputMode(mode)
      .option("checkpointLocation", freshPath())
      .start()
    try {
      query.processAllAvailable()
      assert(query.recentProgress.count(_.numInputRows > 0) == 3, "one batch a file")
      spark.table(name).collect()
    } finally query.stop()
  }

  test("append, with a condition on either side") {
    val rows =
      drained(model.transform(input).where("id >= 20 and prediction = 1").select("id"), "append", "appended")
    assert(rows.toSet == expected.where("id >= 20 and prediction = 1").select("id").collect().toSet)
  }

  test("a stream that reads nothing of the model") {
    assert(drained(model.transform(input).select("id"), "append", "unread").length == 120)
  }

  test("update: counts of predictions grow") {
    val rows = drained(model.transform(input).groupBy("prediction").count(), "update", "updated")
    val last = rows.groupBy(_.getDouble(0)).map { case (of, all) => of -> all.map(_.getLong(1)).max }
    val wanted =
      expected.groupBy("prediction").count().collect().map(row => row.getDouble(0) -> row.getLong(1))
    assert(last == wanted.toMap)
  }

  test("a watermark from below closes windows above") {
    val scored = model.transform(input.withWatermark("at", "1 second"))
    val rows = drained(scored.groupBy(window(col("at"), "200 seconds")).count(), "append", "windows")
    // Six windows of twenty rows; the last one is open still.
    assert(rows.length == 5 && rows.forall(_.getLong(1) == 20))
    val late = model.transform(input).withWatermark("at", "1 second")
    val above = drained(late.groupBy(window(col("at"), "200 seconds")).count(), "append", "windows_above")
    assert(above.toSet == rows.toSet)
  }

  test("foreachBatch sees scored rows, as often as it asks") {
    val seen = new ConcurrentLinkedQueue[Long]
    val ids = new ConcurrentLinkedQueue[Row]
    val take: (Dataset[Row], Long) => Unit = (batch, _) => {
      seen.add(batch.where("prediction >= 0").count()): Unit
      batch.select("id", "prediction").collect().foreach(row => ids.add(row): Unit)
    }
    val query =
      model.transform(input).writeStream.foreachBatch(take).option("checkpointLocation", freshPath()).start()
    try query.processAllAvailable()
    finally query.stop()
    assert(seen.toArray.toSeq == Seq(40L, 40L, 40L))
    assert(ids.toArray.toSet == expected.select("id", "prediction").collect().toSet)
  }
}
