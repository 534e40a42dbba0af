package candlewick.fit

import candlewick.TestFolders
import candlewick.{ClusterSuite, Failpoints, NeuralClassificationModel, NeuralClassifier}
import candlewick.internal.Json
import candlewick.jni.{InvalidDataException, InvalidParameterException}
import com.fasterxml.jackson.databind.JsonNode
import java.nio.file.{Files, Path, Paths}
import org.apache.spark.deploy.TestCluster
import org.apache.spark.sql.DataFrame
import org.apache.spark.sql.functions.{col, udf}

/** Trainers and executors that are lost: the fit goes on with those that are left, and the model has the bits of a fit
  * that nothing happened to.
  */
class RecoverySuite extends ClusterSuite {
  import RecoverySuite.Gone

  private def gang: NeuralClassifier = classifier()
    .setNumTrainers(2)
    .setInputShape(Array(4))
    .setValidationFraction(0.2)
    .setMetrics(Array("accuracy"))

  /** A fit of a gang whose trainers stand where `points` says; `strike` gets both. */
  private def struck(data: DataFrame, points: String, estimator: NeuralClassifier = gang)(
      strike: Seq[Failpoints.Hit] => Unit
  ): NeuralClassificationModel = held(points) { gates =>
    val handle = estimator.startFit(data)
    val hits = Seq(gates.next(), gates.next())
    strike(hits)
    hits.foreach(_.go())
    gates.open()
    over(handle).result()
  }

  /** One recovery without one trainer, with the bits of the other fit; its record. */
  private def wentOn(
      model: NeuralClassificationModel,
      undisturbed: NeuralClassificationModel,
      refed: Boolean = true
  ): JsonNode = {
    assert(model.weightsHash == undisturbed.weightsHash)
    def history(of: NeuralClassificationModel) = of.summary.history.toSeq.map(_.copy(seconds = 0, json = ""))
    assert(history(model) == history(undisturbed))
    assert(model.summary.ledger == undisturbed.summary.ledger)
    assert(undisturbed.summary.recoveryLog == "[]")
    val log = Json.items(Json.parse(model.summary.recoveryLog)).toSeq
    assert(log.length == 1, log)
    val recovery = log.head
    assert(Json.items(recovery.get("lost")).toSeq.length == 1, recovery)
    assert(recovery.get("stepsRedone").asLong <= 1, recovery)
    assert(recovery.get("rowsRefed").asLong > 0 == refed, recovery)
    eventually(assert(trainers().isEmpty))
    recovery
  }

  test("a trainer that is killed costs its step; local-cluster has no slot to spare and recovers too") {
    start("local-cluster[2,1,1024]")
    val data = points().cache()
    val expected = gang.fit(data)
    for (point <- Seq("train.step=0", "train.step=13", "train.close=4")) {
      var victim = 0L
      val model = struck(data, point) { hits =>
        victim = hits.head.pid
        kill(hits.head.process)
      }
      val cause = wentOn(model, expected).get("cause").asText
      assert(cause.contains(s"pid $victim") && cause.contains("killed by signal 9"), cause)
    }
  }

  test("trainers and rows of an encrypted fit are recovered over connections of the same kind") {
    start("local-cluster[2,1,1024]")
    val encrypted = gang.setTransportSecurity("tls")
    val expected = gang.fit(points())
    val model = struck(points(), "train.step=13", encrypted)(hits => kill(hits.head.process))
    wentOn(model, expected)
    assert(model.summary.transportSecurity == "tls" && expected.summary.transportSecurity == "none")
  }

  test("with dataReplicas=2 nothing is read again, whatever the source would give then") {
    start("local-cluster[2,1,1024]")
    val expected = gang.fit(points())
    val copied = gang.setDataReplicas(2)
    for (point <- Seq("train.step=0", "train.step=13")) {
      val changed = TestFolders.fresh("test").resolve("changed")
      val model = struck(RecoverySuite.other(points(), changed), point, copied) { hits =>
        Files.write(changed, Array.emptyByteArray)
        kill(hits.head.process)
      }
      wentOn(model, expected, refed = false): Unit
    }
    val error = intercept[InvalidParameterException](copied.setNumTrainers(1).fit(points()))
    assert(error.getMessage.contains("there is only one trainer: set numTrainers to at least 2"), error)
  }

  test("an executor that is killed costs no more than its trainer") {
    start("local-cluster[2,1,1024]")
    val data = points()
    val expected = gang.fit(data)
    val model = struck(data, "train.step=9") { hits =>
      kill(hits.head.process.parent().get())
      ended(hits.head.process)
    }
    val lost = wentOn(model, expected).get("lost").get(0)
    assert(Set("0", "1").contains(lost.get("executor").asText), lost)
    // The executor that Spark started in its place takes part in the next fit.
    eventually(assert(gang.fit(data).summary.numTrainers == 2))
  }

