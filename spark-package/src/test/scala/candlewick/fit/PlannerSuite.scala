package candlewick.fit

import candlewick.SparkSuite
import candlewick.cluster.{Capacity, Executor, Executors, Gpus, MemoryLimit, Request}
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
    // One for each that is there now.
    assert(gang(0, up, Int.MaxValue).trainers == 1)
    assert(gang(3, Nil, Int.MaxValue).share.trainers == 1)
    def coming(capacity: Capacity) = Gang.coming(spark.sparkContext, capacity)
    assert(coming(Capacity(dynamic = true, None, None, "")) == Int.MaxValue)
    assert(coming(Capacity(dynamic = false, Some(7), None, "")) == 7)
    assert(coming(Capacity(dynamic = false, None, None, "")) == 0)
  }

  test("steps are not tried where the driver has no room for them, nor for GPUs") {
    val room = DriverRoom(Some(1000 * Mib), "25 % of it")
    assert(Untried.why(Device.Processors, needs, 3, room).isEmpty)
    val told = Untried.why(Device.Processors, needs, 4, room).get
    assert(told.contains("they take 1.2 GiB in the driver, which may use 1000.0 MiB (25 % of it)"), told)
    assert(Untried.why(Device.Processors, needs, 100, DriverRoom(Some(2500 * Mib), "")).isEmpty)
    assert(Untried.why(Device.Processors, needs, 100, DriverRoom(None, "")).isEmpty)
    val gpus = Device(Some(Gpus(1, 1.0, local = false)), "")
    assert(Untried.why(gpus, needs, 1, room).exists(_.contains("on GPUs is not known")))
    assert(DriverRoom.of(spark.sparkContext).bytes.exists(_ > 64 * Mib))
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
