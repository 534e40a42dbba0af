package candlewick.cluster

import org.scalatest.funsuite.AnyFunSuite

class AdmissionSuite extends AnyFunSuite {
  private val a = Executor("0", "hostA", 2)
  private val b = Executor("1", "hostB", 2)
  private val slots = (executor: Executor) => executor.cores

  test("trainers are spread evenly, up to the room") {
    def counts(wanted: Int, free: (Executor, Int)*) = {
      val rooms = free.map { case (executor, trainers) => Room(executor, executor.cores, trainers) }
      Admission.spread(rooms, wanted, 0).map(_.map(place => place.executor.id -> place.trainers))
    }
    assert(counts(2, a -> 2, b -> 2) == Some(Seq("0" -> 1, "1" -> 1)))
    assert(counts(3, a -> 2, b -> 2) == Some(Seq("0" -> 2, "1" -> 1)))
    assert(counts(3, a -> 1, b -> 2) == Some(Seq("0" -> 1, "1" -> 2)))
    assert(counts(1, a -> 0, b -> 1) == Some(Seq("1" -> 1)))
    assert(counts(1, a -> 1, b -> 2) == Some(Seq("1" -> 1)), "the executor with more room")
    assert(counts(4, a -> 1, b -> 2).isEmpty)
  }

  private def admit(line: Admission, fit: String, wanted: Int, threads: Int, executors: Executor*) =
    line.admit(fit, Request(wanted, 8, threads), executors, slots)

  test("fits are admitted in order, when the cores of all their trainers are free") {
    val line = new Admission
    Seq("f", "g", "h").foreach(line.enqueue)
    assert(admit(line, "g", 1, 1, a, b).isEmpty, "g is not first")
    assert(admit(line, "f", 3, 1, a, b).isDefined)
    assert(admit(line, "g", 2, 1, a, b).isEmpty, "one core is free")
    assert(admit(line, "h", 1, 1, a, b).isEmpty, "g is before h")
    line.release("f")
    assert(admit(line, "g", 2, 1, a, b).isDefined)
    assert(admit(line, "h", 2, 1, a, b).isDefined)
    assert(line.holders == Seq("g" -> 2, "h" -> 2))
  }

  test("a fit that names no threads takes the free cores, so the next one waits: no core is given twice") {
    val big = Executor("driver", "localhost", 8)
    val line = new Admission
    Seq("f", "g").foreach(line.enqueue)
    assert(admit(line, "f", 0, 0, big).get == Seq(Assignment(big, 1, 8)))
    assert(admit(line, "g", 0, 0, big).isEmpty)
    line.release("f")
    assert(admit(line, "g", 0, 0, big).get.map(_.threads) == Seq(8))
  }

  test("fits that name their threads run at once as long as there are cores") {
    val big = Executor("driver", "localhost", 8)
    val line = new Admission
    val fits = Seq("f", "g", "h")
    fits.foreach(line.enqueue)
    assert(fits.map(admit(line, _, 1, 3, big).isDefined) == Seq(true, true, false))
    line.release("g")
    assert(admit(line, "h", 1, 3, big).isDefined)
    line.enqueue("i")
    assert(admit(line, "i", 1, 0, big).get.map(_.threads) == Seq(2), "what is left")
  }

  test("a fit alone may ask for more threads than there are cores, and holds them all") {
    val line = new Admission
    Seq("f", "g").foreach(line.enqueue)
    assert(admit(line, "f", 2, 3, a).get == Seq(Assignment(a, 2, 3)))
    assert(line.holders == Seq("f" -> 2))
    assert(admit(line, "g", 1, 1, a).isEmpty)
    line.release("f")
    line.enqueue("h")
    assert(admit(line, "g", 1, 3, a).get == Seq(Assignment(a, 1, 3)))
    assert(admit(line, "h", 1, 1, a).isEmpty, "a slot is free, and no core")
  }

  test("zero means one on each executor, at most one per logical shard") {
    val line = new Admission
    line.enqueue("f")
    assert(admit(line, "f", 0, 0, a, b).map(_.map(_.trainers)) == Some(Seq(1, 1)))
    line.release("f")
    line.enqueue("g")
    assert(line.admit("g", Request(0, 1, 0), Seq(a, b), slots).map(_.length) == Some(1))
    line.release("g")
    Seq("h", "i").foreach(line.enqueue)
    assert(admit(line, "h", 2, 1, a).isDefined)
    assert(admit(line, "i", 0, 1, a, b).isEmpty, "it waits for the one that has no room")
  }

  test("a running fit that lost an executor gets another, before those in the line") {
    val line = new Admission
    Seq("f", "g").foreach(line.enqueue)
    val places = admit(line, "f", 2, 1, a, b).get
    val c = Executor("2", "hostA", 2)
    val more = line.replace("f", places.filter(_.executor == b), Request(1, 8, 1), Seq(b, c), slots).get
    assert(more == Seq(Assignment(c, 1, 1)))
    assert(line.holders == Seq("f" -> 2))
    assert(line.replace("f", Nil, Request(5, 8, 1), Seq(b, c), slots).isEmpty)
    assert(line.holders == Seq("f" -> 0), "what was lost is free at once")
  }

  test("executors that are missing are those beside others that have room, or places on GPUs") {
    val line = new Admission
    line.enqueue("f")
    assert(admit(line, "f", 1, 2, a).isDefined)
    def missing(trainers: Int, request: Request, executors: Executor*) =
      line.missing(trainers, request, executors, slots)
    val one = Request(2, 8, 1)
    assert(missing(2, one, a, b) == 1 && missing(1, one, a, b) == 0 && missing(2, one, a) == 2)
    val gpus = Request(4, 8, 1, gpus = Some(GpuRequest(2, 1, "")))
    val c = Executor("2", "hostA", 4, Seq("0", "1"))
    assert(missing(4, gpus, b, c) == 1 && missing(5, gpus, b, c) == 2 && missing(2, gpus, c) == 0)
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

  test(
    "Spark splits a location at the first underscore: a host that has one is asked for by its name alone"
  ) {
    assert(Executor("3", "worker-1", 1).locations == Seq("executor_worker-1_3"))
    assert(Executor("3", "spark_worker_1", 1).locations == Seq("spark_worker_1"))
    assert(Executor("3", "executor_1", 1).locations.isEmpty)
  }
}
