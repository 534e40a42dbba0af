package candlewick.fit

import org.apache.spark.{SparkContext, SparkEnv}

/** The hosts that coordinator and trainers bind to: those of Spark's block managers, so reachable and no wider. */
private[fit] object Hosts {
  private val Loopback = "127.0.0.1"
  private val Wildcards = Set("0.0.0.0", "::", "[::]", "0:0:0:0:0:0:0:0")

  /** Whether all of the application runs on this machine, so that loopback does. */
  def loopback(sc: SparkContext): Boolean = sc.isLocal || sc.master.startsWith("local-cluster")

  /** A host as sockets and trainers take it: Spark puts literals of IPv6 in brackets. */
  def plain(host: String): String =
    if (host.startsWith("[") && host.endsWith("]") && host.contains(":")) host.substring(1, host.length - 1)
    else host

  /** The host of this JVM, as Spark knows it. */
  def ofSpark: String = plain(SparkEnv.get.blockManager.blockManagerId.host)

  /** The host that this JVM's trainers and coordinator are found at. */
  def own(loopback: Boolean): String = if (loopback) Loopback else ofSpark

  /** Where the driver's coordinator binds: in a container that may differ from the host that others use. */
  def driverBind(sc: SparkContext): String = {
    val configured = sc.getConf.getOption("spark.driver.bindAddress").filterNot(Wildcards)
    if (loopback(sc)) Loopback else configured.fold(ofSpark)(plain)
  }
}
