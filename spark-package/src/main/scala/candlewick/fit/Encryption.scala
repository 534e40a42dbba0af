package candlewick.fit

import org.apache.spark.SparkConf

/** Whether connections of a fit are encrypted.
  *
  * @param tls
  *   they are, by TLS 1.3
  * @param reason
  *   why, for the log
  * @param openKeys
  *   the keys of the fit go to executors by Spark's own connections, which are not encrypted
  */
private[fit] final case class Encryption(tls: Boolean, reason: String, openKeys: Boolean = false) {

  /** What to tell where encryption promises more than it holds. */
  def warning: Option[String] =
    if (!openKeys) None
    else
      Some(
        s"connections of the fit are encrypted ($reason), but those by which Spark sends the keys of the fit to executors are not: " +
          "whoever can read the network there can stand between trainers. Encrypt them by spark.authenticate and " +
          "spark.network.crypto.enabled, or by spark.ssl.rpc.enabled"
      )

  /** Its name in summaries. */
  def name: String = if (tls) "tls" else "none"

  /** How to tell it. */
  def told: String =
    if (tls) s"connections are encrypted by TLS 1.3: $reason" else s"connections are not encrypted: $reason"
}

private[fit] object Encryption {

  /** Settings by which Spark encrypts: by AES, by SASL before it, by TLS, and files that leave a host in shuffles. */
  private val Settings = Seq(
    "spark.network.crypto.enabled",
    "spark.authenticate.enableSaslEncryption",
    "spark.ssl.enabled",
    "spark.ssl.rpc.enabled",
    "spark.io.encryption.enabled"
  )

  /** Those by which Spark encrypts what it says to executors. */
  private val Rpc =
    Seq("spark.network.crypto.enabled", "spark.authenticate.enableSaslEncryption", "spark.ssl.rpc.enabled")

  /** What a fit has. */
  def of(prepared: Prepared): Encryption = {
    val sc = prepared.session.sparkContext
    of(prepared.launch.transportSecurity, sc.getConf, Hosts.loopback(sc))
  }

  /** What `transportSecurity` asks for under a configuration, and whether all is on one machine. */
  def of(asked: String, conf: SparkConf, loopback: Boolean): Encryption = {
    val made = decided(asked, conf, loopback)
    made.copy(openKeys = made.tls && !loopback && !Rpc.exists(conf.getBoolean(_, defaultValue = false)))
  }

  private def decided(asked: String, conf: SparkConf, loopback: Boolean): Encryption = asked match {
    case "tls" => Encryption(tls = true, "transportSecurity = tls")
    case "none" => Encryption(tls = false, "transportSecurity = none")
    case _ =>
      Settings.find(conf.getBoolean(_, defaultValue = false)) match {
        case None => Encryption(tls = false, "Spark does not encrypt its own")
        case Some(_) if loopback => Encryption(tls = false, "nothing leaves this machine")
        case Some(name) => Encryption(tls = true, s"$name is set")
      }
  }
}
