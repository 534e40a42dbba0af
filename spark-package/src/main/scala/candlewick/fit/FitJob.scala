package candlewick.fit

import candlewick.checkpoint.{Checkpoints, Manifest, OptimizerState, Voice}
import candlewick.cluster.{Capacity, Executor, Executors, Request}
import candlewick.columns.TrainingColumns
import candlewick.internal.{Clock, Failures, Json, SentWeights, WeightsFile}
import candlewick.jni.{CandlewickException, Coordinator, TrainerHost}
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode
import java.util.concurrent.ConcurrentHashMap
import org.apache.spark.SparkContext
import org.apache.spark.sql.{CandlewickShim, Dataset}
import org.slf4j.LoggerFactory
import scala.util.control.NonFatal

/** What a fit leaves: the complete job, what its columns were, the weights, the summary and, where the model keeps it, the
  * last state.
  */
private[candlewick] final case class FitResult(
    job: ObjectNode,
    contract: ObjectNode,
    weights: WeightsFile,
    summary: ObjectNode,
    optimizer: Option[OptimizerState]
)

/** One fit from DataFrame to weights: LAUNCH, FEED, HOLD, TRAIN. Runs in a fresh thread of its own, so local properties
  * and job group of the caller are inherited and whatever is set here is seen by nobody else.
  */
