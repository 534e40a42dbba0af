package candlewick.fit

import java.net.{Inet4Address, InetAddress, NetworkInterface}
import java.util.Collections
import org.apache.spark.{SparkContext, SparkEnv}
import scala.util.Try

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
    val configured = sc.getConf.getOption("spark.driver.bindAddress")
    if (loopback(sc)) Loopback else bindTo(ofSpark, configured, isHere, ofThisMachine)
  }

  /** The address to bind to: the configured one. Where that is any address, which is wider than what others need, the one
    * that others use, or, where another machine has that and passes on (a container with mapped ports), the own one.
    */
  private[fit] def bindTo(
      advertised: String,
      configured: Option[String],
      isHere: String => Boolean,
      own: => Option[String]
  ): String = configured match {
    case Some(any) if Wildcards(any) => if (isHere(advertised)) advertised else own.getOrElse(advertised)
    case Some(address) => plain(address)
    case None => advertised
  }

  private def isHere(host: String): Boolean =
    Try(NetworkInterface.getByInetAddress(InetAddress.getByName(host)) != null).getOrElse(false)

  /** An address of this machine that is not loopback, one of IPv4 first. */
  private def ofThisMachine: Option[String] = Try {
    val all =
      Collections.list(NetworkInterface.getNetworkInterfaces).toArray(Array.empty[NetworkInterface]).toSeq
    val interfaces = all.filter(one => one.isUp && !one.isLoopback)
    val addresses = interfaces
      .flatMap(one => Collections.list(one.getInetAddresses).toArray(Array.empty[InetAddress]).toSeq)
      .filterNot(_.isLinkLocalAddress)
    addresses.sortBy(address => !address.isInstanceOf[Inet4Address]).headOption.map(_.getHostAddress)
  }.toOption.flatten
}
