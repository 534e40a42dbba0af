package candlewick.fit

import candlewick.cluster.Executor
import candlewick.internal.Clock
import candlewick.jni.CancelledException
import org.apache.spark.{FutureAction, SparkException}
import org.scalatest.funsuite.AnyFunSuite
import scala.collection.mutable

/** Which slots are held, and how they are given back. */
class HoldJobSuite extends AnyFunSuite {
  private val executors = Seq(Executor("0", "hostA", 1), Executor("1", "hostB", 1))

  /** Jobs that a test ends, and the executors that each is for. */
  private final class Submitted {
    val jobs = mutable.ArrayBuffer.empty[TestJob]
    val orders = mutable.ArrayBuffer.empty[Seq[String]]
    private var over: Int => Unit = _ => ()

    def submit(tasks: Seq[(String, Seq[String])], over: Int => Unit): FutureAction[Unit] = {
      orders += tasks.map(_._1)
      jobs += new TestJob
      this.over = over
      jobs.last
    }

    /** A task of the latest job is over. */
    def end(index: Int): Unit = over(index)
  }

  private def later(body: => Unit): Unit =
    try {
      val time = System.nanoTime() + 3600000000000L
      Clock.nanos = () => time
      body
    } finally Clock.nanos = () => System.nanoTime()

  test("a task that could not be placed is asked for again after a while, and no other") {
    val submitted = new Submitted
    val hold = new HoldJob(new FitControl("f"), () => executors, () => true)(submitted.submit)
    hold.maintain()
    submitted.end(1)
    later {
      hold.maintain()
      hold.maintain()
    }
    assert(submitted.orders.toSeq == Seq(Seq("f 0", "f 1"), Seq("f 1")))
  }

  test("whose slots are not held yet is told by where the job's tasks run") {
    val submitted = new Submitted
    val control = new FitControl("f")
    val hold = new HoldJob(control, () => executors, () => true)(submitted.submit)
    assert(hold.waiting == executors, "nothing is asked for")
    hold.maintain()
    val job = submitted.jobs.last.jobIds.head
    control.taskStarted(40, 0, "0")
    assert(hold.waiting == executors, "a stage of nobody's")
    control.holdStarted(job, 40)
    control.taskStarted(40, 0, "0")
    control.taskStarted(40, 1, "0")
    assert(hold.waiting == executors.drop(1), "the second runs elsewhere")
    control.taskStarted(40, 1, "1")
    assert(hold.waiting.isEmpty)
  }

  test("the slots of a job that failed are asked for again; it cancels nothing") {
    val submitted = new Submitted
    val control = new FitControl("f")
    val hold = new HoldJob(control, () => executors, () => true)(submitted.submit)
    hold.maintain()
    submitted.jobs.last.fail(new IllegalStateException("executor lost"))
    later {
      hold.maintain()
      hold.maintain()
    }
    assert(submitted.orders.toSeq == Seq(Seq("f 0", "f 1"), Seq("f 0", "f 1")))
    assert(control.cancelled.isEmpty)
  }

  test("tasks that end by themselves are not killed, and nothing is asked for after that") {
    val submitted = new Submitted
    val hold = new HoldJob(new FitControl("f"), () => executors, () => true)(submitted.submit)
    hold.maintain()
    val waiting = Thread.currentThread()
    val ending = new Thread(() => {
      while (waiting.getState != Thread.State.TIMED_WAITING) Thread.`yield`()
      submitted.end(0)
      submitted.end(1)
      submitted.jobs.last.complete(): Unit
    })
    ending.setDaemon(true)
    ending.start()
    hold.release(120000L)
    assert(!submitted.jobs.last.isCancelled)
    later(hold.maintain())
    assert(submitted.jobs.length == 1)
  }

  test("tasks that do not end are killed") {
    val submitted = new Submitted
    val hold = new HoldJob(new FitControl("f"), () => executors, () => true)(submitted.submit)
    hold.maintain()
    hold.release(0L)
    assert(submitted.jobs.last.isCancelled)
  }

