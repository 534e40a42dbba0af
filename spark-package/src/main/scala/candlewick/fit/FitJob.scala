package candlewick.fit

import candlewick.cluster.{Executor, Executors, Assignment}
import candlewick.columns.TrainingColumns
import candlewick.internal.{Failures, Json}
import candlewick.jni.{CandlewickException, Coordinator, TrainerHost}
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode
import org.apache.spark.SparkContext
import org.apache.spark.sql.{CandlewickShim, Dataset}
import org.slf4j.LoggerFactory
import scala.util.control.NonFatal

/** What a fit leaves: the complete job, the weights and the summary. */
private[candlewick] final case class FitResult(job: ObjectNode, weights: Array[Byte], summary: ObjectNode)

/** One fit from DataFrame to weights: LAUNCH, FEED, HOLD, TRAIN. Runs in a fresh thread of its own, so local properties
  * and job group of the caller are inherited and whatever is set here is seen by nobody else.
  */
private[candlewick] final class FitJob(dataset: Dataset[_], spec: FitSpec, control: FitControl) {
  private val log = LoggerFactory.getLogger(classOf[FitJob])
  private val total = new Clock
  private val phases = new Phases

  /** Runs the fit; throws its first cause of failure. */
  def run(): FitResult = {
    val sc = dataset.sparkSession.sparkContext
    val state = DriverState.of(sc)
    // A tag and not a job group: the user's own group stays, and cancels our jobs too.
    sc.addJobTag(control.tag)
    sc.setInterruptOnCancel(true)
    val cancelJobs = () => quietly("cancel the jobs")(sc.cancelJobsWithTag(control.tag))
    state.begin(control)
    try {
      control.onCancel(_ => cancelJobs())
      runOn(sc, state, cancelJobs)
    } catch {
      case NonFatal(error) => throw explain(error)
    } finally {
      cancelJobs()
      state.end(control)
      quietly("remove the tag")(sc.removeJobTag(control.tag))
    }
  }

  private def runOn(sc: SparkContext, state: DriverState, cancelJobs: () => Unit): FitResult = {
    val prepared = phases.time("prepare")(Preparation.run(control.id, dataset, spec, control))
    control.check()
    // Only now: a fit whose input is still being looked at must not keep others from starting.
    state.admission.enqueue(control.id)
    val placement = new Placement(
      sc,
      state.admission,
      control,
      prepared.launch.numTrainers,
      prepared.logicalShards,
      prepared.launch.launchTimeoutMs
    )
    val places = phases.time("queue")(placement.admit())
    val secret = new JobSecret(control.id)
    val coordinator = Coordinator.start(coordinatorConfig(sc, prepared), secret.coordinator.json)
    val link = new CoordinatorLink(coordinator, control, cancelJobs)
    try {
      control.onExecutorLost((executor, reason) =>
        link.command("executorLost", "executor" -> executor, "reason" -> reason): Unit
      )
      control.onCancel(reason => link.command("cancel", "reason" -> reason): Unit)
      val trainers =
        phases.time("launch")(
          launch(sc, placement, link, address(sc, coordinator), secret.trainer, places, prepared)
        )
      phases.time("feed")(
        feed(prepared, link, secret.feeder, trainers, tasksPerExecutor(sc, trainers.map(_._2)))
      )
      train(sc, prepared, link, trainers)
    } finally {
      // First the trainers of this JVM, so that they do not hear of a coordinator that is gone.
      quietly("stop the trainers")(TrainerHost.stop(control.id))
      quietly("close the coordinator")(link.close())
    }
  }

  private def coordinatorConfig(sc: SparkContext, prepared: Prepared): String =
    Json
      .obj(
        "bindHost" -> Hosts.driverBind(sc),
        "port" -> sc.getConf.get("spark.candlewick.coordinator.port", "0"),
        "job" -> prepared.job
      )
      .toString

  /** Where trainers find the coordinator: its port at the host by which executors know the driver. */
  private def address(sc: SparkContext, coordinator: Coordinator): (String, Int) =
    (Hosts.own(Hosts.loopback(sc)), Json.field(Json.parse(coordinator.address()), "port").asInt)

  private def launch(
      sc: SparkContext,
      placement: Placement,
      link: CoordinatorLink,
      coordinator: (String, Int),
      keys: JobKeys,
      places: Seq[Assignment],
      prepared: Prepared
  ): Seq[(String, Executor)] = {
    val config = GangConfig(
      control.id,
      keys,
      coordinator._1,
      coordinator._2,
      sc.getConf.get("spark.candlewick.trainer.portRange", "0"),
      prepared.launch.feedMemoryBytes,
      prepared.launch.threadsPerTrainer,
      Hosts.loopback(sc)
    )
    // Spark's broadcast spreads a large file from executor to executor.
    val weights = prepared.initial.map(initial => sc.broadcast(initial.file))
    try new Launch(sc, placement, control, link, config, weights, prepared.launch.launchTimeoutMs).run(places)
    catch { case error: Exception => throw firstCause(link, error) }
    finally
      weights.foreach(sent => quietly("remove the broadcast")(sent.destroy()))
  }

  private def tasksPerExecutor(sc: SparkContext, executors: Seq[Executor]): Int = {
    val slots = new Executors(sc)
    (1 +: executors.map(slots.slots)).max
  }

  /** FEED: the rows of every partition to the owners of their shards, then the ledger to the coordinator. */
  private def feed(
      prepared: Prepared,
      link: CoordinatorLink,
      keys: JobKeys,
      trainers: Seq[(String, Executor)],
      tasks: Int
  ): Unit = {
    val members = link.command("members", "trainers" -> trainers.map(_._1))
    val document = FeedSpec.document(prepared, members, tasks)
    val label = s"fit ${control.id}, round 0, ${trainers.length} trainers"
    val task = new FeedTaskSpec(document.toString, keys, FeedSpec.rowBytes(prepared.launch, tasks), label)
    val ledgers =
      try collectLedgers(prepared, task)
      catch { case error: Exception => throw firstCause(link, error) }
    FitJob.checkLedgers(ledgers)
    link.command("seal", "round" -> Json.field(members, "round"), "ledgers" -> ledgers)
    link.await(None, Failures.unavailable("the trainers did not seal their rows"))(link.ledger): Unit
  }

  private def collectLedgers(prepared: Prepared, task: FeedTaskSpec): Seq[JsonNode] = {
    val session = prepared.session
    session.sparkContext.setJobDescription("Candlewick: feed")
    CandlewickShim.install(session, FeedStrategy)
    val plan = FeedLogical(task, CandlewickShim.analyzed(prepared.source))
    CandlewickShim.ofRows(session, plan).collect().toSeq.map(row => Json.parse(row.getString(0)))
  }

  /** TRAIN: the trainers do it; here progress is passed on, the slots are held, and the weights are taken at the end. */
  private def train(
      sc: SparkContext,
      prepared: Prepared,
      link: CoordinatorLink,
      trainers: Seq[(String, Executor)]
  ): FitResult = {
    val progress = new Progress(prepared.epochs)
    if (prepared.launch.verbose) link.listenEpochs(record => control.report(progress.line(record)))
    val hold = new HoldJob(sc, control, trainers.map(_._2))
    var patienceMs = 0L
    try {
      val done = phases.time("train") {
        hold.maintain()
        link.command("train")
        // No deadline here: the coordinator watches every trainer and fails the job when one is silent or stuck.
        link.await(None, Failures.unavailable("training did not end"), () => hold.maintain())(link.done)
      }
      val weights = link.weights()
      link.command("finish")
      patienceMs = FitJob.HoldMs
      FitResult(prepared.job, weights, summary(prepared, link, done, trainers.length))
    } finally hold.release(patienceMs)
  }

  /** The first cause: what the coordinator knows of a dead trainer explains what Spark's tasks suffered from it. */
  private def firstCause(link: CoordinatorLink, error: Exception): Throwable = {
    val ours = Failures.find(error)
    val waits = control.cancelled.isEmpty && ours.forall(_.kind == "unavailable")
    val known = if (waits && ours.nonEmpty) link.awaitFailure(FitJob.FirstCauseMs) else link.failure
    known.orElse(ours).getOrElse(error)
  }

  private def explain(error: Throwable): Throwable = control.cancelled match {
    case Some(reason) => Failures.cancelled(s"the fit was cancelled: $reason")
    case None =>
      Failures.find(error) match {
        case Some(found) => found
        case None if HoldJob.isCancel(error) =>
          Failures.cancelled("the fit was cancelled: a Spark job of it was cancelled")
        case None => error
      }
  }

  private def summary(
      prepared: Prepared,
      link: CoordinatorLink,
      done: JsonNode,
      trainers: Int
  ): ObjectNode = {
    val history = link.epochs
    val seconds = history.map(Json.field(_, "seconds").asDouble).sum
    val rows = history.map(Json.field(_, "rows").asDouble).sum
    val stopping = Option(done.get("stopping")).filterNot(_.isNull)
    Json.obj(
      "history" -> history,
      "objectiveHistory" -> history.map(Json.field(_, "loss")),
      "stoppedEarly" -> stopping.exists(Json.field(_, "stoppedEarly").asBoolean),
      "bestEpoch" -> stopping.map(Json.field(_, "bestEpoch")),
      "bestValue" -> stopping.map(Json.field(_, "bestValue")),
      "totalSteps" -> Json.field(done, "steps"),
      "ledger" -> link.ledger,
      "weightsHash" -> Json.field(done, "weightsHash"),
      "logicalShards" -> prepared.logicalShards,
      "numTrainers" -> trainers,
      "phases" -> phases.json(total.seconds),
      "initialWeights" -> prepared.initial.map(_.report),
      "recoveryLog" -> Nil,
      "rowsPerSecond" -> (if (seconds > 0) rows / seconds else 0.0)
    )
  }

  private def quietly(what: String)(action: => Unit): Unit =
    try action
    catch { case NonFatal(error) => log.warn(s"fit ${control.id}: could not $what", error) }
}

