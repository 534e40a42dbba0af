package candlewick.fit

import org.apache.spark.{SparkContext, SparkEnv}

/** The hosts that coordinator and trainers bind to: those of Spark's block managers, so reachable and no wider. */
private[fit] object Hosts {
  private val Loopback = "127.0.0.1"
  private val Wildcards = Set("0.0.0.0", "::", "[::]", "0:0:0:0:0:0:0:0")

  /** Whether all of the application runs on this machine, so that loopback does. */
  def loopback(sc: SparkContext): Boolean = sc.isLocal || sc.master.startsWith("local-cluster")

  /** The host of this JVM. */
  def own(loopback: Boolean): String =
    if (loopback) Loopback else SparkEnv.get.blockManager.blockManagerId.host

  /** Where the driver's coordinator binds: in a container that may differ from the host that others use. */
  def driverBind(sc: SparkContext): String = {
    val configured = sc.getConf.getOption("spark.driver.bindAddress").filterNot(Wildcards)
    if (loopback(sc)) Loopback else configured.getOrElse(own(loopback = false))
  }
}
