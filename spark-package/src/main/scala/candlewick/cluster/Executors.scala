package candlewick.cluster

import org.apache.spark.{SparkConf, SparkContext, SparkEnv}
import org.apache.spark.status.api.v1.ExecutorSummary
import org.slf4j.LoggerFactory
import scala.util.Try
import scala.util.control.NonFatal

/** An executor that can run tasks.
  *
  * @param gpus
  *   addresses of the GPUs that Spark gave it
  */
private[candlewick] final case class Executor(id: String, host: String, cores: Int, gpus: Seq[String] = Nil) {

  /** The location that makes Spark prefer this executor; a wish, so tasks check where they are. Spark splits such a text
    * at the first underscore after the word, so where the host's name has one (Docker Compose), the host is all that
    * can be wished for.
    */
  def locations: Seq[String] =
    if (!host.contains('_')) Seq(s"executor_${host}_$id")
    else if (host.startsWith("executor_") || host.startsWith("hdfs_cache_")) Nil
    else Seq(host)
}

/** The executors of the application as they are now. */
private[candlewick] final class Executors(sc: SparkContext) {
  private val log = LoggerFactory.getLogger(classOf[Executors])
  @volatile private var reflective = true
  @volatile private var asks = true

  private val conf = sc.getConf
  // In local mode tasks take no resources.
  private val byResources: Int = if (sc.isLocal) Int.MaxValue else Gpus.tasks(conf)

  /** Tasks that an executor of `cores` cores runs at a time. */
  def slotsOf(cores: Int): Int = math.min(Executors.byCores(conf, cores), byResources)

  /** Cores of an executor that is to come, by Spark's settings. */
  def coresOfNew: Int = math.max(1, conf.getInt("spark.executor.cores", 1))

  /** Tasks that an executor runs at a time. */
  def slots(executor: Executor): Int = slotsOf(executor.cores)

  /** The executors to which Spark gives tasks, sorted by host and id. In local mode the one executor is the driver. */
  def active(): Seq[Executor] = found(excluded = false)

  /** The same where Spark's list can be read; none where a job would have to ask the executors. */
  def listed(): Seq[Executor] = if (sc.isLocal || reflective) active() else Nil

  /** The same with those to which Spark gives no tasks for a while, since some failed there (`spark.excludeOnFailure`). */
  def listedWithExcluded(): Seq[Executor] = if (sc.isLocal || reflective) found(excluded = true) else Nil

  private def found(excluded: Boolean): Seq[Executor] = {
    val all = if (sc.isLocal) Seq(localExecutor) else remote(excluded)
    all.filter(slots(_) > 0).sortBy(executor => (executor.host, executor.id.length, executor.id))
  }

  private def localExecutor: Executor = {
    val cores = sc.master match {
      case Executors.LocalCores("*") => Runtime.getRuntime.availableProcessors
      case Executors.LocalCores(n) => n.toInt
      case _ => 1
    }
    val gpus = sc.resources.get(Gpus.Resource).fold(Seq.empty[String])(_.addresses.toSeq)
    Executor(SparkEnv.get.executorId, "localhost", cores, gpus)
  }

  private def remote(excluded: Boolean): Seq[Executor] =
    if (!reflective) discover()
    else
      try snapshot(excluded)
      catch {
        case NonFatal(error) =>
          log.warn("Spark's list of executors cannot be read; asking the executors themselves", error)
          reflective = false
          discover()
      }

  /** `sc.statusStore.executorList(true)`: `private[spark]` in Scala, public in bytecode, the same in 4.0 to 4.3. It
    * works without the UI and knows executors that registered before any listener of ours.
    */
  private def snapshot(excluded: Boolean): Seq[Executor] = {
    val store = classOf[SparkContext].getMethod("statusStore").invoke(sc)
    val listed =
      store.getClass.getMethod("executorList", classOf[Boolean]).invoke(store, java.lang.Boolean.TRUE)
    val going = draining()
    listed
      .asInstanceOf[Iterable[ExecutorSummary]]
      .filter(summary => summary.isActive && summary.id != Executors.Driver)
      .filter(_.resourceProfileId == 0)
      .filter(summary => excluded || !summary.isExcluded)
      .map { summary =>
        val gpus = summary.resources.get(Gpus.Resource).fold(Seq.empty[String])(_.addresses.toSeq)
        Executor(summary.id, Executors.hostOf(summary.hostPort), summary.totalCores, gpus)
      }
      // Where Spark takes them away they get no more tasks.
      .filterNot(executor => going(executor.id))
      .toSeq
  }

  /** Whether Spark's list is without the executor. False where the list cannot be read. What runs on one that Spark gives no
    * tasks for a while goes on.
    */
  def lacks(executor: Executor): Boolean =
    !sc.isLocal && reflective && {
      val listed = remote(excluded = true)
      reflective && !listed.exists(_.id == executor.id)
    }

  /** The ids of executors that Spark takes away before long (decommission), though they are still there. There is no event for
    * that and no public way to ask: `sc.schedulerBackend` is `private[spark]` in Scala, public in bytecode, and
    * `ExecutorAllocationClient.isExecutorActive` is what the scheduler itself offers tasks by, the same in 3.5 to 4.3.
    * None where that cannot be asked.
    */
  def draining(): Set[String] =
    if (!asks || sc.isLocal) Set.empty
    else
      try {
        val backend = classOf[SparkContext].getMethod("schedulerBackend").invoke(sc)
        val client = Class.forName("org.apache.spark.ExecutorAllocationClient")
        if (!client.isInstance(backend)) Set.empty
        else {
          val isActive = client.getMethod("isExecutorActive", classOf[String])
          val known =
            client.getMethod("getExecutorIds").invoke(backend).asInstanceOf[scala.collection.Seq[String]]
          known.filter(isActive.invoke(backend, _) == java.lang.Boolean.FALSE).toSet
        }
      } catch {
        case NonFatal(error) =>
          log.warn("Spark's scheduler cannot be asked which executors are being decommissioned", error)
          asks = false
          Set.empty
      }

  /** A job that lets every executor say who it is. Busy executors are missed, and which GPUs they have is not told, so it is
    * only the way out.
    */
  private def discover(): Seq[Executor] = {
    val tasks = math.max(1, sc.defaultParallelism)
    val cores = sc.getConf.getInt("spark.executor.cores", 1)
    val seen = sc.parallelize(0 until tasks, tasks).map(_ => Discovery.whoAmI()).collect().distinct
    seen.toSeq.map { case (id, host) => Executor(id, host, cores) }
  }
}

private object Discovery {
  private val PauseMs = 100L

  /** Runs in a task; the pause keeps one executor from taking all tasks. */
  def whoAmI(): (String, String) = {
    Thread.sleep(PauseMs)
    val env = SparkEnv.get
    (env.executorId, env.blockManager.blockManagerId.host)
  }
}

private[candlewick] object Executors {

  /** Id of the driver in the list of executors. */
  private val Driver = "driver"

  /** Masters local[N], local[*] and local[N, failures]. */
  private[cluster] val LocalCores = """local\[\s*(\d+|\*)\s*(?:,.*)?\]""".r

  /** Tasks that so many cores run at a time by their CPUs: spark.task.cpus, fractional since Spark 4.3. */
  def byCores(conf: SparkConf, cores: Int): Int =
    (cores / conf.getDouble("spark.task.cpus", 1.0) + 1e-9).toInt

  /** The host of "host:port"; an IPv6 address keeps its colons. */
  def hostOf(hostPort: String): String = {
    val colon = hostPort.lastIndexOf(':')
    if (colon < 0 || Try(hostPort.substring(colon + 1).toInt).isFailure) hostPort
    else hostPort.substring(0, colon)
  }
}
