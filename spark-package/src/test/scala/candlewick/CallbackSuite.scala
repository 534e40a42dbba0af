package candlewick

import candlewick.fit.CallbackRunner
import candlewick.internal.Json
import candlewick.jni.{CancelledException, JobFailedException, TrainerHost}
import java.util.concurrent.{ConcurrentLinkedQueue, CountDownLatch}
import org.apache.spark.ml.param.ParamMap

/** Callbacks of Scala. */
class CallbackSuite extends SparkSuite {

  private final class Seen(stopAfter: Int = -1) extends Callback {
    val calls = new ConcurrentLinkedQueue[String]()
    val again = new ConcurrentLinkedQueue[Boolean]()
    @volatile var fit = Option.empty[FitInfo]
    @volatile var failed = Option.empty[Throwable]
    def told: Seq[String] = calls.toArray(Array.empty[String]).toSeq

    override def onFitBegin(fit: FitInfo): Unit = {
      this.fit = Some(fit)
      calls.add("begin"): Unit
    }
    override def onEpochEnd(epoch: EpochRecord, fit: FitInfo): Boolean = {
      calls.add(s"epoch ${epoch.epoch}")
      again.add(epoch.again)
      epoch.epoch + 1 == stopAfter
    }
    override def onFitEnd(model: NeuralModel[_], fit: FitInfo): Unit =
      calls.add(s"end ${model.weightsHash}"): Unit
    override def onException(error: Throwable, fit: FitInfo): Unit = {
      failed = Some(error)
      calls.add("exception"): Unit
    }
  }

  private lazy val data = blobs(200).cache()

  test("a callback sees the whole fit and changes nothing") {
    val seen = new Seen
    val estimator = classifier().setCallbacks(seen)
    val model = estimator.fit(data)
    val epochs = (0 until 5).map(epoch => s"epoch $epoch")
    assert(seen.told == ("begin" +: epochs :+ s"end ${model.weightsHash}"))
    assert(seen.fit.exists(fit => fit.uid == estimator.uid && fit.epochs == 5 && fit.number > 0))
    assert(model.weightsHash == classifier().fit(data).weightsHash)
    assert(!model.summary.stoppedEarly && model.summary.stopReason.isEmpty)
  }

  test("true ends the training with the model of so many epochs") {
    val model = classifier().setEpochs(1000).setCallbacks(_.epoch == 1).fit(data)
    assert(model.summary.history.length == 2)
    assert(model.summary.stoppedEarly && model.summary.stopReason.exists(_.startsWith("callback")))
    assert(model.weightsHash == classifier().setEpochs(2).fit(data).weightsHash)
  }

  test("what a callback throws fails the fit and names it") {
    val seen = new Seen
    val broken = new Callback {
      override def onEpochEnd(epoch: EpochRecord, fit: FitInfo): Boolean =
        throw new IllegalStateException("no")
    }
    val handle = endless.setBatchSize(64).setCallbacks(seen, broken).startFit(data)
    over(handle)
    val error = intercept[JobFailedException](handle.result())
    assert(
      error.getMessage == "the callback number 2 failed in onEpochEnd of epoch 0: java.lang.IllegalStateException: no"
    )
    assert(error.getCause.getMessage == "no")
    assert(seen.told == Seq("begin", "epoch 0", "exception") && seen.failed.contains(error))
  }

  test("a fit that fails does not wait for a callback that is stuck") {
    val (there, go) = (new CountDownLatch(1), new CountDownLatch(1))
    @volatile var thread = Option.empty[Thread]
    val stuck = new Callback {
      override def onEpochEnd(epoch: EpochRecord, fit: FitInfo): Boolean = {
        thread = Some(Thread.currentThread)
        there.countDown()
        go.await()
        false
      }
    }
    val seen = new Seen
    val handle = endless.setMaxRecoveries(0).setCallbacks(stuck, seen).startFit(data)
    try {
      await(there, "no epoch ended")
      TrainerHost.stop(handle.id)
      val error = intercept[Exception](over(handle).result())
      assert(!error.isInstanceOf[CancelledException] && seen.failed.contains(error), error)
      assert(seen.told == Seq("begin", "exception"))
      assert(
        handle
          .progressLines()
          .exists(_.contains("does not wait for the callback number 1 in onEpochEnd of epoch 0"))
      )
      // Nor does another see what came before it.
      go.countDown()
      thread.foreach(_.join(120000L))
      assert(seen.told == Seq("begin", "exception") && thread.exists(!_.isAlive))
    } finally go.countDown()
  }

