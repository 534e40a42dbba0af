package candlewick.internal

import com.fasterxml.jackson.databind.{JsonNode, ObjectMapper}
import com.fasterxml.jackson.databind.node.{ArrayNode, ObjectNode}
import com.fasterxml.jackson.databind.util.RawValue
import java.util.{Iterator => JavaIterator}

/** JSON through the plain Java API of Jackson, which every Spark brings: no json4s type may appear in this jar, since
  * they moved between Spark versions.
  */
private[candlewick] object Json {

  /** Thread safe once configured. */
  private val mapper = new ObjectMapper()

  /** Reads one JSON value. */
  def parse(text: String): JsonNode = mapper.readTree(text)

  /** Reads a JSON object; `what` names the text in the error. */
  def parseObject(what: String, text: String): ObjectNode = parse(text) match {
    case found: ObjectNode => found
    case other => throw new IllegalArgumentException(s"$what must be a JSON object but is: $other")
  }

  /** An object of the given fields, in order. */
  def obj(fields: (String, Any)*): ObjectNode = {
    val node = mapper.createObjectNode()
    fields.foreach { case (name, value) => node.set[JsonNode](name, encode(value)) }
    node
  }

  /** A list. */
  def list(items: Iterable[Any]): ArrayNode = {
    val node = mapper.createArrayNode()
    items.foreach(item => node.add(encode(item)))
    node
  }

  /** A text that is JSON already, to be put into a document as it is. */
  def raw(json: String): JsonNode = mapper.getNodeFactory.rawValueNode(new RawValue(json))

  /** One value: a node, an option, a collection, or what Jackson knows. */
  def encode(value: Any): JsonNode = value match {
    case node: JsonNode => node
    case None | null => mapper.nullNode()
    case Some(inner) => encode(inner)
    case items: Iterable[_] => list(items)
    case items: Array[_] => list(items.toSeq)
    case other => mapper.valueToTree[JsonNode](other)
  }

  /** The field `name`, or a clear error: documents of the native library are complete. The error names the fields that are
    * there and no value: some documents hold a secret.
    */
  def field(node: JsonNode, name: String): JsonNode = {
    val found = node.get(name)
    if (found == null) {
      val there = fields(node).map(_._1).mkString(", ")
      throw new IllegalArgumentException(
        s"the field '$name' is missing in a document with the fields: $there"
      )
    }
    found
  }

  /** The items of a list. */
  def items(node: JsonNode): Seq[JsonNode] = listed(node.elements())

  /** The fields of an object, in order. */
  def fields(node: JsonNode): Seq[(String, JsonNode)] =
    listed(node.fieldNames()).map(name => name -> node.get(name))

  // Not scala.jdk.CollectionConverters: Scala 2.12 has them elsewhere.
  private def listed[T](items: JavaIterator[T]): Seq[T] = {
    val found = Seq.newBuilder[T]
    while (items.hasNext) found += items.next()
    found.result()
  }
}
