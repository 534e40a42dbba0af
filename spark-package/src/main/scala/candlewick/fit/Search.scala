package candlewick.fit

import candlewick.cluster.{Admission, Assignment, Capacity, Executor, GpuRequest, Gpus, Request}
import candlewick.internal.Failures

/** One search for places, with its clocks and its parked tasks.
  *
  * @param look
  *   takes places among the executors, if there is room
  * @param once
  *   tells the user a line, but only the first time
  */
private[fit] final class Search(
    cluster: ClusterView,
    admission: Admission,
    control: FitControl,
    request: Request,
    launchTimeoutMs: Long
)(look: Seq[Executor] => Option[Seq[Assignment]], once: String => Unit) {
  private val started = cluster.now
  // When the list of executors changed last.
  private var stableSince = started
  private var lastSeen = Seq.empty[Executor]
  private var shortSince = Option.empty[Long]
  private var lineSince = Option.empty[Long]
  // Whether the fit is yet to begin, and waits in line for what others hold.
  private var begins = false

  /** The parked tasks. */
  val gathering = new Gathering(cluster, admission, control.id)(once)

  /** Looks until there is room.
    *
    * @param limit
    *   where a running fit looks for more; a fit in line waits as long as others hold what it needs
    */
  def run(limit: Option[Limit]): Seq[Assignment] =
    try {
      begins = limit.isEmpty
      var placed = Option.empty[Seq[Assignment]]
      while (placed.isEmpty) {
        control.check()
        gathering.check()
        val active = observe()
        if (settled(active)) placed = look(active)
        if (placed.isEmpty)
          placed = limit.filter(ms(started) > _.ms).map(_.otherwise.getOrElse(throw noRoom(active)))
        if (placed.isEmpty) {
          if (limit.isEmpty) gathering.yieldSlots(stableSince)
          waiting(active)
          cluster.await(Search.PollMs)
        }
      }
      placed.getOrElse(Nil)
    } finally gathering.cancel()

  private def ms(since: Long): Long = cluster.now - since

  private def noRoom(active: Seq[Executor]): Exception =
    Failures.unavailable(
      s"no room for ${request.wanted} trainer(s) whose executors were lost within ${launchTimeoutMs / 1000} s; " +
        s"executors: ${names(active)}; lower numTrainers or raise launchTimeout"
    )

  private def names(active: Seq[Executor]): String =
    if (active.isEmpty) "none" else active.map(one => s"${one.id} (${one.host})").mkString(", ")

  private def observe(): Seq[Executor] = {
    val active = cluster.active().filter(one => control.lossOf(one.id).isEmpty)
    if (active != lastSeen) {
      lastSeen = active
      stableSince = cluster.now
    }
    active
  }

  /** Whether the list of executors will hardly grow any more: at the start of a session it does for some seconds, and
    * trainers should be spread over all of them.
    */
  private def settled(active: Seq[Executor]): Boolean = {
    val capacity = cluster.capacity(active)
    val executors = request.executors(goal)
    val quiet = cluster.ageMs > Search.YoungMs || ms(stableSince) > Search.QuietMs
    active.nonEmpty && (capacity.executors.map(math.min(_, executors)) match {
      case _ if capacity.dynamic =>
        val count =
          if (begins && gathering.isParked) sought(active)
          else
            Capacity.mostDynamic(cluster.conf).fold(request.executors(request.wanted))(math.min(_, executors))
        active.length >= count || asked(sought(active))
      case Some(count) => active.length >= count || ms(started) > Search.SettleMs
      case None => active.length >= executors || quiet
    })
  }

  private def goal: Int = if (request.wanted == 0) request.most else math.min(request.wanted, request.most)

  /** Executors that dynamic allocation is to have, with those that others hold; it gives no more than its bound, and is not
    * asked for one on each trainer where it has none.
    */
  private def sought(active: Seq[Executor]): Int = {
    val bound = Capacity.mostDynamic(cluster.conf)
    val trainers = bound.fold(request.wanted)(_ => goal)
    val all = active.length.toLong + admission.missing(trainers, request, active, cluster.slots)
    math.min(all, bound.getOrElse(Int.MaxValue).toLong).toInt
  }

  /** Asks dynamic allocation for as many executors, if the fit is the next to start; true once none has come for a while.
    * Where it may not ask now, or asked in vain before, it takes what is there.
    */
  private def asked(count: Int): Boolean = admission.isFirst(control.id) && {
    if (!gathering.inVain) gathering.ask(count): Unit
    ms(gathering.noneSince(stableSince)) > Gathering.QuietMs
  }

  private def waiting(active: Seq[Executor]): Unit = {
    val total = active.map(request.hosts(_, cluster.slots)).sum
    val needed = request.needed
    val short = total < needed && tooFew(active, total, needed)
    // The time of launchTimeout goes by while executors are missing and asked for; each time anew.
    if (!short) {
      shortSince = None
      if (!admission.isFirst(control.id)) inLine("waiting: another fit is first in line")
      else if (admission.othersHold(control.id)) {
        askBeside(active)
        inLine(s"waiting for free cores: ${request.wanted.max(1)} trainer(s) wanted, ${holders()}")
      }
    }
  }

  /** The executors that are there would do, but for what others hold of them: more may come. */
  private def askBeside(active: Seq[Executor]): Unit = if (cluster.capacity(active).dynamic) {
    val count = sought(active)
    if (count > active.length) gathering.ask(count): Unit
  }

  private def holders(): String = {
    val cores = cluster.active().map(_.cores).sum
    val held = admission.holders.map { case (fit, count) => s"fit $fit holds $count" }
    s"${held.mkString(", ")} of $cores"
  }

  /** A wait is worth a line once it has lasted. */
  private def inLine(line: String): Unit = {
    if (lineSince.isEmpty) lineSince = Some(cluster.now)
    if (lineSince.exists(ms(_) > Search.PatienceMs)) once(line)
  }

  /** What is to be done where the cluster has too few slots; throws where it will never have enough, or did not get them
    * within launchTimeout.
    *
    * @return
    *   false where the fit has to wait for others before it may ask for executors
    */
  private def tooFew(active: Seq[Executor], total: Int, needed: Int): Boolean = {
    val capacity = cluster.capacity(active)
    val waited = shortSince.fold(0L)(ms)
    Search.refusal(request, capacity, total).foreach(throw _)
    val comes =
      !capacity.dynamic || (admission.isFirst(control.id) && gathering.ask(request.executors(needed)))
    if (comes) {
      if (shortSince.isEmpty) shortSince = Some(cluster.now)
      if (!capacity.dynamic) missing(capacity, waited, total)
      if (waited > launchTimeoutMs) throw late(active, total, needed)
      if (waited > Search.PatienceMs)
        once(s"waiting for executors: $total of $needed ${Search.places(request)} are there")
    }
    comes
  }

  /** A cluster without dynamic allocation: its executors come by themselves, if they do. */
  private def missing(capacity: Capacity, waited: Long, total: Int): Unit =
    if (capacity.slots.isEmpty && waited > Search.UnknownMs && total > 0)
      throw Search.tooMany(request, total, capacity.source)
    else if (waited > Search.PatienceMs) gathering.ask(1): Unit

  private def late(active: Seq[Executor], total: Int, needed: Int): Exception =
    Failures.unavailable(
      s"only $total of $needed ${Search.places(request)} were there after ${launchTimeoutMs / 1000} s; executors: " +
        s"${names(active)}; check the cluster manager, lower ${Search.parameter(request)} or raise launchTimeout"
    )
}

