package candlewick.checkpoint

import candlewick.internal.Json
import candlewick.jni.Snapshot
import com.fasterxml.jackson.databind.JsonNode
import java.nio.charset.StandardCharsets
import java.time.Instant
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.Path
import scala.util.control.NonFatal

/** Keeps the state that a training ends with, for its model. Thread safe.
  *
  * @param makeScratch
  *   makes the folder for it
  * @param warn
  *   a line for the user: the model is worth more than the state
  */
private[candlewick] final class LastState(conf: Configuration, warn: String => Unit)(
    makeScratch: => Scratch
) {
  import OptimizerState._
  private var kept = Option.empty[LastState.Kept]
  private var why = "it did not come"

  /** Looks at a state before anybody else takes it: the last one is written to the driver's disk. */
  def see(snapshot: Snapshot): Unit = synchronized {
    val info = Json.parse(snapshot.info())
    if (Json.field(info, "last").asBoolean)
      try {
        val scratch = makeScratch
        val folder = new CheckpointFolder(conf, new Path(scratch.path, FolderName))
        folder.make()
        val state = folder.writeState(snapshot, StateName, Json.field(info, "bytes").asLong)(())
        kept = Some(LastState.Kept(scratch, folder, info, state))
      } catch { case NonFatal(error) => why = Voice.reason(error) }
  }

  /** The state of the model, now that the training is over.
    *
    * @param history
    *   the records of all epochs
    * @param stopped
    *   whether early stopping ended it
    */
  def of(identity: Identity, history: Seq[JsonNode], stopped: Boolean): Option[OptimizerState] =
    synchronized {
      val made = kept.flatMap { state =>
        try {
          val manifest =
            Manifest.of(identity, state.info, history, state.file, Instant.now().toString, stopped)
          state.folder.write(ManifestFile)(_.write(manifest.toString.getBytes(StandardCharsets.UTF_8)))
          Some(new OptimizerState(state.folder.path, Some(state.scratch)))
        } catch {
          case NonFatal(error) =>
            why = Voice.reason(error)
            None
        }
      }
      if (made.isEmpty) warn(s"saveOptimizer: the model is without the state of its optimiser: $why")
      made
    }
}

private object LastState {
  final case class Kept(scratch: Scratch, folder: CheckpointFolder, info: JsonNode, file: StateFile)
}
