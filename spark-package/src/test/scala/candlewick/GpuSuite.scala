package candlewick

import candlewick.internal.Failures
import candlewick.jni.{CandlewickException, InvalidParameterException}
import java.nio.file.{Files, Path, Paths}
import java.nio.file.attribute.PosixFilePermissions
import java.util.concurrent.CountDownLatch
import org.apache.spark.SparkException
import org.apache.spark.ml.linalg.Vector
import org.apache.spark.ml.param.ParamMap
import org.apache.spark.sql.execution.adaptive.AdaptiveSparkPlanHelper
import org.scalatest.Assertion

/** GPUs that Spark gives its executors, for real, by a discovery script. There is none: the trainer for them is the one that
  * computes with candle on processors, which nothing that ships holds.
  */
class GpuSuite extends ClusterSuite with AdaptiveSparkPlanHelper {
  private var installed = true

  override protected def gpuFiles: Map[String, Path] =
    if (installed)
      Map("candlewick-trainer-gpu" -> GpuSuite.rehearsal, "libcandlewick_score_gpu.so" -> GpuSuite.library)
    else Map.empty

  /** A session whose executors have `amount` GPUs each, by these addresses. */
  private def startWith(master: String, addresses: Seq[String], settings: (String, String)*): Unit = {
    val amount = addresses.length.toString
    val script = GpuSuite.discovery(addresses)
    val gpus = Seq(
      "spark.worker.resource.gpu.amount" -> amount,
      "spark.worker.resource.gpu.discoveryScript" -> script,
      "spark.executor.resource.gpu.amount" -> amount
    )
    start(master, gpus ++ settings: _*): Unit
    untilExecutors(master.stripPrefix("local-cluster[").takeWhile(_.isDigit).toInt)
  }

  private def estimator: NeuralClassifier = classifier().setInputShape(Array(4))

  /** The GPU that each trainer sees. */
  private def seen(): Seq[String] = trainers().map { process =>
    val all = new String(Files.readAllBytes(Paths.get(s"/proc/${process.pid}/environ"))).split('\u0000')
    all
      .collectFirst { case text if text.startsWith("CUDA_VISIBLE_DEVICES=") => text.split('=')(1) }
      .getOrElse("none")
  }.sorted

  /** What the trainers see while they train. */
  private def whileTraining(count: Int, asked: NeuralClassifier = estimator)(look: => Assertion): Unit = {
    val handle = asked.setEpochs(1000000).setNetwork(endless.getNetwork).setBatchSize(8).startFit(points())
    try {
      untilTrainers(count)
      look: Unit
    } finally handle.cancel("the test is over")
    over(handle): Unit
    eventually(assert(trainers().isEmpty)): Unit
  }

  /** What a model says of each point, tasks that scored on GPUs, and how often the model was put on one. */
  private def scored(
      model: NeuralClassificationModel,
      device: String,
      partitions: Int = 8
  ): (Seq[Seq[Double]], Long, Long) = {
    val frame = model
      .copy(ParamMap.empty)
      .setScoreDevice(device)
      .setOutputCols(Map("1" -> "inner"))
      .transform(points(partitions = partitions))
      .select("features", "probability", "rawPrediction", "inner", "prediction")
    val rows = frame.collect()
    val metrics = collect(frame.queryExecution.executedPlan) {
      case score if score.nodeName == "CandlewickScore" => score.metrics
    }
    def sum(name: String) = metrics.map(_(name).value).sum
    val values = rows.map(row => (0 to 3).flatMap(row.getAs[Vector](_).toArray) :+ row.getDouble(4))
    (values.sortBy(_.take(4).mkString(" ")).toSeq, sum("numDeviceTasks"), sum("numDeviceModels"))
  }

  /** Batches of ten thousand rows of one partition. */
  private def batches(model: NeuralClassificationModel, device: String): Long = {
    val scored = model.copy(ParamMap.empty).setScoreDevice(device).transform(points(10000, partitions = 1))
    val frame = scored.select("prediction")
    assert(frame.collect().length == 10000)
    collect(frame.queryExecution.executedPlan) {
      case score if score.nodeName == "CandlewickScore" => score.metrics("numBatches").value
    }.sum
  }

  private def near(one: Seq[Seq[Double]], other: Seq[Seq[Double]], within: Double = 1e-5): Assertion = {
    assert(one.length == other.length && one.nonEmpty)
    assert(one.flatten.zip(other.flatten).map { case (a, b) => math.abs(a - b) }.max < within)
  }

  /** What scoring is refused with. */
  private def refusal(model: NeuralClassificationModel, device: String = "cuda"): String = {
    val error = intercept[Exception](scored(model, device))
    assert(error.isInstanceOf[SparkException] || error.isInstanceOf[CandlewickException], error)
    Failures.find(error).fold(error.getMessage)(_.getMessage)
  }

