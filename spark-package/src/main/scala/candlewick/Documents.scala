package candlewick

import candlewick.columns.GraphColumns
import candlewick.internal.Json
import candlewick.jni.Native
import com.fasterxml.jackson.core.JsonProcessingException
import com.fasterxml.jackson.databind.{JsonNode, ObjectMapper}
import com.fasterxml.jackson.databind.node.{ArrayNode, ObjectNode}

/** JSON documents of networks, losses and optimisers: what the builders write and the native library reads. */
private[candlewick] object Document {

  /** Format of a network's document. */
  val NetworkFormat = "candlewick.network/1"

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

  /** The arguments that go by position where sizes of the input may be left out.
    *
    * @param full
    *   names in the full form
    * @param short
    *   names in the short form, the last of the full ones
    * @param values
    *   as many as the full form has; those beyond the short form are None in the short form
    */
  def forms(kind: String, full: Seq[String], short: Seq[String], values: Seq[Any]): Seq[(String, Any)] = {
    val leading = values.takeWhile { case opt: Opt[_] => opt.option.isDefined; case _ => true }
    val rest = values.drop(leading.length).exists { case opt: Opt[_] => opt.option.isDefined; case _ => true }
    if (rest || leading.length != short.length && leading.length != full.length)
      throw new IllegalArgumentException(
        s"$kind takes ${short.mkString("(", ", ", ")")} or ${full.mkString("(", ", ", ")")}, then arguments by name"
      )
    (if (leading.length == full.length) full else short).zip(leading)
  }

  /** The node of a container; without layers it has none. */
  def container(kind: String, modules: Seq[Module], arguments: Seq[(String, Any)]): ObjectNode = {
    val node = mapper.createObjectNode().put("type", kind)
    if (modules.nonEmpty || kind == Sequential) node.set[JsonNode]("layers", encode(modules))
    arguments.foreach { case (name, value) => node.set[JsonNode](name, encode(value)) }
    node
  }

  /** The network that consists of one module. */
  def network(layer: ObjectNode): ObjectNode = {
    val document = mapper.createObjectNode().put("format", NetworkFormat)
    if (layer.get("type").asText == Sequential) document.set[JsonNode]("layers", layer.get("layers"))
    else document.putArray("layers").add(layer)
    document
  }

  private def encode(value: Any): JsonNode = value match {
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
    case (left, right) => encode(Seq(left, right))
    case module: Module => module.layer
    case built: Built => built.node
    case other => mapper.valueToTree[JsonNode](other)
  }
}

/** What stands for a JSON document of its own. */
private[candlewick] trait Built {

  /** The document. */
  private[candlewick] def node: ObjectNode
}

/** A network, as `setNetwork` takes it: a [[Module]] or a [[Graph]]. */
trait Network {

  /** The document that `setNetwork` takes. */
  def json: String

  /** This network, some of whose parameters start otherwise than their layers say.
    *
    * {{{
    * net.withInit("*.weight" -> nn.init.xavier_uniform_(), "*.bias" -> nn.init.zeros_())
    * }}}
    *
    * @param rules
    *   how parameters start, by a pattern of their names (* stands for any characters, ? for one); the first that fits
    *   counts, earlier calls come first
    */
  def withInit(rules: (String, Initializer)*): Network = {
    val document = Document.parse("the network", json)
    val list = document.withArray[ArrayNode]("/init")
    rules.foreach { case (pattern, initializer) =>
      list.add(initializer.node.deepCopy().put("params", pattern))
    }
    new Initialized(document)
  }

  /** A table of the layers: shape of the output, trained parameters and buffers, totals, and the memory of a step.
    *
    * @param inputShape
    *   shape of a row's features; left out: what a graph's inputs say
    * @param batchSize
    *   rows of a step on one trainer; left out: the default of the parameter
    * @param optimizer
    *   whose state takes memory too; left out: the default of the parameter
    */
  def summary(
      inputShape: Seq[Int] = Nil,
      batchSize: Opt[Int] = None,
      optimizer: Opt[Optimizer] = None
  ): String = {
    val document = Document.parse("the network", json)
    val inputs = GraphColumns.inputs(document)
    if (inputShape.isEmpty && inputs.isEmpty)
      throw new IllegalArgumentException(
        "summary wants inputShape, the shape of a row's features, such as Seq(784) or Seq(1, 28, 28)"
      )
    val request = Json.obj(
      "network" -> document,
      "inputShape" -> (if (inputShape.isEmpty) Seq(inputs.map(_.width).sum) else inputShape),
      "batchSize" -> batchSize.option,
      "optimizer" -> optimizer.option.map(_.node)
    )
    Native.networkSummary(request.toString)
  }
}

/** A network with rules of how its parameters start. */
private[candlewick] final class Initialized(private val document: ObjectNode) extends Network {

  override def json: String = document.toString

  override def equals(other: Any): Boolean = other match {
    case network: Initialized => document == network.document
    case _ => false
  }

  override def hashCode(): Int = document.hashCode()

  override def toString: String = json
}

/** How a parameter starts, made by `nn.init.*`. */
final class Initializer private[candlewick] (private[candlewick] val node: ObjectNode) extends Built {

  /** The document of the start. */
  def json: String = node.toString

  override def equals(other: Any): Boolean = other match {
    case initializer: Initializer => node == initializer.node
    case _ => false
  }

  override def hashCode(): Int = node.hashCode()

  override def toString: String = json
}

/** A layer or container of layers, made by `nn.*`. */
final class Module private[candlewick] (private[candlewick] val layer: ObjectNode) extends Network {

  /** The network that consists of this module, as the document that `setNetwork` takes. */
  override def json: String = Document.network(layer).toString

  /** Puts this layer into a graph, behind these tensors. */
  def apply(inputs: Tensor*): Tensor = Tensor.node(this, inputs, None)

  /** Puts this layer into a graph, behind these tensors, as a node of this name, with which the names of its parameters
    * begin.
    */
  def apply(name: String, inputs: Tensor*): Tensor = Tensor.node(this, inputs, Some(name))

  override def equals(other: Any): Boolean = other match {
    case module: Module => layer == module.layer
    case _ => false
  }

  override def hashCode(): Int = layer.hashCode()

  override def toString: String = layer.toString
}

/** A loss, made by `nn.*Loss`. */
final class Loss private[candlewick] (private[candlewick] val node: ObjectNode) extends Built {

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
final class Optimizer private[candlewick] (private[candlewick] val node: ObjectNode) extends Built {

  /** The document that `setOptimizer` takes. */
  def json: String = node.toString

  override def equals(other: Any): Boolean = other match {
    case optimizer: Optimizer => node == optimizer.node
    case _ => false
  }

  override def hashCode(): Int = node.hashCode()

  override def toString: String = json
}

/** A schedule of the learning rate, made by `optim.lr_scheduler.*`. */
final class LRScheduler private[candlewick] (private[candlewick] val node: ObjectNode) extends Built {

  /** The document of the schedule. */
  def json: String = node.toString

  override def equals(other: Any): Boolean = other match {
    case scheduler: LRScheduler => node == scheduler.node
    case _ => false
  }

  override def hashCode(): Int = node.hashCode()

  override def toString: String = json
}
