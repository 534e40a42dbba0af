package candlewick.fit

import candlewick.cluster.{Assignment, Executor}
import candlewick.internal.{Failures, Json}
import candlewick.jni.InvalidDataException
import java.util.concurrent.CountDownLatch
import org.apache.spark.{FutureAction, SparkException}
import org.scalatest.funsuite.AnyFunSuite
import scala.concurrent.{CanAwait, ExecutionContext, Future}
import scala.concurrent.duration.Duration
import scala.util.{Failure, Try}

class ProgressSuite extends AnyFunSuite {

  private def record(epoch: Int, loss: Double, rows: Long, seconds: Double) =
    Json.obj("epoch" -> epoch, "step" -> 1, "loss" -> loss, "lr" -> 0.1, "rows" -> rows, "seconds" -> seconds)

  test("an epoch's line says loss, rows per second and seconds left, and counts from 1") {
    val progress = new Progress(10, 32)
    assert(
      progress.epoch(record(0, 0.5, 52000, 2.0)).text == "epoch 1/10  loss 0.5000  26,000 rows/s  18 s left"
    )
    val second = progress.epoch(record(1, 1e-5, 52000, 1.0))
    assert(second == Told("epoch 2/10  loss 1.000e-05  52,000 rows/s  12 s left", 52000.0, 12.0))
  }

  test("who waits for news of a fit is woken by an event, and by the end") {
    val longMs = 60000L
    def woken(by: FitEvents => Unit): FitEvents = {
      val events = new FitEvents
      val waiting = new Thread(() => events.await(10 * longMs))
      waiting.start()
      while (waiting.getState != Thread.State.TIMED_WAITING) Thread.`yield`()
      by(events)
      waiting.join(longMs)
      assert(!waiting.isAlive)
      events
    }
    assert(woken(_.put(Json.obj("event" -> "epoch"))).take(0L).length == 1)
    // From then on nobody waits.
    woken(_.end()).await(10 * longMs)
  }

  test("the line has every metric that is a number, and none of the others") {
    val all = record(0, 0.5, 100, 1.0).put("accuracy", 0.75).put("val_loss", 0.25).put("skippedSteps", 2)
    all.putNull("val_roc_auc").putArray("val_confusion_matrix"): Unit
    assert(
      new Progress(1, 1).epoch(all).text ==
        "epoch 1/1  loss 0.5000  accuracy 0.7500  val_loss 0.2500  skippedSteps 2  val_roc_auc -  100 rows/s  0 s left"
    )
  }

  test("a loss that has grown tenfold is told with what to do") {
    def losses(all: Double*) = all.zipWithIndex.map { case (loss, epoch) => record(epoch, loss, 1, 1.0) }
    assert(Progress.diverged(losses(2.0, 1.0, 98154.0)).exists { told =>
      told.contains("from 2.0000 in the first epoch to 9.815e+04") || told.contains("to 98154.0000")
    })
    assert(Progress.diverged(losses(2.0, 50.0, 19.9)).isEmpty)
    assert(Progress.diverged(losses(2.0)).isEmpty && Progress.diverged(Nil).isEmpty)
    assert(Progress.diverged(losses(-1.0, 5.0)).isEmpty, "a loss may be negative")
  }

  private def ledger(partition: Int, read: Long, sent: Long, failure: Option[(String, String)] = None) =
    Json.obj(
      "partition" -> partition,
      "rowsRead" -> read,
      "rowsSent" -> sent,
      "rowsPassedOver" -> 0,
      "failure" -> failure.map { case (kind, message) => Json.obj("kind" -> kind, "message" -> message) }
    )

  test("the failure of the first partition that has one is thrown") {
    val bad = Some("invalidData" -> "row 3")
    val error = intercept[InvalidDataException] {
      FitJob.checkLedgers(
        Iterator(ledger(2, 5, 1, Some("invalidData" -> "row 9")), ledger(0, 5, 5), ledger(1, 5, 2, bad))
      )
    }
    assert(error.getMessage == "row 3")
  }

