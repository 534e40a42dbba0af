package candlewick.cluster

import org.apache.spark.{SparkConf, SparkContext}
import scala.util.Try

/** What the cluster will have at most, as far as its configuration tells: executors register over seconds, and too
  * large a gang must be an error at once, not after a timeout.
  *
  * @param executors
  *   number of executors, if the configuration fixes it
  * @param slots
  *   tasks at a time, if the configuration bounds them
  * @param source
  *   the configuration that says so, for messages
  */
private[candlewick] final case class Capacity(
    dynamic: Boolean,
    executors: Option[Int],
    slots: Option[Int],
    source: String
)

private[candlewick] object Capacity {
  private val MaxExecutors = "spark.dynamicAllocation.maxExecutors"
  private val LocalCluster = """local-cluster\[\s*(\d+)\s*,\s*(\d+)\s*,\s*\d+\s*\]""".r

  /** The capacity of the application. `slotsOf` turns the cores of an executor into tasks; `known` are the executors seen so far. */
  def of(sc: SparkContext, slotsOf: Int => Int, known: Seq[Executor]): Capacity =
    of(sc.getConf, sc.master, slotsOf, known)

  /** The same, from its configuration. */
  private[candlewick] def of(
      conf: SparkConf,
      master: String,
      slotsOf: Int => Int,
      known: Seq[Executor]
  ): Capacity = {
    val local = master == "local" || master.startsWith("local[")
    val dynamic = !local && conf.getBoolean("spark.dynamicAllocation.enabled", defaultValue = false)
    val perExecutor = slotsOf(conf.getInt("spark.executor.cores", (1 +: known.map(_.cores)).max))
    val capacity = master match {
      case _ if local => Capacity(dynamic, Some(1), known.headOption.map(e => slotsOf(e.cores)), master)
      case _ if dynamic => dynamicCapacity(conf, perExecutor)
      case LocalCluster(executors, cores) =>
        val count = executors.toInt
        Capacity(dynamic, Some(count), Some(count * slotsOf(cores.toInt)), master)
      case _ => staticCapacity(conf, perExecutor)
    }
    boundByCores(conf, capacity)
  }

  /** How many executors dynamic allocation may ask for, where that is set. */
  def mostDynamic(conf: SparkConf): Option[Int] =
    conf.getOption(MaxExecutors).flatMap(text => Try(text.toInt).toOption).filter(_ != Int.MaxValue)

  private def dynamicCapacity(conf: SparkConf, perExecutor: Int): Capacity = {
    val most = mostDynamic(conf).getOrElse(Int.MaxValue)
    val slots = if (most == Int.MaxValue) None else Some(clamp(most.toLong * perExecutor))
    Capacity(dynamic = true, None, slots, s"spark.dynamicAllocation.maxExecutors=$most")
  }

  private def staticCapacity(conf: SparkConf, perExecutor: Int): Capacity =
    conf.getOption("spark.executor.instances").flatMap(text => Try(text.toInt).toOption) match {
      case Some(n) =>
        val source = s"spark.executor.instances=$n, ${perExecutor} slots each"
        Capacity(dynamic = false, Some(n), Some(clamp(n.toLong * perExecutor)), source)
      case None => Capacity(dynamic = false, None, None, "the executors that registered")
    }

  /** spark.cores.max bounds what a standalone cluster gives, whatever else is said. */
  private def boundByCores(conf: SparkConf, capacity: Capacity): Capacity = {
    val cores = conf.getOption("spark.cores.max").flatMap(text => Try(text.toInt).toOption)
    cores.map(Executors.byCores(conf, _)) match {
      case Some(most) if capacity.slots.forall(_ > most) =>
        capacity.copy(slots = Some(most), source = s"spark.cores.max gives $most slots")
      case _ => capacity
    }
  }

  private def clamp(value: Long): Int = math.min(value, Int.MaxValue.toLong).toInt
}
