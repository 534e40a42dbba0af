package candlewick.persist

import candlewick.internal.{Failures, Files, Json, ShardedWeights, WeightsFile}
import candlewick.jni.CandlewickException
import com.fasterxml.jackson.core.JsonProcessingException
import com.fasterxml.jackson.databind.node.ObjectNode
import java.io.{EOFException, FileNotFoundException}
import java.nio.charset.StandardCharsets
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{ChecksumException, Path}
import org.apache.spark.sql.{CandlewickShim, SparkSession}
import scala.util.control.NonFatal

/** Files on any Hadoop file system.
  *
  * @param local
  *   the driver's own disk is asked for, where Spark has another layout
  */
private[persist] final class Folder(session: SparkSession, val root: String, val local: Boolean) {
  private val conf = CandlewickShim.hadoopConf(session)
  private val path = new Path(root)
  private val fs = path.getFileSystem(conf)

  /** Writes a file; folders above it are made. */
  def write(name: String, content: Array[Byte]): Unit = {
    val out = Files.create(conf, new Path(path, name))
    try out.write(content)
    finally out.close()
  }

  /** Whether there is such a file, not a folder. */
  def isFile(name: String): Boolean =
    try fs.getFileStatus(new Path(path, name)).isFile
    catch { case _: FileNotFoundException => false }

  /** Where it is, for what reads files by itself. */
  def hadoop: (Configuration, Path) = (conf, path)

  /** Writes weights as `BASE.safetensors`, or as several files where they are longer than `limit`. */
  def write(base: String, weights: WeightsFile, limit: Long): Unit = {
    val (folder, name) = (new Path(path, base).getParent, new Path(base).getName)
    ShardedWeights.write(conf, folder, name, limit)(weights)
  }

  /** Reads a whole file. */
  def read(name: String): Array[Byte] = found(name)(Files.readWhole(conf, new Path(path, name))())

  /** Reads weights that are one file or several; `checked` reads them, given the name of the file that tells of them. */
  def readWeights[T](base: String)(checked: (String, WeightsFile) => T): T = {
    val (one, index) = (s"$base.safetensors", s"$base${ShardedWeights.IndexEnd}")
    val several = !isFile(one) && isFile(index)
    val name = if (several) index else one
    def file = new Path(path, name)
    val weights = found(name) {
      if (several) intact(name)(ShardedWeights.read(conf, file)) else Files.readWeights(conf, file)()
    }
    checked(name, weights)
  }

  private def found[T](name: String)(read: => T): T =
    try read
    catch {
      case _: FileNotFoundException =>
        throw Failures.parameter(s"there is no saved Candlewick stage at $root: the file $name is missing")
      case error: EOFException =>
        throw Failures.parameter(s"the file $name in $root is cut off: ${error.getMessage}")
      case error: ChecksumException =>
        throw Failures.parameter(
          s"the file $name in $root was changed since it was saved: ${error.getMessage}"
        )
    }

  /** Reads a JSON object. */
  def readObject(name: String): ObjectNode = {
    val text = new String(read(name), StandardCharsets.UTF_8)
    intact(name)(Json.parseObject(name, text))
  }

  /** Runs what understands the file `name`; where it does not, the error says so. */
  def intact[T](name: String)(body: => T): T =
    try body
    catch {
      case error: CandlewickException if error.kind != "invalidParameter" => throw error
      case NonFatal(error) =>
        val why = error match {
          // Its own message tells where the text came from, which says nothing here.
          case json: JsonProcessingException =>
            val place =
              Option(json.getLocation).fold("")(at => s", line ${at.getLineNr}, column ${at.getColumnNr}")
            json.getOriginalMessage.replaceAll(" \\(start marker at \\[[^\\]]*\\]\\)", "") + place
          case _ => Option(error.getMessage).getOrElse(error.toString)
        }
        throw Failures.parameter(
          s"the file $name in $root is damaged, or was saved by another version: $why"
        )
    }
}
