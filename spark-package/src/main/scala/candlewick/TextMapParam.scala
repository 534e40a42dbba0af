package candlewick

import candlewick.internal.{Failures, Json}
import org.apache.spark.ml.param.{Param, Params}

/** A parameter of texts by names, kept as the JSON text that other languages set. */
private[candlewick] final class TextMapParam(parent: Params, name: String, doc: String)
    extends Param[String](
      parent,
      name,
      doc,
      (text: String) => TextMap.isLegal(name, text)
    )

/** Texts by names as JSON. */
private[candlewick] object TextMap {

  /** The text of a map. */
  def json(map: Map[String, String]): String = Json.obj(map.toSeq: _*).toString

  /** The map of a text. */
  def of(json: String): Map[String, String] = pairs(json).toMap

  /** Its entries in their order. */
  def pairs(json: String): Seq[(String, String)] =
    Json.fields(Document.parse("a map", json)).map { case (name, value) => name -> value.asText }

  /** True, or an error that says what is legal. */
  private[candlewick] def isLegal(name: String, text: String): Boolean = {
    val entries = Json.fields(Document.parse(s"parameter $name", text))
    val legal = entries.nonEmpty && entries.forall { case (key, value) =>
      key.nonEmpty && value.isTextual && value.asText.nonEmpty
    }
    if (!legal)
      throw Failures.parameter(
        s"parameter $name = $text is not legal: expected an object of at least one name with a text, such as " +
          "{\"embed\": \"embedding\"}"
      )
    true
  }
}
