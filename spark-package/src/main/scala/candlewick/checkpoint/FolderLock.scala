package candlewick.checkpoint

import candlewick.internal.{Clock, Failures, Files, Json, Processes}
import candlewick.jni.{CandlewickException, PerJvm}
import com.fasterxml.jackson.databind.JsonNode
import java.io.{FileNotFoundException, IOException}
import java.net.InetAddress
import java.nio.charset.StandardCharsets
import java.nio.file.{
  FileAlreadyExistsException,
  Files => LocalFiles,
  Paths,
  StandardCopyOption,
  StandardOpenOption
}
import java.util.UUID
import org.apache.hadoop.fs.{
  FileAlreadyExistsException => HadoopFileExists,
  FileSystem,
  Path,
  PathIOException
}
import org.slf4j.LoggerFactory
import scala.util.control.NonFatal

/** One driver at a time writes to a folder: who makes the file has it, and says again and again that it lives.
  *
  * A file whose driver is gone is taken over: at once where that was on this host, which sees its processes; else once it
  * has not changed for a while by the clock of who looks. Where that errs, the former owner finds out before it writes the
  * next checkpoint, and stops.
  */
private[checkpoint] final class FolderLock(files: FileSystem, folder: Path, fit: String) {
  import FolderLock._
  private val log = LoggerFactory.getLogger(classOf[FolderLock])
  private val place = new Path(folder, "driver.lock")
  private var beats = 0L
  private var keeper = Option.empty[Thread]
  @volatile private var released = false

  /** Takes the lock, or throws who has it.
    *
    * @param wait
    *   called while the lock of another host is watched, with a line for the user the first time; may throw
    */
  def acquire(wait: Option[String] => Unit): Unit =
    while (!create())
      holder() match {
        case None => wait(None) // it has ended just now
        case Some(other) =>
          if (if (isHere(other)) staysHere(other, wait) else changes(other, wait)) throw inUse(other)
          if (!files.delete(place, false) && files.exists(place))
            throw Failures.parameter(
              s"checkpointDir: $place was left by ${told(other)}, which is gone, and this user may not delete it: delete it, or " +
                "choose another checkpointDir"
            )
      }

  private def create(): Boolean = {
    val taken =
      try {
        files.mkdirs(folder)
        write(isNew = true)
        true
      } catch {
        case _: FileAlreadyExistsException | _: HadoopFileExists => false
        // Some file systems say it in their own way.
        case error: IOException => if (files.exists(place)) false else throw error
      }
    if (taken) held.put(fit, ""): Unit
    taken
  }

  /** Says again and again, from a thread of its own, that this driver lives.
    *
    * @param lost
    *   called once where another driver has taken the lock over
    */
  def keep(lost: Throwable => Unit): Unit = {
    val thread = new Thread(() => run(lost), s"candlewick-lock-$fit")
    thread.setDaemon(true)
    keeper = Some(thread)
    thread.start()
  }

  private def run(lost: Throwable => Unit): Unit =
    try {
      var kept = true
      // A file system may take the interrupt that ends this for a failure of its own.
      while (kept && !released) {
        Thread.sleep(RenewMs)
        try renew()
        catch {
          case error: CandlewickException =>
            kept = false
            // One that was given back may be another's by now.
            if (!released) lost(error)
          // A file system that is away for a while, or full.
          case NonFatal(error) => log.warn(s"fit $fit: $place could not be renewed: $error")
        }
      }
    } catch { case _: InterruptedException => () } // it is given back

  /** Says that this driver lives. */
  def renew(): Unit = synchronized {
    check()
    if (!released) {
      beats += 1
      write(isNew = false)
    }
  }

  /** Throws where another driver has taken the lock over. One that somebody has deleted is made again. */
  def check(): Unit = synchronized {
    holder() match {
      // What cannot be read was being written when its disk was full, or is: it is not another's.
      case Some(other) if isMine(other) || (other eq unknown) => ()
      case Some(other) => throw inUse(other)
      case None => if (!released && !create()) check()
    }
  }

  /** Gives the lock back. */
  def release(): Unit = {
    released = true
    keeper.foreach { thread =>
      thread.interrupt()
      thread.join(EndMs)
    }
    synchronized {
      if (held.remove(fit) != null && holder().exists(isMine)) files.delete(place, false): Unit
    }
  }

  /** Whether its driver was killed: it could not give it back. */
  def isLeft: Boolean = holder().exists(other => isHere(other) && !livesHere(other))

  /** Who has it and is not seen from here (another host's, or of this one before it was started anew), where nothing has been
    * heard of that for a while: it may have been killed.
    */
  def silent: Option[String] =
    holder().filterNot(other => (other eq unknown) || isHere(other)).filter(_ => ageMs > ExpiryMs).map(told)

  // As far as the clock of the file system is that of this host: it is for a warning.
  private def ageMs: Long = System.currentTimeMillis - files.getFileStatus(place).getModificationTime

  private def isMine(other: JsonNode): Boolean = Json.field(other, "fit").asText == fit

  // A local file system of Hadoop looks whether a file is there before it makes it: two could make it at once.
  private def local: Option[java.nio.file.Path] =
    if (files.getUri.getScheme == "file") Some(Paths.get(place.toUri.getPath)) else None

  private def write(isNew: Boolean): Unit = {
    val content = me.toString.getBytes(StandardCharsets.UTF_8)
    local match {
      case Some(file) if isNew => LocalFiles.write(file, content, StandardOpenOption.CREATE_NEW): Unit
      case Some(file) =>
        // Nobody sees half of it.
        val whole = file.resolveSibling(s"driver.lock.${UUID.randomUUID()}.unfinished")
        LocalFiles.write(whole, content)
        LocalFiles.move(whole, file, StandardCopyOption.ATOMIC_MOVE): Unit
      case None =>
        val out = files.create(place, !isNew)
        try out.write(content)
        finally out.close()
    }
  }

  private def me: JsonNode = Json.obj(
    "fit" -> fit,
    "host" -> host,
    "kernel" -> kernel,
    "pid" -> Processes.own,
    "started" -> Processes.startOf(Processes.own),
    "beats" -> beats
  )

  /** Who has it; nothing where nobody has. One that is being written is one that nobody knows. */
  private def holder(): Option[JsonNode] =
    content(Readings).map { bytes =>
      try Json.parseObject("the lock", new String(bytes, StandardCharsets.UTF_8))
      catch { case NonFatal(_) => unknown }
    }

  private def content(left: Int): Option[Array[Byte]] =
    try
      local match {
        case Some(file) => Some(LocalFiles.readAllBytes(file))
        case None => Some(Files.read(files, place))
      }
    catch {
      case _: FileNotFoundException | _: java.nio.file.NoSuchFileException => None
      // S3A refuses to read a file that was opened before its owner renewed it.
      case _: PathIOException if left > 1 => content(left - 1)
    }

  private def isHere(other: JsonNode): Boolean =
    Json.field(other, "host").asText == host && Json.field(other, "kernel").asText == kernel

  private def livesHere(other: JsonNode): Boolean = isHere(other) && {
    val id = Json.field(other, "pid").asLong
    val started = Json.field(other, "started").asLong
    if (id == Processes.own) held.containsKey(Json.field(other, "fit").asText)
    else Processes.startOf(id).contains(started)
  }

  /** Whether a driver of this host lives on: one that was killed just now takes a moment to end. */
  private def staysHere(other: JsonNode, wait: Option[String] => Unit): Boolean = {
    val clock = new Clock
    val elsewhere = Json.field(other, "pid").asLong != Processes.own
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

  /** Times that a lock which changes while it is read is read. */
  private val Readings = 3

  /** A process that was killed has ended after so long. */
  private val EndMs = 3000L

  /** Fits of this JVM that have a lock. */
  private def held = PerJvm.map[String]("locks")

  private lazy val host: String =
    try InetAddress.getLocalHost.getHostName
    catch { case _: IOException => "localhost" }

  /** Where process ids have a meaning: hosts may share a name, and containers that of their host. */
  private lazy val kernel: String = {
    def text(read: => String) =
      try read.trim
      catch { case _: IOException => "" }
    text(Processes.text("/proc/sys/kernel/random/boot_id")) + " " +
      text(LocalFiles.readSymbolicLink(Paths.get("/proc/self/ns/pid")).toString)
  }

  private val unknown =
    Json.obj("fit" -> "?", "host" -> "?", "kernel" -> "", "pid" -> 0, "started" -> 0, "beats" -> 0)

  private def told(other: JsonNode): String = {
    def text(name: String) = Json.field(other, name).asText
    s"fit ${text("fit")} of the driver on host ${text("host")} (pid ${text("pid")})"
  }
}