  test("no rows, or none that are valid, are errors") {
    assert(
      intercept[InvalidDataException](FitJob.checkLedgers(Iterator(ledger(0, 0, 0)))).getMessage
        .contains("is empty")
    )
    assert(
      intercept[InvalidDataException](FitJob.checkLedgers(Iterator(ledger(0, 4, 0)))).getMessage
        .contains("all 4 rows")
    )
    FitJob.checkLedgers(Iterator(ledger(0, 4, 1), ledger(1, 0, 0)))
  }

  test("ledgers go to the coordinator in parts of whole ledgers") {
    val ledgers = (0 until 7).map(at => s"""{"partition":$at}""")
    val parts = Feeding.parts(ledgers, 40)
    assert(
      parts == Seq(ledgers.take(2), ledgers.slice(2, 4), ledgers.slice(4, 6), ledgers.drop(6))
        .map(_.mkString("[", ",", "]"))
    )
    assert(Feeding.parts(ledgers).map(Json.parse(_).size) == Seq(7))
    assert(Feeding.parts(Nil) == Seq("[]"))
    val command = Json.obj("cmd" -> "seal", "ledgers" -> Json.raw(parts.head), "more" -> true).toString
    assert(command == """{"cmd":"seal","ledgers":[{"partition":0},{"partition":1}],"more":true}""")
  }

  test("steps are told where they are news, with the loss so far") {
    def beat(step: Int) = Json.obj("epoch" -> 1, "step" -> step, "stepsPerEpoch" -> 500, "loss" -> 0.25)
    val progress = new Progress(3, 10, beatMs = -1)
    assert(progress.step(beat(812)).map(_.text).contains("epoch 2/3  step 312/500  loss 0.2500"))
    assert(progress.step(beat(812)).isEmpty, "no step since")
    val text = progress.step(beat(813)).map(_.text).mkString
    assert(text.matches("epoch 2/3  step 313/500  loss 0.2500  [0-9,]+ rows/s  \\d+ s left"), text)
    assert(new Progress(3, 10).step(beat(0).put("stepsPerEpoch", 0)).isEmpty, "before the first step")
    val seldom = new Progress(3, 10, beatMs = 3600000L)
    assert(seldom.step(beat(1)).nonEmpty && seldom.step(beat(2)).isEmpty)
    assert(!new Progress(3, 10).isQuiet && new Progress(3, 10, quietMs = -1).isQuiet)
  }

  test("events are kept in order, of steps the youngest alone") {
    val events = new FitEvents
    def named(name: String) = Json.obj("event" -> name)
    events.putStep(named("step 1"))
    events.put(named("epoch 0"))
    events.put(named("epoch 1"))
    events.putStep(named("step 2"))
    events.putStep(named("step 3"))
    assert(events.take(0L).map(_.get("event").asText) == Seq("epoch 0", "epoch 1", "step 3"))
    assert(events.take(0L).isEmpty)
  }

  test("the first callback that ends the training is the one that is told, and later ones change nothing") {
    val decisions = new Decisions(() => ())
    var told = Seq.empty[(Int, Boolean)]
    decisions.goOn(1)
    decisions.listen((epochs, over) => told :+= (epochs -> over))
    decisions.goOn(2)
    decisions.stop(3, "first")
    decisions.stop(3, "second")
    assert(told == Seq(3 -> false, 3 -> true, 3 -> true))
    assert(decisions.stoppedBy.contains("first") && decisions.hasSeen(3) && !decisions.hasSeen(4))
  }

  test("a cancelled job is told from a failed one by what Spark says of it, and of no other") {
    val cancelled = new SparkException(
      "[SPARK_JOB_CANCELLED] Job 3 cancelled part of cancelled job group mine SQLSTATE: XXKDA"
    )
    val told = Some(3 -> "part of cancelled job group mine")
    assert(Failures.cancellation(new RuntimeException("outer", cancelled)) == told)
    assert(
      Failures.cancellation(new SparkException("Job 3 cancelled part of cancelled job group mine")) == told
    )
    val aborted =
      "Job aborted due to stage failure: java.lang.RuntimeException: Job 3 cancelled by the customer"
    val theirs = new RuntimeException("Job 3 cancelled by the customer")
    assert(Failures.cancellation(new SparkException(aborted, theirs)).isEmpty)
  }

