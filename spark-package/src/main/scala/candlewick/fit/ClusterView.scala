package candlewick.fit

import candlewick.cluster.{Capacity, Executor, Executors}
import candlewick.internal.Clock
import org.apache.spark.{FutureAction, SparkConf, SparkContext}

/** The application as a search for places sees it, with the time of that search. */
private[fit] trait ClusterView {

  /** Milliseconds since some moment. */
  def now: Long

  /** Waits for a signal to the fit, at most `ms`. */
  def await(ms: Long): Unit

  /** Milliseconds since the application started. */
  def ageMs: Long

  /** The configuration of the application. */
  def conf: SparkConf

  /** What the cluster will have at most. */
  def capacity(known: Seq[Executor]): Capacity

  /** Tasks that so many cores run at a time. */
  def slotsOf(cores: Int): Int

  /** The executors that can run tasks. */
  def active(): Seq[Executor]

  /** The same where Spark's list can be read, which asks nobody; none where it cannot. */
  def listed(): Seq[Executor]

  /** Whether Spark's list is without the executor. */
  def lacks(executor: Executor): Boolean

  /** The ids of executors that Spark takes away before long: they get no more tasks, and end when those that they have are
    * over.
    */
  def draining(): Set[String]

  /** So many tasks that only keep slots, until they are cancelled. */
  def park(tasks: Int): FutureAction[Unit]

  /** Tasks that an executor runs at a time. */
  final def slots(executor: Executor): Int = slotsOf(executor.cores)

  /** So many tasks that wait make dynamic allocation ask for `executors`, and for no more. By its ratio it asks for fewer than
    * they would fill, and rounds up.
    */
  final def tasksFor(executors: Int): Int = {
    val perExecutor = math.max(1, slotsOf(conf.getInt("spark.executor.cores", 1)))
    math.floor(executors.toDouble * perExecutor / conf.getDouble(ClusterView.Ratio, 1.0)).toInt
  }
}

private[fit] object ClusterView {

  /** The share of the executors that tasks would fill which dynamic allocation asks for. */
  private val Ratio = "spark.dynamicAllocation.executorAllocationRatio"
}

/** A Spark application. */
private[fit] final class SparkCluster(sc: SparkContext, control: FitControl) extends ClusterView {
  private val executors = new Executors(sc)
  private val clock = new Clock

  override def now: Long = clock.ms
  override def await(ms: Long): Unit = control.await(ms)
  override def ageMs: Long = System.currentTimeMillis() - sc.startTime
  override val conf: SparkConf = sc.getConf
  override def capacity(known: Seq[Executor]): Capacity = Capacity.of(sc, slotsOf, known)
  override def slotsOf(cores: Int): Int = executors.slotsOf(cores)
  override def active(): Seq[Executor] = executors.active()
  override def listed(): Seq[Executor] = executors.listed()
  override def lacks(executor: Executor): Boolean = executors.lacks(executor)
  override def draining(): Set[String] = executors.draining()

  override def park(tasks: Int): FutureAction[Unit] = {
    sc.setJobDescription("Candlewick: gather executors")
    val job = Jobs.submit(sc, Seq.fill(tasks)(("", Nil)), ParkTask.run)((_, _) => ())
    job.onComplete(_ => control.signal())(Jobs.direct)
    job
  }
}
