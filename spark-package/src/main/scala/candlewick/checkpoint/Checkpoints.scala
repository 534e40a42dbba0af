package candlewick.checkpoint

import candlewick.internal.Failures
import candlewick.jni.{InvalidParameterException, PerJvm, Snapshot}
import com.fasterxml.jackson.core.JsonProcessingException
import com.fasterxml.jackson.databind.JsonNode
import java.util.concurrent.ConcurrentHashMap
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{ChecksumException, Path}
import scala.util.control.NonFatal

/** What a fit is asked of checkpoints.
  *
  * @param dir
  *   parameter checkpointDir
  * @param keep
  *   parameter keepCheckpoints
  */
private[candlewick] final case class CheckpointSpec(dir: String, keep: Int)

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
  private val folder = new CheckpointFolder(conf, new Path(spec.dir, identity.fingerprint))
  private val lock = folder.lock(fit)
  // Steps whose checkpoint was found damaged: they are written anew.
  private var damaged = Set.empty[Long]
  @volatile private var writer = Option.empty[CheckpointWriter]

  /** Takes the folder for this fit and passes the state of the newest intact checkpoint on, if there is one; its manifest.
    *
    * @param epochs
    *   what the fit is asked for: a checkpoint beyond them is none to go on from
    * @param after
    *   only checkpoints of later steps: the fit has the state of this one from elsewhere
    */
  def resume(epochs: Int, after: Long)(give: (Long, Array[Byte]) => Unit): Option[Manifest] = {
    if (folder.steps.isEmpty) refusePlacedElsewhere()
    // One that was killed before its first checkpoint is no other fit that was changed.
    if (folder.steps.isEmpty && !lock.isLeft && Checkpoints.isAlone(spec, fit)) {
      refuse(folder.siblings.flatMap(killed))
      warnOf(folder.siblings.flatMap(silent))
    }
    folder.make()
    lock.acquire { line =>
      line.foreach(voice.warn)
      voice.check()
      Thread.sleep(Voice.LookMs)
    }
    lock.keep(voice.stop)
    folder.clean()
    folder.steps.filter(_ > after).iterator.flatMap(intact(_, epochs)(give)).take(1).toSeq.headOption
  }

  /** The manifest of a checkpoint that is whole and of this fit; throws where it cannot be read at the moment, since a fit that
    * began without it would lose what it was kept for.
    */
  private def intact(step: Long, epochs: Int)(give: (Long, Array[Byte]) => Unit): Option[Manifest] =
    try {
      val manifest = folder.manifest(step)
      val differences = identity.differences(manifest.identity)
      if (differences.nonEmpty) throw new DamagedException(Identity.first(differences))
      if (manifest.history.length != manifest.epoch)
        throw new DamagedException(s"it has the records of ${manifest.history.length} epochs")
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
      case NonFatal(error) if Checkpoints.isDamage(error) =>
        damaged += step
        voice.warn(
          s"checkpointDir: the checkpoint of step $step in ${folder.path} is not used: ${Voice.reason(error)}"
        )
        None
      case NonFatal(error) if Failures.find(error).isEmpty =>
        // Whom a cancel has interrupted is told of that.
        voice.check()
        throw Failures
          .unavailable(
            s"checkpointDir: the checkpoint of step $step in ${folder.path} cannot be read now: ${Voice.reason(error)}; try " +
              "again, or delete it to begin from an earlier one"
          )
          .initCause(error)
    }

  /** The newest checkpoint of a fit whose driver was killed. */
  private def killed(other: CheckpointFolder): Option[(CheckpointFolder, Manifest)] =
    try
      if (other.lock(fit).isLeft) other.steps.headOption.map(step => other -> other.manifest(step)) else None
    catch { case NonFatal(_) => None } // whatever it is, it is no checkpoint of ours

  /** The newest checkpoint of a fit whose driver may have been killed where nobody here sees it, and who that is. */
  private def silent(other: CheckpointFolder): Option[(String, Manifest)] =
    try
      for (who <- other.lock(fit).silent; step <- other.steps.headOption) yield who -> other.manifest(step)
    catch { case NonFatal(_) => None } // whatever it is, it is no checkpoint of ours

  /** Whether it was killed is not known, so the fit goes on. */
  private def warnOf(others: Seq[(String, Manifest)]): Unit =
    others
      .map { case (who, manifest) => (who, manifest, identity.differences(manifest.identity)) }
      .sortBy(_._3.length)
      .headOption
      .foreach { case (who, manifest, differences) =>
        voice.warn(
          s"checkpointDir: ${spec.dir} holds the checkpoint at ${manifest.place} of $who, which may have been killed. This fit begins " +
            s"anew, since ${Identity.first(differences)}; to go on with that one set back what differs"
        )
      }

  /** With dataShuffle="none" the same fit, begun again, may have its rows in other shards: it is another training then, which
    * would silently begin from nothing.
    */
  private def refusePlacedElsewhere(): Unit = if (identity.isPlaced) {
    def newest(other: CheckpointFolder): Option[(CheckpointFolder, Manifest)] =
      try other.steps.headOption.map(step => other -> other.manifest(step))
      catch { case NonFatal(_) => None } // whatever it is, it is no checkpoint of ours
    val others = folder.siblings.flatMap(newest(_))
    others.find { case (_, manifest) => identity.isPlacedElsewhere(manifest.identity) }.foreach {
      case (other, manifest) =>
        Checkpoints.leave(fit)
        throw Failures.parameter(
          s"checkpointDir: ${spec.dir} holds the checkpoint of this fit at ${manifest.place}, but its shards held other rows: " +
            s"${Identity.PlacementRemedy}; to begin anew delete ${other.path} or choose another checkpointDir"
        )
    }
  }

  /** A fit that is begun again after its driver was killed, with another parameter, would silently begin from nothing. */
  private def refuse(others: Seq[(CheckpointFolder, Manifest)]): Unit = {
    val differing = others.map { case (other, manifest) =>
      (other, manifest, identity.differences(manifest.identity))
    }
    differing.sortBy(_._3.length).headOption.foreach { case (other, manifest, differences) =>
      Checkpoints.leave(fit)
      throw Failures.parameter(
        s"checkpointDir: ${spec.dir} holds the checkpoint of another fit, whose driver was killed after ${manifest.place}: " +
          s"${Identity.first(differences)}; to go on with that fit set back what differs; to leave it, delete " +
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
    val started = new CheckpointWriter(folder, lock, identity, spec.keep, fit, voice, damaged)(take, history)
    writer = Some(started)
    started.start()
  }

  /** A state is there to be taken. Never waits. */
  def offer(): Unit = writer.foreach(_.offer())

  /** Waits until what was offered is written, as long as it moves. */
  def finish(): Unit = writer.foreach(_.finish())

  /** Ends the writing and gives the folder back; who still writes gives it back at the end of that. */
  override def close(): Unit = writer match {
    case Some(started) => started.close()
    case None => folder.leave(lock)
  }
}

private[candlewick] object Checkpoints {

  /** The fits of this JVM by their checkpointDir, those that are over too but for those that never looked there. */
  private def fits = PerJvm.map[java.util.Set[String]]("checkpointDirs")

  /** Enters a fit; throws, with what to change, where no checkpoint could be written.
    *
    * @param look
    *   called while the file system is waited for; may throw
    */
  def enter(conf: Configuration, spec: CheckpointSpec, fit: String)(look: () => Unit): Unit = {
    CheckpointFolder.check(conf, spec.dir, stays = true)(look)
    fits.computeIfAbsent(spec.dir, _ => ConcurrentHashMap.newKeySet[String]()).add(fit): Unit
  }

  /** Throws what [[enter]] does, for a fit that is not made: nothing stays of it.
    *
    * @param look
    *   called while the file system is waited for; may throw
    */
  def tryOut(conf: Configuration, spec: CheckpointSpec)(look: () => Unit): Unit =
    CheckpointFolder.check(conf, spec.dir, stays = false)(look)

  /** Whether what reading has thrown will be so again: what is there is no checkpoint. All else may be a matter of the moment:
    * hosts that are away, a server that says later, a permission that was withdrawn, too many open files. Hadoop tells some of
    * that by FileNotFoundException and EOFException: what is not there, or too short, is found before it is opened.
    */
  private def isDamage(error: Throwable): Boolean = error match {
    case _: DamagedException | _: ChecksumException => true
    // Of JSON and what is missing in it; a file that is too large to be a manifest.
    case _: JsonProcessingException | _: IllegalArgumentException | _: InvalidParameterException => true
    case _ => false
  }

  /** Takes a fit out that has ended before it looked for a checkpoint, or was refused what it found: beside it another one does
    * not differ by right.
    */
  def leave(fit: String): Unit = fits.values.forEach(all => all.remove(fit): Unit)

  /** Whether no other fit of this driver has the checkpointDir: those of a search do, and differ by right. */
  private def isAlone(spec: CheckpointSpec, fit: String): Boolean =
    Option(fits.get(spec.dir)).forall(all => all.isEmpty || (all.size == 1 && all.contains(fit)))

  /** As if no fit of this JVM had used the folder: a test stands for another driver. */
  private[checkpoint] def forget(dir: String): Unit = fits.remove(dir): Unit
}
