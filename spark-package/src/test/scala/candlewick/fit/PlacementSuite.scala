package candlewick.fit

import candlewick.cluster.{Admission, Assignment, Executor, Request}
import candlewick.jni.RetryableException
import org.scalatest.funsuite.AnyFunSuite

/** Who waits for executors, who asks for them, and for how long; on a clock that only waiting moves. */
class PlacementSuite extends AnyFunSuite {
  private val a = Executor("0", "hostA", 2)
  private val b = Executor("1", "hostB", 2)
  private val c = Executor("2", "hostC", 2)

  private def dynamic(most: Int, more: (String, String)*) = {
    val settings = Seq(
      "spark.dynamicAllocation.enabled" -> "true",
      "spark.dynamicAllocation.maxExecutors" -> most.toString,
      "spark.executor.cores" -> "2"
    )
    new ScriptedCluster(Seq(a), settings ++ more: _*)
  }

  /** A line in which fit "f" runs with one trainer of one thread on `a`. */
  private def line(): Admission = {
    val admission = new Admission
    admission.enqueue("f")
    assert(admission.admit("f", Request(1, 8, 1), Seq(a), _.cores).contains(Seq(Assignment(a, 1, 1))))
    admission.enqueue("g")
    admission
  }

  private def placement(cluster: ClusterView, admission: Admission, fit: String, wanted: Int) =
    new Placement(cluster, admission, new FitControl(fit), Request(wanted, 8, 1), 20000L)

  private def ids(places: Seq[Assignment]) = places.map(place => place.executor.id -> place.trainers)

  test("a fit in line leaves all slots to one that starts, asks then, and gives the slots back in the end") {
    val cluster = dynamic(2)
    val admission = line()
    var seen = Seq.empty[Int]
    def look(): Unit = seen :+= cluster.parked
    cluster.at(30)(look())
    cluster.at(31)(admission.fed("f"))
    cluster.at(33)(look())
    cluster.at(43)(look())
    cluster.at(60)(admission.release("f"))
    val places = placement(cluster, admission, "g", 2).admit()
    assert(seen == Seq(0, 4, 0), "before, while and after it asks for two executors of two slots")
    assert(ids(places) == Seq("0" -> 2))
    // It asked before: what the other fit leaves is taken at once.
    assert(cluster.now < 61000 && cluster.jobs.length == 1)
  }

  test("a fit that asked in vain while others held cores asks again when it is alone and too few are there") {
    val cluster = dynamic(2)
    val admission = line()
    admission.fed("f")
    cluster.at(60)(admission.release("f"))
    cluster.at(65)(cluster.executors = Seq(a, b))
    assert(ids(placement(cluster, admission, "g", 4).admit()) == Seq("0" -> 2, "1" -> 2))
    assert(cluster.jobs.map(_._1) == Seq(4, 8) && cluster.parked == 0)
  }

  /** A cluster of `a` and `b`, which "f" holds and "g" wants. */
  private def held(): (ScriptedCluster, Admission) = {
    val (cluster, admission) = (dynamic(8), new Admission)
    cluster.executors = Seq(a, b)
    Seq("f", "g").foreach(admission.enqueue)
    assert(
      admission.admit("f", Request(2, 8, 2), Seq(a, b), _.cores).map(ids).contains(Seq("0" -> 1, "1" -> 1))
    )
    (cluster, admission)
  }

  test("a fit in line asks for executors beside those that are held, and waits for as many of its own") {
    val (cluster, admission) = held()
    var seen = Seq.empty[Int]
    cluster.at(10)(seen :+= cluster.parked)
    cluster.at(11)(admission.fed("f"))
    cluster.at(13) {
      seen :+= cluster.parked
      cluster.executors = Seq(a, b, c)
    }
    cluster.at(15)(cluster.executors = Seq(a, b, c, Executor("3", "hostD", 2)))
    assert(ids(placement(cluster, admission, "g", 2).admit()) == Seq("2" -> 1, "3" -> 1))
    assert(seen == Seq(0, 8), "four executors of two slots")
    assert(cluster.now < 16000 && cluster.parked == 0)
  }

  test(
    "where none comes beside those that are held, a fit in line gives the slots back and waits for these"
  ) {
    val (cluster, admission) = held()
    admission.fed("f")
    var seen = Seq.empty[Int]
    Seq(5, 15, 60).foreach(second => cluster.at(second)(seen :+= cluster.parked))
    cluster.at(61)(admission.release("f"))
    assert(ids(placement(cluster, admission, "g", 2).admit()) == Seq("0" -> 1, "1" -> 1))
    assert(seen == Seq(8, 0, 0) && cluster.jobs.length == 1 && cluster.now < 62000)
  }

  test("dynamic allocation that asks for a share of the executors has as many tasks more") {
    for ((ratio, tasks) <- Seq("1.0" -> 6, "0.7" -> 8, "0.5" -> 12, "0.3" -> 20)) {
      val cluster = dynamic(8, "spark.dynamicAllocation.executorAllocationRatio" -> ratio)
      val admission = new Admission
      admission.enqueue("g")
      cluster.at(5)(cluster.executors = Seq(a, b, c))
      assert(ids(placement(cluster, admission, "g", 3).admit()) == Seq("0" -> 1, "1" -> 1, "2" -> 1))
      assert(cluster.jobs.map(_._1) == Seq(tasks))
      // As Spark has it.
      assert(math.ceil(tasks * ratio.toDouble / 2).toInt == 3)
    }
  }

