package candlewick

import candlewick.generated.Formats
import com.fasterxml.jackson.core.JsonProcessingException
import com.fasterxml.jackson.databind.{JsonNode, ObjectMapper}
import com.fasterxml.jackson.databind.node.ObjectNode

/** What a builder makes: it stands for a JSON document, which the native library reads. Two are equal where they are of
  * one kind and their documents are equal.
  */
abstract class Document private[candlewick] (private[candlewick] val node: ObjectNode) {

  /** The document, as the estimators' setters take it. */
  def json: String = node.toString

  override def equals(other: Any): Boolean = other match {
    case document: Document => document.getClass == getClass && document.node == node
    case _ => false
  }

  override def hashCode(): Int = node.hashCode()

  override def toString: String = node.toString
}

/** How a parameter starts, made by `nn.init.*`. */
final class Initializer private[candlewick] (node: ObjectNode) extends Document(node)

/** A loss, made by `nn.*Loss`. */
final class Loss private[candlewick] (node: ObjectNode) extends Document(node)

/** An optimiser, made by `optim.*`. */
final class Optimizer private[candlewick] (node: ObjectNode) extends Document(node)

/** A schedule of the learning rate, made by `optim.lr_scheduler.*`. */
final class LRScheduler private[candlewick] (node: ObjectNode) extends Document(node)

/** JSON documents of networks, losses and optimisers: what the builders write and the native library reads. */
private[candlewick] object Document {

  private val Sequential = "Sequential"

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

  /** The node of a container; without layers it has none. */
  def container(kind: String, layers: Seq[Document], arguments: Seq[(String, Any)]): ObjectNode = {
    val node = mapper.createObjectNode().put("type", kind)
    if (layers.nonEmpty || kind == Sequential) node.set[JsonNode]("layers", encode(layers))
    arguments.foreach { case (name, value) => node.set[JsonNode](name, encode(value)) }
    node
  }

  /** The network that consists of one module. */
  def network(layer: ObjectNode): ObjectNode = {
    val document = mapper.createObjectNode().put("format", Formats.Network)
    if (layer.get("type").asText == Sequential) document.set[JsonNode]("layers", layer.get("layers"))
    else document.putArray("layers").add(layer)
    document
  }

  /** A value as documents hold it. */
  def encode(value: Any): JsonNode = value match {
    case fields: Map[_, _] =>
      val node = mapper.createObjectNode()
      fields.foreach { case (name, item) => node.set[ObjectNode](name.toString, encode(item)) }
      node
    case items: Seq[_] =>
      val array = mapper.createArrayNode()
      items.foreach(item => array.add(encode(item)))
      array
    case Some(inner) => encode(inner)
    case None => mapper.nullNode()
    case opt: Opt[_] => encode(opt.option)
    case padding: Padding => encode(padding.value)
    case names: Names => encode(names.value)
    case (left, right) => encode(Seq(left, right))
    case document: Document => document.node
    case other => mapper.valueToTree[JsonNode](other)
  }
}