/** How long a running fit looks for places.
  *
  * @param otherwise
  *   what it goes on with after that; None if it cannot
  */
private[fit] final case class Limit(ms: Long, otherwise: Option[Seq[Assignment]])

private[fit] object Search {

  /** What a fit asks for. */
  def request(prepared: Prepared): Request = {
    val asked = prepared.launch
    // Where the shards follow the trainers, nothing of them bounds these.
    val shards = if (asked.shardsFollowTrainers) Int.MaxValue else prepared.logicalShards
    val most = if (asked.maxTrainers > 0) asked.maxTrainers else shards
    Request(
      asked.numTrainers,
      math.min(most, shards),
      asked.threadsPerTrainer,
      asked.minTrainers,
      prepared.device.gpus.map(GpuRequest.of(_, asked.numTrainers))
    )
  }

  /** Why the cluster will never have the slots that are asked for; none where it may.
    *
    * @param there
    *   slots that it has now
    */
  def refusal(request: Request, capacity: Capacity, there: Int): Option[Exception] = {
    val most = request.gpus match {
      case Some(asked) =>
        val gpus = capacity.executors.map(_ * asked.perExecutor * asked.share)
        (gpus.toSeq ++ capacity.slots).reduceOption(_ min _)
      case None => if (request.wanted == 0) capacity.executors else capacity.slots
    }
    most.map(math.max(_, there)).filter(_ < request.needed).map(tooMany(request, _, capacity.source))
  }

  private def places(request: Request): String =
    if (request.gpus.isDefined) "places on GPUs" else "task slots"

  private def tooMany(request: Request, slots: Int, source: String): Exception =
    if (request.gpus.isDefined) tooManyOnGpus(request, slots, source)
    else if (request.wanted == 0)
      Failures.parameter(
        s"minTrainers=${request.least} is more than the $slots executor(s) of the cluster ($source), each of which has one " +
          s"trainer with numTrainers=0: set minTrainers to at most $slots, or numTrainers to at least ${request.least}"
      )
    else {
      val name = parameter(request)
      Failures.parameter(
        s"$name=${request.needed} is more than the cluster can host: it has $slots task slots ($source); " +
          s"set $name to at most $slots, or give the application more executors or cores"
      )
    }

  private def tooManyOnGpus(request: Request, places: Int, source: String): Exception = {
    val name = parameter(request)
    val asked = request.gpus.fold("")(one => s", ${one.source}")
    val share = request.gpus.fold(1)(_.share)
    val each = if (share > 1) s"up to $share trainers share a GPU" else "each GPU takes one trainer"
    Failures.parameter(
      s"$name=${request.needed} is more than the GPUs of the cluster can take: they have $places place(s), $each " +
        s"($source$asked): set $name to at most $places, or give the application more executors with GPUs" +
        (if (share > 1 || request.wanted == 0) ""
         else s"; trainers share a GPU where ${Gpus.OfTask} is 0.5 or less")
    )
  }

  private def parameter(request: Request): String = if (request.least > 0) "minTrainers" else "numTrainers"

  /** Fallback: changes of the cluster, of the line and a cancel are signalled. */
  val PollMs = 100L

  /** Longest wait for the executors that the configuration promises. */
  val SettleMs = 5000L

  /** Age of an application in which executors are still registering. */
  val YoungMs = 10000L

  /** Time without a new executor after which a young application counts as complete. */
  val QuietMs = 1500L

  /** Wait for a cluster of unknown size before a gang counts as too large; the error must come within 10 s. */
  val UnknownMs = 7000L

  /** Wait after which the user is told. */
  val PatienceMs = 3000L
}
