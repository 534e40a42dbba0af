package candlewick.fit

import candlewick.cluster.MemoryLimit
import candlewick.internal.{Bytes, Json}
import candlewick.jni.InvalidParameterException
import org.scalatest.funsuite.AnyFunSuite

/** What is told of memory before trainers start. */
class MemoryCheckSuite extends AnyFunSuite {
  private val Mib = 1L << 20
  private val needs = Needs(Seq("weights" -> 200 * Mib, "activations" -> 100 * Mib), 100L)

  test("what does not fit is refused with the setting of Spark and a value that is enough") {
    val limit = MemoryLimit(230 * Mib, "60 % of spark.executor.memoryOverhead, which is 384m", Some(1))
    val told = intercept[InvalidParameterException](MemoryCheck.check(needs, limit)).getMessage
    assert(
      told.contains(
        "needs 300.0 MiB of memory before it holds a row (weights 200.0 MiB, activations 100.0 MiB)"
      )
    )
    assert(told.contains("may use 230.0 MiB (60 % of spark.executor.memoryOverhead, which is 384m)"))
    val value =
      """set spark.executor.memoryOverhead to at least (\d+)m""".r.findFirstMatchIn(told).get.group(1)
    assert(value.toLong * 60 / 100 > 300 && value.toLong < 1000)
    MemoryCheck.check(needs, limit.copy(bytes = 301 * Mib))
  }

  test("rows are shared by the trainers, and kept as often as there are replicas") {
    assert(
      needs.rows(1000, 4, 1) == 25000 && needs.rows(1000, 4, 2) == 50000 && needs.rows(1000, 1, 2) == 100000
    )
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
