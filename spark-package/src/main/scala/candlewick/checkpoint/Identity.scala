package candlewick.checkpoint

import candlewick.internal.{Json, Sha256, WeightsFile}
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode
import java.nio.charset.StandardCharsets

/** Everything that the bits of a training's states depend on: parameters, initial weights, rows. Two fits with equal
  * identities pass through the same states, so either can go on from a checkpoint of the other.
  *
  * @param document
  *   `{"params": {"data", "train"}, "initialWeights", "rows", "hashSum"}`, and with dataShuffle="none" `"placement"`: which
  *   rows are in which shard, since no parameter says it
  */
private[candlewick] final class Identity(val document: ObjectNode) {

  /** Name of the folder of its checkpoints: 32 hexadecimal digits. */
  lazy val fingerprint: String = Identity.hash(document).take(32)

  /** Whether the shards that rows are in count. */
  def isPlaced: Boolean = document.has(Identity.Placement)

  /** Whether another identity is the same but for the shards that rows are in: that of the same fit, whose partitions were
    * read elsewhere.
    */
  def isPlacedElsewhere(other: JsonNode): Boolean = Identity.paths(document, other) == Set(Identity.Placement)

  /** What differs, each "batchSize is 64 and was 128", where another identity is that of a checkpoint. */
  def differences(other: JsonNode): Seq[String] = {
    val (mine, theirs) = (Identity.leaves("", document).toMap, Identity.leaves("", other).toMap)
    val paths = Identity.paths(document, other)
    // Where one of them has no placement, that follows from dataShuffle.
    val both = Seq(mine, theirs).forall(_.contains(Identity.Placement))
    val named = paths.filter(both || _ != Identity.Placement)
    // It is the fit's own, which is named.
    val told = if (named.size > 1) named - Identity.ValidationSeed else named
    told.toSeq.sorted.map { path =>
      def value(of: Map[String, String]) = of.get(path).fold("not set")(_.take(Identity.ShownChars))
      s"${Identity.name(path)} is ${value(mine)} and was ${value(theirs)}"
    }
  }
}

private[candlewick] object Identity {
  private val ShownChars = 80

  /** Differences that a message names. */
  private val Shown = 4

  private val Placement = "placement"

  /** By which rows are put aside: the seed of the fit. */
  private val ValidationSeed = "params.data.validation.seed"

  /** What a user can do about partitions that were read elsewhere. */
  val PlacementRemedy: String =
    "with dataShuffle=\"none\" rows are in the shards of the trainer beside their executor, and partitions were read by other " +
      "executors, or are others; use as many executors and trainers and the same partitioning as then, or " +
      "dataShuffle=\"hash\" from the beginning, with which neither matters"

  /** The first differences for a message. */
  def first(differences: Seq[String]): String = {
    val more = differences.length - Shown
    differences.take(Shown).mkString(", ") + (if (more > 0) s", and $more more" else "")
  }

  /** Of a fit whose rows are fed.
    *
    * @param params
    *   what the native library says of the parameters
    * @param initialWeights
    *   the file that training starts from, if any
    * @param ledger
    *   of the feed
    */
  def of(params: JsonNode, initialWeights: Option[WeightsFile], ledger: JsonNode): Identity =
    of(params, ledger, Json.encode(initialWeights.map(_.hash(Sha256.digest()))))

  /** The same, where the hash of the initial weights is known. */
  private[checkpoint] def of(params: JsonNode, ledger: JsonNode, initialWeights: JsonNode): Identity =
    new Identity(
      Json.obj(
        Seq(
          "params" -> params,
          "initialWeights" -> initialWeights,
          "rows" -> Json.field(ledger, "rowsSent"),
          "hashSum" -> Json.field(ledger, "hashSum")
        ) ++ Option(ledger.get(Placement)).map(Placement -> _): _*
      )
    )

  /** SHA-256 of a document. */
  def hash(document: JsonNode): String = {
    val digest = Sha256.digest()
    digest.update(document.toString.getBytes(StandardCharsets.UTF_8))
    Sha256.hex(digest)
  }

  /** Where two identities differ. */
  private def paths(one: JsonNode, other: JsonNode): Set[String] = {
    val (mine, theirs) = (leaves("", one).toMap, leaves("", other).toMap)
    (mine.keySet ++ theirs.keySet).filter(path => mine.get(path) != theirs.get(path))
  }

  private def leaves(path: String, node: JsonNode): Seq[(String, String)] =
    if (node.isObject)
      Json.fields(node).flatMap { case (name, value) =>
        leaves(if (path.isEmpty) name else s"$path.$name", value)
      }
    else if (node.isArray && !node.isEmpty)
      Json.items(node).zipWithIndex.flatMap { case (value, at) => leaves(s"$path[$at]", value) }
    else Seq(path -> node.toString)

  /** As the user calls it. */
  private def name(path: String): String = path match {
    case "rows" => "the number of rows"
    case "hashSum" => "the content of the rows (the sum of their hashes)"
    case Placement => "what each shard holds (the hash of it)"
    case "initialWeights" => "the hash of initialWeights"
    case other => other.stripPrefix("params.train.").stripPrefix("params.data.")
  }
}
