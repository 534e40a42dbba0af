package candlewick.fit

import candlewick.cluster.{MemoryLimit, FoundMemory}
import candlewick.internal.{Bytes, Json}
import candlewick.jni.InvalidParameterException
import org.scalatest.funsuite.AnyFunSuite

/** What is told of memory before trainers start. */
class MemoryCheckSuite extends AnyFunSuite {
  private val Mib = 1L << 20
  private val needs = Needs(Seq("weights" -> 200 * Mib, "activations" -> 100 * Mib), 100L, 20L)

  test("what does not fit is refused with the setting of Spark and a value that is enough") {
    val limit = MemoryLimit(230 * Mib, "60 % of spark.executor.memoryOverhead, which is 384m", Some(1))
    val told = intercept[InvalidParameterException](Needs.check(needs, limit)).getMessage
    assert(
      told.contains(
        "needs 300.0 MiB of memory before it holds a row (weights 200.0 MiB, activations 100.0 MiB)"
      )
    )
    assert(told.contains("may use 230.0 MiB (60 % of spark.executor.memoryOverhead, which is 384m)"))
    val value =
      """set spark.executor.memoryOverhead to at least (\d+)m""".r.findFirstMatchIn(told).get.group(1)
    assert(value.toLong * 60 / 100 > 300 && value.toLong < 1000)
    Needs.check(needs, limit.copy(bytes = 301 * Mib))
  }

  test("rows are shared by the trainers, and kept as often as there are replicas") {
    assert(
      needs.rows(1000, 4, 1) == 30000 && needs.rows(1000, 4, 2) == 60000 && needs.rows(1000, 1, 2) == 120000
    )
  }

  test(
    "an executor refuses what its own machine or control group does not hold, before it starts a trainer"
  ) {
    def told(limit: Long, room: FoundMemory) = {
      val config = Json.obj("limit" -> limit, "spoolDirs" -> Seq("/data"))
      val order = Json.parse(LaunchTask.order("job", "7", true, 2, needs, Nil, Nil))
      scala.util.Try(LaunchTask.complete(config, order, room)).failed.toOption.map(_.getMessage).toSeq ++
        Some(s"limit ${Json.field(config, "limit").asLong / Mib}")
    }
    assert(told(0L, FoundMemory(Some(8192 * Mib), None)) == Seq("limit 1023"))
    val machine = told(0L, FoundMemory(Some(1024 * Mib), None)).head
    assert(
      machine.contains("25 % of the memory of executor 7's machine, for 2 trainer(s)") && machine.contains(
        "weights 200."
      )
    )
    val group = told(400 * Mib, FoundMemory(Some(8192 * Mib), Some(250 * Mib))).head
    assert(
      group.contains(
        "may use 250.0 MiB (the limit of the control group of executor 7): give that control group, a container's, at least "
      )
    )
    assert(told(400 * Mib, FoundMemory(None, Some(350 * Mib))) == Seq("limit 400"))
  }

  test("bytes are readable") {
    val shown = Seq(0L, 1023L, 1024L, 1536L, 5L << 20, 3L << 40, 5000L << 40).map(Bytes.text)
    assert(shown == Seq("0 B", "1023 B", "1.0 KiB", "1.5 KiB", "5.0 MiB", "3.0 TiB", "5000.0 TiB"))
  }

  test("a trainer is told its part of what the executor has, or what was asked for") {
    val order = MemoryOrder(0L, Some(900L), 1, Seq("/data"), encrypt = true)
    def limit(order: MemoryOrder, trainers: Int) = Json.field(order.document(trainers), "limit").asLong
    assert(limit(order, 3) == 300 && limit(order.copy(asked = 7L), 3) == 7)
    assert(limit(order.copy(room = None), 3) == 0, "the executor fills it in")
    assert(order.document(1).toString == """{"limit":900,"spoolDirs":["/data"],"encrypt":true}""")
  }
}
