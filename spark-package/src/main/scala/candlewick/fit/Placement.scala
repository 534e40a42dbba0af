package candlewick.fit

import candlewick.cluster._
import candlewick.internal.Failures
import org.apache.spark.{FutureAction, SparkContext}

/** Finds executors for the trainers of one fit: waits in line, waits for executors that are still registering, asks
  * dynamic allocation for more, and refuses at once what the cluster can never host.
  *
  * @param wanted
  *   number of trainers, 0 for one on each executor
  * @param most
  *   most trainers (the number of logical shards)
  */
private[candlewick] final class Placement(
    sc: SparkContext,
    admission: Admission,
    control: FitControl,
    wanted: Int,
    most: Int,
    launchTimeoutMs: Long
) {
  private val executors = new Executors(sc)
  private val clock = new Clock
  private var gather: Option[FutureAction[Unit]] = None
  private var said = Set.empty[String]
  private var stableSince = 0L
  private var lastSeen = Seq.empty[Executor]
  private var waitedMs = 0L

  /** Waits until the fit is admitted and returns where its trainers go. */
  def admit(): Seq[Assignment] =
    try {
      var placed = Option.empty[Seq[Assignment]]
      while (placed.isEmpty) {
        control.check()
        val active = observe()
        if (settled(active)) placed = admission.admit(control.id, wanted, most, active, executors.slots)
        if (placed.isEmpty) {
          waiting(active)
          Thread.sleep(Placement.PollMs)
        }
      }
      placed.getOrElse(Nil)
    } finally gather.foreach(_.cancel())

  /** The executors as they are now. */
  def active(): Seq[Executor] = executors.active()

  private def observe(): Seq[Executor] = {
    val active = executors.active()
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
    val goal = if (wanted == 0) most else math.min(wanted, most)
    val capacity = Capacity.of(sc, executors.slotsOf, active)
    val expected = capacity.executors.map(math.min(_, goal))
    val quiet =
      System
        .currentTimeMillis() - sc.startTime > Placement.YoungMs || clock.ms - stableSince > Placement.QuietMs
    active.nonEmpty && (expected match {
      case Some(count) => active.length >= count || clock.ms > Placement.SettleMs
      case None => active.length >= goal || quiet
    })
  }

  private def waiting(active: Seq[Executor]): Unit = {
    val total = active.map(executors.slots).sum
    val needed = math.max(wanted, 1)
    if (!admission.isFirst(control.id)) once("waiting: another fit is first in line")
    else if (total >= needed && admission.holders.nonEmpty) {
      val holders = admission.holders.map { case (fit, slots) => s"fit $fit holds $slots" }.mkString(", ")
      once(s"waiting for free slots: $needed of $total wanted, $holders")
    } else if (total < needed) tooFew(active, total, needed)
  }

  private def tooFew(active: Seq[Executor], total: Int, needed: Int): Unit = {
    val capacity = Capacity.of(sc, executors.slotsOf, active)
    waitedMs += Placement.PollMs
    capacity.slots.map(math.max(_, total)).filter(_ < needed).foreach { slots =>
      throw tooMany(slots, capacity.source)
    }
    if (capacity.dynamic) startGather(needed)
    else if (capacity.slots.isEmpty && waitedMs > Placement.UnknownMs && total > 0)
      throw tooMany(total, capacity.source)
    if (waitedMs > launchTimeoutMs) throw late(active, total, needed)
    if (waitedMs > Placement.PatienceMs) once(s"waiting for executors: $total of $needed slots are there")
  }

  private def tooMany(slots: Int, source: String): Exception =
    Failures.parameter(
      s"numTrainers=$wanted is more than the cluster can host: it has $slots task slots ($source); " +
        s"set numTrainers to at most $slots, or give the application more executors or cores"
    )

  private def late(active: Seq[Executor], total: Int, needed: Int): Exception = {
    val names = active.map(executor => s"${executor.id} (${executor.host})").mkString(", ")
    Failures.unavailable(
      s"only $total of $needed task slots were there after ${launchTimeoutMs / 1000} s; executors: " +
        s"${if (names.isEmpty) "none" else names}; check the cluster manager, lower numTrainers or raise launchTimeout"
    )
  }

  /** Dynamic allocation counts waiting tasks, so parked tasks are what makes it ask for executors. */
  private def startGather(needed: Int): Unit = if (gather.isEmpty) {
    once(s"asking dynamic allocation for $needed task slots")
    val perExecutor = executors.slotsOf(sc.getConf.getInt("spark.executor.cores", 1))
    val tasks = needed * math.max(1, perExecutor)
    sc.setJobDescription("Candlewick: gather executors")
    gather = Some(Jobs.submit(sc, Seq.fill(tasks)(("", Nil)), ParkTask.run)((_, _) => ()))
  }

  private def once(line: String): Unit = if (!said(line)) {
    said += line
    control.report(line)
  }
}

private object Placement {
  val PollMs = 100L

  /** Longest wait for the executors that the configuration promises. */
  val SettleMs = 5000L

  /** Age of an application in which executors are still registering. */
  val YoungMs = 10000L

  /** Time without a new executor after which a young application counts as complete. */
  val QuietMs = 1500L

  /** Wait for a cluster of unknown size before a fit counts as too large; the error must come within 10 s. */
  val UnknownMs = 7000L

  /** Wait after which the user is told. */
  val PatienceMs = 2000L
}
