package candlewick

import candlewick.columns.GraphColumns
import candlewick.internal.{Failures, Json}
import candlewick.jni.Native
import com.fasterxml.jackson.databind.node.{ArrayNode, ObjectNode}

/** A network, as `setNetwork` takes it: a [[Module]] or a [[Graph]]. */
trait Network {

  /** The document that `setNetwork` takes; `nn.fromJson` reads it. */
  def json: String

  /** The layers one after another, to be put together anew: all but the last, and another end.
    *
    * {{{
    * nn.Sequential(model.network.layers.dropRight(1) :+ nn.Linear(5): _*)
    * }}}
    *
    * How parameters start (`withInit`) is said of a whole network and does not come along.
    */
  def layers: Seq[Module] = {
    val document = Document.parse("the network", json)
    if (!document.has("layers"))
      throw Failures.parameter(
        "a graph has nodes, not layers one after another; its json says them all, and nn.Graph makes another one"
      )
    Json.items(new SharedLayers().allRead(document.get("layers"), "")).map {
      case layer: ObjectNode => new Module(layer)
      case other => throw Failures.parameter(s"the network: expected a layer, got $other")
    }
  }

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
    new NetworkDocument(document)
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
        "summary needs inputShape, the shape of a row's features, such as Seq(784) or Seq(1, 28, 28)"
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

/** A network that is known by its document: one with rules of how its parameters start. */
private[candlewick] final class NetworkDocument(node: ObjectNode) extends Document(node) with Network

/** A layer or container of layers, made by `nn.*`. */
final class Module private[candlewick] (private[candlewick] val layer: ObjectNode)
    extends Document(layer)
    with Network {

  /** The network that consists of this module, as the document that `setNetwork` takes. */
  override def json: String = Document.network(layer).toString

  // What stands in two places is another network than two alike.
  override def equals(other: Any): Boolean = other match {
    case module: Module =>
      module.layer == layer && Document.network(module.layer) == Document.network(layer)
    case _ => false
  }

  override def hashCode(): Int = layer.hashCode()

  /** Puts this layer into a graph, behind these tensors. */
  def apply(inputs: Tensor*): Tensor = Tensor.node(this, inputs, None)

  /** Puts this layer into a graph, behind these tensors, as a node of this name, with which the names of its parameters
    * begin.
    */
  def apply(name: String, inputs: Tensor*): Tensor = Tensor.node(this, inputs, Some(name))
}
