package candlewick.fit

import candlewick.internal.Json
import org.scalatest.funsuite.AnyFunSuite

final class EarlyEndSuite extends AnyFunSuite {

  private def end(stopped: Boolean, best: Option[(Int, Double)], restores: Boolean = true): EarlyEnd = {
    val rule = Json.obj("metric" -> "val_roc_auc", "restoreBest" -> restores)
    val job = Json.obj("train" -> Json.obj("evaluation" -> Json.obj("earlyStopping" -> rule)))
    val report =
      Json.obj("stoppedEarly" -> stopped).put("bestEpoch", null: String).put("bestValue", null: String)
    best.foreach { case (epoch, value) => report.put("bestEpoch", epoch).put("bestValue", value) }
    EarlyEnd.of(job, Json.obj("stopping" -> report)).get
  }

  private val epochs = Seq(1.0, 0.5, 1000.0).map(loss => Json.obj("loss" -> loss))

  test("a metric that got no better ends a fit, and one that was never defined is told as that") {
    val seen = end(stopped = true, best = Some((1, 0.75)))
    assert(seen.reason.contains("earlyStopping: val_roc_auc got no better") && seen.unseen.isEmpty)
    val unseen = end(stopped = true, best = None)
    assert(unseen.reason.contains("earlyStopping: val_roc_auc was never defined"))
    assert(unseen.unseen.exists(_.contains("raise validationFraction")))
    val whole = end(stopped = false, best = None)
    assert(whole.reason.isEmpty && whole.unseen.isDefined)
    assert(EarlyEnd.of(Json.obj(), Json.obj()).isEmpty)
  }

  test("a schedule that waits for a metric that no epoch has is told") {
    def told(kind: String, values: Option[Double]*) = {
      val schedule = Json.obj("type" -> kind, "metric" -> "val_roc_auc")
      val history = values.map(value => Json.obj("loss" -> 1.0, "val_roc_auc" -> value))
      Progress.unjudged(Json.obj("train" -> Json.obj("lrScheduler" -> schedule)), history)
    }
    assert(
      told("ReduceLROnPlateau", None, None).exists(_.contains("val_roc_auc was not defined in any epoch"))
    )
    assert(told("ReduceLROnPlateau", None, Some(0.5)).isEmpty && told("ReduceLROnPlateau").isEmpty)
    assert(told("StepLR", None).isEmpty && Progress.unjudged(Json.obj(), epochs).isEmpty)
  }

  test("a loss that grew after the epoch whose weights the model has is no matter") {
    assert(Progress.diverged(epochs).isDefined)
    assert(Progress.diverged(end(stopped = true, best = Some((1, 0.75))).kept(epochs)).isEmpty)
    assert(end(stopped = true, best = Some((1, 0.75)), restores = false).kept(epochs) == epochs)
    assert(end(stopped = true, best = None).kept(epochs) == epochs)
  }
}
