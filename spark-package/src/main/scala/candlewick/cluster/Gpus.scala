package candlewick.cluster

import org.apache.spark.{SparkConf, SparkContext}
import scala.util.Try

/** What Spark's configuration says of GPUs.
  *
  * @param perExecutor
  *   GPUs that each executor is given; in local mode those of the driver
  * @param perTask
  *   what a task takes of them, 0: nothing
  */
private[candlewick] final case class Gpus(perExecutor: Int, perTask: Double, local: Boolean) {

  /** The setting that gives executors GPUs. */
  def setting: String = if (local) Gpus.OfDriver else Gpus.OfExecutor

  /** Trainers that may share a GPU where their number asks for it: as many as tasks may. */
  def share: Int = if (perTask > 0 && perTask < 1) Gpus.whole(1 / perTask) else 1

  /** For messages. */
  def source: String = s"$setting=$perExecutor, ${Gpus.OfTask}=${Gpus.text(perTask)}"
}

private[candlewick] object Gpus {

  /** The name by which Spark knows GPUs. */
  val Resource = "gpu"

  /** Gives each executor GPUs. */
  val OfExecutor = "spark.executor.resource.gpu.amount"

  /** Gives the driver GPUs, which in local mode is the executor. */
  val OfDriver = "spark.driver.resource.gpu.amount"

  /** What a task takes of them. */
  val OfTask = "spark.task.resource.gpu.amount"

  private val TaskAmount = """spark\.task\.resource\.(.+)\.amount""".r

  /** What an application gives its executors. */
  def of(sc: SparkContext): Gpus = of(sc.getConf, sc.isLocal)

  /** The same, from its configuration. */
  private[candlewick] def of(conf: SparkConf, local: Boolean): Gpus =
    Gpus(
      amount(conf, if (local) OfDriver else OfExecutor).toInt,
      if (local) 0.0 else amount(conf, OfTask),
      local
    )

  /** Tasks that the resources of one executor are enough for at a time, of whatever kind they are. */
  def tasks(conf: SparkConf): Int = {
    val bounds = conf.getAll.toSeq.collect { case (TaskAmount(name), text) =>
      val (each, all) = (number(text), amount(conf, s"spark.executor.resource.$name.amount"))
      if (each <= 0) Int.MaxValue else if (each < 1) all.toInt * whole(1 / each) else (all / each).toInt
    }
    (Int.MaxValue +: bounds).min
  }

  /** Rounded down, but not where only the arithmetic of doubles misses it. */
  private[cluster] def whole(value: Double): Int = (value + 1e-6).toInt

  private def amount(conf: SparkConf, name: String): Double = conf.getOption(name).fold(0.0)(number)

  private def number(text: String): Double = Try(text.trim.toDouble).getOrElse(0.0)

  private[cluster] def text(value: Double): String =
    if (value == value.toLong) value.toLong.toString else value.toString
}