  test("parked tasks of a fit that another overtakes give way to its start") {
    val cluster =
      new ScriptedCluster(Seq(a), "spark.executor.instances" -> "2", "spark.executor.cores" -> "2")
    val admission = new Admission
    Seq("f", "g").foreach(admission.enqueue)
    var seen = Seq.empty[Int]
    // A cluster of fixed size: one task, for a cancel to meet.
    cluster.at(4) {
      seen :+= cluster.parked
      assert(admission.admit("f", Request(1, 8, 1), Seq(a), _.cores).isDefined)
    }
    cluster.at(5)(seen :+= cluster.parked)
    cluster.at(6)(cluster.executors = Seq(a, b))
    assert(ids(placement(cluster, admission, "g", 3).admit()) == Seq("0" -> 1, "1" -> 2))
    assert(seen == Seq(1, 0))
  }

  test("that no executor comes is counted from the moment of the asking") {
    val cluster = dynamic(2)
    val admission = line()
    admission.enqueue("h")
    // The list of executors is the same for long; "h" becomes the first, asks, and is given one.
    cluster.at(60) {
      admission.release("f")
      admission.release("g")
    }
    cluster.at(65)(cluster.executors = Seq(a, b))
    assert(ids(placement(cluster, admission, "h", 2).admit()) == Seq("0" -> 1, "1" -> 1))
  }

  test("the time of launchTimeout counts only while slots are missing, each time anew") {
    val cluster =
      new ScriptedCluster(Seq(a), "spark.executor.instances" -> "2", "spark.executor.cores" -> "2")
    val admission = line()
    cluster.at(15)(cluster.executors = Seq(a, b))
    cluster.at(60)(cluster.executors = Seq(a))
    cluster.at(65)(admission.release("f"))
    cluster.at(70)(cluster.executors = Seq(a, c))
    assert(ids(placement(cluster, admission, "g", 4).admit()) == Seq("0" -> 2, "2" -> 2))
  }

  test("a fit that may not ask yet is not late") {
    val cluster = dynamic(2)
    val admission = line()
    cluster.at(3600)(admission.fed("f"))
    cluster.at(3605)(cluster.executors = Seq(a, b))
    cluster.at(3700)(admission.release("f"))
    assert(ids(placement(cluster, admission, "g", 4).admit()) == Seq("0" -> 2, "1" -> 2))
  }

  test("executors that were asked for and do not come are an error after launchTimeout") {
    val cluster = dynamic(2)
    val admission = new Admission
    admission.enqueue("g")
    val error = intercept[RetryableException](placement(cluster, admission, "g", 4).admit())
    assert(error.getMessage.startsWith("only 2 of 4 task slots were there after 20 s"), error.getMessage)
    assert(cluster.now > 20000 && cluster.parked == 0)
  }

  test(
    "numTrainers=0 takes what is up, as far as dynamic allocation is bounded, and says how many that were"
  ) {
    def admitted(cluster: ScriptedCluster): (Int, Seq[String]) = {
      cluster.executors = Seq(a, b)
      val admission = new Admission
      admission.enqueue("f")
      val control = new FitControl("f")
      val places = new Placement(cluster, admission, control, Request(0, 8, 1), 20000L).admit()
      (places.length, control.drain().toSeq)
    }
    val said = "numTrainers=0: one trainer on each of the 2 executor(s) that are up"
    val unbounded = dynamic(Int.MaxValue)
    val (count, lines) = admitted(unbounded)
    assert(count == 2 && lines.exists(_.startsWith(said)), lines)
    assert(unbounded.now == 0 && unbounded.jobs.isEmpty)
    val bounded = dynamic(4)
    val (more, others) = admitted(bounded)
    assert(more == 2, others)
    // These were asked for: it is no use to set numTrainers.
    assert(
      others.exists(_ == s"$said, where spark.dynamicAllocation.maxExecutors allows 4 executor(s)"),
      others
    )
    assert(lines.exists(_.endsWith("set numTrainers to have dynamic allocation asked for more")), lines)
    assert(bounded.jobs.map(_._1) == Seq(8) && bounded.now > Gathering.QuietMs)
  }

  test("a lost trainer goes beside a kept one where there is room, but for numTrainers=0") {
    val cluster =
      new ScriptedCluster(Seq(a), "spark.executor.instances" -> "2", "spark.executor.cores" -> "2")
    val kept = Seq(Assignment(a, 1, 1))
    def replaced(wanted: Int) = {
      val admission = new Admission
      admission.enqueue("f")
      admission.admit("f", Request(2, 8, 1), Seq(a, b), _.cores)
      placement(cluster, admission, "f", wanted).replace(kept, 1)
    }
    assert(replaced(2) == Seq(Assignment(a, 1, 1)))
    assert(cluster.now == 0)
    assert(replaced(0).isEmpty, "it goes on with fewer")
    assert(cluster.parked == 0)
  }
}
