package candlewick.fit

import org.apache.spark.SparkConf
import org.scalatest.funsuite.AnyFunSuite

final class EncryptionSuite extends AnyFunSuite {

  private def told(loopback: Boolean, settings: (String, String)*): Option[String] =
    Encryption.unmatched(new SparkConf(loadDefaults = false).setAll(settings), loopback)

  test("what Spark encrypts between hosts and a fit does not is told, with what to set") {
    for (name <- Seq("spark.network.crypto.enabled", "spark.ssl.rpc.enabled")) {
      val line = told(loopback = false, name -> "true").get
      assert(line.contains(name) && line.contains("transportSecurity"))
    }
  }

  test("nothing is told where Spark does not encrypt, or nothing leaves the machine") {
    assert(told(loopback = false).isEmpty)
    assert(told(loopback = false, "spark.network.crypto.enabled" -> "false").isEmpty)
    // Files on disk, which trainers encrypt too.
    assert(told(loopback = false, "spark.io.encryption.enabled" -> "true").isEmpty)
    assert(told(loopback = true, "spark.network.crypto.enabled" -> "true").isEmpty)
  }
}
