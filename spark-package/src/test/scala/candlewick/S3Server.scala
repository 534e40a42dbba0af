package candlewick

import candlewick.internal.Json
import java.io.{BufferedReader, InputStreamReader}
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Files, Paths}
import java.util.concurrent.{CompletableFuture, TimeUnit}
import org.scalatest.Assertions

/** An S3-compatible server on loopback with buckets, in a process of its own: `s3_server.py`, by the Python that is
  * first on the path and has the tools of requirements-dev.txt. It checks signatures.
  */
final class S3Server(buckets: String*) extends AutoCloseable with Assertions {
  private val log = Files.createTempFile("candlewick-s3", ".log")
  private val process = {
    val script = Paths.get(getClass.getResource("/s3_server.py").toURI).toString
    new ProcessBuilder(Seq("python3", script) ++ buckets: _*).redirectError(log.toFile).start()
  }
  private val told = {
    val out = new BufferedReader(new InputStreamReader(process.getInputStream, UTF_8))
    val line = CompletableFuture.supplyAsync[String](() => out.readLine()).get(60, TimeUnit.SECONDS)
    assert(
      line != null,
      s"there is no S3 server; `make setup` installs it, and .venv/bin must be first on the path: ${Files.readString(log)}"
    )
    Json.parse(line)
  }

  /** Spark's settings for it: those of all buckets, or of one.
    *
    * @param of
    *   `""`, or `"bucket.NAME."`
    */
  def settings(of: String = ""): Seq[(String, String)] = Seq(
    "endpoint" -> told.get("endpoint").asText,
    "endpoint.region" -> "us-east-1",
    "path.style.access" -> "true",
    "access.key" -> told.get("accessKey").asText,
    "secret.key" -> told.get("secretKey").asText
  ).map { case (name, value) => s"spark.hadoop.fs.s3a.$of$name" -> value }

  /** Ends it, and all that it holds. */
  override def close(): Unit = {
    process.getOutputStream.close()
    assert(process.waitFor(60, TimeUnit.SECONDS), "the S3 server does not end")
    Files.deleteIfExists(log): Unit
  }
}
