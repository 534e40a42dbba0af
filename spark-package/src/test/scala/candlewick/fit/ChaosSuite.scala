package candlewick.fit

import candlewick.TestFolders
import candlewick.{ClusterSuite, Failpoints, NeuralClassificationModel, NeuralClassifier}
import candlewick.internal.Json
import candlewick.jni.JobFailedException
import java.nio.file.Files
import org.apache.spark.sql.DataFrame
import scala.util.Random

/** Fits of real trainers on real Spark to which seeded faults happen: what (a trainer killed, an executor killed, a trainer
  * frozen), when (a point of the program), to whom, one or two of them. All end with one model, or beyond maxRecoveries
  * with an error that names the first cause.
  *
  * `CANDLEWICK_CHAOS_RUNS` says how many (12), `CANDLEWICK_CHAOS_SEED` where the seeds begin; `make chaos` is the long form.
  */
class ChaosSuite extends ClusterSuite {
  import ChaosSuite._

  private def gang: NeuralClassifier = classifier()
    .setNumTrainers(Trainers)
    .setInputShape(Array(4))
    .setEpochs(Epochs)
    .setValidationFraction(0.2)
    .setMetrics(Array("accuracy"))

  test(s"$Runs fits with seeded faults from seed $FirstSeed on have one model") {
    start(s"local-cluster[$Trainers,1,1024]")
    val data = table().cache()
    val expected = gang.fit(data)
    assert(expected.summary.totalSteps == Epochs * StepsOfEpoch)
    val ledger = Json.parse(expected.summary.ledger)
    assert(ledger.get("rowsRead").asLong == Rows && ledger.get("rowsDealt").asLong > 0, ledger)
    (FirstSeed until FirstSeed + Runs).foreach { seed =>
      val plan = new Plan(seed)
      withClue(s"$plan (make chaos SEED=$seed RUNS=1): ") {
        untilExecutors()
        if (plan.maxRecoveries == 0) fails(plan, data) else survives(plan, data, expected)
        eventually(assert(trainers().isEmpty))
      }
    }
  }

  /** Points, two of which come often: their copies are dealt among the shards. */
  private def table(): DataFrame = {
    val copies = current.range(0, (Rows - Points) / 2, 1, 2)
    points(Points).union(points(2, 1).crossJoin(copies).select("features", "label"))
  }

  private def survives(plan: Plan, data: DataFrame, expected: NeuralClassificationModel): Unit = {
    val (model, struck) = run(plan, data)
    assert(model.weightsHash == expected.weightsHash)
    def history(of: NeuralClassificationModel) = of.summary.history.toSeq.map(_.copy(seconds = 0, json = ""))
    assert(history(model) == history(expected))
    assert(model.summary.ledger == expected.summary.ledger)
    val log = Json.items(Json.parse(model.summary.recoveryLog)).toSeq
    val lost = log.flatMap(recovery => Json.items(recovery.get("lost")))
    assert(lost.length == struck.size, log)
    log.foreach { recovery =>
      assert(recovery.get("stepsRedone").asLong <= 1, recovery)
      // What a second one has lost may hold what the first had.
      assert(recovery.get("rowsRefed").asLong < Rows * recovery.get("lost").size, recovery)
      if (plan.spares) assert(recovery.get("rowsRefed").asLong == 0, recovery)
    }
    assert(struck.exists(pid => log.exists(_.get("cause").asText.contains(s"pid $pid)"))), log)
  }

  private def fails(plan: Plan, data: DataFrame): Unit = {
    val error = intercept[JobFailedException](run(plan, data))
    assert(error.getMessage.contains("ended during") || error.getMessage.contains("silent for"), error)
  }

  /** The model, and who was struck. */
  private def run(plan: Plan, data: DataFrame): (NeuralClassificationModel, Set[Long]) =
    held(plan.points) { gates =>
      val estimator = gang
        .setMaxRecoveries(plan.maxRecoveries)
        .setDataReplicas(plan.dataReplicas)
        .setCheckpointDir(freshPath())
      if (plan.faults.exists(_.kind == "freeze")) estimator.setFailureTimeout("6s")
      val folder = TestFolders.fresh("test")
      val handle =
        estimator.startFit(if (plan.inFeed) FrozenSuite.gated(table(), folder) else data)
      var struck = Set.empty[Long]
      if (plan.inFeed) {
        eventually(assert(Files.exists(folder.resolve("there")), handle))
        struck += strike(plan.faults.head, trainers().sortBy(_.pid))
        Files.write(folder.resolve("go"), Array.emptyByteArray)
      }
      plan.faults.drop(struck.size).foreach { fault =>
        val hits = standing(gates, fault, struck)
        struck += strike(fault, hits.map(_.process).sortBy(_.pid))
        hits.foreach(_.go())
      }
      gates.open()
      (over(handle).result(), struck)
    }

