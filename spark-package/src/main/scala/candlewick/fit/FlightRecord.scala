package candlewick.fit

import candlewick.internal.{Failures, Json}
import candlewick.jni.{CandlewickException, Native, NativePanicException, PrivateFolder}
import com.fasterxml.jackson.databind.node.ObjectNode
import java.io.{IOException, OutputStream}
import java.nio.channels.Channels
import java.nio.charset.StandardCharsets
import java.nio.file.{Files, Paths, StandardOpenOption}
import java.nio.file.attribute.PosixFilePermissions
import java.time.{Instant, ZoneOffset}
import java.time.format.DateTimeFormatter
import java.util.EnumSet
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{FileSystem, LocalFileSystem, Path}
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

  private val BufferBytes = 64 << 10

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

  /** Writes the record; its path.
    *
    * @param temporary
    *   where temporary files are
    */
  def write(
      sc: SparkContext,
      conf: Configuration,
      fit: String,
      record: ObjectNode,
      phases: ObjectNode,
      temporary: String = sys.props("java.io.tmpdir")
  ): String = {
    val chosen = sc.getConf.getOption(FolderSetting).map(new Path(_))
    val folder = chosen.getOrElse(own(temporary))
    val files = folder.getFileSystem(conf)
    if (chosen.isDefined && !files.mkdirs(folder, new FsPermission("700")))
      throw new IOException(s"the folder $folder of $FolderSetting could not be made")
    record.put("written", Instant.now().toString)
    record.set[ObjectNode]("driver", driver(sc, phases))
    val time = DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss").withZone(ZoneOffset.UTC).format(Instant.now())
    val place = new Path(folder, s"fit-$time-${fit.take(8)}.json")
    val out = create(files, place)
    try out.write((record.toPrettyString + "\n").getBytes(StandardCharsets.UTF_8))
    finally out.close()
    if (chosen.isEmpty) prune(files, folder)
    place.toString
  }

  /** The folder of this user where temporary files are. Everybody may write there and knows its name: another one's, or a
    * link that was put there, is not taken for it.
    */
  private def own(temporary: String): Path = {
    val folder = Paths.get(temporary, s"candlewick-flight-records-${sys.props("user.name")}").toAbsolutePath
    try {
      // Not where it is a link to a folder, which this would take for none.
      if (!Files.isDirectory(folder.getParent)) Files.createDirectories(folder.getParent): Unit
      PrivateFolder.make(folder)
    } catch {
      case error: IOException =>
        throw new IOException(s"${error.getMessage}; set $FolderSetting to a folder of this user", error)
    }
    new Path("file:" + folder)
  }

  /** A new file that nobody else may read from its first moment on; Hadoop sees to that once a local one is there. */
  private def create(files: FileSystem, place: Path): OutputStream = files match {
    case local: LocalFileSystem =>
      val options = EnumSet.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)
      val mode = PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"))
      Channels.newOutputStream(Files.newByteChannel(local.pathToFile(place).toPath, options, mode))
    case _ =>
      val (copies, block) = (files.getDefaultReplication(place), files.getDefaultBlockSize(place))
      files.create(place, new FsPermission("600"), true, BufferBytes, copies, block, null)
  }

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
