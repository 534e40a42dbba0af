package candlewick

import candlewick.generated.Formats
import candlewick.internal.{Failures, Json}
import com.fasterxml.jackson.databind.node.ObjectNode

/** Documents as the networks that wrote them. */
private[candlewick] object NetworkReading {

  /** See `nn.fromJson`. */
  def fromJson(json: String): Network = {
    val document = Document.parse("the network", json)
    val format = Option(document.get("format")).fold("none")(_.asText)
    if (format != Formats.Network)
      throw Failures.parameter(s"the network: expected the format ${Formats.Network}, got $format")
    // The shape of the features, in a model's: layers that are taken out of it may read another one.
    val plain = document.without[ObjectNode]("input")
    if (plain.has("init")) new NetworkDocument(plain)
    else if (plain.has("nodes")) Graph.of(plain)
    else if (plain.has("layers"))
      new Module(
        Json.obj("type" -> "Sequential", "layers" -> new SharedLayers().allRead(plain.get("layers"), ""))
      )
    else throw Failures.parameter("the network: it has neither layers nor nodes")
  }
}
