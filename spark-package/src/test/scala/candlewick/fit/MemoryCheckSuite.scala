package candlewick.fit

import candlewick.cluster.{Assignment, Executor, FoundMemory, MemoryLimit}
import candlewick.internal.{Bytes, Json}
import candlewick.jni.InvalidParameterException
import org.scalatest.funsuite.AnyFunSuite

/** What is told of memory before trainers start. */
class MemoryCheckSuite extends AnyFunSuite {
  private val Mib = 1L << 20
  private val needs = Needs(Seq("weights" -> 200 * Mib, "activations" -> 100 * Mib), 100L, 20L, 0.25)

  test("what does not fit is refused with the setting of Spark and a value that is enough") {
    val limit = MemoryLimit(230 * Mib, "60 % of spark.executor.memoryOverhead, which is 384m", Some(1.0))
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
    assert(needs.rows(1000, 1) == 30000 && needs.rows(1000, 2) == 60000)
    assert(needs.copy(share = 0.75).rows(1000, 2) == 120000, "nobody holds a row twice")
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
    val group = told(400 * Mib, FoundMemory(Some(8192 * Mib), Some(500 * Mib))).head
    val words =
      "may use 250.0 MiB (the limit of the control group of executor 7, for 2 trainers): give that control group, a container's, "
    assert(group.contains(words))
    val value = """a container's, at least (\d+)m""".r.findFirstMatchIn(group).get.group(1).toLong
    // Of which each of the two has half.
    assert(told(400 * Mib, FoundMemory(None, Some(value * Mib))) == Seq(s"limit ${value / 2}"))
    assert(value / 2 > 300 && value / 2 < 400)
    assert(told(400 * Mib, FoundMemory(None, Some(900 * Mib))) == Seq("limit 400"))
  }

  test("trainers of fits that an executor has at once have no more than it has together") {
    val executor = Executor("1", "here", 4)
    def limits(slots: Int)(places: Assignment*) = {
      val order = MemoryOrder(0L, Some(1000L), 1, Nil, encrypt = false, _ => slots)
      places.flatMap { place =>
        Seq.fill(place.trainers)(Json.field(order.document(place), "limit").asLong)
      }
    }
    assert(limits(4)(Assignment(executor, 1, 4)) == Seq(1000))
    assert(limits(4)(Assignment(executor, 2, 1), Assignment(executor, 1, 2)) == Seq(250, 250, 500))
    // Two tasks of two cores: who has the one more core has what goes with it.
    assert(limits(2)(Assignment(executor, 1, 3), Assignment(executor, 1, 1)) == Seq(750, 250))
    // More threads than cores has only one that is alone there.
    assert(limits(4)(Assignment(executor, 2, 4)) == Seq(500, 500))
  }

  test("bytes are readable") {
    val shown = Seq(0L, 1023L, 1024L, 1536L, 5L << 20, 3L << 40, 5000L << 40).map(Bytes.text)
    assert(shown == Seq("0 B", "1023 B", "1.0 KiB", "1.5 KiB", "5.0 MiB", "3.0 TiB", "5000.0 TiB"))
  }

  test("a trainer is told its part of what the executor has, or what was asked for") {
    val order = MemoryOrder(0L, Some(900L), 1, Seq("/data"), encrypt = true, identity)
    def place(trainers: Int, cores: Int) =
      Assignment(Executor("1", "here", 6), trainers, cores / math.max(1, trainers))
    def limit(order: MemoryOrder, trainers: Int, cores: Int = 6) =
      Json.field(order.document(place(trainers, cores)), "limit").asLong
    assert(limit(order, 3) == 300 && limit(order.copy(asked = 7L), 3) == 7)
    assert(limit(order, 1, 2) == 300 && limit(order, 2, 4) == 300, "others may have the other cores")
    assert(limit(order.copy(room = None), 3) == 0, "the executor fills it in")
    // A task of Spark's takes all cores, or the one GPU: nobody else has a slot there.
    assert(limit(order.copy(slots = _ => 1), 1, 2) == 900)
    assert(limit(order.copy(slots = _ => 2), 1, 2) == 300 && limit(order.copy(slots = _ => 2), 2, 2) == 450)
    assert(order.document(place(1, 6)).toString == """{"limit":900,"spoolDirs":["/data"],"encrypt":true}""")
  }
}
