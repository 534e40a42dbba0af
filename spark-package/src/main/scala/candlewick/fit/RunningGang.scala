package candlewick.fit

import candlewick.cluster.Executor
import candlewick.jni.CandlewickException

/** The trainers of a fit that runs, by its coordinator and its HOLD job.
  *
  * @param onOrder
  *   told of every executor that may have trainers from now on
  */
private[fit] final class RunningGang(
    override val roster: Roster,
    link: CoordinatorLink,
    hold: HoldJob,
    onOrder: Executor => Unit
) extends Elastic.Gang {
  override def expect(trainers: Seq[String]): Unit = tell("expect", "trainers" -> trainers)

  override def decommission(executor: Executor): Unit =
    tell("decommission", "executor" -> executor.id, "reason" -> "its executor is being decommissioned")

  override def ordered(executor: Executor): Unit = onOrder(executor)

  override def registered(trainer: String): Boolean = link.registered(trainer)

  override def isGone(trainer: String): Boolean = link.left.contains(trainer)

  override def freeSlots(executor: Executor): Unit = hold.changed(executor)

  override def holdSlots(executor: Executor): Unit = hold.changed(executor)

  /** A job that has failed meanwhile says so by itself. */
  private def tell(command: String, fields: (String, Any)*): Unit =
    try link.command(command, fields: _*): Unit
    catch { case error: CandlewickException if error.kind == "unavailable" => () }
}
