package candlewick.fit

import candlewick.cluster._
import candlewick.internal.Failures
import org.apache.spark.{FutureAction, SparkContext}

/** Finds executors for the trainers of one fit: waits in line, waits for executors that are still registering, asks
  * dynamic allocation for more, and refuses at once what the cluster can never host.
  */
private[candlewick] final class Placement(
    sc: SparkContext,
    admission: Admission,
    control: FitControl,
    request: Request,
    launchTimeoutMs: Long
) {
  private val executors = new Executors(sc)
  private var reported = Set.empty[String]

  /** Waits until the fit is admitted and returns where its trainers go. */
  def admit(): Seq[Assignment] = {
    val search = new Search(request, active => admission.admit(control.id, request, active, executors.slots))
    val placed = search.run(Long.MaxValue, None)
    if (request.wanted == 0) tellOne(placed.length)
    placed
  }

  /** Finds places for trainers whose executors are gone, as if the fit came anew, but for what it keeps. Where the
    * number of trainers is the cluster's (numTrainers=0), it goes on with fewer if none comes soon.
    *
    * @param kept
    *   the places that still stand
    * @param lost
    *   how many trainers need another place
    */
  def replace(kept: Seq[Assignment], lost: Int): Seq[Assignment] = {
    val more = request.copy(wanted = lost)
    val search = new Search(
      more,
      active => admission.replace(control.id, kept, more, active, executors.slots)
    )
    // From the first moment, so that there is a Spark job that a cancel of the caller's job group meets.
    search.gather(kept.map(_.executor.id).distinct.length + lost)
    if (request.wanted == 0 && kept.nonEmpty) search.run(Placement.GatherMs, Some(Nil))
    else search.run(launchTimeoutMs, None)
  }

  /** Whether the cluster no longer has the executor. */
  def lacks(executor: Executor): Boolean = gone(executor) || executors.lacks(executor)

  private def gone(executor: Executor): Boolean = control.lossOf(executor.id).isDefined

  /** With numTrainers=0 the cluster decides, and dynamic allocation may not have shown all of it. */
  private def tellOne(placed: Int): Unit =
    if (placed < request.most && Capacity.of(sc, executors.slotsOf, Nil).dynamic)
      control.report(
        s"numTrainers=0: one trainer on each of the $placed executor(s) that are up; set numTrainers to have " +
          "dynamic allocation asked for more"
      )

  /** One search, with its clocks and the parked tasks that make dynamic allocation ask for executors. */
  private final class Search(request: Request, look: Seq[Executor] => Option[Seq[Assignment]]) {
    private val clock = new Clock
    private var gathering = Option.empty[FutureAction[Unit]]
    private var stableSince = 0L
    private var lastSeen = Seq.empty[Executor]
    private var shortSince = Option.empty[Long]
    private var lineSince = 0L

    /** Looks until there is room.
      *
      * @param withinMs
      *   longest wait
      * @param otherwise
      *   what the fit then goes on with; None if it cannot
      */
    def run(withinMs: Long, otherwise: Option[Seq[Assignment]]): Seq[Assignment] =
      try {
        var placed = Option.empty[Seq[Assignment]]
        while (placed.isEmpty) {
          control.check()
          gathering.flatMap(_.value).foreach(_.get)
          val active = observe()
          if (settled(active)) placed = look(active)
          if (placed.isEmpty && clock.ms > withinMs) placed = otherwise.orElse(throw noRoom(active))
          if (placed.isEmpty) {
            waiting(active)
            control.await(Placement.PollMs)
          }
        }
        placed.getOrElse(Nil)
      } finally gathering.foreach(_.cancel())

    private def noRoom(active: Seq[Executor]): Exception =
      Failures.unavailable(
        s"no room for ${request.wanted} trainer(s) whose executors were lost within ${launchTimeoutMs / 1000} s; " +
          s"executors: ${names(active)}; lower numTrainers or raise launchTimeout"
      )

    private def names(active: Seq[Executor]): String =
      if (active.isEmpty) "none" else active.map(one => s"${one.id} (${one.host})").mkString(", ")

    private def observe(): Seq[Executor] = {
      val active = executors.active().filterNot(gone)
      if (active != lastSeen) {
        lastSeen = active
        stableSince = clock.ms
      }
      active
    }

    /** Whether the list of executors will hardly grow any more: at the start of a session it does for some seconds, and
      * trainers should be spread over all of them.
      */
    private def settled(active: Seq[Executor]): Boolean = {
      val goal = if (request.wanted == 0) request.most else math.min(request.wanted, request.most)
      val capacity = Capacity.of(sc, executors.slotsOf, active)
      val quiet =
        System.currentTimeMillis() - sc.startTime > Placement.YoungMs || clock.ms - stableSince > Placement.QuietMs
      active.nonEmpty && (capacity.executors.map(math.min(_, goal)) match {
        case _ if capacity.dynamic =>
          val count = Capacity.mostDynamic(sc.getConf).fold(request.wanted)(math.min(_, goal))
          active.length >= count || asked(count)
        case Some(count) => active.length >= count || clock.ms > Placement.SettleMs
        case None => active.length >= goal || quiet
      })
    }

    /** Asks dynamic allocation for as many executors, if the fit is the next to start; true once none has come for a
      * while.
      */
    private def asked(count: Int): Boolean = admission.isFirst(control.id) && {
      gather(count)
      clock.ms - stableSince > Placement.GatherMs
    }

    private def waiting(active: Seq[Executor]): Unit = {
      val total = active.map(executors.slots).sum
      val needed = math.max(request.wanted, 1)
      if (total < needed) tooFew(active, total, needed)
      else if (!admission.isFirst(control.id)) inLine("waiting: another fit is first in line")
      else if (admission.holders.exists(_._1 != control.id))
        inLine(s"waiting for free cores: ${request.wanted.max(1)} trainer(s) wanted, ${holders()}")
    }

    private def holders(): String = {
      val cores = executors.active().map(_.cores).sum
      val held = admission.holders.map { case (fit, count) => s"fit $fit holds $count" }
      s"${held.mkString(", ")} of $cores"
    }

    /** A wait is worth a line once it has lasted. */
    private def inLine(line: String): Unit = {
      if (lineSince == 0L) lineSince = clock.ms
      if (clock.ms - lineSince > Placement.PatienceMs) once(line)
    }

    private def tooFew(active: Seq[Executor], total: Int, needed: Int): Unit = {
      val capacity = Capacity.of(sc, executors.slotsOf, active)
      val waited = clock.ms - shortSince.getOrElse(clock.ms)
      if (shortSince.isEmpty) shortSince = Some(clock.ms)
      capacity.slots.map(math.max(_, total)).filter(_ < needed).foreach { slots =>
        throw tooMany(slots, capacity.source)
      }
      if (capacity.dynamic) gather(needed)
      else if (capacity.slots.isEmpty && waited > Placement.UnknownMs && total > 0)
        throw tooMany(total, capacity.source)
      else if (waited > Placement.PatienceMs) gather(1)
      if (waited > launchTimeoutMs) throw late(active, total, needed)
      if (waited > Placement.PatienceMs) once(s"waiting for executors: $total of $needed slots are there")
    }

    private def tooMany(slots: Int, source: String): Exception =
      Failures.parameter(
        s"numTrainers=${request.wanted} is more than the cluster can host: it has $slots task slots ($source); " +
          s"set numTrainers to at most $slots, or give the application more executors or cores"
      )

    private def late(active: Seq[Executor], total: Int, needed: Int): Exception = {
      Failures.unavailable(
        s"only $total of $needed task slots were there after ${launchTimeoutMs / 1000} s; executors: " +
          s"${names(active)}; check the cluster manager, lower numTrainers or raise launchTimeout"
      )
    }

    /** Dynamic allocation counts waiting tasks, so parked tasks are what makes it ask for executors. In a cluster of
      * fixed size one is enough: it is what a cancel of the caller's job group meets.
      */
    def gather(count: Int): Unit = if (gathering.isEmpty) {
      val dynamic = Capacity.of(sc, executors.slotsOf, Nil).dynamic
      val perExecutor = math.max(1, executors.slotsOf(sc.getConf.getInt("spark.executor.cores", 1)))
      val tasks = if (dynamic) count * perExecutor else 1
      if (dynamic) once(s"asking dynamic allocation for $count executor(s)")
      sc.setJobDescription("Candlewick: gather executors")
      val job = Jobs.submit(sc, Seq.fill(tasks)(("", Nil)), ParkTask.run)((_, _) => ())
      job.onComplete(_ => control.signal())(Jobs.direct)
      gathering = Some(job)
    }
  }

  private def once(line: String): Unit = if (!reported(line)) {
    reported += line
    control.warn(line)
  }
}

private object Placement {

  /** Fallback: changes of the cluster, of the line and a cancel are signalled. */
  val PollMs = 100L

  /** Longest wait for the executors that the configuration promises. */
  val SettleMs = 5000L

  /** Time without a new executor after which dynamic allocation counts as having given what it has. */
  val GatherMs = 10000L

  /** Age of an application in which executors are still registering. */
  val YoungMs = 10000L

  /** Time without a new executor after which a young application counts as complete. */
  val QuietMs = 1500L

  /** Wait for a cluster of unknown size before a gang counts as too large; the error must come within 10 s. */
  val UnknownMs = 7000L

  /** Wait after which the user is told. */
  val PatienceMs = 3000L
}
