package candlewick

import org.apache.spark.ml.param.{Param, Params}

/** A parameter whose text is a JSON document, made by a builder such as `nn.Sequential`. */
private[candlewick] final class DocumentParam(parent: Params, name: String, doc: String)
    extends Param[String](
      parent,
      name,
      doc,
      (text: String) => Document.parse(s"parameter $name", text) != null
    )
