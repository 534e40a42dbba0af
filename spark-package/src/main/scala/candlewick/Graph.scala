package candlewick

import candlewick.generated.Formats
import candlewick.internal.Json
import com.fasterxml.jackson.databind.node.ObjectNode
import scala.collection.mutable

/** A network of any shape: columns come in, named outputs go out.
  *
  * {{{
  * val user = nn.Input("user", Seq(8))
  * val item = nn.Input("item", Seq(4))
  * val hidden = nn.ReLU()(nn.Linear(16)(nn.Concat()(user, item)))
  * val net = nn.Graph(Seq(user, item), "score" -> nn.Linear(1)(hidden))
  * }}}
  *
  * A layer that is called again has the same weights: two towers of one kind.
  *
  * {{{
  * val tower = nn.Sequential(nn.Linear(16), nn.Tanh())
  * val net = nn.Graph(Seq(left, right), "score" -> nn.Linear(1)(nn.Multiply()(tower(left), tower(right))))
  * }}}
  */
final class Graph private (node: ObjectNode) extends Document(node) with Network

/** Makes graphs. */
object Graph {

  /** The graph of a document. */
  private[candlewick] def of(document: ObjectNode): Graph = new Graph(document)

  /** A graph.
    *
    * @param inputs
    *   all inputs; their columns make the features in this order
    * @param outputs
    *   a tensor for each name; its node takes that name
    */
  def apply(inputs: Seq[Tensor], outputs: (String, Tensor)*): Graph = {
    if (inputs.isEmpty || outputs.isEmpty)
      throw new IllegalArgumentException("a graph needs at least one input and one output")
    inputs.find(_.layer.isDefined).foreach { other =>
      throw new IllegalArgumentException(s"inputs must be a list of nn.Input, not $other")
    }
    val nodes = reached(inputs, outputs.map(_._2))
    val (names, again) =
      named(inputs, nodes, outputs.map { case (name, tensor) => Tensor.legal(name) -> tensor })
    val layers = new SharedLayers
    val taken = names.values.toSet
    val made = for (node <- nodes; layer <- node.layer) yield {
      // A layer that is called again has the weights of its first call.
      val written = layers.written(layer.node, names(node))
      val first = Option(written.get("shares")).filter(place => taken(place.asText))
      val what = first.fold("layer" -> written)("shares" -> _)
      Json.obj("name" -> names(node), "inputs" -> node.inputs.map(names), what)
    }
    // A sum of one: the same values under another name.
    val same = again.map { case (name, tensor) =>
      Json.obj("name" -> name, "inputs" -> Seq(names(tensor)), "layer" -> Json.obj("type" -> "Add"))
    }
    new Graph(
      Json.obj(
        "format" -> Formats.Network,
        "inputs" -> inputs.map(input => Json.obj("name" -> input.name, "shape" -> input.shape.sizes)),
        "nodes" -> (made ++ same),
        "outputs" -> outputs.map(_._1)
      )
    )
  }

  /** The nodes that the outputs need, in an order in which they can be computed. */
  private def reached(inputs: Seq[Tensor], ends: Seq[Tensor]): Seq[Tensor] = {
    val found = mutable.Set.empty[Tensor]
    var rest = ends.toList
    while (rest.nonEmpty) {
      val tensor = rest.head
      rest = if (found.add(tensor)) tensor.inputs.toList ::: rest.tail else rest.tail
    }
    val (nodes, columns) = found.toSeq.sortBy(_.at).partition(_.layer.isDefined)
    columns.find(column => !inputs.contains(column)).foreach { column =>
      val same = inputs.exists(_.toString == column.toString)
      val hint =
        if (same) "; the one of that name there is another nn.Input: make it once and use it in both" else ""
      throw new IllegalArgumentException(s"the outputs need $column, which is not listed in inputs$hint")
    }
    inputs.find(input => !found(input)).foreach { input =>
      throw new IllegalArgumentException(s"no output needs $input; use it, or leave it out of inputs")
    }
    nodes
  }

  /** A name for every tensor, and the outputs that are another name for one. */
  private def named(
      inputs: Seq[Tensor],
      nodes: Seq[Tensor],
      outputs: Seq[(String, Tensor)]
  ): (Map[Tensor, String], Seq[(String, Tensor)]) = {
    val names = mutable.Map.empty[Tensor, String]
    val taken = mutable.Set.empty[String]
    def take(name: String): Unit =
      if (!taken.add(name))
        throw new IllegalArgumentException(
          s"the name '$name' is given twice; inputs, nodes and outputs have names of their own"
        )
    for (tensor <- inputs ++ nodes; name <- tensor.name) {
      take(name)
      names(tensor) = name
    }
    val again = outputs.filter { case (name, tensor) =>
      val first = !names.contains(tensor)
      if (first) names(tensor) = name
      if (first || names(tensor) != name) take(name)
      names(tensor) != name
    }
    val count = mutable.Map.empty[String, Int]
    nodes.filterNot(names.contains).foreach { node =>
      val kind = node.layer.fold("")(_.node.get("type").asText.toLowerCase(java.util.Locale.ROOT))
      var number = count.getOrElse(kind, 0) + 1
      while (taken(s"${kind}_$number")) number += 1
      count(kind) = number
      take(s"${kind}_$number")
      names(node) = s"${kind}_$number"
    }
    (names.toMap, again)
  }
}