  test("a trainer on each GPU of each executor, with a model that does not depend on how many there are") {
    startWith("local-cluster[2,2,1024]", Seq("0", "1"), "spark.task.resource.gpu.amount" -> "1")
    val all = estimator.fit(points())
    assert(all.summary.device == "cuda" && all.summary.deviceReason.contains("2 GPU(s)"))
    assert(all.summary.numTrainers == 4 && all.summary.logicalShards == 4)
    assert(all.summary.phases.contains("hold"))
    val one = estimator.setNumTrainers(1).setLogicalShards(4).fit(points())
    assert(one.weightsHash == all.weightsHash && one.summary.numTrainers == 1)
    assert(estimator.setNumTrainers(2).fit(points()).summary.logicalShards == 2)
    val processors = estimator.setDevice("cpu").fit(points())
    assert(processors.summary.device == "cpu" && processors.summary.logicalShards == 8)
    val error = intercept[InvalidParameterException](estimator.setNumTrainers(5).fit(points())).getMessage
    assert(
      error.contains("numTrainers=5 is more than the GPUs of the cluster can take: they have 4 place(s)"),
      error
    )
    whileTraining(4)(assert(seen() == Seq("0", "0", "1", "1")))
    val (expected, none, _) = scored(all, "cpu")
    val (found, tasks, models) = scored(all, "cuda")
    near(found, expected)
    assert(none == 0 && tasks == 8 && models >= 1 && models <= 4)
  }

  test("products of bf16, fp16 and TF32, each with bits of its own that do not depend on the trainers") {
    startWith("local-cluster[2,1,1024]", Seq("0"), "spark.task.resource.gpu.amount" -> "1")
    def asked = estimator.setLogicalShards(2)
    val exact = asked.fit(points())
    val all = Seq(asked.setPrecision("bf16"), asked.setPrecision("fp16"), asked.setAllowTF32(true)).map {
      one =>
        val alone = one.setNumTrainers(1).fit(points())
        val both = one.setNumTrainers(2).fit(points())
        assert(both.weightsHash == alone.weightsHash && both.summary.device == "cuda")
        val losses = Seq(exact, both).map(_.summary.objectiveHistory.last)
        assert(math.abs(losses(1) - losses.head) < 0.02 * losses.head, losses)
        both
    }
    assert((exact +: all).map(_.weightsHash).distinct.length == 4)
    val refused = intercept[InvalidParameterException] {
      asked.setPrecision("fp16").setDevice("cpu").fit(points())
    }.getMessage
    assert(refused.startsWith("device=\"cpu\": precision = \"fp16\" is for GPUs only"), refused)
  }

  test("trainers share a GPU where their number says so, and a second fit waits for its GPUs") {
    startWith("local-cluster[1,4,1024]", Seq("7", "3"), "spark.task.resource.gpu.amount" -> "0.5")
    val model = estimator.setScoreDevice("auto").fit(points())
    assert(model.summary.numTrainers == 2 && model.getScoreDevice == "auto")
    // Two GPUs, and tasks that come and go: each GPU has the model once, and keeps it.
    val runs = (1 to 2).map(_ => scored(model, "auto", partitions = 12))
    assert(runs.map(_._2) == Seq(12, 12) && runs.map(_._3).sum <= 2 && runs.head._3 >= 1, runs.map(_._3))
    near(runs.last._1, scored(model, "cpu")._1)
    // The same weights on the GPUs give what their rounded products come to.
    val short = model.copy(ParamMap.empty).setScorePrecision("bf16")
    val rounded = scored(short, "auto", partitions = 12)
    assert(rounded._2 == 12 && runs.map(_._3).sum + rounded._3 <= 2, "one copy for both precisions")
    near(rounded._1, scored(short, "cpu")._1, within = 1e-2)
    assert(rounded._1 != runs.last._1)
    assert(batches(short, "auto") == 1 && batches(short, "cpu") == 3, "a GPU has more rows at a time")
    val three = estimator.setNumTrainers(3)
    whileTraining(3, three) {
      val shared = seen().groupBy(identity)
      assert(shared.keySet == Set("3", "7") && shared.values.map(_.length).toSet == Set(1, 2))
    }
    val first = endless.setInputShape(Array(4)).setNumTrainers(2).startFit(points())
    try {
      untilTrainers(2)
      val second = estimator.startFit(points())
      try {
        eventually(assert(second.progressLines().exists(_.contains("waiting for free"))))
      } finally second.cancel("the test is over")
      over(second): Unit
    } finally first.cancel("the test is over")
    over(first): Unit
  }

