package candlewick.checkpoint

import candlewick.internal.{Clock, Failures, FileNames, Files, Sha256}
import candlewick.jni.Snapshot
import java.io.{FileNotFoundException, IOException, OutputStream}
import java.nio.charset.StandardCharsets
import java.util.UUID
import java.util.concurrent.{ExecutionException, FutureTask}
import org.apache.hadoop.fs.{FileStatus, FSDataOutputStream, Path}
import org.apache.hadoop.conf.Configuration
import org.slf4j.LoggerFactory
import scala.util.control.NonFatal

/** The checkpoints of one identity, in a folder of a Hadoop file system: for each a state and, after it, its manifest. Both
  * are written under another name, synced and renamed, so that what bears its name is whole.
  */
private[checkpoint] final class CheckpointFolder(conf: Configuration, val path: Path) {
  import CheckpointFolder._
  private val files = path.getFileSystem(conf)
  private val log = LoggerFactory.getLogger(classOf[CheckpointFolder])

  /** Makes the folder. */
  def make(): Unit = files.mkdirs(path): Unit

  /** Of the folder and those that it is in, what is not there, the innermost first. */
  private def absent: Seq[Path] =
    Iterator.iterate(path)(_.getParent).takeWhile(one => one != null && !files.exists(one)).toVector

  /** Deletes a folder, unless it is not there or somebody has put something there meanwhile. */
  private def deleteEmpty(folder: Path): Unit =
    try if (files.listStatus(folder).isEmpty) files.delete(folder, false): Unit
    catch { case NonFatal(_) => () } // it does no harm there

  /** Steps of the checkpoints there are, the newest first. */
  def steps: Seq[Long] = names.collect { case ManifestName(step) => step.toLong }.sorted.reverse

  private def names: Seq[String] =
    try files.listStatus(path).toSeq.map(_.getPath.getName)
    catch { case _: FileNotFoundException => Nil }

  /** Reads the manifest of a checkpoint. */
  def manifest(step: Long): Manifest = manifestIn(manifestName(step))

  /** Reads a manifest by the name of its file. */
  def manifestIn(name: String): Manifest = Manifest.parse(new String(bytes(name), StandardCharsets.UTF_8))

  /** Reads a small file. */
  def bytes(name: String): Array[Byte] = Files.readWhole(files, new Path(path, name), status(name))

  /** Of a file that belongs to a checkpoint: without it that is none. A file that is not found once it is opened may be there:
    * Hadoop says so of permissions that are missing, too.
    */
  private def status(name: String): FileStatus =
    try files.getFileStatus(new Path(path, name))
    catch { case _: FileNotFoundException => throw new DamagedException(s"$name is not there") }

  /** Throws where a state has not as many bytes as were written. */
  def checkSize(state: StateFile): Unit = {
    val found = status(state.name).getLen
    if (found != state.bytes)
      throw new DamagedException(s"${state.name} has $found bytes, expected ${state.bytes}")
  }

  /** Passes the state on in parts; throws where it is not the one that was written. */
  def read(state: StateFile)(pass: (Long, Array[Byte]) => Unit): Unit = {
    checkSize(state)
    val digest = Sha256.digest()
    val in = files.open(new Path(path, state.name))
    try {
      var offset = 0L
      while (offset < state.bytes) {
        val part = new Array[Byte](math.min(PartBytes, state.bytes - offset).toInt)
        in.readFully(part)
        digest.update(part)
        pass(offset, part)
        offset += part.length
      }
    } finally in.close()
    if (Sha256.hex(digest) != state.sha256)
      throw new DamagedException(s"${state.name} is damaged: its SHA-256 is not the one that was written")
  }

  /** Writes a file whole or not at all. What bears its name is replaced. */
  def write(name: String)(content: OutputStream => Unit): Unit = {
    val (unfinished, place) = (new Path(path, s"$name.${UUID.randomUUID()}$Unfinished"), new Path(path, name))
    try {
      val out = files.create(unfinished, true)
      try {
        content(out)
        sync(out)
      } finally out.close()
      // Not every file system renames onto a file that is there.
      files.delete(place, false): Unit
      if (!files.rename(unfinished, place))
        throw new IOException(s"$unfinished could not be renamed to $name")
    } catch {
      case error: Throwable =>
        try files.delete(unfinished, false): Unit
        catch { case NonFatal(_) => () }
        throw error
    }
  }

  /** Writes a state of so many bytes.
    *
    * @param each
    *   called for each part; may throw
    */
  def writeState(snapshot: Snapshot, name: String, bytes: Long)(each: => Unit): StateFile = {
    val digest = Sha256.digest()
    write(name) { out =>
      var offset = 0L
      while (offset < bytes) {
        each
        val part = snapshot.read(offset, PartBytes.toInt)
        digest.update(part)
        out.write(part)
        offset += part.length
      }
    }
    StateFile(name, bytes, Sha256.hex(digest))
  }

  private def sync(out: FSDataOutputStream): Unit =
    if (out.hasCapability("hsync")) out.hsync() else out.flush()

  /** Writes the manifest of a checkpoint, which makes it one. */
  def writeManifest(step: Long, document: String): Unit =
    write(manifestName(step))(_.write(document.getBytes(StandardCharsets.UTF_8)))

  /** Deletes a checkpoint, the manifest first. */
  def delete(step: Long): Unit = {
    files.delete(new Path(path, manifestName(step)), false)
    deleteStates(step, but = "")
  }

  /** Deletes states of a step but one: an earlier one may have been damaged. */
  def deleteStates(step: Long, but: String): Unit = names.foreach {
    case name @ StateName(of) if of.toLong == step && name != but => files.delete(new Path(path, name), false)
    case _ => false
  }

  /** Deletes what drivers that were killed have left unfinished. Only for the one that has the lock. */
  def clean(): Unit = {
    val known = steps.toSet
    names.foreach {
      case name if name.endsWith(Unfinished) => files.delete(new Path(path, name), false)
      case name @ StateName(step) if !known(step.toLong) => files.delete(new Path(path, name), false)
      case _ => false
    }
  }

  /** Gives the lock back, and deletes the folder where nothing is in it: a fit ended before its first checkpoint. */
  def leave(lock: FolderLock): Unit =
    try {
      lock.release()
      if (files.exists(path) && files.listStatus(path).isEmpty) files.delete(path, false): Unit
    } catch { case NonFatal(error) => log.warn(s"the lock of $path was not given back", error) }

  /** The folders beside this one. */
  def siblings: Seq[CheckpointFolder] = {
    // A plan that has made the outer folder may have deleted it since.
    val all =
      try files.listStatus(path.getParent).toSeq
      catch { case _: FileNotFoundException => Nil }
    all
      .filter(status => status.isDirectory && status.getPath.getName != path.getName)
      .map(status => new CheckpointFolder(conf, status.getPath))
  }

  /** The lock of the folder. */
  def lock(fit: String): FolderLock = new FolderLock(files, path, fit)
}

