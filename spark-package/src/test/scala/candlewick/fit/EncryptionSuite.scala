package candlewick.fit

import org.apache.spark.SparkConf
import org.scalatest.funsuite.AnyFunSuite

final class EncryptionSuite extends AnyFunSuite {

  private def found(asked: String, loopback: Boolean, settings: (String, String)*): Encryption =
    Encryption.of(asked, new SparkConf(loadDefaults = false).setAll(settings), loopback)

  test("a fit encrypts where Spark does") {
    for (
      name <- Seq(
        "spark.network.crypto.enabled",
        "spark.authenticate.enableSaslEncryption",
        "spark.ssl.enabled",
        "spark.ssl.rpc.enabled",
        "spark.io.encryption.enabled"
      )
    ) {
      val auto = found("auto", loopback = false, name -> "true")
      assert(auto.tls && auto.told.contains(s"TLS 1.3: $name is set"))
    }
  }

  test("it does not where Spark does not, or nothing leaves the machine") {
    assert(!found("auto", loopback = false).tls)
    assert(!found("auto", loopback = false, "spark.network.crypto.enabled" -> "false").tls)
    assert(!found("auto", loopback = true, "spark.network.crypto.enabled" -> "true").tls)
  }

  test("it warns where Spark sends the keys of the fit in the clear") {
    assert(found("tls", loopback = false).warning.exists(_.contains("spark.network.crypto.enabled")))
    for (name <- Seq("spark.io.encryption.enabled", "spark.ssl.enabled"))
      assert(found("auto", loopback = false, name -> "true").warning.isDefined, name)
    for (name <- Seq("spark.network.crypto.enabled", "spark.ssl.rpc.enabled"))
      assert(found("tls", loopback = false, name -> "true").warning.isEmpty, name)
    assert(found("tls", loopback = true).warning.isEmpty && found("none", loopback = false).warning.isEmpty)
  }

  test("what is asked for goes before what Spark does") {
    assert(!found("none", loopback = false, "spark.network.crypto.enabled" -> "true").tls)
    assert(found("tls", loopback = true).tls)
  }
}