  test("only jobs of the fit are its own, and Spark's listener may be late to tell of one") {
    val control = new FitControl("f")
    val asking = Thread.currentThread()
    val late = new Thread(() => {
      while (asking.getState != Thread.State.TIMED_WAITING) Thread.`yield`()
      control.jobStarted(4)
    })
    late.setDaemon(true)
    late.start()
    assert(control.owns(4))
    assert(!control.owns(5))
  }

  test("a HOLD job that completes while it is looked at is seen, not dropped") {
    val control = new FitControl("f")
    val job = new OneJob
    val hold = new HoldJob(control, () => Seq(Executor("0", "h", 1)), () => true)((_, _) => job)
    hold.maintain()
    // It completes, cancelled, at the moment it was asked whether it is completed.
    job.completeAtNextQuestion(new SparkException("[SPARK_JOB_CANCELLED] Job 7 cancelled by the user"))
    hold.maintain()
    hold.maintain()
    assert(control.cancelled.exists(_.contains("Spark job 7")))
  }

  test("documents with a secret are not in messages") {
    val error = intercept[IllegalArgumentException](Json.field(Json.obj("secret" -> "5a5a"), "port"))
    assert(error.getMessage.contains("secret") && !error.getMessage.contains("5a5a"))
    val config = GangConfig(
      "job",
      new JobKeys("{\"peer\":\"5a5a\"}"),
      "host",
      1,
      "0",
      1,
      loopback = true,
      MemoryOrder(0L, None, 1, Nil, encrypt = false, identity)
    )
    assert(!config.toString.contains("5a5a"))
    val trainer = Placed("t", Executor("0", "h", 1), 1, 0)
    assert(!Order(Assignment(trainer.executor, 1, 1), Seq(trainer), "5a5a").toString.contains("5a5a"))
  }

  test("lines for progressLines are bounded, and a listener that is stuck holds up nobody") {
    val control = new FitControl("f")
    val stuck = new CountDownLatch(1)
    control.listen(_ => stuck.await())
    (0 to FitControl.MaxLines + 100).foreach(line => control.report(s"$line"))
    val kept = control.drain()
    assert(kept.length == FitControl.MaxLines && kept.last == s"${FitControl.MaxLines + 100}")
    stuck.countDown()
    control.finish()
  }

  test("a cancel before an action is registered still runs it") {
    val control = new FitControl("f")
    control.cancel("first")
    control.cancel("second")
    var reasons = Seq.empty[String]
    control.onCancel(reason => reasons :+= reason)
    assert(reasons == Seq("first"))
  }

  test("a fit that is over keeps nothing that a cancel or a lost executor would call") {
    val control = new FitControl("f")
    var called = Seq.empty[String]
    control.executorLost("0", "before anybody asked")
    control.onCancel(reason => called :+= reason)
    control.onExecutorLost((executor, _) => called :+= executor)
    control.executorLost("1", "why")
    control.finish()
    control.executorLost("2", "why")
    control.cancel("late")
    assert(called == Seq("0", "1"))
  }
}

/** A Spark job whose completion is at a moment of the test's choice. */
private final class OneJob extends FutureAction[Unit] {
  private var answer = Option.empty[Try[Unit]]
  private var next = Option.empty[Throwable]

  def completeAtNextQuestion(error: Throwable): Unit = next = Some(error)

  override def isCompleted: Boolean = {
    val now = answer.isDefined
    next.foreach(error => answer = Some(Failure(error)))
    now
  }
  override def value: Option[Try[Unit]] = {
    val now = answer
    next.foreach(error => answer = Some(Failure(error)))
    now
  }
  override def jobIds: Seq[Int] = Seq(7)
  override def cancel(): Unit = ()
  override def cancel(reason: Option[String]): Unit = ()
  override def isCancelled: Boolean = false
  override def onComplete[U](body: Try[Unit] => U)(implicit executor: ExecutionContext): Unit = ()
  override def transform[S](f: Try[Unit] => Try[S])(implicit e: ExecutionContext): Future[S] = Future.never
  override def transformWith[S](f: Try[Unit] => Future[S])(implicit e: ExecutionContext): Future[S] =
    Future.never
  override def ready(atMost: Duration)(implicit permit: CanAwait): this.type = this
  override def result(atMost: Duration)(implicit permit: CanAwait): Unit = ()
}