private[checkpoint] object CheckpointFolder {

  /** Bytes that are read or written at a time. */
  val PartBytes = 8L << 20

  private val Unfinished = ".unfinished"
  private val ManifestName = "step-(\\d{12})\\.json".r
  private val StateName = "step-(\\d{12})\\..*\\.safetensors".r

  /** Each fit has names of its own: one that was taken over and does not know it yet replaces nothing of another's. */
  def stateName(step: Long, fit: String): String = s"${stepName(step)}.${fit.take(8)}.safetensors"

  private def manifestName(step: Long): String = s"${stepName(step)}.json"

  private def stepName(step: Long): String = s"step-${FileNames.padded(step, 12)}"

  /** Longest wait for a file system that is asked for the first time: longer than the 135 s for which S3A tries to reach a
    * server unless told otherwise, since it says then what was wrong.
    */
  private val ProbeMs = 180000L

  /** Throws, with what to change, where checkpoints could not be written to `dir`.
    *
    * @param stays
    *   whether a folder that is made for that is to stay
    * @param look
    *   called while the file system is waited for; may throw
    */
  def check(conf: Configuration, dir: String, stays: Boolean)(look: () => Unit): Unit = {
    def wrong(why: String) = Failures.parameter(
      s"checkpointDir: no checkpoint can be written to $dir: $why; choose a folder that this user may write to, on a file " +
        "system that can rename files"
    )
    def lacking(what: String) =
      Failures.parameter(s"checkpointDir: no checkpoint can be written to $dir: $what")
    val probe = new FutureTask[Unit](() => tryOut(new CheckpointFolder(conf, new Path(dir)), stays))
    val thread = new Thread(probe, "candlewick-checkpoint-probe")
    thread.setDaemon(true)
    thread.start()
    val clock = new Clock
    try
      while (!probe.isDone) {
        look()
        if (clock.ms > ProbeMs)
          throw wrong(
            s"its file system has not answered for ${ProbeMs / 1000} s; see whether its address and settings are right, and " +
              "whether this host reaches it"
          )
        thread.join(Voice.LookMs)
      }
    finally thread.interrupt()
    try probe.get()
    catch {
      case error: ExecutionException =>
        error.getCause match {
          // A file system may be missing (hadoop-aws), or what it needs (the SDK of AWS), say no in its own way, or not
          // know what is asked.
          case cause @ (NonFatal(_) | _: LinkageError) =>
            throw FileSystems.missing(cause).map(lacking).getOrElse(wrong(cause.toString)).initCause(cause)
          case fatal => throw fatal
        }
    }
  }

  private def tryOut(folder: CheckpointFolder, stays: Boolean): Unit = {
    val absent = if (stays) Nil else folder.absent
    try {
      folder.make()
      val probe = s"probe-${UUID.randomUUID()}"
      folder.write(probe)(_.write(1))
      folder.files.delete(new Path(folder.path, probe), false): Unit
    } finally absent.foreach(folder.deleteEmpty)
  }
}
