package candlewick.fit

import candlewick.cluster.{Admission, Executor, Request}
import candlewick.internal.Json
import org.apache.spark.SparkException
import org.scalatest.funsuite.AnyFunSuite
import scala.collection.mutable

/** Which trainers are started while a fit runs, where, and when no more; on a clock of the test's own. */
class ElasticSuite extends AnyFunSuite {
  private val a = Executor("0", "hostA", 2)
  private val b = Executor("1", "hostB", 2)
  private val c = Executor("2", "hostC", 2)

  /** A fit with trainers of one thread, on `a` and `b` at first. */
  private final class Fit(
      goal: Int,
      oneEach: Boolean = true,
      val cluster: ScriptedCluster = new ScriptedCluster(Seq(a, b))
  ) extends Elastic.Gang {
    val admission = new Admission
    val control = new FitControl("f")
    admission.enqueue("f")
    private val places = admission.admit("f", Request(2, 8, 1), Seq(a, b), _.cores).get
    private val orders =
      new Orders(
        GangConfig(
          "f",
          new JobKeys("{}"),
          "driver",
          1,
          "0",
          1,
          loopback = true,
          MemoryOrder(0L, None, 1, Nil, encrypt = false, identity)
        ),
        Needs(Nil, 0L, 0L, 1.0),
        None
      )
    val gone = mutable.Set.empty[String]
    val expected = mutable.Set.empty[String]
    val decommissioned = mutable.ArrayBuffer.empty[String]
    val held = mutable.ArrayBuffer.empty[String]
    private val registeredIds = mutable.Set.empty[String]

    /** Orders that were started, with what answers them. */
    val started = mutable.ArrayBuffer.empty[(Order, String => Unit, TestJob)]

    override val roster: Roster = new Roster(places.flatMap(orders.at(_).trainers), () => gone.toSet)
    override def expect(trainers: Seq[String]): Unit = expected ++= trainers
    override def decommission(executor: Executor): Unit = decommissioned += executor.id
    override def ordered(executor: Executor): Unit = ()
    override def registered(trainer: String): Boolean = registeredIds(trainer)
    override def isGone(trainer: String): Boolean = gone(trainer)
    override def freeSlots(executor: Executor): Unit = ()
    override def holdSlots(executor: Executor): Unit = held += executor.id

    val elastic = new Elastic(
      cluster,
      admission,
      control,
      this,
      orders,
      Growth(goal, 2, oneEach, 1, 20000L)
    )((order, answered) => {
      started += ((order, answered, new TestJob))
      started.last._3
    })

    /** Lets time pass, with a look each second. */
    def pass(seconds: Int): Unit = (0 until seconds).foreach { _ =>
      elastic.maintain()
      cluster.await(1000L)
    }

    def trainerOn(executor: Executor): String = roster.there.find(_.executor == executor).get.id

    /** The last order starts its trainers, and they come. */
    def succeed(): Unit = {
      val (order, answered, job) = started.last
      answered("""{"trainers": 1}""")
      job.complete()
      registeredIds ++= order.trainers.map(_.id)
      pass(1)
    }

    /** What the last order is answered with, where nothing starts. */
    def answer(text: String): Unit = {
      started.last._2(text)
      started.last._3.complete()
      pass(1)
    }

    def lose(executor: Executor): Unit = {
      gone += trainerOn(executor)
      control.executorLost(executor.id, "gone")
      cluster.executors = cluster.executors.filterNot(_ == executor)
    }
  }

  test("who is lost is replaced once there is room, by one trainer") {
    val fit = new Fit(goal = 2)
    fit.pass(5)
    assert(fit.started.isEmpty, "nobody is missing")
    fit.lose(b)
    fit.pass(5)
    assert(fit.started.isEmpty, "with one trainer on each executor there is no room")
    fit.cluster.executors :+= c
    fit.pass(5)
    assert(fit.started.map(_._1.executor) == Seq(c))
    assert(fit.expected.toSet == fit.started.head._1.trainers.map(_.id).toSet)
    fit.succeed()
    fit.pass(5)
    assert(fit.started.length == 1 && fit.roster.there.map(_.executor) == Seq(a, c))
    assert(fit.held == Seq("2"))
  }

  test("a trainer that is lost alone is replaced on its executor") {
    val fit = new Fit(goal = 2)
    fit.gone += fit.trainerOn(b)
    fit.pass(2)
    assert(fit.started.map(_._1.executor) == Seq(b))
  }

  test("a fit grows to its goal, but not where another waits in line") {
    val fit = new Fit(goal = 3)
    fit.admission.enqueue("g")
    fit.cluster.executors :+= c
    fit.pass(3)
    assert(fit.started.isEmpty)
    fit.admission.release("g")
    fit.pass(3)
    assert(fit.started.map(_._1.executor) == Seq(c))
    // In the place of one that is lost another comes whoever waits: that is what it was admitted with.
    val other = new Fit(goal = 2)
    other.admission.enqueue("g")
    other.gone += other.trainerOn(b)
    other.pass(2)
    assert(other.started.length == 1)
  }

