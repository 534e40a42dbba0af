package candlewick.fit

import candlewick.TestFolders
import candlewick.{ClusterSuite, NeuralClassificationModel, NeuralClassifier}
import candlewick.internal.Json
import com.fasterxml.jackson.databind.JsonNode
import java.util.concurrent.ConcurrentHashMap
import org.apache.spark.deploy.TestCluster

/** Trainers that come and leave while a fit runs, on real executors: the bits are those of a fit that nobody joined or
  * left.
  */
class ComingAndGoingSuite extends ClusterSuite {
  import ComingAndGoingSuite.Leaving

  /** Of so many epochs that more follow whenever one is held. */
  private def gang(trainers: Int): NeuralClassifier = classifier()
    .setEpochs(100)
    .setNumTrainers(trainers)
    .setInputShape(Array(4))
    .setValidationFraction(0.2)
    .setMetrics(Array("accuracy"))

  private def same(model: NeuralClassificationModel, expected: NeuralClassificationModel): Unit = {
    assert(model.weightsHash == expected.weightsHash)
    def history(of: NeuralClassificationModel) = of.summary.history.toSeq.map(_.copy(seconds = 0, json = ""))
    assert(history(model) == history(expected))
    assert(model.summary.ledger == expected.summary.ledger)
    eventually(assert(trainers().isEmpty))
  }

  private def log(text: String): Seq[JsonNode] = Json.items(Json.parse(text)).toSeq

  private def only(records: Seq[JsonNode]): JsonNode = {
    assert(records.length == 1, records)
    records.head
  }

  /** The times that somebody came or left. Shards may move between trainers besides, where one of them paused. */
  private def changes(model: NeuralClassificationModel): Seq[JsonNode] =
    log(model.summary.rescaleLog).filter(record => Seq("joined", "left").exists(record.get(_).size > 0))

  private def change(model: NeuralClassificationModel): JsonNode = only(changes(model))

  /** The trainers of fits that have built their networks from now on: those that a fit takes in where they are new. */
  private def watchBuilt(): java.util.Set[String] = {
    val built = ConcurrentHashMap.newKeySet[String]()
    FitPoint.hook = point => if (point.startsWith(FitPoint.built(""))) built.add(point): Unit
    built
  }

  private def executors(record: JsonNode, field: String): Seq[String] =
    Json.items(record.get(field)).toSeq.map(Json.field(_, "executor").asText)

  test("an executor that is lost is replaced: a trainer on the new one joins at the end of an epoch") {
    start("local-cluster[2,1,1024]")
    val data = points()
    val expected = gang(2).fit(data)
    val built = watchBuilt()
    val model = held("gang.prepare=0,train.step=9") { gates =>
      val handle = gang(2).startFit(data)
      // Both trainers have registered, and then stand before a step.
      Seq(gates.next(), gates.next()).foreach(_.go())
      val hits = Seq(gates.next(), gates.next())
      kill(hits.head.process.parent().get())
      ended(hits.head.process)
      hits(1).go()
      // The survivor comes by the step again, since it was halted before it; a third trainer registers.
      val rest = Seq(gates.next(), gates.next())
      assert(rest.map(_.point).toSet == Set("gang.prepare", "train.step"))
      rest.filter(_.point == "gang.prepare").foreach(_.go())
      eventually(assert(built.size == 3, handle))
      rest.filter(_.point == "train.step").foreach(_.go())
      gates.open()
      over(handle).result()
    }
    same(model, expected)
    val recovery = only(log(model.summary.recoveryLog))
    val rescale = change(model)
    assert(Set("0", "1").contains(executors(recovery, "lost").head))
    assert(executors(rescale, "joined") == Seq("2") && executors(rescale, "left").isEmpty, rescale)
    assert(rescale.get("trainers").asInt == 2 && rescale.get("rowsMoved").asLong > 0, rescale)
  }

  test(
    "a fit takes trainers in up to maxTrainers, and begins with fewer than numTrainers where minTrainers allows"
  ) {
    start("local-cluster[2,1,1024]")
    val data = points()
    val expected = gang(1).fit(data)
    val built = watchBuilt()
    val grown = held("gang.prepare=0,train.step=9") { gates =>
      val handle = gang(1).setMaxTrainers(2).startFit(data)
      Seq(gates.next(), gates.next()).foreach(_.go())
      val hit = gates.next()
      eventually(assert(built.size == 2, handle))
      hit.go()
      gates.open()
      over(handle).result()
    }
    same(grown, expected)
    val rescale = change(grown)
    assert(executors(rescale, "joined").length == 1 && grown.summary.numTrainers == 1, rescale)
    val few = gang(4).setMinTrainers(2).fit(data)
    same(few, expected)
    assert(few.summary.numTrainers == 2 && few.summary.recoveryLog == "[]" && changes(few).isEmpty)
  }

  test("a decommissioned executor's trainer hands its rows over, and nothing is read again") {
    val cluster = new TestCluster(Seq("127.0.0.2", Leaving), 2, TestFolders.fresh("test"))
    try {
      start(cluster.url, "spark.executor.cores" -> "2", "spark.decommission.enabled" -> "true")
      untilExecutors(2)
      val data = points()
      val expected = gang(2).fit(data)
      val model = held("train.step=9") { gates =>
        val handle = gang(2).startFit(data)
        val hits = Seq(gates.next(), gates.next())
        cluster.decommissionWorker(Leaving)
        eventually(assert(handle.progressLines().exists(_.contains("is being decommissioned")), handle))
        hits.foreach(_.go())
        gates.open()
        over(handle).result()
      }
      same(model, expected)
      assert(model.summary.recoveryLog == "[]")
      val rescale = change(model)
      val left = only(Json.items(rescale.get("left")).toSeq)
      assert(left.get("host").asText == Leaving && rescale.get("rowsMoved").asLong > 0, rescale)
      assert(rescale.get("trainers").asInt == 1 && rescale.get("cause").asText.contains("decommissioned"))
    } finally {
      current.stop()
      cluster.stop()
    }
  }
}

object ComingAndGoingSuite {

  /** The host whose worker is decommissioned. */
  private val Leaving = "127.0.0.3"
}
