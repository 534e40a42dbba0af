package candlewick.fit

import candlewick.SparkSuite
import candlewick.cluster.{Capacity, Executor, Executors, GpuRequest, Gpus, MemoryLimit, Request}
import candlewick.internal.Json
import candlewick.jni.Native
import org.apache.spark.SparkConf

/** What a plan takes the cluster and the driver to be. */
class PlannerSuite extends SparkSuite {
  private val Mib = 1L << 20
  private val needs = Needs(Seq("weights" -> 300 * Mib), 100L, 20L, 0.5)

  private def launch(trainers: Int): LaunchSpec = {
    val network = Json.parse(
      """{"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 3}]}"""
    )
    val params = Json.obj("network" -> network, "numTrainers" -> trainers)
    val request =
      Json.obj("job" -> "00", "task" -> "classifier", "featureWidth" -> 4, "params" -> params)
    LaunchSpec.of(Json.field(Json.parse(Native.resolve(request.toString)), "launch"))
  }

  test("trainers have the executors that a fit waits for, not only those that are up") {
    val executors = new Executors(spark.sparkContext)
    val up = Seq(Executor("1", "a", 4))
    def gang(wanted: Int, active: Seq[Executor], coming: Int) =
      Gang.of(launch(wanted), Request(wanted, 8, 0), active, executors, coming)
    val dynamic = gang(4, up, Int.MaxValue)
    assert((dynamic.trainers, dynamic.share.trainers, dynamic.threads) == ((4, 1, 4)))
    assert((dynamic.executors, dynamic.hosts, dynamic.tasks) == ((4, 4, 16)))
    val bounded = gang(4, up, 2)
    assert((bounded.share.trainers, bounded.threads, bounded.executors) == ((2, 2, 2)))
    val fixed = gang(4, up, 0)
    assert((fixed.share.trainers, fixed.threads, fixed.executors) == ((4, 1, 1)))
    // One for each that is there now, where nothing says how many there will be.
    assert(gang(0, up, Int.MaxValue).trainers == 1)
    assert(gang(0, up, 0).trainers == 1)
    val all = gang(0, up, 3)
    assert((all.trainers, all.executors, all.share.trainers) == ((3, 3, 1)))
    assert(gang(0, Nil, 3).trainers == 3 && gang(0, up, 20).trainers == 8 && gang(0, up, 1).trainers == 1)
    assert(gang(3, Nil, Int.MaxValue).share.trainers == 1)
    def coming(capacity: Capacity) = Gang.coming(spark.sparkContext, capacity)
    assert(coming(Capacity(dynamic = true, None, None, "")) == Int.MaxValue)
    assert(coming(Capacity(dynamic = false, Some(7), None, "")) == 7)
    assert(coming(Capacity(dynamic = false, None, None, "")) == 0)
  }

  test("on GPUs each executor that is waited for has a trainer on each of its own") {
    val executors = new Executors(spark.sparkContext)
    val up = Seq(Executor("1", "a", 4, Seq("0", "1")))
    val asked = Some(GpuRequest(2, 1, ""))
    // Where the shards follow the trainers nothing bounds these.
    val request = Request(0, Int.MaxValue, 0, gpus = asked)
    assert(
      request.executors(Int.MaxValue) == 1 << 30 && request.executors(3) == 2 && request.executors(0) == 0
    )
    val gang = Gang.of(launch(0), request, up, executors, 3)
    assert((gang.trainers, gang.executors, gang.share.trainers) == ((6, 3, 2)))
  }

  /** Rows that appear when their time has come, by a clock of their own, which pushing them does not move. */
  private def timed(nanos: Int => Long, count: Int): (Long, Long, Long) = {
    var now = 0L
    val rows = Iterator.range(0, count).filter { at =>
      now += nanos(at)
      true
    }
    var held = 0
    def isFull() = {
      held += 1
      held == 1024
    }
    def push() = {
      held = 0
      true
    }
    FeedSample.timed(rows, () => now)(_ => isFull(), () => push())
  }

  test("what comes before the first row is not taken for what a row takes") {
    val Ms = 1000000L
    // A sort, or Python that starts.
    val late = timed(at => if (at == 0) 500 * Ms else 1000L, 5000)
    assert(late == ((4999L, 4999 * 1000L, 500 * Ms + 4999 * 1000L)))
    // Code that runs for the first time.
    val cold = timed(at => if (at < 1024) Ms / 5 else 1000L, 5000)
    assert(cold == ((5000L - 1024, (5000 - 1024) * 1000L, 1024 * Ms / 5 + (5000 - 1024) * 1000L)))
    // Each longer than the whole sample: one after the first tells, and no row is made that is not counted.
    assert(timed(_ => 350 * Ms, 40) == ((1L, 350 * Ms, 700 * Ms)))
    assert(timed(_ => 120 * Ms, 40) == ((3L, 360 * Ms, 480 * Ms)))
    assert(timed(_ => 350 * Ms, 1) == ((1L, 350 * Ms, 350 * Ms)))
    assert(timed(_ => Ms, 0) == ((0L, 0L, 0L)))
  }

  test("steps are not tried where the driver has no room for them, nor for GPUs") {
    val room = DriverRoom(Some(1000 * Mib), "25 % of it")
    assert(Untried.why(Device.Processors, needs, 0L, 3, room).isEmpty)
    val told = Untried.why(Device.Processors, needs, 0L, 4, room).get
    assert(told.contains("they take 1.2 GiB in the driver, which may use 1000.0 MiB (25 % of it)"), told)
    assert(Untried.why(Device.Processors, needs, 0L, 100, DriverRoom(Some(2500 * Mib), "")).isEmpty)
    assert(Untried.why(Device.Processors, needs, 0L, 100, DriverRoom(None, "")).isEmpty)
    val gpus = Device(Some(Gpus(1, 1.0, local = false)), "")
    assert(Untried.why(gpus, needs, 0L, 1, room).exists(_.contains("on GPUs is not known")))
    // The trial of one trainer alone makes the steps of all shards.
    val alone = Untried.why(Device.Processors, needs, 1500 * Mib, 1, room).get
    assert(alone.contains("they take 1.5 GiB in the driver"), alone)
    assert(Untried.why(Device.Processors, needs, 900 * Mib, 1, room).isEmpty)
    assert(DriverRoom.of(spark.sparkContext).bytes.exists(_ > 64 * Mib))
  }

  test("trainers are told of executors that are there, and a fit is refused for no others") {
    val up = Seq(Executor("1", "a", 4), Executor("2", "b", 4))
    val executors = new Executors(spark.sparkContext)
    assert(Feeders.of(up, executors) == Feeders(2, 8) && Feeders.of(Nil, executors) == Feeders(1, 1))
    // This session has no dynamic allocation.
    assert(Feeders.most(spark.sparkContext, up) == 2 && Feeders.most(spark.sparkContext, Nil) == 1)
  }

  test("a driver in a container has its overhead") {
    val conf = new SparkConf(false).set("spark.driver.memory", "8g")
    def of(master: String, more: (String, String)*) =
      MemoryLimit.ofDriver(conf.clone.setAll(more), master).map(_ / Mib)
    assert(of("yarn").contains(819L * 60 / 100))
    assert(of("k8s://x", "spark.driver.memoryOverhead" -> "2g").contains(2048L * 60 / 100))
    assert(of("yarn", "spark.driver.memoryOverheadFactor" -> "0.5").contains(4096L * 60 / 100))
    assert(of("spark://x").isEmpty)
  }
}
