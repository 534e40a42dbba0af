package candlewick.checkpoint

import candlewick.internal.{FileNames, Json}
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode

/** What is written beside the state of a checkpoint, and after it: without it the state is none. */
private[candlewick] final class Manifest(val document: JsonNode) {

  /** Where the state stands: epoch, step, phase. */
  def counter: JsonNode = Json.field(document, "counter")

  /** Steps made. */
  def step: Long = Json.field(counter, "step").asLong

  /** Epochs that are complete. */
  def epoch: Int = Json.field(counter, "epoch").asInt

  /** Whether training was over there. */
  def finished: Boolean = Json.field(document, "finished").asBoolean

  /** Whether early stopping had ended the training; known of the state of a model only. */
  def stopped: Boolean = document.path("stopped").asBoolean(false)

  /** The records of its epochs. */
  def history: Seq[JsonNode] = Json.items(Json.field(document, "history"))

  /** When it was written, by the clock of its driver. */
  def written: String = Json.field(document, "written").asText

  /** What the state is of, see [[Identity]]. */
  def identity: JsonNode = Json.field(document, "identity")

  /** File, size and hash of the state. It may be written under that name elsewhere: throws where that is in another folder. */
  def state: StateFile = {
    val node = Json.field(document, "state")
    val file = Json.field(node, "file").asText
    if (!FileNames.isPlain(file))
      throw new DamagedException(s"the manifest is damaged: '$file' is no name of a file beside it")
    StateFile(
      file,
      Json.field(node, "bytes").asLong,
      Json.field(node, "sha256").asText
    )
  }

  /** Whether a fit of so many epochs comes by where the state stands. */
  def within(epochs: Int): Boolean =
    epoch < epochs || (epoch == epochs && history.lastOption.exists(Json.field(_, "step").asLong == step))

  /** Whether it stands at the end of an epoch. */
  def isBetweenEpochs: Boolean = history.lastOption.forall(Json.field(_, "step").asLong == step)

  /** "step 120 (complete epochs: 2)". */
  def place: String = s"step $step (complete epochs: $epoch)"
}

/** The state's file. */
private[candlewick] final case class StateFile(name: String, bytes: Long, sha256: String)

private[candlewick] object Manifest {
  val Format = "candlewick.checkpoint/1"

  /** Reads one; throws where it is none of this format, or not as it was written. */
  def parse(text: String): Manifest = {
    val document = Json.parseObject("the manifest", text)
    val format = Json.field(document, "format").asText
    if (format != Format)
      throw new DamagedException(s"its format is '$format'; this version reads '$Format'")
    val hash = Json.field(document, Hash).asText
    document.remove(Hash)
    if (hash != Identity.hash(document))
      throw new DamagedException(
        "the manifest is damaged: its SHA-256 is not the one that was written"
      )
    new Manifest(document)
  }

  private val Hash = "sha256"

  /** A new one. */
  def of(
      identity: Identity,
      snapshot: JsonNode,
      history: Seq[JsonNode],
      state: StateFile,
      written: String,
      stopped: Boolean = false
  ): ObjectNode = {
    val counter = Json.field(snapshot, "counter")
    val document = Json.obj(
      "format" -> Format,
      "fingerprint" -> identity.fingerprint,
      "counter" -> counter,
      "finished" -> Json.field(snapshot, "last"),
      "stopped" -> stopped,
      "state" -> Json.obj("file" -> state.name, "bytes" -> state.bytes, "sha256" -> state.sha256),
      "history" -> history.take(Json.field(counter, "epoch").asInt),
      "identity" -> identity.document,
      "written" -> written
    )
    document.put(Hash, Identity.hash(document))
  }
}