/** Seconds of each phase. */
private[fit] final class Phases {
  private var seconds = Seq.empty[(String, Double)]

  /** Runs and times a phase. */
  def time[T](name: String)(action: => T): T = {
    val clock = new Clock
    val result = action
    seconds :+= name -> clock.seconds
    result
  }

  /** The phases and the whole. */
  def json(total: Double): ObjectNode = Json.obj((seconds :+ ("total" -> total)): _*)
}

private[fit] object FitJob {

  /** Wait for the trainers to end after "finish", and with them the tasks that hold their slots. */
  private val HoldMs = 1000L

  /** Wait for the coordinator's verdict: it waits itself for the exit status of a dead trainer. */
  private val FirstCauseMs = 4000L

  /** Throws for what a feed found out about the rows. */
  def checkLedgers(ledgers: Seq[JsonNode]): Unit = {
    ledgers.sortBy(Json.field(_, "partition").asInt).find(_.hasNonNull("failure")).foreach { ledger =>
      val failure: CandlewickException = Failures.of(
        Json.field(ledger.get("failure"), "kind").asText,
        Json.field(ledger.get("failure"), "message").asText
      )
      throw failure
    }
    def sum(field: String) = ledgers.map(Json.field(_, field).asLong).sum
    val read = sum("rowsRead")
    if (read == 0) throw TrainingColumns.empty()
    if (sum("rowsSent") == 0)
      throw Failures.data(
        s"all ${read} rows are invalid and handleInvalid=\"skip\" leaves them out: nothing to train on; " +
          "set handleInvalid=\"error\" to see what is wrong"
      )
  }
}