  /** Those that stand at the point of a fault. Others go on: a step that is made again comes by again. */
  private def standing(gates: Failpoints, fault: Fault, gone: Set[Long]): Seq[Failpoints.Hit] = {
    var found = Seq.empty[Failpoints.Hit]
    val wanted = if (fault.ofOne) 1 else Trainers - gone.size
    while (found.length < wanted) {
      val hit = gates.next()
      if (s"${hit.point}=${hit.at}" == fault.point && !gone(hit.pid)) found :+= hit else hit.go()
    }
    found
  }

  private def strike(fault: Fault, processes: Seq[ProcessHandle]): Long = {
    val victim = processes(fault.victim % processes.length)
    fault.kind match {
      case "kill" => kill(victim)
      case "freeze" => freeze(victim)
      case _ =>
        kill(victim.parent().get())
        ended(victim)
    }
    victim.pid
  }

  /** Waits for the executors that Spark starts in the place of those that were killed. */
  private def untilExecutors(): Unit = eventually {
    val known = current.sparkContext.statusTracker.getExecutorInfos.length - 1
    assert(known == Trainers && executors().length == Trainers)
  }
}

private object ChaosSuite {
  val Trainers = 3

  val Rows = 200
  private val Points = 140
  val Epochs = 3
  private val StepsOfEpoch = 5

  val Runs: Int = sys.env.get("CANDLEWICK_CHAOS_RUNS").filter(_.nonEmpty).fold(12)(_.toInt)
  val FirstSeed: Long = sys.env.get("CANDLEWICK_CHAOS_SEED").filter(_.nonEmpty).fold(1L)(_.toLong)

  /** What happens to one of those that stand at a point.
    *
    * @param ofOne
    *   not every trainer comes there
    */
  final case class Fault(kind: String, point: String, victim: Int) {
    def ofOne: Boolean = Seq("gang.deal", "gang.weights", "gang.snapshot").exists(point.startsWith(_))
  }

  /** The faults of a seed. */
  final class Plan(seed: Long) {
    private val random = new Random(seed * 0x9e3779b97f4a7c15L)
    private def oneOf[T](all: T*): T = all(random.nextInt(all.length))

    private val step = random.nextInt(Epochs * StepsOfEpoch)
    private val epoch = random.nextInt(Epochs)
    private val first = oneOf(
      "feed",
      "gang.seal=0",
      "gang.deal=1",
      "gang.form=1",
      s"train.step=$step",
      s"train.step=$step",
      s"train.exchange=$step",
      s"train.reduced=$step",
      s"train.evaluate=${(epoch + 1) * StepsOfEpoch}",
      s"train.close=$epoch",
      s"train.snapshot=${(epoch + 1) * StepsOfEpoch}",
      s"gang.snapshot=${Epochs * StepsOfEpoch}",
      "gang.weights=0"
    )
    private val beforeCopies = Seq("feed", "gang.seal=0", "gang.deal=1")
    // Another one is struck while the next generation forms, or at the last step where that is still to come.
    private val last = s"train.step=${Epochs * StepsOfEpoch - 1}"
    private val comes = Seq("train.step", "train.exchange", "train.reduced").exists(first.startsWith(_))
    private val second =
      if (beforeCopies.contains(first)) oneOf("gang.form=1", s"train.step=$step")
      else if (comes && step < Epochs * StepsOfEpoch - 1) oneOf("gang.form=2", last)
      else "gang.form=2"

    val maxRecoveries: Int = if (random.nextInt(10) == 0) 0 else 3
    private val two =
      maxRecoveries > 0 && first != s"train.step=${Epochs * StepsOfEpoch - 1}" && random.nextBoolean()
    private def kind = oneOf("kill", "kill", "executor", "freeze")
    val faults: Seq[Fault] =
      (first +: (if (two) Seq(second) else Nil)).map(point => Fault(kind, point, random.nextInt(Trainers)))

    val dataReplicas: Int = oneOf(1, 2)

    /** A copy of what is lost is there. */
    def spares: Boolean = dataReplicas == 2 && !beforeCopies.contains(first)

    def inFeed: Boolean = first == "feed"
    def points: String = faults.map(_.point).filterNot(_ == "feed").mkString(",")

    override def toString: String =
      s"seed $seed: ${faults.map(fault => s"${fault.kind} ${fault.victim} at ${fault.point}").mkString(", then ")}, " +
        s"maxRecoveries $maxRecoveries, dataReplicas $dataReplicas"
  }
}
