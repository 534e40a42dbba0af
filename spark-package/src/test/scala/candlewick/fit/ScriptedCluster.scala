package candlewick.fit

import candlewick.cluster.{Capacity, Executor}
import org.apache.spark.{FutureAction, SparkConf}
import org.scalatest.Assertions
import scala.collection.mutable

/** A cluster to which things happen at moments of the test's choice. */
private[fit] final class ScriptedCluster(first: Seq[Executor], settings: (String, String)*)
    extends ClusterView
    with Assertions {
  private val events = mutable.SortedMap.empty[Long, () => Unit]
  val jobs = mutable.ArrayBuffer.empty[(Int, TestJob)]
  var executors = first
  var going = Set.empty[String]
  var now = 0L

  def at(seconds: Int)(event: => Unit): Unit = events(seconds * 1000L) = () => event

  override def await(ms: Long): Unit = {
    now += ms
    events.takeWhile(_._1 <= now).toSeq.foreach { case (time, event) =>
      events -= time
      event()
    }
    assert(now < 100000000L, "the search goes on for ever")
  }
  override def ageMs: Long = 3600000L
  override val conf: SparkConf = new SparkConf(false).setAll(settings)
  override def capacity(known: Seq[Executor]): Capacity = Capacity.of(conf, "spark://h:1", slotsOf, known)
  override def slotsOf(cores: Int): Int = cores
  override def active(): Seq[Executor] = executors
  override def listed(): Seq[Executor] = executors
  override def draining(): Set[String] = going
  override def lacks(executor: Executor): Boolean = !executors.contains(executor)
  override def park(tasks: Int): FutureAction[Unit] = {
    jobs += tasks -> new TestJob
    jobs.last._2
  }

  /** Tasks that are parked now. */
  def parked: Int = jobs.collect { case (tasks, job) if !job.isCancelled => tasks }.sum
}
