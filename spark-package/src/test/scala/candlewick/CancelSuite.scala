package candlewick

import candlewick.jni.{CancelledException, TrainerHost}
import org.scalatest.concurrent.Eventually
import org.scalatest.time.{Millis, Seconds, Span}

/** However a fit is cancelled, its trainers end and the session goes on. */
class CancelSuite extends SparkSuite with Eventually {
  implicit override val patienceConfig: PatienceConfig =
    PatienceConfig(timeout = Span(20, Seconds), interval = Span(20, Millis))

  private lazy val data = blobs(200).cache()

  /** Trains far longer than a test lasts. */
  private def endless = classifier().setEpochs(1000000).setVerbose(true)

  private def untilTraining(handle: FitHandle[_]): Unit = eventually {
    assert(!handle.awaitTermination(0), handle)
    assert(handle.progressLines().exists(_.startsWith("epoch")))
  }

  private def gone(): Unit = {
    eventually(assert(TrainerHost.jobIds().isEmpty))
    assert(classifier().setEpochs(1).fit(data).transform(data).count() == 200)
  }

  test("by the handle") {
    val handle = endless.startFit(data)
    untilTraining(handle)
    handle.cancel("enough")
    val error = intercept[CancelledException](handle.result())
    assert(error.getMessage == "the fit was cancelled: enough")
    gone()
  }

  test("by the job group of the caller") {
    spark.sparkContext.setJobGroup("mine", "a notebook cell")
    val handle =
      try endless.startFit(data)
      finally spark.sparkContext.clearJobGroup()
    untilTraining(handle)
    eventually {
      spark.sparkContext.cancelJobGroup("mine")
      assert(handle.awaitTermination(100))
    }
    intercept[CancelledException](handle.result())
    gone()
  }

  test("by an interrupt of the thread that waits") {
    @volatile var outcome: Option[Throwable] = None
    val thread = new Thread(() =>
      try endless.fit(data): Unit
      catch { case error: Throwable => outcome = Some(error) }
    )
    thread.start()
    eventually(assert(!TrainerHost.jobIds().isEmpty))
    thread.interrupt()
    eventually(assert(outcome.exists(_.isInstanceOf[InterruptedException]), outcome))
    gone()
  }

  test("a fit that waits in line is cancelled too") {
    val first = endless.setNumTrainers(2).startFit(data)
    untilTraining(first)
    // inputShape tells the width: no job reads a row first, which would wait for a slot itself.
    val second = endless.setInputShape(Array(4)).startFit(data)
    eventually(assert(second.progressLines().exists(_.startsWith("waiting for free slots")), second))
    second.cancel("no longer wanted")
    intercept[CancelledException](second.result())
    first.cancel("done")
    intercept[CancelledException](first.result())
    gone()
  }
}
