package candlewick.cluster

import org.apache.spark.SparkConf

/** Memory that a trainer may use.
  *
  * @param bytes
  *   of one trainer
  * @param source
  *   where the number comes from, for messages
  * @param overhead
  *   so many trainers like it would share spark.executor.memoryOverhead, where that is what bounds them
  * @param group
  *   trainers that share a control group, where that is what bounds them: nothing of Spark raises it
  */
private[candlewick] final case class MemoryLimit(
    bytes: Long,
    source: String,
    overhead: Option[Double],
    group: Option[Int] = None
)

/** What bounds the memory of trainers. A cluster manager with containers (YARN, Kubernetes) kills an executor that takes more
  * than its heap and its overhead, trainers and all; a part of the overhead is the JVM's own and the feed's. Elsewhere only
  * the machine bounds them.
  */
private[candlewick] object MemoryLimit {
  private val Overhead = "spark.executor.memoryOverhead"
  private val Mib = 1L << 20

  /** The trainers' part of the overhead, percent, and of the machine's memory. */
  val OfOverhead = 60L
  val OfMachine = 25L

  private val LocalCluster = """local-cluster\[\s*(\d+).*""".r

  /** Executors that are known to share a machine: those of local-cluster. */
  def sharers(master: String): Int = master match {
    case LocalCluster(executors) => math.max(1, executors.toInt)
    case _ => 1
  }

  /** Of a trainer among `trainers` on a machine with so much memory. */
  def ofMachine(memory: Long, trainers: Int): Long = memory / 100 * OfMachine / math.max(1, trainers)

  /** What the trainers of an executor have together, where the cluster has containers. */
  def ofContainer(conf: SparkConf, master: String): Option[Long] =
    if (master.startsWith("yarn") || master.startsWith("k8s"))
      Some(overhead(conf, master.startsWith("k8s")) / 100 * OfOverhead)
    else None

  /** What the trainers of an executor would have of the driver's container, where the cluster has containers. */
  def ofDriver(conf: SparkConf, master: String): Option[Long] =
    if (master.startsWith("yarn") || master.startsWith("k8s"))
      Some(overheadOf(conf, "driver", master.startsWith("k8s")) / 100 * OfOverhead)
    else None

  /** What bounds a trainer, as far as the driver knows.
    *
    * @param asked
    *   trainerMemory, 0 where it is not set
    * @param share
    *   what the trainers of its executor have of that
    * @param room
    *   memory where the trainers are, as far as that is known
    */
  def of(
      conf: SparkConf,
      master: String,
      asked: Long,
      share: Share,
      room: FoundMemory
  ): Option[MemoryLimit] = {
    val all = math.max(1, share.trainers) * sharers(master)
    val own = Some(asked).filter(_ > 0).map(MemoryLimit(_, "trainerMemory", None))
    def container = ofContainer(conf, master).map { room =>
      val source = s"$OfOverhead % of $Overhead, which is ${overhead(conf, master.startsWith("k8s")) / Mib}m"
      MemoryLimit(share.of(room), source + share.text, Some(share.parts))
    }
    def here = room.memory.map { bytes =>
      MemoryLimit(ofMachine(bytes, all), s"$OfMachine % of this machine's memory" + among(all), None)
    }
    // As trainers do: their control group goes before all, where it has less.
    val bounded = room.group.map { bytes =>
      val source = "the limit of the control group that the trainers are in"
      MemoryLimit(bytes / all, source + among(all), None, group = Some(all))
    }
    (own.orElse(container).orElse(here).toSeq ++ bounded).reduceOption { (told, found) =>
      if (found.bytes < told.bytes) found else told
    }
  }

  private def among(trainers: Int): String = if (trainers > 1) s", for $trainers trainers" else ""

  /** What [[of]] would need the overhead to be for so many trainers of so many bytes, in MiB, rounded up a little. */
  def overheadFor(bytes: Long, trainers: Double): Long = {
    val need = bytes.toDouble * trainers * 100 / OfOverhead / Mib
    (math.ceil(need / 64) * 64).toLong
  }

  /** Spark's rule: what is set, or a part of the heap and no less than a minimum. */
  private[candlewick] def overhead(conf: SparkConf, kubernetes: Boolean): Long =
    overheadOf(conf, "executor", kubernetes)

  private def overheadOf(conf: SparkConf, process: String, kubernetes: Boolean): Long = {
    val set = s"spark.$process.memoryOverhead"
    if (conf.contains(set)) conf.getSizeAsMb(set) * Mib
    else {
      val general = conf.getOption(s"spark.$process.memoryOverheadFactor")
      val own = if (kubernetes) conf.getOption("spark.kubernetes.memoryOverheadFactor") else None
      val factor = general.orElse(own).fold(0.1)(_.toDouble)
      val heap = conf.getSizeAsMb(s"spark.$process.memory", "1g")
      val least = conf.getSizeAsMb(s"spark.$process.minMemoryOverhead", "384m")
      math.max((heap * factor).toLong, least) * Mib
    }
  }
}
