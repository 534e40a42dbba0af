package candlewick.fit

import candlewick.internal.{Failures, Files, Json, WeightsFile}
import candlewick.jni.Native
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode
import java.io.{FileNotFoundException, IOException}
import java.util.Base64
import org.apache.hadoop.fs.Path
import org.apache.spark.sql.{CandlewickShim, SparkSession}

/** Weights that training starts from: the file, and what of it fits the network. */
private[candlewick] final case class InitialWeights(file: WeightsFile, report: JsonNode)

private[candlewick] object InitialWeights {
  private val Inline = "base64:"

  /** Longest file that a parameter holds: a text of the JVM has less than 2^31 characters, and base64 makes 4 of 3 bytes. */
  val MaxInline: Int = 1 << 30

  /** What the parameter holds for a file that is given by its bytes. */
  def inline(file: Array[Byte]): String = {
    checkInline(file.length)
    Inline + Base64.getEncoder.encodeToString(file)
  }

  /** Throws where a file is too long for the parameter, with the way out. */
  def checkInline(bytes: Int): Unit =
    if (bytes > MaxInline)
      throw Failures.parameter(
        s"initialWeights: the file has $bytes bytes, and a parameter holds at most $MaxInline: write it to a file " +
          "system that Hadoop reads, and set its path; of a model, save it and set the path of data/weights.safetensors"
      )

  /** Reads the file and checks it against the network of the job. */
  def read(session: SparkSession, value: String, strict: Boolean, job: ObjectNode): InitialWeights = {
    val file =
      if (value.startsWith(Inline)) WeightsFile.of(decode(value.drop(Inline.length)))
      else fetch(session, value)
    val request = Json.obj(
      "network" -> Json.field(Json.field(job, "train"), "network"),
      "inputShape" -> Json.field(Json.field(job, "data"), "inputShape"),
      "strict" -> strict
    )
    InitialWeights(file, Json.parse(Native.initialWeights(request.toString, file.iterable)))
  }

  private def decode(text: String): Array[Byte] =
    try Base64.getDecoder.decode(text)
    catch {
      case _: IllegalArgumentException => throw Failures.parameter("initialWeights are no base64 text")
    }

  private def fetch(session: SparkSession, name: String): WeightsFile = {
    def wrong(why: String) = Failures.parameter(s"initialWeights: the file $name cannot be read: $why")
    try {
      val path = new Path(name)
      Files.readWeights(CandlewickShim.hadoopConf(session), path) { status =>
        if (status.isDirectory)
          throw wrong("it is a folder; a saved model has its weights in data/weights.safetensors")
      }
    } catch {
      case _: FileNotFoundException => throw wrong("there is no such file")
      case error: IOException => throw wrong(error.toString)
      case error: IllegalArgumentException => throw wrong(error.toString)
    }
  }
}
