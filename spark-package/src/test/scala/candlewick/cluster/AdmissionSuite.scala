package candlewick.cluster

import org.scalatest.funsuite.AnyFunSuite

class AdmissionSuite extends AnyFunSuite {
  private val a = Executor("0", "hostA", 2)
  private val b = Executor("1", "hostB", 2)
  private val slots = (executor: Executor) => executor.cores

  test("trainers are spread evenly, up to the slots") {
    def counts(wanted: Int, free: (Executor, Int)*) =
      Admission.spread(free, wanted).map(_.map(place => place.executor.id -> place.trainers))
    assert(counts(2, a -> 2, b -> 2) == Some(Seq("0" -> 1, "1" -> 1)))
    assert(counts(3, a -> 2, b -> 2) == Some(Seq("0" -> 2, "1" -> 1)))
    assert(counts(3, a -> 1, b -> 2) == Some(Seq("0" -> 1, "1" -> 2)))
    assert(counts(1, a -> 0, b -> 1) == Some(Seq("1" -> 1)))
    assert(counts(4, a -> 1, b -> 2).isEmpty)
  }

  test("one trainer on the executor with more room") {
    assert(Admission.spread(Seq(a -> 1, b -> 2), 1).map(_.map(_.executor.id)) == Some(Seq("1")))
  }

  test("fits are admitted in order, when the slots of all their trainers are free") {
    val line = new Admission
    Seq("f", "g", "h").foreach(line.enqueue)
    def admit(fit: String, wanted: Int) = line.admit(fit, wanted, 8, Seq(a, b), slots).isDefined
    assert(!admit("g", 1), "g is not first")
    assert(admit("f", 3))
    assert(!admit("g", 2), "one slot is free")
    assert(!admit("h", 1), "g is before h")
    line.release("f")
    assert(admit("g", 2))
    assert(admit("h", 2))
    assert(line.holders == Seq("g" -> 2, "h" -> 2))
  }

  test("zero means one on each executor, at most one per logical shard") {
    val line = new Admission
    line.enqueue("f")
    assert(line.admit("f", 0, 8, Seq(a, b), slots).map(_.map(_.trainers)) == Some(Seq(1, 1)))
    line.release("f")
    line.enqueue("g")
    assert(line.admit("g", 0, 1, Seq(a, b), slots).map(_.length) == Some(1))
  }

  test("a fit that leaves the line lets the next one in") {
    val line = new Admission
    line.enqueue("f")
    line.enqueue("g")
    line.release("f")
    assert(line.isFirst("g"))
  }

  test("host of a host and port") {
    assert(Executors.hostOf("worker-1:7077") == "worker-1")
    assert(Executors.hostOf("[::1]:7077") == "[::1]")
    assert(Executors.hostOf("worker") == "worker")
  }
}
