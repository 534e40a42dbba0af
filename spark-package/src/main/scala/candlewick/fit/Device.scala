package candlewick.fit

import candlewick.cluster.Gpus
import candlewick.internal.Failures
import candlewick.jni.{GpuTrainer, NativeLibrary}
import org.apache.spark.SparkContext

/** Where the trainers of a fit compute, and why there.
  *
  * @param gpus
  *   what Spark gives executors, where they compute on it; none for processors
  * @param unused
  *   there are GPUs, which are not used
  */
private[candlewick] final case class Device(
    gpus: Option[Gpus],
    reason: String,
    unused: Boolean = false
) {

  /** As the summary has it. */
  def name: String = if (gpus.isDefined) Device.Cuda else Device.Cpu
}

private[candlewick] object Device {
  val Auto = "auto"
  val Cpu = "cpu"
  val Cuda = "cuda"

  /** What is to compute on GPUs.
    *
    * @param param
    *   the parameter that asks for it
    * @param thing
    *   what it needs of the artifact candlewick-cuda
    */
  final case class Use(param: String, thing: String)

  val Training: Use = Use("device", "the trainer for GPUs")
  val Scoring: Use = Use("scoreDevice", "the library that scores on GPUs")

  /** For tests of what needs none. */
  private[candlewick] val Processors = Device(None, "")

  private val ExecutorOptions =
    Seq("spark.executor.extraJavaOptions", "spark.executor.defaultJavaOptions")

  /** Chooses for an application. Throws where it cannot do what is asked for.
    *
    * @param refusals
    *   the devices that do not compute what the parameters ask for, each with why and what to change
    */
  def of(sc: SparkContext, asked: String, refusals: Map[String, String]): Device =
    choose(asked, Gpus.of(sc), hasTrainer(sc), refusals = refusals)

  /** The same.
    *
    * @param asked
    *   "auto", "cpu" or "cuda"
    * @param has
    *   whether executors have what it needs
    * @param refusals
    *   as of [[of]]
    */
  private[candlewick] def choose(
      asked: String,
      gpus: Gpus,
      has: => Boolean,
      use: Use = Training,
      refusals: Map[String, String] = Map.empty
  ): Device = {
    val device = among(asked, gpus, has, use, refusals.get(Cuda))
    for (why <- refusals.get(device.name))
      throw Failures.parameter(
        if (asked == device.name) use.param + "=\"" + asked + "\": " + why
        else s"trainers would compute on processors (${device.reason}), and $why"
      )
    device
  }

  private def among(
      asked: String,
      gpus: Gpus,
      has: => Boolean,
      use: Use,
      refusal: Option[String]
  ): Device =
    if (asked == Cpu) Device(None, use.param + "=\"cpu\"")
    else if (gpus.perExecutor < 1)
      processors(
        asked,
        gpus,
        use,
        s"Spark gives ${whom(gpus)} no GPU (${gpus.setting} is not set)",
        give(gpus)
      )
    else if (!has)
      processors(
        asked,
        gpus,
        use,
        s"Spark gives ${whom(gpus)} ${gpus.perExecutor} GPU(s), but ${use.thing} is not there",
        "add the jar candlewick-cuda to spark.jars (pip install candlewick[cuda] brings it, `make dist-gpu` builds it)"
      )
    else if (asked == Auto && refusal.isDefined)
      Device(
        None,
        s"Spark gives ${whom(gpus)} ${gpus.perExecutor} GPU(s), but ${refusal.mkString}",
        unused = true
      )
    else
      Device(
        Some(gpus),
        s"Spark gives ${whom(gpus)} ${gpus.perExecutor} GPU(s), and ${use.thing} is there"
      )

  private def whom(gpus: Gpus): String = if (gpus.local) "the driver" else "each executor"

  private def give(gpus: Gpus): String =
    if (gpus.local)
      s"start the application with ${Gpus.OfDriver}=1 and spark.driver.resource.gpu.discoveryScript"
    else
      s"start the application with ${Gpus.OfExecutor}=1, ${Gpus.OfTask} (0.1 lets ten other tasks run beside a trainer) and, " +
        "where the cluster manager does not know GPUs by itself, spark.executor.resource.gpu.discoveryScript"

  private def processors(asked: String, gpus: Gpus, use: Use, why: String, remedy: String): Device =
    if (asked == Cuda)
      throw Failures.parameter(
        use.param + "=\"cuda\": " + why + ": " + remedy + "; or set " + use.param + " to \"cpu\" or \"auto\""
      )
    else if (gpus.perExecutor < 1) Device(None, why)
    else Device(None, s"$why: $remedy", unused = true)

  /** Executors have the jars of the driver. Only where their options name a folder for the native files one is asked. */
  private def hasTrainer(sc: SparkContext): Boolean =
    GpuTrainer.isThere || (!sc.isLocal && namesFolder(sc) && {
      sc.setJobDescription("Candlewick: look for the trainer for GPUs")
      sc.runJob(sc.makeRDD(Seq(""), 1), GpuProbe.isThere _).contains(true)
    })

  /** Whether executors may have native files that the driver has not. */
  private[candlewick] def namesFolder(sc: SparkContext): Boolean =
    ExecutorOptions.flatMap(sc.getConf.getOption(_)).exists(_.contains(NativeLibrary.DIR_PROPERTY))
}
