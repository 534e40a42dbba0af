package candlewick

import org.apache.spark.ml.param.{Param, Params}

/** A text of which "true" and "false" may be truth values too: a stage that was saved when it was one loads. */
private[candlewick] final class SwitchParam(
    parent: Params,
    name: String,
    doc: String,
    isValid: String => Boolean
) extends Param[String](parent, name, doc, isValid) {

  override def jsonDecode(json: String): String =
    if (Set("true", "false").contains(json.trim)) json.trim else super.jsonDecode(json)
}