  test("a connection that breaks costs its step; nobody is lost and nothing is fed again") {
    start("local-cluster[2,1,1024]")
    val data = points()
    val expected = gang.fit(data)
    val model = struck(data, "train.exchange=9")(_.head.fail("cut"))
    assert(model.weightsHash == expected.weightsHash)
    val recovery = Json.parse(model.summary.recoveryLog).get(0)
    assert(recovery.get("lost").size == 0 && recovery.get("rowsRefed").asLong == 0, recovery)
    assert(
      recovery.get("resumeStep").asLong == 9 && recovery.get("cause").asText.contains(" lost trainer "),
      recovery
    )
  }

  test("a trainer that is frozen is lost after failureTimeout, and ended") {
    start("local-cluster[2,1,1024]")
    val data = points()
    val expected = gang.fit(data)
    val model = struck(data, "train.step=9", gang.setFailureTimeout("6s")) { hits =>
      freeze(hits.head.process)
    }
    val lost = wentOn(model, expected).get("lost").get(0)
    assert(lost.get("cause").asText.contains("silent for"), lost)
  }

  for (master <- Seq("local-cluster[2,1,1024]", "local[2]"))
    test(s"a trainer that is killed while it is fed costs a second feed of its shards, in $master") {
      start(master)
      val expected = gang.fit(points())
      val folder = TestFolders.fresh("test")
      val handle = gang.startFit(FrozenSuite.gated(points(), folder))
      eventually(assert(Files.exists(folder.resolve("there")), handle))
      kill(trainers().head)
      Files.write(folder.resolve("go"), Array.emptyByteArray)
      wentOn(over(handle).result(), expected): Unit
    }

  /** A session on a standalone cluster of two hosts, with an executor of two cores on each. */
  private def onTwoHosts(settings: (String, String)*)(body: TestCluster => Unit): Unit = {
    val cluster = new TestCluster(Seq("127.0.0.2", Gone), 2, TestFolders.fresh("test"))
    try {
      start(cluster.url, ("spark.executor.cores" -> "2") +: settings: _*)
      untilExecutors(2)
      body(cluster)
    } finally {
      current.stop()
      cluster.stop()
    }
  }

  test("a host that is gone for good costs a feed of its shards") {
    onTwoHosts() { cluster =>
      val data = points()
      val expected = gang.fit(data)
      val model = struck(data, "train.step=9") { hits =>
        cluster.stopWorker(Gone)
        eventually(assert(hits.count(_.process.isAlive) == 1))
      }
      assert(wentOn(model, expected).get("lost").get(0).get("host").asText == Gone)
    }
  }

  test("a host that is gone in the feed leaves it the slots of the other, under dynamic allocation too") {
    val dynamic = Map("enabled" -> "true", "shuffleTracking.enabled" -> "true", "minExecutors" -> "0") ++
      Map("initialExecutors" -> "2", "maxExecutors" -> "2", "executorIdleTimeout" -> "30s")
    onTwoHosts(dynamic.map { case (key, value) => s"spark.dynamicAllocation.$key" -> value }.toSeq: _*) {
      cluster =>
        val data = points()
        val expected = gang.fit(data)
        val folder = TestFolders.fresh("test")
        val handle = gang.startFit(FrozenSuite.gated(data, folder))
        eventually(assert(Files.exists(folder.resolve("there")), handle))
        untilTrainers(2)
        cluster.stopWorker(Gone)
        eventually(assert(trainers().length == 1))
        Files.write(folder.resolve("go"), Array.emptyByteArray)
        assert(wentOn(over(handle).result(), expected).get("lost").get(0).get("host").asText == Gone)
    }
  }

  test("a source that gives other rows when it is read again fails the fit with the remedy") {
    start("local-cluster[2,1,1024]")
    val changed = TestFolders.fresh("test").resolve("changed")
    val error = intercept[InvalidDataException] {
      struck(RecoverySuite.other(points(), changed), "train.step=9") { hits =>
        Files.write(changed, Array.emptyByteArray)
        kill(hits.head.process)
      }
    }
    assert(error.getMessage.startsWith("the source gave other rows when read again: shard "), error)
    assert(error.getMessage.contains("df.checkpoint()"), error)
    eventually(assert(trainers().isEmpty))
  }

  test("beyond maxRecoveries the fit fails with the first cause") {
    start("local-cluster[2,1,1024]")
    val error = intercept[candlewick.jni.JobFailedException] {
      struck(points(), "train.step=9", gang.setMaxRecoveries(0)) { hits =>
        kill(hits.head.process)
      }
    }
    assert(error.getMessage.contains("killed by signal 9 (SIGKILL)"), error)
    eventually(assert(trainers().isEmpty))
  }
}

object RecoverySuite {

  /** The host that is taken away. */
  private val Gone = "127.0.0.3"

  /** The same rows until the file exists, others afterwards. */
  private def other(data: DataFrame, changed: Path): DataFrame = {
    val path = changed.toString
    val label = udf((label: Double) => if (Files.exists(Paths.get(path))) 2.0 - label else label)
    data.withColumn("label", label.asNondeterministic()(col("label")))
  }
}
