package candlewick.fit

import candlewick.internal.{Failures, Json}
import candlewick.jni.{CandlewickException, Native, NativePanicException}
import com.fasterxml.jackson.databind.node.ObjectNode
import java.nio.charset.StandardCharsets
import java.time.{Instant, ZoneOffset}
import java.time.format.DateTimeFormatter
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{FileSystem, Path}
import org.apache.hadoop.fs.permission.FsPermission
import org.apache.spark.SparkContext

/** The flight record of a fit that failed: one JSON file with where every trainer stood, what was said last, the driver's
  * memory and Spark's settings without its secrets.
  */
private[fit] object FlightRecord {

  /** Spark setting of the folder, any that Hadoop knows. */
  val FolderSetting = "spark.candlewick.flightRecord.dir"

  /** Records kept in the folder that nobody chose. */
  val Kept = 20

  /** What Spark does not hide by itself: keys of storage accounts and of encryption, credentials in addresses. */
  private val HiddenNames = "(?i)key|credential|pass|pwd|auth".r
  private val HiddenValues = "(?i)credential|passw|pwd=|://[^/@\\s]+:[^/@\\s]+@".r

  private val Redacted = "*********(redacted)"

  /** What a user cannot mend by the message alone is worth a record. */
  def isWorthIt(error: Throwable): Boolean =
    !Failures.find(error).exists(failure => Set("invalidParameter", "invalidData", "cancelled")(failure.kind))

  /** The failure with the place of its record in the message. */
  def told(error: Throwable, path: String): Throwable = {
    def message = s"${error.getMessage}\nThe flight record is in $path"
    error match {
      // It shares its kind with other defects, and has a class of its own.
      case _: NativePanicException => new NativePanicException(message).initCause(error)
      case failure: CandlewickException => Failures.of(failure.kind, message).initCause(failure)
      case other => other
    }
  }

  /** Writes the record; its path. */
  def write(
      sc: SparkContext,
      conf: Configuration,
      fit: String,
      record: ObjectNode,
      phases: ObjectNode
  ): String = {
    val chosen = sc.getConf.getOption(FolderSetting)
    val folder = new Path(chosen.getOrElse(own))
    val files = folder.getFileSystem(conf)
    files.mkdirs(folder, new FsPermission("700")): Unit
    record.put("written", Instant.now().toString)
    record.set[ObjectNode]("driver", driver(sc, phases))
    val time = DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss").withZone(ZoneOffset.UTC).format(Instant.now())
    val place = new Path(folder, s"fit-$time-${fit.take(8)}.json")
    val out = FileSystem.create(files, place, new FsPermission("600"))
    try out.write((record.toPrettyString + "\n").getBytes(StandardCharsets.UTF_8))
    finally out.close()
    if (chosen.isEmpty) prune(files, folder)
    place.toString
  }

  /** A folder of this user where temporary files are. */
  private def own: String =
    Path
      .mergePaths(
        new Path("file:" + sys.props("java.io.tmpdir")),
        new Path(s"/candlewick-flight-records-${sys.props("user.name")}")
      )
      .toString

  private def prune(files: FileSystem, folder: Path): Unit =
    files
      .listStatus(folder)
      .toSeq
      .map(_.getPath)
      .filter(_.getName.matches("fit-.*\\.json"))
      .sortBy(_.getName)
      .dropRight(Kept)
      .foreach(files.delete(_, false))

  private def driver(sc: SparkContext, phases: ObjectNode): ObjectNode = {
    val runtime = Runtime.getRuntime
    Json.obj(
      "candlewick" -> Native.version(),
      "spark" -> sc.version,
      "java" -> sys.props("java.version"),
      "heapUsedBytes" -> (runtime.totalMemory - runtime.freeMemory),
      "heapMaxBytes" -> runtime.maxMemory,
      "cores" -> runtime.availableProcessors,
      "phases" -> phases,
      "settings" -> Json.obj(settings(sc): _*)
    )
  }

  /** Spark's settings; what looks like a secret to Spark is none of the record's business. */
  private def settings(sc: SparkContext): Seq[(String, String)] = {
    val secret = sc.getConf.get("spark.redaction.regex", "(?i)secret|password|token|access[.]?key").r
    def found(in: String, what: scala.util.matching.Regex) = what.findFirstIn(in).isDefined
    sc.getConf.getAll.toSeq.sorted.map { case (name, value) =>
      val hidden =
        found(name, secret) || found(name, HiddenNames) || found(value, secret) || found(value, HiddenValues)
      name -> (if (hidden) Redacted else value)
    }
  }
}
