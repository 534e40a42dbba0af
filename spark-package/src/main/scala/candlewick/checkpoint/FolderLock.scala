package candlewick.checkpoint

import candlewick.internal.{Clock, Failures, Json}
import com.fasterxml.jackson.databind.JsonNode
import java.io.{FileNotFoundException, IOException}
import java.net.InetAddress
import java.nio.charset.StandardCharsets
import java.nio.file.{FileAlreadyExistsException, Files => LocalFiles, Paths, StandardOpenOption}
import java.util.concurrent.ConcurrentHashMap
import org.apache.hadoop.fs.{FileAlreadyExistsException => HadoopFileExists, FileSystem, Path}
import scala.util.control.NonFatal

/** One driver at a time writes to a folder: who makes the file has it, and says again and again that it lives.
  *
  * A file whose driver is gone is taken over: at once where that was on this host, which sees its processes; else once it
  * has not changed for a while by the clock of who looks. Where that errs, the former owner finds out before it writes the
  * next checkpoint, and stops.
  */
private[checkpoint] final class FolderLock(files: FileSystem, folder: Path, fit: String) {
  import FolderLock._
  private val place = new Path(folder, "driver.lock")
  private val renewed = new Clock
  private var beats = 0L
  private var renewedMs = 0L

  /** Takes the lock, or throws who has it.
    *
    * @param wait
    *   called while the lock of another host is watched, with a line for the user the first time; may throw
    */
  def acquire(wait: Option[String] => Unit): Unit =
    while (!create())
      holder() match {
        case None => () // it has ended just now
        case Some(other) if isHere(other) =>
          if (staysHere(other, wait)) throw inUse(other)
          files.delete(place, false): Unit
        case Some(other) =>
          if (changes(other, wait)) throw inUse(other)
          files.delete(place, false): Unit
      }

  private def create(): Boolean = {
    val taken =
      try {
        write(StandardOpenOption.CREATE_NEW)
        true
      } catch {
        case _: FileAlreadyExistsException | _: HadoopFileExists => false
        // Some file systems say it in their own way.
        case error: IOException => if (files.exists(place)) false else throw error
      }
    if (taken) held.add(fit): Unit
    taken
  }

  /** Says that this driver lives, from time to time. */
  def renew(): Unit = if (renewed.ms - renewedMs >= RenewMs) {
    check()
    beats += 1
    renewedMs = renewed.ms
    write(StandardOpenOption.TRUNCATE_EXISTING)
  }

  /** Throws where another driver has taken the lock over. */
  def check(): Unit = holder() match {
    case Some(other) if Json.field(other, "fit").asText == fit => ()
    case Some(other) => throw inUse(other)
    case None =>
      throw Failures.parameter(s"checkpointDir: somebody deleted $place while this fit was writing there")
  }

  /** Gives the lock back. */
  def release(): Unit = {
    if (held.remove(fit) && holder().exists(Json.field(_, "fit").asText == fit))
      files.delete(place, false): Unit
  }

  /** Whether a driver that is not known to be gone has it. */
  def taken: Boolean = holder().exists(other => !isHere(other) || livesHere(other))

  // A local file system of Hadoop looks whether a file is there before it makes it: two could make it at once.
  private def local: Option[java.nio.file.Path] =
    if (files.getUri.getScheme == "file") Some(Paths.get(place.toUri.getPath)) else None

  private def write(how: StandardOpenOption): Unit = {
    val content = me.toString.getBytes(StandardCharsets.UTF_8)
    local match {
      case Some(file) => LocalFiles.write(file, content, how, StandardOpenOption.WRITE): Unit
      case None =>
        val out = files.create(place, how != StandardOpenOption.CREATE_NEW)
        try out.write(content)
        finally out.close()
    }
  }

  private def me: JsonNode = Json.obj(
    "fit" -> fit,
    "host" -> host,
    "pid" -> pid,
    "started" -> startOf(pid),
    "beats" -> beats
  )

  /** Who has it; nothing where nobody has. One that is being written is one that nobody knows. */
  private def holder(): Option[JsonNode] = {
    val content =
      try
        local match {
          case Some(file) => Some(LocalFiles.readAllBytes(file))
          case None =>
            val in = files.open(place)
            try Some(in.readAllBytes())
            finally in.close()
        }
      catch { case _: FileNotFoundException | _: java.nio.file.NoSuchFileException => None }
    content.map { bytes =>
      try Json.parseObject("the lock", new String(bytes, StandardCharsets.UTF_8))
      catch { case NonFatal(_) => unknown }
    }
  }

  private def isHere(other: JsonNode): Boolean = Json.field(other, "host").asText == host

  private def livesHere(other: JsonNode): Boolean = isHere(other) && {
    val id = Json.field(other, "pid").asLong
    if (id == pid) held.contains(Json.field(other, "fit").asText)
    else startOf(id).contains(Json.field(other, "started").asLong)
  }

  /** Whether a driver of this host lives on: one that was killed just now takes a moment to end. */
  private def staysHere(other: JsonNode, wait: Option[String] => Unit): Boolean = {
    val clock = new Clock
    val elsewhere = Json.field(other, "pid").asLong != pid
    while (elsewhere && livesHere(other) && clock.ms < EndMs) wait(None)
    livesHere(other)
  }

  /** Watches the lock of another host. */
  private def changes(other: JsonNode, wait: Option[String] => Unit): Boolean = {
    val clock = new Clock
    var line = Option(
      s"checkpointDir: ${told(other)} has $folder; it may be gone, so it is watched for ${ExpiryMs / 1000} s"
    )
    var changed = false
    while (!changed && clock.ms < ExpiryMs) {
      wait(line)
      line = None
      changed = !holder().contains(other)
    }
    changed && holder().isDefined
  }

  private def inUse(other: JsonNode) = Failures.parameter(
    s"checkpointDir: ${told(other)} writes its checkpoints to $folder, since it has the same data and parameters: wait for it, " +
      "end it, or choose another checkpointDir"
  )
}

private[checkpoint] object FolderLock {

  /** How often a driver says that it lives. */
  val RenewMs = 5000L

  /** A lock of another host that has not changed for so long is nobody's. */
  val ExpiryMs = 30000L

  /** A process that was killed has ended after so long. */
  private val EndMs = 3000L

  /** Fits of this JVM that have a lock. */
  private val held = ConcurrentHashMap.newKeySet[String]()

  private lazy val host: String =
    try InetAddress.getLocalHost.getHostName
    catch { case _: IOException => "localhost" }

  private lazy val pid: Long = ProcessHandle.current().pid()

  private def startOf(id: Long): Option[Long] = {
    val process = ProcessHandle.of(id)
    if (process.isPresent && !isZombie(id))
      Some(process.get.info().startInstant().map[Long](_.toEpochMilli).orElse(0L))
    else None
  }

  /** One that has ended and whose parent has not looked: in a container there may be none that does. */
  private def isZombie(id: Long): Boolean =
    try LocalFiles.readString(Paths.get(s"/proc/$id/stat")).replaceFirst(".*\\) ", "").startsWith("Z")
    catch { case _: IOException => false }

  private val unknown = Json.obj("fit" -> "?", "host" -> "?", "pid" -> 0, "started" -> 0, "beats" -> 0)

  private def told(other: JsonNode): String = {
    def text(name: String) = Json.field(other, name).asText
    s"fit ${text("fit")} of the driver on host ${text("host")} (pid ${text("pid")})"
  }
}
