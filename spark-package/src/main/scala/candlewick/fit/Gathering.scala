package candlewick.fit

import candlewick.cluster.Admission
import org.apache.spark.FutureAction

/** The parked tasks of one search. Dynamic allocation counts waiting tasks, so parked ones are what makes it ask for
  * executors. In a cluster of fixed size one is enough: it is what a cancel of the caller's job group meets.
  *
  * They take every free slot, and a fit may wait in line for hours; so they yield. Fits that start need slots for LAUNCH
  * and FEED, and would wait for the parked tasks of a fit that waits for them: while there is one, nothing is parked.
  * Fits that train hold what they need; then tasks are parked until dynamic allocation has given what it has, and no
  * longer, since the user's other jobs wait for slots too.
  */
private[fit] final class Gathering(cluster: ClusterView, admission: Admission, fit: String)(
    report: String => Unit
) {
  private var job = Option.empty[FutureAction[Unit]]
  private var vain = false

  /** When the tasks were parked. */
  private var since = 0L

  /** Parks tasks for `count` executors, unless that was done or others need the slots.
    *
    * @return
    *   whether they are parked
    */
  def ask(count: Int): Boolean = {
    if (job.isEmpty && mayPark) park(count)
    job.isDefined
  }

  /** Parks them whatever others need; for a fit that runs. */
  def park(count: Int): Unit = {
    val dynamic = cluster.capacity(Nil).dynamic
    if (dynamic) report(s"asking dynamic allocation for $count executor(s)")
    since = cluster.now
    job = Some(cluster.park(if (dynamic) cluster.tasksFor(count) else 1))
  }

  /** Whether tasks are parked. */
  def isParked: Boolean = job.isDefined

  /** Whether executors were asked for and did not come before the slots were given back. */
  def inVain: Boolean = vain

  /** Since when no executor has come though they were asked for, where the last one came at `lastMs`. */
  def noneSince(lastMs: Long): Long = math.max(since, lastMs)

  /** Gives the slots back where others need them. `lastMs` is when the last executor came. */
  def yieldSlots(lastMs: Long): Unit = if (job.isDefined) {
    val settled = cluster.now - noneSince(lastMs) > Gathering.QuietMs
    if (admission.othersStart(fit) || (settled && admission.othersHold(fit))) {
      vain = vain || settled
      cancel()
    }
  }

  /** Throws what made the job fail: it never ends by itself. */
  def check(): Unit = job.flatMap(_.value).foreach(_.get)

  /** Ends the parked tasks. */
  def cancel(): Unit = {
    job.foreach(_.cancel())
    job = None
  }

  private def mayPark: Boolean =
    !admission.othersStart(fit) && !(vain && admission.othersHold(fit))
}

private[fit] object Gathering {

  /** Time without a new executor after which dynamic allocation counts as having given what it has. */
  val QuietMs = 10000L
}
