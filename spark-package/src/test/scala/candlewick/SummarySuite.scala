package candlewick

import org.apache.spark.sql.functions.col

/** What a summary shows of a fit. */
class SummarySuite extends SparkSuite {
  private lazy val summary =
    classifier().setEpochs(3).setMetrics(Array("accuracy")).setValidationFraction(0.2).fit(blobs(200)).summary

  test("the history is a DataFrame") {
    val frame = summary.historyDF(spark)
    val columns =
      Seq("epoch", "step", "loss", "lr", "rows", "seconds", "accuracy", "val_accuracy", "val_loss")
    assert(columns.diff(frame.columns.toSeq).isEmpty, frame.columns.mkString(", "))
    val rows = frame.orderBy("epoch").select("epoch", "loss", "val_loss").collect()
    assert(rows.map(_.getInt(0)).toSeq == Seq(0, 1, 2))
    assert(rows.map(_.getDouble(1)).toSeq == summary.objectiveHistory.toSeq)
    assert(rows.map(_.getDouble(2)).toSeq == summary.history.map(_.metrics("val_loss")).toSeq)
  }

  test("a value that is not defined is null, and so is one that only other epochs have") {
    def record(epoch: Int, more: String) =
      s"""{"epoch": $epoch, "step": 1, "loss": 1.5, "lr": 0.1, "rows": 2, "seconds": 0.5$more}"""
    val history = Seq(record(0, ""), record(1, """, "mae": null"""), record(2, """, "mae": 2.0"""))
    val frame = new TrainingSummary(s"""{"history": [${history.mkString(",")}]}""").historyDF(spark)
    assert(frame.filter(col("mae").isNull).count() == 2)
    assert(new TrainingSummary("""{"history": []}""").historyDF(spark).count() == 0)
  }

  test("toString is one line, and json the whole") {
    val text = summary.toString
    assert(text.startsWith(s"TrainingSummary(epochs=3, totalSteps=${summary.totalSteps}, numTrainers="), text)
    val loss = "%.4g".formatLocal(java.util.Locale.ROOT, summary.objectiveHistory.last)
    assert(text.contains(s"loss=$loss, val_loss="), text)
    assert(text.length < 200 && summary.json.length > 1000)
  }
}
