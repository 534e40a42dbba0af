package candlewick.fit

import org.apache.spark.SparkConf

/** Whether connections of a fit are encrypted.
  *
  * @param tls
  *   they are, by TLS 1.3
  * @param reason
  *   why, for the log
  */
private[fit] final case class Encryption(tls: Boolean, reason: String) {

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

  /** What a fit has. */
  def of(prepared: Prepared): Encryption = {
    val sc = prepared.session.sparkContext
    of(prepared.launch.transportSecurity, sc.getConf, Hosts.loopback(sc))
  }

  /** What `transportSecurity` asks for under a configuration, and whether all is on one machine. */
  def of(asked: String, conf: SparkConf, loopback: Boolean): Encryption = asked match {
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