  test(
    "what ran elsewhere is tried again after a pause, and an executor that fails is left alone in the end"
  ) {
    val fit = new Fit(goal = 2, oneEach = false)
    fit.cluster.executors = Seq(a, b, c)
    fit.lose(b)
    fit.pass(2)
    assert(fit.started.map(_._1.executor) == Seq(c))
    fit.answer(Answer.Misplaced)
    fit.pass(8)
    assert(fit.started.map(_._1.executor) == Seq(c, a), "c has its pause, which is no failure")
    fit.cluster.executors = Seq(c)
    fit.answer(Answer.Misplaced)
    for (tries <- 3 to 4) {
      fit.pass(8)
      assert(fit.started.length == tries && fit.started.last._1.executor == c)
      fit.answer(Json.obj("kind" -> "unavailable", "message" -> "no memory").toString)
    }
    fit.pass(100)
    assert(fit.started.length == 4, "two trainers did not start there")
    val told = fit.control.drain().mkString
    assert(
      told.contains("a trainer could not be started on executor 2 (hostC) while the fit runs: no memory")
    )
    fit.cluster.executors = Seq(c, Executor("3", "hostD", 2))
    fit.pass(2)
    assert(fit.started.last._1.executor.id == "3", "another one may do better")
  }

  test("an executor whose trainers are lost again and again while it lives gets no other") {
    val fit = new Fit(goal = 2, oneEach = false)
    fit.cluster.executors = Seq(b)
    fit.gone += fit.trainerOn(b)
    fit.pass(2)
    assert(fit.started.map(_._1.executor) == Seq(b), "once may be chance")
    fit.succeed()
    fit.gone += fit.trainerOn(b)
    fit.pass(30)
    assert(fit.started.length == 1)
  }

  test("the cores of a trainer that is gone are free for others, whether or not another comes") {
    val fit = new Fit(goal = 2)
    fit.admission.enqueue("g")
    def g = fit.admission.admit("g", Request(1, 8, 2), Seq(b), _.cores)
    fit.pass(1)
    assert(g.isEmpty)
    fit.lose(b)
    fit.pass(2)
    assert(g.isDefined)
  }

  test("a cancel of the job that starts a trainer is a cancel of the fit") {
    val fit = new Fit(goal = 2)
    fit.gone += fit.trainerOn(b)
    fit.pass(2)
    fit.started.last._3.fail(new SparkException("[SPARK_JOB_CANCELLED] Job 7 cancelled by the user"))
    fit.pass(1)
    assert(fit.control.cancelled.exists(_.contains("Spark job 7")))
  }

  test(
    "a task that finds no slot is given up after launchTimeout, one for an executor that is gone at once"
  ) {
    val fit = new Fit(goal = 2)
    fit.gone += fit.trainerOn(b)
    fit.pass(2)
    val first = fit.started.last._3
    fit.pass(18)
    assert(!first.isCancelled && fit.started.length == 1)
    fit.pass(9)
    assert(first.isCancelled && fit.started.length == 2, "it is asked for again")
    fit.control.executorLost("1", "gone")
    fit.cluster.executors = Seq(a)
    fit.pass(1)
    assert(fit.started.last._3.isCancelled)
  }

  test("a trainer that does not reach the coordinator is a failure to start") {
    val fit = new Fit(goal = 2)
    fit.gone += fit.trainerOn(b)
    fit.pass(2)
    fit.started.last._2("""{"trainers": 1}""")
    fit.started.last._3.complete()
    fit.pass(59)
    assert(fit.started.length == 1)
    fit.pass(3)
    val told = fit.control.drain().mkString
    assert(told.contains("did not reach the coordinator at driver:1"), told)
  }

  test("an executor that is being decommissioned is told of once, and another one takes its place") {
    val fit = new Fit(goal = 2)
    fit.cluster.going = Set("1")
    fit.pass(3)
    assert(fit.decommissioned == Seq("1") && fit.started.isEmpty, "there is no room elsewhere")
    fit.cluster.executors :+= c
    fit.pass(3)
    assert(fit.decommissioned == Seq("1") && fit.started.map(_._1.executor) == Seq(c))
    assert(fit.control.drain().exists(_.contains("executor 1 (hostB) is being decommissioned")))
  }

  test("dynamic allocation that asks for a share of the executors has as many tasks more") {
    val cluster = new ScriptedCluster(
      Seq(a, b),
      "spark.dynamicAllocation.enabled" -> "true",
      "spark.dynamicAllocation.executorAllocationRatio" -> "0.5",
      "spark.executor.cores" -> "2"
    )
    val fit = new Fit(goal = 2, cluster = cluster)
    fit.lose(b)
    fit.pass(3)
    assert(cluster.parked == 8)
  }

  test("dynamic allocation is asked for executors for a while, and again a minute later") {
    val cluster = new ScriptedCluster(
      Seq(a, b),
      "spark.dynamicAllocation.enabled" -> "true",
      "spark.dynamicAllocation.maxExecutors" -> "2",
      "spark.executor.cores" -> "2"
    )
    val fit = new Fit(goal = 2, cluster = cluster)
    fit.lose(b)
    fit.pass(3)
    assert(cluster.parked == 4, "for both executors, two tasks each")
    fit.pass(10)
    assert(cluster.parked == 0 && cluster.jobs.length == 1)
    fit.pass(70)
    assert(cluster.jobs.length == 2)
    fit.elastic.yieldSlots()
    assert(cluster.parked == 0, "the fit feeds")
    fit.pass(70)
    assert(cluster.jobs.length == 3)
    cluster.executors :+= c
    fit.pass(2)
    assert(fit.started.length == 1 && cluster.parked == 0, "the slots are for the trainer now")
  }
}
