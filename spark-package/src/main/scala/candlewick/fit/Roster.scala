package candlewick.fit

import candlewick.cluster.{Assignment, Executor}

/** The trainers of a fit and where they are, as they come and go.
  *
  * @param gone
  *   ids of those that are lost or have left
  */
private[fit] final class Roster(first: Seq[Placed], gone: () => Set[String]) {
  // Changed by the fit's thread; Spark's listener reads.
  @volatile private var all = first

  /** Those that are there. */
  def there: Seq[Placed] = {
    val without = gone()
    all.filterNot(trainer => without(trainer.id))
  }

  /** Everybody who ever was. */
  def everybody: Seq[Placed] = all

  /** The executors of those that are there, each as often as it has trainers. */
  def executors: Seq[Executor] = there.map(_.executor)

  /** What they take, by executor. */
  def assignments: Seq[Assignment] = Roster.assignments(there)

  /** More have started. */
  def add(trainers: Seq[Placed]): Unit = all ++= trainers
}

private[fit] object Roster {

  /** What these trainers take, by executor. */
  def assignments(trainers: Seq[Placed]): Seq[Assignment] =
    trainers.groupBy(trainer => (trainer.executor, trainer.threads)).toSeq.map {
      case ((executor, threads), some) => Assignment(executor, some.length, threads, some.flatMap(_.gpu))
    }
}
