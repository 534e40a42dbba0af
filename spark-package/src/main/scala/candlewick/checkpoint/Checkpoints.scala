package candlewick.checkpoint

import candlewick.internal.{Clock, Failures, Json}
import candlewick.jni.Snapshot
import com.fasterxml.jackson.databind.JsonNode
import java.time.Instant
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.Path
import org.slf4j.LoggerFactory
import scala.util.control.NonFatal

/** What a fit is asked of checkpoints.
  *
  * @param dir
  *   parameter checkpointDir
  * @param keep
  *   parameter keepCheckpoints
  * @param params
  *   of the job everything that the bits of its states depend on, see [[Identity]]
  */
private[candlewick] final case class CheckpointSpec(dir: String, keep: Int, params: JsonNode)

/** What the checkpoints of a fit say to whom they belong to.
  *
  * @param warn
  *   a line for the user
  * @param stop
  *   the fit must end
  * @param check
  *   throws where the fit is cancelled
  */
private[candlewick] final case class Voice(warn: String => Unit, stop: Throwable => Unit, check: () => Unit)

/** The checkpoints of one fit: finds the one to go on from, and writes new ones from a thread of its own, so that training
  * waits for none.
  */
private[candlewick] final class Checkpoints(
    conf: Configuration,
    spec: CheckpointSpec,
    identity: Identity,
    fit: String,
    voice: Voice
) extends AutoCloseable {
  private val log = LoggerFactory.getLogger(classOf[Checkpoints])
  private val folder = new CheckpointFolder(conf, new Path(spec.dir, identity.fingerprint))
  private val lock = folder.lock(fit)
  private val slot = new Object
  private var due = false
  private var writing = false
  private var open = true
  // Steps whose checkpoint was found damaged: they are written anew.
  @volatile private var damaged = Set.empty[Long]
  @volatile private var moved = 0L
  private var writer = Option.empty[Thread]

  /** Takes the folder for this fit and passes the state of the newest intact checkpoint on, if there is one; its manifest.
    *
    * @param epochs
    *   what the fit is asked for: a checkpoint beyond them is none to go on from
    */
  def resume(epochs: Int)(give: (Long, Array[Byte]) => Unit): Option[Manifest] = {
    if (folder.steps.isEmpty) refuse(folder.siblings.flatMap(unfinished))
    folder.make()
    lock.acquire { line =>
      line.foreach(voice.warn)
      voice.check()
      slot.synchronized(slot.wait(Checkpoints.LookMs))
    }
    folder.clean()
    folder.steps.iterator.flatMap(intact(_, epochs)(give)).take(1).toSeq.headOption
  }

  /** The manifest of a checkpoint that is whole and of this fit. */
  private def intact(step: Long, epochs: Int)(give: (Long, Array[Byte]) => Unit): Option[Manifest] =
    try {
      val manifest = folder.manifest(step)
      val differences = identity.differences(manifest.identity)
      if (differences.nonEmpty) throw new IllegalArgumentException(Checkpoints.first(differences))
      if (manifest.within(epochs)) {
        folder.read(manifest.state) { (offset, part) =>
          voice.check()
          give(offset, part)
        }
        Some(manifest)
      } else {
        voice.warn(
          s"checkpointDir: the checkpoint at ${manifest.place} is left alone: this fit has epochs = $epochs"
        )
        None
      }
    } catch {
      // Anything may stand in a damaged file.
      case NonFatal(error) if !Failures.find(error).exists(_.kind == "cancelled") =>
        damaged += step
        voice.warn(
          s"checkpointDir: the checkpoint of step $step in ${folder.path} is not used: ${Checkpoints.reason(error)}"
        )
        None
    }

  /** The newest checkpoint of a fit that was ended in the middle and is not running. */
  private def unfinished(other: CheckpointFolder): Option[(CheckpointFolder, Manifest)] =
    try
      other.steps.headOption
        .map(other.manifest)
        .filterNot(_.finished || other.lock(fit).taken)
        .map(other -> _)
    catch { case NonFatal(_) => None } // whatever it is, it is no checkpoint of ours

  /** A fit that was ended and is begun again with another parameter would silently begin from nothing. */
  private def refuse(others: Seq[(CheckpointFolder, Manifest)]): Unit = {
    val differing = others.map { case (other, manifest) =>
      (other, manifest, identity.differences(manifest.identity))
    }
    differing.sortBy(_._3.length).headOption.foreach { case (other, manifest, differences) =>
      throw Failures.parameter(
        s"checkpointDir: ${spec.dir} holds the checkpoint of another fit, which was ended at ${manifest.place}: " +
          s"${Checkpoints.first(differences)}; to go on with that fit set back what differs; to leave it, delete " +
          s"${other.path} or choose another checkpointDir"
      )
    }
  }

  /** Begins to write.
    *
    * @param take
    *   the youngest state that nobody has taken
    * @param history
    *   the records of the epochs so far
    */
  def start(take: () => Option[Snapshot], history: () => Seq[JsonNode]): Unit = {
    val thread = new Thread(() => run(take, history), s"candlewick-checkpoints-$fit")
    thread.setDaemon(true)
    writer = Some(thread)
    thread.start()
  }

  /** A state is there to be taken. Never waits. */
  def offer(): Unit = slot.synchronized {
    due = true
    slot.notifyAll()
  }

  private def run(take: () => Option[Snapshot], history: () => Seq[JsonNode]): Unit =
    while (next())
      try {
        lock.renew()
        if (slot.synchronized(writing)) take().foreach { snapshot =>
          try write(snapshot, history())
          finally snapshot.close()
        }
      } catch {
        case error: Throwable if Failures.find(error).isDefined =>
          // Another driver has the folder: one of the two must end.
          voice.stop(error)
          slot.synchronized { open = false }
        case NonFatal(error) =>
          log.warn(s"fit $fit: a checkpoint was not written", error)
          voice.warn(
            s"checkpointDir: a checkpoint was not written to ${folder.path}, and training goes on: " +
              Checkpoints.reason(error)
          )
      } finally
        slot.synchronized {
          writing = false
          slot.notifyAll()
        }

  /** Waits for a state to write, or until the lock is to be renewed; false once there is nothing more to do. */
  private def next(): Boolean = slot.synchronized {
    if (!due && open) slot.wait(FolderLock.RenewMs)
    writing = due
    due = false
    open || writing
  }

  private def write(snapshot: Snapshot, history: Seq[JsonNode]): Unit = {
    val info = Json.parse(snapshot.info())
    val step = Json.field(Json.field(info, "counter"), "step").asLong
    // One that is sent again after a recovery is there already.
    if (!folder.steps.contains(step) || damaged(step)) {
      val clock = new Clock
      val state = writeState(snapshot, CheckpointFolder.stateName(step), Json.field(info, "bytes").asLong)
      lock.check()
      val manifest = Manifest.of(identity, info, history, state, Instant.now().toString)
      folder.writeManifest(step, manifest.toString)
      damaged -= step
      log.info(f"fit $fit: checkpoint of step $step, ${state.bytes}%d bytes, in ${clock.seconds}%.2f s")
    }
    // Those of a fit of more epochs are not older.
    folder.steps.filter(_ <= step).drop(spec.keep).foreach(folder.delete)
  }

  private def writeState(snapshot: Snapshot, name: String, bytes: Long): StateFile = {
    val digest = Identity.sha256()
    folder.write(name) { out =>
      var offset = 0L
      while (offset < bytes) {
        val part = snapshot.read(offset, CheckpointFolder.PartBytes.toInt)
        digest.update(part)
        out.write(part)
        offset += part.length
        moved += 1
        lock.renew()
      }
    }
    StateFile(name, bytes, Identity.hex(digest.digest()))
  }

  /** Waits until what was offered is written, as long as it moves. */
  def finish(): Unit = {
    var (seen, quiet) = (moved, new Clock)
    while (slot.synchronized(open && (due || writing)) && quiet.ms < Checkpoints.StuckMs) {
      voice.check()
      slot.synchronized(if (writing) slot.wait(Checkpoints.LookMs))
      if (moved != seen) {
        seen = moved
        quiet = new Clock
      }
    }
    // The last one may have found that another driver has the folder.
    voice.check()
    if (slot.synchronized(open && (due || writing)))
      voice.warn(
        s"checkpointDir: the last checkpoint was not written: ${folder.path} has taken nothing for ${Checkpoints.StuckMs / 1000} s"
      )
  }

  /** Ends the writing and gives the folder back. */
  override def close(): Unit = {
    slot.synchronized {
      open = false
      due = false
      slot.notifyAll()
    }
    writer.foreach(_.join(Checkpoints.StuckMs))
    try {
      lock.release()
      folder.deleteIfEmpty()
    } catch {
      case NonFatal(error) => log.warn(s"fit $fit: the lock of ${folder.path} was not given back", error)
    }
  }
}

private[candlewick] object Checkpoints {

  /** A file system that takes nothing for so long is given up. */
  private val StuckMs = 60000L

  /** How often who waits looks whether the fit is cancelled. */
  private val LookMs = 100L

  /** Differences that a message names. */
  private val Shown = 4

  /** Throws, with what to change, where no checkpoint could be written. */
  def check(conf: Configuration, spec: CheckpointSpec): Unit = CheckpointFolder.check(conf, spec.dir)

  private def first(differences: Seq[String]): String = {
    val more = differences.length - Shown
    differences.take(Shown).mkString(", ") + (if (more > 0) s", and $more more" else "")
  }

  private def reason(error: Throwable): String = Option(error.getMessage).getOrElse(error.toString)
}
