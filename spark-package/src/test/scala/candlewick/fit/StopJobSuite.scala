package candlewick.fit

import candlewick.cluster.Executor
import candlewick.internal.Clock
import org.scalatest.funsuite.AnyFunSuite
import scala.collection.mutable

/** The tasks that end trainers which hear nothing. */
class StopJobSuite extends AnyFunSuite {
  private val executors = Seq(Executor("0", "hostA", 1), Executor("1", "hostB", 1))

  test("what ran elsewhere is asked for again until the executor itself has answered") {
    val rounds = mutable.ArrayBuffer.empty[Seq[String]]
    new StopJob("f", _ => false, pauseMs = 0)((tasks, answered) => {
      rounds += tasks.map(_._1)
      tasks.indices.foreach { index =>
        val elsewhere = tasks(index)._1 == "f 1" && rounds.length < 3
        answered(index, if (elsewhere) Answer.Misplaced else "released")
      }
      new TestJob().complete()
    }).run(executors)
    assert(rounds.toSeq == Seq(Seq("f 0", "f 1"), Seq("f 1"), Seq("f 1")))
  }

  test("nobody waits for an executor that is gone") {
    val gone = mutable.Set("0")
    val job = new TestJob
    var asked = Seq.empty[String]
    new StopJob("f", one => gone(one.id), pauseMs = 0)((tasks, _) => {
      asked ++= tasks.map(_._1)
      gone += "1"
      job
    }).run(executors)
    assert(asked == Seq("f 1") && job.isCancelled)
  }

  test("it ends at its deadline, and leaves no task waiting for a slot") {
    val job = new TestJob
    try
      new StopJob("f", _ => false, pauseMs = 0)((_, _) => {
        val late = System.nanoTime() + StopJob.DeadlineMs * 1000000L
        Clock.nanos = () => late
        job
      }).run(executors)
    finally Clock.nanos = () => System.nanoTime()
    assert(job.isCancelled)
  }
}
