package candlewick

import candlewick.jni.{CancelledException, TrainerHost}
import java.util.concurrent.CountDownLatch
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.functions.{col, udf}
import org.scalatest.concurrent.Eventually
import org.scalatest.time.{Millis, Seconds, Span}

/** However a fit is cancelled, its trainers end and the session goes on. */
class CancelSuite extends SparkSuite with Eventually {
  implicit override val patienceConfig: PatienceConfig =
    PatienceConfig(timeout = Span(120, Seconds), interval = Span(20, Millis))

  private lazy val data = blobs(200).cache()

  private def untilTraining(handle: FitHandle[_]): Unit = eventually {
    assert(!handle.awaitTermination(0), handle)
    assert(handle.progressLines().exists(_.contains("epoch")))
  }

  private def gone(): Unit = {
    eventually(assert(TrainerHost.jobIds().isEmpty))
    assert(classifier().setEpochs(1).fit(data).transform(data).count() == 200)
  }

  test("by the handle") {
    val handle = endless.startFit(data)
    untilTraining(handle)
    handle.cancel("enough")
    val error = cancelled(handle)
    assert(error.getMessage == "the fit was cancelled: enough")
    gone()
  }

  test("by the job group of the caller") {
    spark.sparkContext.setJobGroup("mine", "a notebook cell")
    val handle =
      try endless.startFit(data)
      finally spark.sparkContext.clearJobGroup()
    untilTraining(handle)
    // Once is enough: the slots are held before the first epoch, so there is a job to cancel.
    spark.sparkContext.cancelJobGroup("mine")
    val error = cancelled(handle)
    assert(error.getMessage.contains("job group mine") && error.getCause != null, error)
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
    eventually(assert(second.progressLines().exists(_.startsWith("waiting for free cores")), second))
    second.cancel("no longer wanted")
    cancelled(second)
    first.cancel("done")
    cancelled(first)
    gone()
  }

  test("a failure that speaks of something cancelled is no cancel, and keeps its cause") {
    val failing = udf { (label: Double) =>
      if (label >= 0) throw new IllegalStateException("Job 3 cancelled by the customer")
      label
    }
    val source = data.withColumn("label", failing(col("label")))
    val error = intercept[Exception](classifier().setInputShape(Array(4)).fit(source))
    assert(!error.isInstanceOf[CancelledException], error)
    assert(Iterator.iterate[Throwable](error)(_.getCause).takeWhile(_ != null).exists {
      _.getMessage.contains("cancelled by the customer")
    })
  }

  test("a listener that blocks does not keep a fit from its end") {
    val blocked = new CountDownLatch(1)
    val handle = classifier().setVerbose(true).startFit(data)
    handle.listenProgress(_ => blocked.await())
    try assert(over(handle).result().summary.objectiveHistory.length == 5)
    finally blocked.countDown()
  }

  test("a user's function that blocks in the DataFrame does not keep a cancel from the fit") {
    val blocking = udf { (label: Double) => CancelSuite.pass(label) }
    val source = data.where(blocking(col("label")) >= 0)
    // With a shape the feed is the first to read rows; without one it is a look at the first of them.
    for (fit <- Seq(classifier().setInputShape(Array(4)), classifier())) {
      val there = new CountDownLatch(1)
      val go = new CountDownLatch(1)
      CancelSuite.gates = Some(there -> go)
      val handle = fit.startFit(source)
      try {
        await(there, "no row was read")
        handle.cancel("no patience")
        cancelled(handle): Unit
      } finally go.countDown()
      gone()
    }
  }

  test("a cancel that comes while Spark plans the feed ends the job that starts then") {
    val blocking = udf { (label: Double) => CancelSuite.pass(label) }
    val (planned, plan) = (new CountDownLatch(1), new CountDownLatch(1))
    val (there, go) = (new CountDownLatch(1), new CountDownLatch(1))
    CancelSuite.gates = Some(there -> go)
    val before = spark.experimental.extraOptimizations
    spark.experimental.extraOptimizations = Seq(new CancelSuite.Gate(planned, plan))
    try {
      val handle = classifier().setInputShape(Array(4)).startFit(data.where(blocking(col("label")) >= 0))
      await(planned, "the feed was not planned")
      handle.cancel("no patience")
      plan.countDown()
      // Its tasks would not end by themselves.
      cancelled(handle): Unit
    } finally {
      spark.experimental.extraOptimizations = before
      plan.countDown()
      go.countDown()
    }
    gone()
  }

  test("by the job group, while the first row is looked at") {
    val blocking = udf { (label: Double) => CancelSuite.pass(label) }
    val (there, go) = (new CountDownLatch(1), new CountDownLatch(1))
    CancelSuite.gates = Some(there -> go)
    spark.sparkContext.setJobGroup("looking", "a notebook cell")
    val handle =
      try classifier().startFit(data.where(blocking(col("label")) >= 0))
      finally spark.sparkContext.clearJobGroup()
    try {
      await(there, "no row was read")
      spark.sparkContext.cancelJobGroup("looking")
      assert(cancelled(handle).getMessage.contains("job group looking"))
    } finally go.countDown()
    gone()
  }

  test("a fit that waits for a slot to look at its first row says so") {
    val first = endless.setNumTrainers(2).startFit(data)
    untilTraining(first)
    val second = classifier().setEpochs(1).startFit(data)
    eventually(assert(second.progressLines().exists(_.contains("still looking at the first row")), second))
    first.cancel("done")
    cancelled(first)
    assert(over(second).result().summary.objectiveHistory.length == 1)
    gone()
  }
}

private object CancelSuite {

  /** Says that a feed is being planned, and lets it go on. */
  final class Gate(planned: CountDownLatch, plan: CountDownLatch) extends Rule[LogicalPlan] {
    override def apply(found: LogicalPlan): LogicalPlan = {
      if (found.nodeName.startsWith("Feed")) {
        planned.countDown()
        plan.await()
      }
      found
    }
  }

  /** Says that a function is there, and lets it go on. */
  @volatile var gates = Option.empty[(CountDownLatch, CountDownLatch)]

  /** Deaf to interrupts, as native code of a user may be. */
  def pass(label: Double): Double = {
    gates.foreach { case (there, go) =>
      there.countDown()
      while (go.getCount > 0)
        try go.await()
        catch { case _: InterruptedException => () }
    }
    label
  }
}