  test("an executor that is lost: the trainer goes on with the GPU of the next one") {
    startWith(
      "local-cluster[2,1,1024]",
      Seq("5"),
      "spark.task.resource.gpu.amount" -> "1",
      "spark.executorEnv.CANDLEWICK_REHEARSAL_MEMORY" -> "40"
    )
    val expected = estimator.setNumTrainers(2).fit(points())
    val (trains, killed) = (new CountDownLatch(1), new CountDownLatch(1))
    // The fit waits at the end of an epoch until the executor is gone.
    val held = estimator.setNumTrainers(2).setEpochs(400).setCallbacks { (_: EpochRecord) =>
      trains.countDown()
      killed.await()
      false
    }
    val handle = held.startFit(points())
    try {
      await(trains, "no epoch was over")
      kill(executors().head)
    } finally killed.countDown()
    val model = over(handle).result()
    assert(model.summary.device == "cuda" && model.summary.logicalShards == expected.summary.logicalShards)
    assert(model.summary.recoveryLog != "[]")
    assert(model.weightsHash == estimator.setNumTrainers(2).setEpochs(400).fit(points()).weightsHash)
    // A GPU whose memory does not hold the weights.
    val full = refusal(model)
    assert(full.contains("the memory of the GPU is used up") && full.contains("modelCache.maxSize"), full)
    val (instead, tasks, _) = scored(model, "auto")
    assert(tasks == 0 && instead == scored(model, "cpu")._1)
  }

  test(
    "what is wrong with a GPU is told before a trainer starts; without the artifact auto computes on processors"
  ) {
    startWith("local-cluster[1,1,1024]", Seq("9"))
    val wrong = intercept[InvalidParameterException](estimator.setDevice("cuda").fit(points())).getMessage
    assert(wrong.contains("executor 0 cannot train on its GPU 9: this host has no GPU by the address"), wrong)
    assert(wrong.contains("CUDA_VISIBLE_DEVICES=9"), wrong)
    val model = estimator.setDevice("cpu").fit(points())
    val unseen = refusal(model)
    assert(
      unseen.contains("executor 0 cannot score on its GPU 9: this host has no GPU by the address"),
      unseen
    )
    assert(unseen.contains("set scoreDevice to \"cpu\""), unseen)
    val processors = scored(model, "cpu")._1
    assert(scored(model, "auto") == ((processors, 0L, 0L)))
    installed = false
    startWith("local-cluster[1,1,1024]", Seq("0"))
    val refused = intercept[InvalidParameterException](estimator.setDevice("cuda").fit(points())).getMessage
    assert(refused.contains("the trainer for GPUs is not there: add the jar candlewick-cuda"), refused)
    val lacking = refusal(model)
    assert(lacking.contains("the trainer for GPUs is not there: no candlewick-cuda jar"), lacking)
    assert(scored(model, "auto") == ((processors, 0L, 0L)))
    val handle = over(estimator.startFit(points()))
    val summary = handle.result().summary
    assert(summary.device == "cpu" && summary.deviceReason.contains("add the jar candlewick-cuda"))
    assert(handle.progressLines().exists(_.contains("trainers compute on cpu")))
    installed = true
    start("local-cluster[1,1,1024]")
    val none = intercept[InvalidParameterException](estimator.setDevice("cuda").fit(points())).getMessage
    assert(
      none.contains("Spark gives each executor no GPU (spark.executor.resource.gpu.amount is not set)"),
      none
    )
    assert(estimator.fit(points()).summary.deviceReason.contains("no GPU"))
    val without = refusal(model)
    assert(without.contains("scoreDevice=\"cuda\": Spark gives each executor no GPU"), without)
    assert(scored(model, "auto") == ((processors, 0L, 0L)))
  }
}

private object GpuSuite {

  /** Built beside the trainer by `make native` of tests. */
  val rehearsal: Path = {
    val built = Paths.get(sys.props("candlewick.native.dir")).resolve("candlewick-trainer-rehearsal")
    require(Files.isExecutable(built), s"$built is missing: `make rehearsal` builds it")
    built
  }

  /** Built with it. */
  val library: Path = {
    val built =
      Paths.get(sys.props("candlewick.native.dir")).resolve("examples/libcandlewick_score_rehearsal.so")
    require(Files.isRegularFile(built), s"$built is missing: `make rehearsal` builds it")
    built
  }

  /** A script that finds these GPUs, as Spark wants to be told. */
  def discovery(addresses: Seq[String]): String = {
    val script = TestFolders.fresh("gpus").resolve("discover.sh")
    val found = addresses.map(address => "\"" + address + "\"").mkString("[", ",", "]")
    Files.write(script, ("#!/bin/sh\necho '{\"name\": \"gpu\", \"addresses\": " + found + "}'\n").getBytes)
    Files.setPosixFilePermissions(script, PosixFilePermissions.fromString("rwx------"))
    script.toString
  }
}
