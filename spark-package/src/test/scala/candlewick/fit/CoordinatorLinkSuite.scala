package candlewick.fit

import candlewick.internal.Json
import candlewick.jni.{CandlewickException, Coordinator, Native, NativeLibrary}
import org.scalatest.funsuite.AnyFunSuite

class CoordinatorLinkSuite extends AnyFunSuite {
  private val job = "0123456789abcdef" * 2
  private val request =
    s"""{"job": "$job", "task": "regressor", "featureWidth": 2, "params": {"network":
       |{"format": "candlewick.network/1", "layers": [{"type": "Linear", "out_features": 1}]}}}""".stripMargin

  private def linked(body: (Coordinator, CoordinatorLink) => Unit): Unit = {
    NativeLibrary.load()
    val resolved = Json.field(Json.parse(Native.resolve(request)), "job")
    val config = Json.obj("bindHost" -> "127.0.0.1", "port" -> "0", "job" -> resolved).toString
    val coordinator = Coordinator.start(config, Native.deriveKeys(Native.newSecret(), job, "control", false))
    val link = new CoordinatorLink(coordinator, new FitControl(job), () => ())
    try body(coordinator, link)
    finally link.close()
  }

  test("what goes wrong with an event is told as that, with the event, and not as the coordinator's end") {
    linked { (_, link) =>
      val lacks = intercept[CandlewickException](link.receive("""{"event": "epoch"}"""))
      assert(lacks.getMessage.startsWith("an event of the coordinator could not be handled: "))
      assert(lacks.getMessage.endsWith("""(event: {"event": "epoch"})"""))
      link.listen(_ => (), _ => throw new IllegalStateException("out of cheese"))
      val broken = intercept[CandlewickException](link.receive("""{"event": "progress", "progress": {}}"""))
      assert(broken.getMessage.contains("IllegalStateException: out of cheese"))
      assert(broken.getCause.isInstanceOf[IllegalStateException])
    }
  }

  test("recoveries are kept for the summary, in order") {
    linked { (_, link) =>
      assert(link.recoveries.isEmpty)
      for (generation <- 2 to 3)
        link.receive(
          s"""{"event": "recovered", "record": {"generation": $generation, "cause": "trainer 0 lost trainer 1",
             |"lost": [], "resumeStep": 8, "stepsRedone": 0, "rowsRefed": 0,
             |"seconds": {"detect": 0.0, "halt": 0.1, "feed": 0.0, "donate": 0.2, "resume": 0.3}}}""".stripMargin
        )
      assert(link.recoveries.map(Json.field(_, "generation").asInt) == Seq(2, 3))
    }
  }

  test("a coordinator that is gone is told as gone") {
    linked { (coordinator, link) =>
      coordinator.close()
      val gone = link.awaitFailure(60000L)
      assert(gone.exists(_.getMessage.startsWith("the coordinator is gone: ")), gone)
    }
  }
}
