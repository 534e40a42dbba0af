package candlewick.fit

import candlewick.internal.{Failures, Files, Json, ShardedWeights, WeightsFile}
import candlewick.jni.Native
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode
import java.io.{FileNotFoundException, IOException}
import java.util.Base64
import org.apache.hadoop.fs.Path
import org.apache.spark.sql.{CandlewickShim, SparkSession}

/** Weights that training starts from, as a user gave them. */
private[candlewick] sealed trait GivenWeights

private[candlewick] object GivenWeights {

  /** A path, or the file itself as text. */
  final case class Text(value: String) extends GivenWeights

  /** Those of a model that is here. */
  final case class OfModel(weights: WeightsFile) extends GivenWeights
}

/** Weights that training starts from: the file, and what of it fits the network. */
private[candlewick] final case class InitialWeights(file: WeightsFile, report: JsonNode)

private[candlewick] object InitialWeights {
  private val Inline = "base64:"

  /** Before the id of a model whose weights are too long for the parameter. */
  private val Named = "model:"

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
          "system that Hadoop reads, and set its path"
      )

  /** What the parameter holds for a model: its weights, so that a saved estimator has them, or its name where they are
    * longer than `most`.
    */
  def ofModel(uid: String, weights: WeightsFile, most: Long): String =
    if (weights.bytes > most) Named + uid else inline(weights.array("setInitialModel"))

  /** What the parameter means.
    *
    * @param model
    *   id and weights of the model that was set last, if one was
    */
  def resolved(value: String, model: Option[(String, WeightsFile)]): GivenWeights =
    if (!value.startsWith(Named)) GivenWeights.Text(value)
    else
      model
        .collect { case (uid, weights) if value == Named + uid => GivenWeights.OfModel(weights) }
        .getOrElse {
          throw Failures.parameter(
            s"initialWeights: the model ${value.drop(Named.length)} is not here: it has more than $MaxInline bytes, and a saved " +
              "estimator does not hold so large a model; set it again with setInitialModel, or set the path of its " +
              "data/weights.safetensors.index.json"
          )
        }

  /** Reads the file and checks it against the network of the job. */
  def read(session: SparkSession, start: GivenWeights, strict: Boolean, job: ObjectNode): InitialWeights = {
    val file = start match {
      case GivenWeights.OfModel(weights) => weights
      case GivenWeights.Text(value) if value.startsWith(Inline) =>
        WeightsFile.of(decode(value.drop(Inline.length)))
      case GivenWeights.Text(value) => fetch(session, value)
    }
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
      val (conf, path) = (CandlewickShim.hadoopConf(session), new Path(name))
      if (name.endsWith(ShardedWeights.IndexEnd)) ShardedWeights.read(conf, path)
      else
        Files.readWeights(conf, path) { status =>
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
