package candlewick

import candlewick.internal.Json
import candlewick.jni.Native
import com.fasterxml.jackson.core.JsonProcessingException
import com.fasterxml.jackson.databind.{JsonNode, ObjectMapper}
import com.fasterxml.jackson.databind.node.ObjectNode

/** JSON documents of networks, losses and optimisers: what the builders write and the native library reads. */
private[candlewick] object Document {

  /** Format of a network's document. */
  val NetworkFormat = "candlewick.network/1"

  private val mapper = new ObjectMapper()

  /** Reads a text that should be a JSON object; `what` names it in the error. */
  def parse(what: String, text: String): ObjectNode = {
    val node =
      try mapper.readTree(text)
      catch {
        case error: JsonProcessingException =>
          throw new IllegalArgumentException(
            s"$what is not JSON: ${error.getOriginalMessage}; build it with nn.* or optim.*",
            error
          )
      }
    node match {
      case document: ObjectNode => document
      case _ =>
        throw new IllegalArgumentException(
          s"$what is not a JSON object but: $text; build it with nn.* or optim.*"
        )
    }
  }

  /** The node of one layer, loss or optimiser: its type and then its arguments in order. */
  def of(kind: String, arguments: Seq[(String, Any)]): ObjectNode = {
    val node = mapper.createObjectNode().put("type", kind)
    arguments.foreach { case (name, value) => node.set[JsonNode](name, encode(value)) }
    node
  }

  /** The node of a container. */
  def container(kind: String, modules: Seq[Module]): ObjectNode = {
    val node = mapper.createObjectNode().put("type", kind)
    val layers = node.putArray("layers")
    modules.foreach(module => layers.add(module.layer))
    node
  }

  /** The network that consists of one module. */
  def network(layer: ObjectNode): ObjectNode = {
    val document = mapper.createObjectNode().put("format", NetworkFormat)
    if (layer.has("layers")) document.set[JsonNode]("layers", layer.get("layers"))
    else document.putArray("layers").add(layer)
    document
  }

  private def encode(value: Any): JsonNode = value match {
    case items: Seq[_] =>
      val array = mapper.createArrayNode()
      items.foreach(item => array.add(encode(item)))
      array
    case Some(inner) => encode(inner)
    case None => mapper.nullNode()
    case other => mapper.valueToTree[JsonNode](other)
  }
}

/** A layer or container of layers, made by `nn.*`. */
final class Module private[candlewick] (private[candlewick] val layer: ObjectNode) {

  /** The network that consists of this module, as the document that `setNetwork` takes. */
  def json: String = Document.network(layer).toString

  /** A table of the layers: shape of the output, trained parameters and buffers, totals, and the memory of a step.
    *
    * @param inputShape
    *   shape of a row's features
    * @param batchSize
    *   rows of a step on one trainer
    * @param stateVectors
    *   numbers that the optimiser keeps a weight: 2 for Adam and AdamW, 1 for SGD with momentum, 0 without
    */
  def summary(inputShape: Seq[Int], batchSize: Int = 256, stateVectors: Int = 2): String =
    Native.networkSummary(
      Json
        .obj(
          "network" -> Document.network(layer),
          "inputShape" -> inputShape,
          "batchSize" -> batchSize,
          "stateVectors" -> stateVectors
        )
        .toString
    )

  override def equals(other: Any): Boolean = other match {
    case module: Module => layer == module.layer
    case _ => false
  }

  override def hashCode(): Int = layer.hashCode()

  override def toString: String = layer.toString
}

/** A loss, made by `nn.*Loss`. */
final class Loss private[candlewick] (private val node: ObjectNode) {

  /** The document that `setLoss` takes. */
  def json: String = node.toString

  override def equals(other: Any): Boolean = other match {
    case loss: Loss => node == loss.node
    case _ => false
  }

  override def hashCode(): Int = node.hashCode()

  override def toString: String = json
}

/** An optimiser, made by `optim.*`. */
final class Optimizer private[candlewick] (private val node: ObjectNode) {

  /** The document that `setOptimizer` takes. */
  def json: String = node.toString

  override def equals(other: Any): Boolean = other match {
    case optimizer: Optimizer => node == optimizer.node
    case _ => false
  }

  override def hashCode(): Int = node.hashCode()

  override def toString: String = json
}
