package candlewick.fit

import org.apache.spark.{SparkConf, SparkContext}

/** What Spark encrypts on the network, beside which connections of a fit are in the clear. */
private[fit] object Encryption {

  /** Settings that ask for it: for AES, for SASL before it, and for TLS since Spark 4. */
  private val Settings =
    Seq("spark.network.crypto.enabled", "spark.authenticate.enableSaslEncryption", "spark.ssl.rpc.enabled")

  /** What to tell where Spark's connections leave the machine encrypted. */
  def unmatched(sc: SparkContext): Option[String] = unmatched(sc.getConf, Hosts.loopback(sc))

  /** The same of a configuration, and whether all is on one machine. */
  def unmatched(conf: SparkConf, loopback: Boolean): Option[String] =
    Settings.filterNot(_ => loopback).find(conf.getBoolean(_, defaultValue = false)).map { name =>
      s"warning: $name encrypts Spark's connections, but rows and gradients of a fit cross the network in the clear: both " +
        "ends of its connections only prove that they belong to it. Where the network is not private, have it encrypt; set " +
        "transportSecurity to \"none\" to hear of it no more"
    }
}
