package candlewick.cluster

import candlewick.SparkSuite
import org.apache.spark.SparkConf

class CapacitySuite extends SparkSuite {

  test("local mode: one executor, the slots of its cores") {
    val executors = new Executors(spark.sparkContext)
    val active = executors.active()
    assert(active.map(executors.slots) == Seq(2))
    val capacity = Capacity.of(spark.sparkContext, executors.slotsOf, active)
    assert(capacity.executors.contains(1) && capacity.slots.contains(2) && !capacity.dynamic)
    assert(capacity.source == "local[2]")
  }

  private def of(master: String, known: Seq[Executor], settings: (String, String)*): Capacity =
    Capacity.of(new SparkConf(false).setAll(settings), master, identity, known)

  private val known = Seq(Executor("0", "a", 4))

  test("a cluster of fixed size tells what it will have, whoever has registered") {
    assert(of("local-cluster[2,3,1024]", Nil) == Capacity(false, Some(2), Some(6), "local-cluster[2,3,1024]"))
    val yarn = of("yarn", Nil, "spark.executor.instances" -> "5", "spark.executor.cores" -> "2")
    assert(yarn.executors.contains(5) && yarn.slots.contains(10))
    val standalone = of("spark://h:7077", known, "spark.cores.max" -> "6")
    assert(standalone.slots.contains(6) && standalone.source.contains("spark.cores.max"))
    assert(of("spark://h:7077", known).slots.isEmpty)
  }

  test("dynamic allocation: as many as it may ask for") {
    val dynamic = "spark.dynamicAllocation.enabled" -> "true"
    val most = of("yarn", known, dynamic, "spark.dynamicAllocation.maxExecutors" -> "3")
    assert(most.dynamic && most.executors.isEmpty && most.slots.contains(12))
    assert(of("yarn", known, dynamic).slots.isEmpty)
  }
}