  test(
    "the slots are given back while something is fed, and asked for again for the trainers that are left"
  ) {
    val submitted = new Submitted
    val control = new FitControl("f")
    var there = executors
    val hold = new HoldJob(control, () => there, () => true)(submitted.submit)
    hold.maintain()
    val answer = hold.without {
      assert(submitted.jobs.last.isCancelled)
      hold.maintain()
      assert(submitted.jobs.length == 1, "nothing is asked for meanwhile")
      there = executors.tail
      "fed"
    }
    assert(answer == "fed")
    assert(submitted.orders.toSeq == Seq(Seq("f 0", "f 1"), Seq("f 1")), "at once")
    later(hold.maintain())
    assert(submitted.jobs.length == 2)
    assert(control.cancelled.isEmpty, "no user has cancelled a job")
  }

  test("slots are given back while callbacks take long to decide") {
    val submitted = new Submitted
    val control = new FitControl("f")
    val hold = new HoldJob(control, () => executors, () => true)(submitted.submit)
    hold.maintain()
    control.decisions.ask(1)
    hold.maintain()
    assert(!submitted.jobs.last.isCancelled, "not at once")
    later {
      hold.maintain()
      assert(submitted.jobs.head.isCancelled && !submitted.jobs.last.isCancelled)
      hold.maintain()
      assert(submitted.orders.toSeq == Seq(Seq("f 0", "f 1"), Seq("f 0")), "one that a cancel would meet")
      control.decisions.goOn(1)
      hold.maintain()
    }
    assert(submitted.orders.toSeq == Seq(Seq("f 0", "f 1"), Seq("f 0"), Seq("f 0", "f 1")))
    assert(control.cancelled.isEmpty && !submitted.jobs.last.isCancelled)
  }

  test("a cancel while slots are given back ends the fit") {
    val submitted = new Submitted
    val control = new FitControl("f")
    val hold = new HoldJob(control, () => executors, () => true)(submitted.submit)
    hold.maintain()
    control.decisions.ask(1)
    later(hold.maintain())
    val job = submitted.jobs.last.jobIds.head
    submitted.jobs.last.fail(new SparkException(s"Job $job cancelled part of cancelled job group g"))
    later(hold.maintain())
    assert(control.cancelled.exists(_.contains("was cancelled")), control.cancelled)
  }

  test("slots stay held where nobody waits for them") {
    val submitted = new Submitted
    val control = new FitControl("f")
    val hold = new HoldJob(control, () => executors, () => false)(submitted.submit)
    hold.maintain()
    control.decisions.ask(1)
    later(hold.maintain())
    assert(submitted.jobs.length == 1 && !submitted.jobs.last.isCancelled)
  }

  test("a user's cancel that nobody has seen yet ends the fit before it feeds again") {
    val submitted = new Submitted
    val hold = new HoldJob(new FitControl("f"), () => executors, () => true)(submitted.submit)
    hold.maintain()
    submitted.jobs.last.fail(new SparkException("[SPARK_JOB_CANCELLED] Job 7 cancelled by the user"))
    val error = intercept[CancelledException](hold.without(fail("it was fed")))
    assert(error.getMessage.contains("Spark job 7"))
  }

  test("the tasks of a lost executor give back the slots that Spark tries them in again") {
    val submitted = new Submitted
    val control = new FitControl("f")
    val hold = new HoldJob(control, () => executors, () => true)(submitted.submit)
    hold.maintain()
    hold.executorLost("7")
    assert(!submitted.jobs.last.isCancelled, "it is none of ours")
    hold.executorLost("1")
    assert(submitted.jobs.last.isCancelled)
    later {
      hold.maintain()
      hold.maintain()
    }
    assert(submitted.orders.toSeq == Seq(Seq("f 0", "f 1"), Seq("f 0")))
    assert(control.cancelled.isEmpty, "no user has cancelled a job")
  }
}
