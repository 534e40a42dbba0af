package candlewick

import candlewick.internal.{Failures, Json}
import org.apache.spark.ml.param.{Param, Params}

/** A parameter whose text is a JSON document, made by a builder such as `nn.Sequential`.
  *
  * @param names
  *   names that stand for documents without arguments, in any case of letters
  */
private[candlewick] final class DocumentParam(
    parent: Params,
    name: String,
    doc: String,
    names: Seq[String] = Nil
) extends Param[String](parent, name, doc, (text: String) => DocumentParam.check(name, names, text)) {

  /** The value as the native library takes it: an object, or a name. */
  private[candlewick] def encode(text: String): String =
    if (names.exists(_.equalsIgnoreCase(text))) Json.list(Seq(text)).get(0).toString
    else Document.parse(s"parameter ${this.name}", text).toString
}

private object DocumentParam {

  /** True; what is no document and no name is refused. */
  def check(name: String, names: Seq[String], text: String): Boolean = {
    val named = names.exists(_.equalsIgnoreCase(text))
    if (!named && names.nonEmpty && !text.trim.startsWith("{"))
      throw Failures.parameter(
        s"parameter $name = $text is not legal: expected what nn.* or optim.* make, its JSON document, or one of the names " +
          names.mkString(", ")
      )
    named || Document.parse(s"parameter $name", text) != null
  }
}
