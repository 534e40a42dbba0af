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
    if (request.wanted == 0) tellOne(placed.map(_.trainers).sum)
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
    val least = if (request.least > 0) math.max(1, request.least - kept.map(_.trainers).sum) else 0
    val more = request.copy(wanted = lost, least = least)
    val taken = kept.map(_.executor.id).toSet
    val search = newSearch(
      more,
      active => {
        // With numTrainers=0 an executor has one trainer, or one on each GPU, whatever room is left.
        val open = if (request.wanted == 0) active.filterNot(one => taken(one.id)) else active
        admission.replace(control.id, kept, more, open, cluster.slots)
      }
    )
    // From the first moment, so that there is a Spark job that a cancel of the caller's job group meets.
    search.gathering.park(taken.size + request.executors(lost))
    val limit =
      if (request.wanted == 0 && kept.nonEmpty) Limit(Gathering.QuietMs, Some(Nil))
      else Limit(launchTimeoutMs, None)
    search.run(Some(limit))
  }

  private def newSearch(request: Request, look: Seq[Executor] => Option[Seq[Assignment]]) =
    new Search(cluster, admission, control, request, launchTimeoutMs)(look, once)

  /** Whether the cluster no longer has the executor. */
  def lacks(executor: Executor): Boolean = control.lossOf(executor.id).isDefined || cluster.lacks(executor)

  /** With numTrainers=0 the cluster decides, and dynamic allocation may not have shown all of it. */
  private def tellOne(placed: Int): Unit =
    if (placed < request.most && cluster.capacity(Nil).dynamic) {
      val there =
        if (request.gpus.isDefined) s"the $placed GPU(s) that are there"
        else s"the $placed executor(s) that are up"
      val more = Capacity
        .mostDynamic(cluster.conf)
        .fold("; set numTrainers to have dynamic allocation asked for more") { most =>
          s", where spark.dynamicAllocation.maxExecutors allows $most executor(s)"
        }
      control.report(s"numTrainers=0: one trainer on each of $there$more")
    }

  private def once(line: String): Unit = if (!reported(line)) {
    reported += line
    control.warn(line)
  }
}
