package candlewick.checkpoint

import candlewick.internal.{Clock, Failures, Json}
import candlewick.jni.Snapshot
import com.fasterxml.jackson.databind.JsonNode
import java.io.IOException
import java.time.Instant
import org.slf4j.LoggerFactory

/** Writes the checkpoints of a fit from a thread of its own: always the youngest state that is there. */
private[checkpoint] final class CheckpointWriter(
    folder: CheckpointFolder,
    lock: FolderLock,
    identity: Identity,
    keep: Int,
    fit: String,
    voice: Voice,
    found: Set[Long]
)(take: () => Option[Snapshot], history: () => Seq[JsonNode]) {
  import CheckpointWriter._
  private val log = LoggerFactory.getLogger(classOf[CheckpointWriter])
  private val slot = new Object
  private var due = false
  private var writing = false
  @volatile private var open = true
  @volatile private var moved = 0L
  // Found damaged: they are written anew.
  private var damaged = found
  private val thread = new Thread(() => run(), s"candlewick-checkpoints-$fit")
  thread.setDaemon(true)

  def start(): Unit = thread.start()

  /** A state is there to be taken. Never waits. */
  def offer(): Unit = slot.synchronized {
    due = true
    slot.notifyAll()
  }

  private def run(): Unit =
    try
      while (next())
        try
          take().foreach { snapshot =>
            try persistently(snapshot)
            finally snapshot.close()
          }
        catch {
          case error: Throwable if Failures.find(error).isDefined =>
            // Another driver has the folder: one of the two must end.
            voice.stop(error)
            open = false
          case error: Throwable =>
            log.warn(s"fit $fit: a checkpoint was not written", error)
            if (open)
              voice.warn(
                s"checkpointDir: a checkpoint was not written to ${folder.path}, and training goes on: " +
                  Voice.reason(error)
              )
        } finally
          slot.synchronized {
            writing = false
            slot.notifyAll()
          }
    finally folder.leave(lock)

  /** Waits for a state to write; false once there is nothing more to do. */
  private def next(): Boolean = slot.synchronized {
    while (!due && open) slot.wait()
    writing = due && open
    due = false
    writing
  }

  /** Nothing comes after the last one: it is tried again where something fails that may pass. */
  private def persistently(snapshot: Snapshot): Unit = {
    val info = Json.parse(snapshot.info())
    val tries = if (Json.field(info, "last").asBoolean) LastTries else 1
    def attempt(left: Int): Unit =
      try write(snapshot, info)
      catch {
        case error: IOException if left > 1 && open =>
          log.warn(s"fit $fit: the last checkpoint is tried again", error)
          Thread.sleep(AgainMs)
          attempt(left - 1)
      }
    attempt(tries)
  }

  private def write(snapshot: Snapshot, info: JsonNode): Unit = {
    val counter = Json.field(info, "counter")
    val step = Json.field(counter, "step").asLong
    lock.check()
    // One that is sent again after a recovery is there already.
    if (!folder.steps.contains(step) || damaged(step)) {
      val records = historyOf(Json.field(counter, "epoch").asInt)
      val clock = new Clock
      val state =
        writeState(snapshot, CheckpointFolder.stateName(step, fit), Json.field(info, "bytes").asLong)
      lock.check()
      folder.writeManifest(
        step,
        Manifest.of(identity, info, records, state, Instant.now().toString).toString
      )
      folder.deleteStates(step, but = state.name)
      damaged -= step
      log.info(f"fit $fit: checkpoint of step $step, ${state.bytes}%d bytes, in ${clock.seconds}%.2f s")
    }
    // Those of a fit of more epochs are not older.
    folder.steps.filter(_ <= step).drop(keep).foreach(folder.delete)
  }

  /** The records of so many epochs: the coordinator has told them before, and who hears it may be a moment behind. */
  private def historyOf(epochs: Int): Seq[JsonNode] = {
    val clock = new Clock
    var records = history()
    while (records.length < epochs) {
      if (!open || clock.ms > HistoryMs)
        throw new IOException(s"the records of $epochs epochs did not come, but those of ${records.length}")
      Thread.sleep(1)
      records = history()
    }
    records.take(epochs)
  }

  private def writeState(snapshot: Snapshot, name: String, bytes: Long): StateFile = {
    val state = folder.writeState(snapshot, name, bytes) {
      if (!open) throw new IOException("the fit has ended")
      moved += 1
    }
    moved += 1
    state
  }

  /** Waits until what was offered is written, as long as it moves. */
  def finish(): Unit = {
    var (seen, quiet) = (moved, new Clock)
    def busy = slot.synchronized(open && (due || writing) && thread.isAlive)
    while (busy && quiet.ms < StuckMs) {
      voice.check()
      slot.synchronized(if (due || writing) slot.wait(Voice.LookMs))
      if (moved != seen) {
        seen = moved
        quiet = new Clock
      }
    }
    // The last one may have found that another driver has the folder.
    voice.check()
    if (busy)
      voice.warn(
        s"checkpointDir: the last checkpoint was not written: ${folder.path} has taken nothing for ${StuckMs / 1000} s"
      )
  }

  /** Ends the writing: at the next part, where one is being written. */
  def close(): Unit = {
    open = false
    slot.synchronized(slot.notifyAll())
    thread.join(CloseMs)
  }
}

private object CheckpointWriter {

  /** A file system that takes nothing for so long is given up; S3A uploads and copies when a file is closed and renamed. */
  private val StuckMs = 600000L

  /** Wait for the writer to see that the fit is over. */
  private val CloseMs = 10000L

  /** How often the last one is tried, and how long after each other. */
  private val LastTries = 3
  private val AgainMs = 1000L

  /** Longest wait for records that are on their way within this process. */
  private val HistoryMs = 10000L
}
