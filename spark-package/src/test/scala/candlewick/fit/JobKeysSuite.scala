package candlewick.fit

import candlewick.jni.Native
import java.io.{ByteArrayOutputStream, NotSerializableException, ObjectOutputStream}
import java.nio.charset.StandardCharsets.ISO_8859_1
import org.scalatest.funsuite.AnyFunSuite

/** What of a job's secret leaves the driver. */
class JobKeysSuite extends AnyFunSuite {
  private def serialised(value: AnyRef): String = {
    val bytes = new ByteArrayOutputStream
    val out = new ObjectOutputStream(bytes)
    try out.writeObject(value)
    finally out.close()
    new String(bytes.toByteArray, ISO_8859_1)
  }

  private def digits(text: String): Set[String] = "[0-9a-f]{64}".r.findAllIn(text).toSet

  test("a FEED order holds the key for feeding, and neither the secret nor another key") {
    val secret = new JobSecret("job", tls = false)
    val spec = new FeedTaskSpec("{}", secret.feeder, 1L, "fit job, round 0")
    val all = digits(secret.trainer.json)
    assert(all.size == 3)
    assert(digits(serialised(spec)) == digits(secret.feeder.json))
    assert(digits(secret.feeder.json).subsetOf(all) && digits(secret.feeder.json).size == 1)
    assert(spec.toString == "fit job, round 0" && digits(spec.keys.toString).isEmpty)
  }

  private def feed(job: String, tls: Boolean) = Native.deriveKeys("07" * 32, job, "feed", tls)

  test("keys say whether connections are encrypted, and are others then") {
    val (plain, tls) = (feed("a", tls = false), feed("a", tls = true))
    assert(!plain.contains("tls") && tls.endsWith("\"tls\":true}") && digits(plain) != digits(tls))
    assert(new JobSecret("job", tls = true).trainer.document.get("tls").asBoolean)
  }

  test("the secret cannot be serialised and derives the same keys each time") {
    val secret = new JobSecret("job", tls = false)
    assertThrows[NotSerializableException](serialised(secret))
    assert(secret.feeder.json == secret.feeder.json)
    assert(secret.feeder.json != new JobSecret("job", tls = false).feeder.json)
    assert(feed("a", tls = false) != feed("b", tls = false))
  }
}
