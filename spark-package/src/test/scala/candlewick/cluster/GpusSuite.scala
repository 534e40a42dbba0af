package candlewick.cluster

import org.apache.spark.SparkConf
import org.scalatest.funsuite.AnyFunSuite

/** What Spark's configuration says of GPUs, and where trainers go that compute on them. */
class GpusSuite extends AnyFunSuite {
  private val a = Executor("0", "hostA", 4, Seq("0", "1"))
  private val b = Executor("1", "hostB", 4, Seq("3"))
  private val none = Executor("2", "hostC", 4)
  private val slots = (executor: Executor) => executor.cores

  private def gpus(settings: (String, String)*): Gpus =
    Gpus.of(new SparkConf(false).setAll(settings), local = false)

  test("amounts of executors and of tasks, as the configuration of Spark has them") {
    val whole = gpus(Gpus.OfExecutor -> "2", Gpus.OfTask -> "1")
    assert((whole.perExecutor, whole.share, whole.setting) == ((2, 1, Gpus.OfExecutor)))
    assert(gpus(Gpus.OfExecutor -> "2", Gpus.OfTask -> "0.5").share == 2)
    assert(gpus(Gpus.OfExecutor -> "2", Gpus.OfTask -> "0.3").share == 3)
    assert(gpus(Gpus.OfExecutor -> "1", Gpus.OfTask -> "0.1").share == 10)
    assert(gpus(Gpus.OfExecutor -> "2").share == 1)
    assert(gpus().perExecutor == 0)
    assert(whole.source == s"${Gpus.OfExecutor}=2, ${Gpus.OfTask}=1")
    val local = Gpus.of(new SparkConf(false).set(Gpus.OfDriver, "1").set(Gpus.OfTask, "0.5"), local = true)
    assert((local.perExecutor, local.share, local.setting) == ((1, 1, Gpus.OfDriver)))
  }

  test("resources of any kind bound the tasks of an executor") {
    def tasks(settings: (String, String)*) = Gpus.tasks(new SparkConf(false).setAll(settings))
    val two = Gpus.OfExecutor -> "2"
    assert(tasks() == Int.MaxValue && tasks(two) == Int.MaxValue)
    assert(tasks(two, Gpus.OfTask -> "1") == 2 && tasks(two, Gpus.OfTask -> "2") == 1)
    assert(tasks(two, Gpus.OfTask -> "0.5") == 4 && tasks(two, Gpus.OfTask -> "0.1") == 20)
    assert(
      tasks(
        two,
        Gpus.OfTask -> "0.1",
        "spark.executor.resource.fpga.amount" -> "1",
        "spark.task.resource.fpga.amount" -> "1"
      ) == 1
    )
  }

  private def admit(line: Admission, fit: String, wanted: Int, share: Int, executors: Executor*) =
    line.admit(fit, request(wanted, share), executors, slots)

  private def request(wanted: Int, share: Int) =
    Request(wanted, 8, 1, gpus = Some(GpuRequest(2, share, "the settings")))

  private def addresses(places: Option[Seq[Assignment]]) =
    places.map(_.map(place => place.executor.id -> place.gpus.toList))

  test("numTrainers=0 is a trainer on each GPU, and none where there is no GPU") {
    val line = new Admission
    line.enqueue("f")
    val places = admit(line, "f", 0, 1, a, b, none)
    assert(addresses(places).contains(Seq("0" -> List("0", "1"), "1" -> List("3"))))
    assert(places.get.map(_.trainers) == Seq(2, 1))
    // Slots bound them too.
    val narrow = new Admission
    narrow.enqueue("f")
    val one = narrow.admit("f", request(0, 1), Seq(a, b), _ => 1)
    assert(one.get.map(_.trainers) == Seq(1, 1))
  }

  test("trainers get GPUs of their own first, and share them only as far as they may") {
    val line = new Admission
    line.enqueue("f")
    assert(admit(line, "f", 4, 1, a, b).isEmpty, "there are three")
    val shared = admit(line, "f", 5, 2, a, b).get
    assert(shared.map(place => place.executor.id -> place.trainers) == Seq("0" -> 3, "1" -> 2))
    assert(addresses(Some(shared)).contains(Seq("0" -> List("0", "1", "0"), "1" -> List("3", "3"))))
    val more = new Admission
    more.enqueue("f")
    assert(admit(more, "f", 7, 2, a, b).isEmpty, "two on each of three")
    assert(addresses(admit(more, "f", 3, 2, a, b)).contains(Seq("0" -> List("0", "1"), "1" -> List("3"))))
  }

  test("a second fit waits for GPUs, and takes those that the first one has not") {
    val line = new Admission
    Seq("f", "g", "h").foreach(line.enqueue)
    assert(addresses(admit(line, "f", 1, 1, a)).contains(Seq("0" -> List("0"))))
    assert(admit(line, "g", 0, 1, a).isEmpty, "it wants both")
    line.release("g")
    assert(addresses(admit(line, "h", 1, 1, a)).contains(Seq("0" -> List("1"))))
    line.release("f")
    // One of two is lost: the other keeps its own.
    val kept = Seq(Assignment(a, 1, 1, Seq("1")))
    val next = line.replace("h", kept, request(1, 1), Seq(a), slots)
    assert(addresses(next).contains(Seq("0" -> List("0"))))
  }

  test("how many trainers and executors a request comes to") {
    val asked = request(0, 1)
    assert(asked.hosts(a, slots) == 2 && asked.hosts(none, slots) == 0 && asked.executors(3) == 2)
    assert(request(6, 2).hosts(a, slots) == 4 && request(6, 2).executors(6) == 2)
    assert(Request(0, 8, 1).hosts(a, slots) == 1 && Request(3, 8, 1).hosts(a, slots) == 4)
    assert(Request(3, 8, 1).executors(3) == 3)
    assert(GpuRequest.of(gpus(Gpus.OfExecutor -> "2", Gpus.OfTask -> "0.5"), 0).share == 1)
    assert(GpuRequest.of(gpus(Gpus.OfExecutor -> "2", Gpus.OfTask -> "0.5"), 3).share == 2)
  }
}