private[candlewick] final class FitJob(dataset: Dataset[_], spec: FitSpec, control: FitControl) {
  private val log = LoggerFactory.getLogger(classOf[FitJob])
  private val total = new Clock
  private val phases = new Phases
  // Executors that may have trainers, and what the coordinator said; for the end of a fit that failed.
  private val ordered = ConcurrentHashMap.newKeySet[Executor]()
  @volatile private var coordinatorFailure = Option.empty[CandlewickException]
  // Where everybody stood when the fit failed.
  @volatile private var flight = Option.empty[ObjectNode]
  // Whether it has looked for a checkpoint to go on from.
  @volatile private var looked = false
  // Where trainers were that the fit went on without: one may hang there.
  @volatile private var lostOn = Seq.empty[Executor]

  /** Runs the fit; throws its first cause of failure. */
  def run(): FitResult = {
    val sc = dataset.sparkSession.sparkContext
    val state = DriverState.of(sc)
    // A tag and not a job group: the user's own group stays, and cancels our jobs too.
    sc.addJobTag(control.tag)
    sc.setInterruptOnCancel(true)
    val cancelJobs = () => {
      control.refuseJobs(job => quietly("cancel a job")(sc.cancelJob(job)))
      quietly("cancel the jobs")(sc.cancelJobsWithTag(control.tag))
    }
    state.begin(control)
    var failed = true
    try {
      control.onCancel(_ => cancelJobs())
      val result = runOn(sc, state, cancelJobs)
      failed = false
      result
    } catch {
      case NonFatal(error) => throw recorded(sc, explain(error))
    } finally {
      cancelJobs()
      state.end(control)
      if (!looked) Checkpoints.leave(control.id)
      quietly("remove the tag")(sc.removeJobTag(control.tag))
      endTrainers(sc, if (failed) ordered.toArray(Array.empty[Executor]).toSeq else lostOn)
    }
  }

  /** Trainers end by their coordinator's word; those that are frozen, with their HOLD task. One that was frozen before
    * there was a HOLD task hears neither: a task on its executor ends it as soon as a slot is free. Nobody waits for that.
    */
  private def endTrainers(sc: SparkContext, executors: Seq[Executor]): Unit =
    if (executors.nonEmpty && !sc.isLocal && !sc.isStopped)
      quietly("end the trainers")(StopJob.start(sc, control, executors.distinct))

  private def runOn(sc: SparkContext, state: DriverState, cancelJobs: () => Unit): FitResult = {
    val found = phases.time("prepare")(prepare(state))
    control.check()
    // Only now: a fit whose input is still being looked at must not keep others from starting.
    state.admission.enqueue(control.id)
    val asked = found.launch
    val request = Search.request(found)
    val cluster = new SparkCluster(sc, control)
    val placement = new Placement(cluster, state.admission, control, request, asked.launchTimeoutMs)
    val places = phases.time("queue")(placement.admit())
    val prepared = found.settled(places.map(_.trainers).sum)
    val needs = MemoryCheck.of(sc, prepared, places)
    MemoryCheck.run(sc, prepared, places, needs)(control.warn)
    val encryption = Encryption.of(prepared)
    control.note(encryption.told)
    encryption.warning.foreach(control.warn)
    val secret = new JobSecret(control.id, encryption.tls)
    val coordinator = Coordinator.start(coordinatorConfig(sc, prepared), secret.coordinator.json)
    val link = new CoordinatorLink(coordinator, control, cancelJobs)
    val states = new TrainingStates(prepared, link, control)
    try {
      control.onExecutorLost((executor, reason) =>
        link.command("executorLost", "executor" -> executor, "reason" -> reason): Unit
      )
      control.onCancel(reason => link.command("cancel", "reason" -> reason): Unit)
      if (states.resumes) phases.time("resume")(states.begin())
      withInitialWeights(sc, prepared) { weights =>
        val orders =
          new Orders(gangConfig(sc, coordinator, secret.trainer, prepared), needs, weights.map(_.bytes))
        val launch =
          new Launch(sc, placement, control, link, orders, weights, asked)(ordered.add(_): Unit)
        val launched = phases.time("launch")(explained(link)(launch.run(places)))
        val roster = new Roster(launched.trainers, () => link.left.keySet)
        val onGpus = prepared.device.gpus.isDefined
        val hold = HoldJob(sc, control, () => roster.executors, () => !onGpus && mayBeNeeded(sc, state))
        control.onExecutorLost((executor, _) => hold.executorLost(executor))
        val gang = new RunningGang(roster, link, hold, ordered.add(_): Unit)
        val elastic =
          new Elastic(cluster, state.admission, control, gang, orders, growth(asked, request, launched))(
            (order, answered) => {
              sc.setJobDescription("Candlewick: launch a trainer while the fit runs")
              Jobs.submit(sc, Seq(order.text -> order.executor.locations), LaunchTask.run(weights))(
                (_, answer) => answered(answer)
              )
            }
          )
        val tasks = tasksPerExecutor(sc, launched.executors)
        val feeding = new Feeding(control, prepared, link, secret.feeder, tasks, launched.trainers.length)
        var patienceMs = 0L
        try {
          def spare = mayIdleOut(sc, roster.executors)
          if (spare) hold.maintain()
          phases.time("feed") {
            explained(link)(feed(feeding, launched, link, hold, elastic, spare))
          }
          state.fed(control)
          if (prepared.device.gpus.isDefined) holdGpus(link, hold, asked.launchTimeoutMs)
          val result = explained(link)(train(prepared, link, launched, states, hold) {
            feeding.await(hold, elastic, spare, "training did not end")(link.done)
          }(new Narrator(prepared, control, state.several)))
          patienceMs = FitJob.HoldMs
          result
        } finally {
          quietly("end what has not started")(elastic.close())
          lostOn = roster.everybody.filter(one => link.left.contains(one.id)).map(_.executor)
          hold.release(patienceMs)
        }
      }
    } catch {
      case NonFatal(error) =>
        quietly("take the flight record") { flight = Some(link.record()) }
        throw error
    } finally {
      coordinatorFailure = link.failure
      // First the trainers of this JVM, so that they do not hear of a coordinator that is gone.
      quietly("end the checkpoints")(states.close())
      quietly("stop the trainers")(TrainerHost.stop(control.id))
      quietly("close the coordinator")(link.close())
    }
  }

  /** Looking at the first row is a job of its own, which waits for a slot where other fits hold them all. */
  private def prepare(state: DriverState): Prepared = {
    def line = {
      val held = state.admission.holders.map { case (fit, cores) => s"fit $fit holds $cores cores" }
      s"still looking at the first row of the DataFrame: the job for it runs, or waits for a free task slot" +
        (if (held.isEmpty) "" else held.mkString(" (", ", ", ")"))
    }
    Preparation.run(dataset, spec, control)(() => control.warn(line))
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

  private def gangConfig(
      sc: SparkContext,
      coordinator: Coordinator,
      keys: JobKeys,
      prepared: Prepared
  ): GangConfig = {
    val (host, port) = address(sc, coordinator)
    GangConfig(
      control.id,
      keys,
      host,
      port,
      sc.getConf.get("spark.candlewick.trainer.portRange", "0"),
      Feeders.most(sc, new Executors(sc).active()),
      Hosts.loopback(sc),
      MemoryCheck.order(sc, prepared.launch)
    )
  }

  /** Spark's broadcast spreads a large file from executor to executor; trainers that start later want it too. */
  private def withInitialWeights[T](sc: SparkContext, prepared: Prepared)(
      body: Option[SentWeights] => T
  ): T = {
    val weights = prepared.initial.map(initial => initial.file.send(sc))
    try body(weights)
    finally weights.foreach(sent => quietly("remove the broadcast")(sent.destroy()))
  }

  private def growth(asked: LaunchSpec, request: Request, launched: Launched): Growth = {
    val begun = launched.trainers.length
    val wanted = math.max(begun, asked.numTrainers)
    val goal = if (asked.maxTrainers > 0) asked.maxTrainers else wanted
    val least = math.max(begun, asked.minTrainers)
    Growth(
      math.max(goal, least),
      least,
      // On GPUs their number bounds the trainers of an executor.
      oneEach = asked.numTrainers == 0 && request.gpus.isEmpty,
      asked.threadsPerTrainer,
      asked.launchTimeoutMs,
      request.gpus
    )
  }

  /** Whether dynamic allocation could take an executor away that gets no rows to feed, and each has a slot to spare: then
    * the slots are held from now on.
    */
  private def mayIdleOut(sc: SparkContext, executors: Seq[Executor]): Boolean = {
    val all = new Executors(sc)
    Capacity.of(sc, all.slotsOf, Nil).dynamic &&
    executors.distinct.forall(executor => all.slots(executor) > executors.count(_ == executor))
  }

  /** Whether a job of a callback could wait for the fit's slots: there are no others, and Spark does not start executors for
    * it, nor take those away on which no task runs.
    */
  private def mayBeNeeded(sc: SparkContext, state: DriverState): Boolean = {
    val all = new Executors(sc)
    val cores = all.active().map(_.cores).sum
    val held = state.admission.holders.map { case (_, held) => held }.sum
    !Capacity.of(sc, all.slotsOf, Nil).dynamic && all.slotsOf(cores - held) < 1
  }

  private def tasksPerExecutor(sc: SparkContext, executors: Seq[Executor]): Int = {
    val slots = new Executors(sc)
    (1 +: executors.map(slots.slots)).max
  }

  /** FEED: its first round, and further ones until all shards are sealed. */
  private def feed(
      feeding: Feeding,
      launched: Launched,
      link: CoordinatorLink,
      hold: HoldJob,
      elastic: Elastic,
      spare: => Boolean
  ): Unit = {
    val ledgers = feeding.ledgers(launched.members)
    FitJob.checkLedgers(ledgers.iterator.map(Json.parse))
    // From here on no task of the fit needs a slot: they are held, and a cancel meets a job.
    hold.maintain()
    feeding.tell(launched.members, ledgers)
    val ledger = feeding.await(hold, elastic, spare, "the trainers did not seal their rows")(link.ledger)
    val (skipped, spooled) = (ledger.path("rowsSkipped").asLong, ledger.path("rowsSpooled").asLong)
    if (skipped > 0)
      control.warn(
        s"rows that are not valid and left out, as handleInvalid says: $skipped, beside $spooled that are valid; with " +
          "handleInvalid = error the first one is named"
      )
  }

  /** Training on GPUs begins when its tasks hold them: until then tasks of others may compute on them. */
  private def holdGpus(link: CoordinatorLink, hold: HoldJob, timeoutMs: Long): Unit = {
    def late = Failures.unavailable(
      s"tasks of other Spark jobs held the GPUs of ${hold.waiting.map(_.id).distinct.mkString("executor ", ", ", "")} for " +
        s"${timeoutMs / 1000} s after the rows were fed: let those jobs end, lower numTrainers or raise launchTimeout"
    )
    phases.time("hold")(explained(link) {
      link.await(Some(timeoutMs), late, () => hold.maintain())(if (hold.waiting.isEmpty) Some(()) else None)
    })
  }

  /** Runs a phase; throws the first cause of its failure. */
  private def explained[T](link: CoordinatorLink)(body: => T): T =
    try body
    catch { case error: Exception => throw firstCause(link, error) }

  /** TRAIN: the trainers do it; here progress is passed on, the slots are held, and the weights are taken at the end. */
  private def train(
      prepared: Prepared,
      link: CoordinatorLink,
      launched: Launched,
      states: TrainingStates,
      hold: HoldJob
  )(end: => JsonNode)(narrator: Narrator): FitResult = {
    link.listen(
      record => {
        narrator.epoch(record)
        if (control.decides) control.decisions.ask(Json.field(record, "epoch").asInt + 1)
      },
      narrator.step
    )
    // Only now is it known what the rows are.
    def resume() = {
      looked = true
      link.ledger.flatMap(states.resume)
    }
    val resumed = if (states.resumes) phases.time("resume")(resume()) else resume()
    val limit = if (control.decides) Some(firstLimit(prepared, narrator, resumed, hold)) else None
    control.decisions.listen((epochs, over) => quietly("pass a decision on")(link.until(epochs, over)))
    val done = phases.time("train") {
      link.train(resumed, limit)
      try end
      finally control.decisions.listen((_, _) => ())
    }
    states.checkWentOn(resumed, Json.field(done, "steps").asLong)
    val weights = link.weights()
    link.command("finish")
    val optimizer = states.finish(done)
    val stopped = EarlyEnd.of(prepared.job, done)
    val result = summary(prepared, link, done, stopped, launched.trainers.length, resumed)
    narrator.end(result)
    if (link.epochs.nonEmpty) stopped.flatMap(_.unseen).foreach(control.warn)
    Progress.unjudged(prepared.job, link.epochs).foreach(control.warn)
    Progress.diverged(stopped.fold(link.epochs)(_.kept(link.epochs))).foreach(control.warn)
    FitResult(prepared.job, prepared.contract, weights, result, optimizer)
  }

  /** How far training may go at first, where callbacks decide. They see the epochs of the checkpoint that it goes on from
    * first: what they would have ended is over.
    */
  private def firstLimit(
      prepared: Prepared,
      narrator: Narrator,
      resumed: Option[Manifest],
      hold: HoldJob
  ): (Int, Boolean) = {
    val history = resumed.toSeq.flatMap(_.history)
    val before = prepared.continued.fold(0)(_.manifest.history.length)
    history.drop(before).foreach(narrator.again)
    if (history.length > before) {
      control.decisions.ask(history.length)
      while (!control.decisions.hasSeen(history.length)) {
        control.check()
        hold.maintain()
        control.await(FitJob.LookMs)
      }
    }
    val over = control.decisions.stoppedBy.isDefined
    val between = resumed.forall(_.isBetweenEpochs)
    (if (over && between) history.length else history.length + 1, over)
  }

  /** The first cause: what the coordinator knows of a dead trainer explains what Spark's tasks suffered from it. */
  private def firstCause(link: CoordinatorLink, error: Exception): Throwable = {
    val ours = Failures.find(error)
    val waits = control.cancelled.isEmpty && ours.forall(_.kind == "unavailable")
    val known = if (waits && ours.nonEmpty) link.awaitFailure(FitJob.FirstCauseMs) else link.failure
    known.orElse(ours).getOrElse(error)
  }

  /** What the user is told. A failure that the coordinator told of is the first cause: our own jobs are cancelled after
    * it, which is no cancel by anybody.
    */
  private def explain(error: Throwable): Throwable = {
    val failure = coordinatorFailure.filter(_.kind != "cancelled")
    def ofJob = Failures.cancellation(error).collect {
      case (job, why) if control.owns(job) =>
        Failures
          .cancelled(s"the fit was cancelled: Spark job $job of it was cancelled $why".trim)
          .initCause(error)
    }
    failure.orElse(control.cancellation).orElse(Failures.find(error)).orElse(ofJob).getOrElse(error)
  }

  /** The failure with a flight record, where that can help. */
  private def recorded(sc: SparkContext, error: Throwable): Throwable = {
    var told = error
    // Who ended it, a callback too, knows why.
    for (record <- flight if FlightRecord.isWorthIt(error) && control.cancelled.isEmpty && !sc.isStopped)
      try {
        val conf = CandlewickShim.hadoopConf(dataset.sparkSession)
        val path = FlightRecord.write(sc, conf, control.id, record, phases.json(total.seconds))
        control.warn(s"the fit failed; where every trainer stood and what was said last is in $path")
        told = FlightRecord.told(error, path)
      } catch {
        case NonFatal(wrong) =>
          log.warn(s"fit ${control.id}: could not write the flight record", wrong)
          control.warn(s"the fit failed, and no flight record was written: ${Voice.reason(wrong)}")
      }
    told
  }

  private def summary(
      prepared: Prepared,
      link: CoordinatorLink,
      done: JsonNode,
      stopped: Option[EarlyEnd],
      trainers: Int,
      resumed: Option[Manifest]
  ): ObjectNode = {
    val history = link.epochs
    val seconds = history.map(Json.field(_, "seconds").asDouble).sum
    val rows = history.map(Json.field(_, "rows").asDouble).sum
    val reason = stopped
      .flatMap(_.reason)
      .orElse(
        control.decisions.stoppedBy.filter(_ => history.length < prepared.epochs).map(by => s"callback $by")
      )
    Json.obj(
      "history" -> history,
      "objectiveHistory" -> history.map(Json.field(_, "loss")),
      "stoppedEarly" -> reason.isDefined,
      "stopReason" -> reason,
      "bestEpoch" -> stopped.map(_.bestEpoch),
      "bestValue" -> stopped.map(_.bestValue),
      "classWeights" -> Option(done.get("classWeights")),
      "totalSteps" -> Json.field(done, "steps"),
      "ledger" -> link.ledger,
      "weightsHash" -> Json.field(done, "weightsHash"),
      "logicalShards" -> prepared.logicalShards,
      "dataShuffle" -> prepared.dataShuffle,
      "numTrainers" -> trainers,
      "device" -> prepared.device.name,
      "deviceReason" -> prepared.device.reason,
      "transportSecurity" -> Encryption.of(prepared).name,
      "phases" -> phases.json(total.seconds),
      "initialWeights" -> prepared.initial.map(_.report),
      "recoveryLog" -> link.recoveries,
      "rescaleLog" -> link.rescales,
      "stragglerLog" -> link.paces,
      "memory" -> Json.items(done.path("memory")),
      "compression" -> Option(done.get("compression")),
      "exchange" -> Option(done.get("exchange")),
      "resumedFromStep" -> resumed.map(_.step),
      "rowsPerSecond" -> (if (seconds > 0) rows / seconds else 0.0)
    )
  }

  private def quietly(what: String)(action: => Unit): Unit =
    try action
    catch {
      // Where the application has ended there is nothing left of it to clean up.
      case NonFatal(_) if dataset.sparkSession.sparkContext.isStopped =>
      case NonFatal(error) => log.warn(s"fit ${control.id}: could not $what", error)
    }
}

/** Seconds of each phase, of all its parts. */
private[fit] final class Phases {
  private var seconds = Seq.empty[(String, Double)]

  /** Runs and times a phase. */
  def time[T](name: String)(action: => T): T = {
    val clock = new Clock
    val result = action
    val before = seconds.collectFirst { case (known, spent) if known == name => spent }
    seconds = seconds.filterNot(_._1 == name) :+ name -> (before.getOrElse(0.0) + clock.seconds)
    result
  }

  /** The phases and the whole. */
  def json(total: Double): ObjectNode = Json.obj((seconds :+ ("total" -> total)): _*)
}

private[fit] object FitJob {

  /** Wait for the trainers to end after "finish", and with them the tasks that hold their slots. */
  private val HoldMs = 1000L

  /** How often a fit looks that waits for its callbacks. */
  private val LookMs = 1000L

  /** Wait for the coordinator's verdict: it waits itself for the exit status of a dead trainer. */
  private val FirstCauseMs = 4000L

  /** Throws for what a feed found out about the rows. */
  def checkLedgers(ledgers: Iterator[JsonNode]): Unit = {
    var first = Option.empty[(Int, JsonNode)]
    var (read, taken) = (0L, 0L)
    ledgers.foreach { ledger =>
      val partition = Json.field(ledger, "partition").asInt
      if (ledger.hasNonNull("failure") && first.forall(_._1 > partition))
        first = Some(partition -> ledger.get("failure"))
      read += Json.field(ledger, "rowsRead").asLong
      // Rows of a trainer that is lost meanwhile come again.
      taken += Json.field(ledger, "rowsSent").asLong + Json.field(ledger, "rowsPassedOver").asLong
    }
    first.foreach { case (_, failure) =>
      throw Failures.of(Json.field(failure, "kind").asText, Json.field(failure, "message").asText)
    }
    if (read == 0) throw TrainingColumns.empty()
    if (taken == 0)
      throw Failures.data(
        s"all $read rows are invalid and " +
          "handleInvalid=\"skip\" leaves them out: nothing to train on; " +
          "set handleInvalid=\"error\" to see what is wrong"
      )
  }
}
