package candlewick

import candlewick.internal.{Failures, Json}
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.{ArrayNode, ObjectNode}
import java.util.IdentityHashMap
import scala.collection.mutable

/** Layers that stand at several places of a network and have one set of weights. Between builders they are one object; in
  * the network's document the first place has the layer, and the others `{"shares": "2.0"}` with that place, with which the
  * names of its parameters begin. An instance is for one network.
  */
private[candlewick] final class SharedLayers {
  import SharedLayers._

  private val places = new IdentityHashMap[JsonNode, String]
  private val layers = mutable.Map.empty[String, JsonNode]

  /** A layer as the document has it at a place. */
  def written(layer: JsonNode, place: String): JsonNode =
    Option(places.putIfAbsent(layer, place)) match {
      case Some(first) => Json.obj(Shares -> first)
      case None => within(layer)(allWritten(_, place))
    }

  /** The layers of a list as the document has them; `place` is that of their container, empty for the network. */
  def allWritten(list: JsonNode, place: String): ArrayNode = each(list, place)(written)

  /** A layer of a document as builders have it: what is shared is one object. */
  def read(layer: JsonNode, place: String): JsonNode =
    Option(layer.get(Shares)) match {
      case Some(shared) =>
        layers.getOrElse(
          shared.asText,
          throw Failures.parameter(
            s"the network: 'shares' must be the place of an earlier layer, such as '0', got $shared"
          )
        )
      case None =>
        val made = within(layer)(allRead(_, place))
        layers(place) = made
        made
    }

  /** The layers of a document's list. */
  def allRead(list: JsonNode, place: String): ArrayNode = each(list, place)(read)
}

private object SharedLayers {
  private val Shares = "shares"
  private val Layers = "layers"

  /** A layer; of a container another one with what is made of its list. */
  private def within(layer: JsonNode)(made: JsonNode => ArrayNode): JsonNode = layer match {
    case container: ObjectNode if container.has(Layers) =>
      val copied = Json.obj(Json.fields(container): _*)
      copied.set[ObjectNode](Layers, made(container.get(Layers)))
    case other => other
  }

  private def each(list: JsonNode, place: String)(made: (JsonNode, String) => JsonNode): ArrayNode =
    Json.list(Json.items(list).zipWithIndex.map { case (layer, at) =>
      made(layer, if (place.isEmpty) at.toString else s"$place.$at")
    })
}
