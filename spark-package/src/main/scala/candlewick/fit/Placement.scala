package candlewick.fit

import candlewick.cluster._

/** Finds executors for the trainers of one fit: waits in line, waits for executors that are still registering, asks
  * dynamic allocation for more, and refuses at once what the cluster can never host.
  */
private[candlewick] final class Placement(
    cluster: ClusterView,
    admission: Admission,
    control: FitControl,
    request: Request,
    launchTimeoutMs: Long
) {
  private var reported = Set.empty[String]

  /** Waits until the fit is admitted and returns where its trainers go. */
  def admit(): Seq[Assignment] = {
    val search = newSearch(request, active => admission.admit(control.id, request, active, cluster.slots))
    val placed = search.run(None)
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
    val taken = kept.map(_.executor.id).toSet
    val search = newSearch(
      more,
      active => {
        // With numTrainers=0 an executor has one trainer, whatever room is left.
        val open = if (request.wanted == 0) active.filterNot(one => taken(one.id)) else active
        admission.replace(control.id, kept, more, open, cluster.slots)
      }
    )
    // From the first moment, so that there is a Spark job that a cancel of the caller's job group meets.
    search.gathering.park(taken.size + lost)
    val limit =
      if (request.wanted == 0 && kept.nonEmpty) Limit(Placement.GatherMs, Some(Nil))
      else Limit(launchTimeoutMs, None)
    search.run(Some(limit))
  }

  private def newSearch(request: Request, look: Seq[Executor] => Option[Seq[Assignment]]) =
    new Search(cluster, admission, control, request, launchTimeoutMs)(look, once)

  /** Whether the cluster no longer has the executor. */
  def lacks(executor: Executor): Boolean = control.lossOf(executor.id).isDefined || cluster.lacks(executor)

  /** With numTrainers=0 the cluster decides, and dynamic allocation may not have shown all of it. */
  private def tellOne(placed: Int): Unit =
    if (placed < request.most && cluster.capacity(Nil).dynamic)
      control.report(
        s"numTrainers=0: one trainer on each of the $placed executor(s) that are up; set numTrainers to have " +
          "dynamic allocation asked for more"
      )

  private def once(line: String): Unit = if (!reported(line)) {
    reported += line
    control.warn(line)
  }
}

/** How long a running fit looks for places.
  *
  * @param otherwise
  *   what it goes on with after that; None if it cannot
  */
private[fit] final case class Limit(ms: Long, otherwise: Option[Seq[Assignment]])

private[fit] object Placement {

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
