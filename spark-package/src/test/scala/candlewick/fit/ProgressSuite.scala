package candlewick.fit

import candlewick.internal.Json
import candlewick.jni.InvalidDataException
import org.scalatest.funsuite.AnyFunSuite

class ProgressSuite extends AnyFunSuite {

  private def record(epoch: Int, loss: Double, rows: Long, seconds: Double) =
    Json.obj("epoch" -> epoch, "step" -> 1, "loss" -> loss, "lr" -> 0.1, "rows" -> rows, "seconds" -> seconds)

  test("an epoch's line says loss, rows per second and seconds left") {
    val progress = new Progress(10)
    assert(progress.line(record(0, 0.5, 52000, 2.0)) == "epoch 1/10  loss 0.5000  26,000 rows/s  18 s left")
    assert(
      progress.line(record(1, 1e-5, 52000, 1.0)) == "epoch 2/10  loss 1.000e-05  52,000 rows/s  12 s left"
    )
  }

  test("the line has the loss of the validation rows where there are some") {
    val line = new Progress(1).line(record(0, 0.5, 100, 1.0).put("val_loss", 0.25))
    assert(line == "epoch 1/1  loss 0.5000  val_loss 0.2500  100 rows/s  0 s left")
  }

  private def ledger(partition: Int, read: Long, sent: Long, failure: Option[(String, String)] = None) =
    Json.obj(
      "partition" -> partition,
      "rowsRead" -> read,
      "rowsSent" -> sent,
      "failure" -> failure.map { case (kind, message) => Json.obj("kind" -> kind, "message" -> message) }
    )

  test("the failure of the first partition that has one is thrown") {
    val bad = Some("invalidData" -> "row 3")
    val error = intercept[InvalidDataException] {
      FitJob.checkLedgers(
        Seq(ledger(2, 5, 1, Some("invalidData" -> "row 9")), ledger(0, 5, 5), ledger(1, 5, 2, bad))
      )
    }
    assert(error.getMessage == "row 3")
  }

  test("no rows, or none that are valid, are errors") {
    assert(
      intercept[InvalidDataException](FitJob.checkLedgers(Seq(ledger(0, 0, 0)))).getMessage
        .contains("is empty")
    )
    assert(
      intercept[InvalidDataException](FitJob.checkLedgers(Seq(ledger(0, 4, 0)))).getMessage
        .contains("all 4 rows")
    )
    FitJob.checkLedgers(Seq(ledger(0, 4, 1), ledger(1, 0, 0)))
  }

  test("a cancelled job is told from a failed one") {
    val cancelled = new RuntimeException("[SPARK_JOB_CANCELLED] Job 3 cancelled part of cancelled job group")
    assert(HoldJob.isCancel(new RuntimeException("outer", cancelled)))
    assert(!HoldJob.isCancel(new RuntimeException("lost executor")))
  }

  test("a cancel before an action is registered still runs it") {
    val control = new FitControl("f")
    control.cancel("first")
    control.cancel("second")
    var reasons = Seq.empty[String]
    control.onCancel(reason => reasons :+= reason)
    assert(reasons == Seq("first"))
  }
}