  test("whatever a callback throws fails the fit") {
    for (
      error <- Seq(
        new NoSuchMethodError("old"),
        new StackOverflowError("deep"),
        new InterruptedException("no")
      )
    ) {
      val broken = new Callback {
        override def onEpochEnd(epoch: EpochRecord, fit: FitInfo): Boolean = throw error
      }
      val handle = endless.setBatchSize(64).setCallbacks(broken).startFit(data)
      over(handle)
      val told = intercept[JobFailedException](handle.result())
      assert(told.getMessage.contains(s"in onEpochEnd of epoch 0: $error") && told.getCause == error)
    }
  }

  test("a callback that starts Spark jobs gets slots where the trainers have all of them") {
    val counted = new ConcurrentLinkedQueue[Long]()
    val handle = classifier()
      .setNumTrainers(2)
      .setCallbacks { (_: EpochRecord) =>
        counted.add(spark.range(0, 100, 1, 4).count())
        false
      }
      .startFit(data)
    val model = over(handle).result()
    assert(counted.toArray.toSeq == Seq.fill(5)(100L))
    assert(model.weightsHash == classifier().fit(data).weightsHash)
  }

  test("a fit is cancelled while its callback blocks") {
    val (entered, stuck) = (new CountDownLatch(1), new CountDownLatch(1))
    val handle = endless
      .setBatchSize(64)
      .setCallbacks { (_: EpochRecord) =>
        entered.countDown()
        stuck.await()
        false
      }
      .startFit(data)
    await(entered, "the callback was not called")
    handle.cancel("by the test")
    assert(cancelled(handle).getMessage.contains("by the test"))
    stuck.countDown()
  }

  test("a fit that goes on from a checkpoint says which epochs were before it") {
    val folder = freshPath()
    def fit(seen: Seen): NeuralClassificationModel =
      classifier().setEpochs(20).setCheckpointDir(folder).setCallbacks(seen).fit(data)
    val first = new Seen(stopAfter = 2)
    val model = fit(first)
    assert(first.again.toArray.toSeq == Seq(false, false))
    // A callback ended it there: it is over where it was.
    val second = new Seen(stopAfter = 2)
    assert(fit(second).weightsHash == model.weightsHash)
    assert(second.again.toArray.toSeq == Seq(true, true))
    assert(model.summary.history.forall(!_.again))
  }

  test("what is not known of a step is NaN") {
    val told = """{"event": "step", "epoch": 0, "step": 3, "stepsPerEpoch": 8, "rowsPerSecond": 0.0"""
    val first = CallbackRunner.step(Json.parse(told + """, "loss": null, "secondsLeft": null}"""))
    assert(first.loss.isNaN && first.secondsLeft.isNaN && first.step == 3L)
    val later = CallbackRunner.step(Json.parse(told + """, "loss": 0.5, "secondsLeft": 12.0}"""))
    assert((later.loss, later.secondsLeft) == ((0.5, 12.0)))
  }

  test("copies have the callbacks, and fits their numbers") {
    val seen = new Seen(stopAfter = 1)
    val copy = classifier().setCallbacks(seen).copy(ParamMap.empty)
    assert(copy.getCallbacks == Seq(seen))
    copy.fit(data): Unit
    val first = seen.fit.map(_.number)
    copy.fit(data): Unit
    assert(seen.fit.map(_.number) != first)
    assert(seen.told.count(_.startsWith("epoch")) == 2)
  }
}
