package candlewick.cluster

import candlewick.SparkSuite

class CapacitySuite extends SparkSuite {

  test("local mode: one executor, the slots of its cores") {
    val executors = new Executors(spark.sparkContext)
    val active = executors.active()
    assert(active.map(executors.slots) == Seq(2))
    val capacity = Capacity.of(spark.sparkContext, executors.slotsOf, active)
    assert(capacity.executors.contains(1) && capacity.slots.contains(2) && !capacity.dynamic)
    assert(capacity.source == "local[2]")
  }
}
