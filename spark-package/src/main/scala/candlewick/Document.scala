package candlewick

import candlewick.generated.Formats
import candlewick.internal.{Failures, Json}
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

  /** Characters of a document in short. */
  private val Shown = 160

  private val mapper = new ObjectMapper()

  /** Reads a text that should be a JSON object; `what` names it in the error. */
  def parse(what: String, text: String): ObjectNode = {
    val node =
      try mapper.readTree(text)
      catch {
        case error: JsonProcessingException =>
          val wrong = s"$what is not JSON: ${error.getOriginalMessage}; build it with nn.* or optim.*"
          throw Failures.parameter(wrong).initCause(error)
      }
    node match {
      case document: ObjectNode => document
      case _ =>
        throw Failures.parameter(s"$what is not a JSON object but: $text; build it with nn.* or optim.*")
    }
  }

  /** A document as a reader wants it, such as `Sequential(Linear(out_features=8, bias=true), ReLU())`, cut where it is
    * long. A name stays as it is.
    */
  def short(text: String): String = {
    val all = if (text.trim.startsWith("{")) shown(parse("the document", text)) else text
    if (all.length <= Shown) all else s"${all.take(Shown - 3)}..."
  }

  private def shown(value: JsonNode): String =
    if (value.isArray) Json.items(value).map(shown).mkString("[", ", ", "]")
    else if (!value.isObject) value.asText
    else if (value.has("nodes")) s"Graph(${value.get("nodes").size} nodes)"
    else if (value.has("shares")) s"layer ${value.get("shares").asText} again"
    else {
      val kind =
        Option(value.get("type")).map(_.asText).orElse(if (value.has("layers")) Some(Sequential) else None)
      val layers = Option(value.get("layers")).fold(Seq.empty[JsonNode])(Json.items).map(shown)
      val arguments = Json.fields(value).collect {
        case (name, argument) if !Set("type", "layers", "format", "input")(name) =>
          s"$name=${shown(argument)}"
      }
      (layers ++ arguments).mkString(s"${kind.getOrElse("")}(", ", ", ")")
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
    val known = new SharedLayers
    val layers =
      if (layer.get("type").asText == Sequential) known.allWritten(layer.get("layers"), "")
      else Json.list(Seq(known.written(layer, "0")))
    mapper.createObjectNode().put("format", Formats.Network).set[ObjectNode]("layers", layers)
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
