package candlewick.columns

import candlewick.internal.{Failures, Json}
import com.fasterxml.jackson.databind.JsonNode

/** An input of a graph, which is a column.
  *
  * @param shape
  *   of its values in a row
  */
private[candlewick] final case class GraphInput(name: String, shape: Seq[Int]) {

  /** Values of the column in a row. */
  def width: Int = shape.map(_.toLong).product.min(Int.MaxValue.toLong).toInt
}

/** What a network's document says of the columns that a graph reads and makes. The native library checks the document;
  * here nothing is refused.
  */
private[candlewick] object GraphColumns {

  /** The inputs of a graph; none of a chain of layers. */
  def inputs(network: JsonNode): Seq[GraphInput] = list(network, "inputs").flatMap { input =>
    for {
      name <- Option(input.get("name")).filter(_.isTextual)
      shape <- Option(input.get("shape")).filter(_.isArray)
    } yield GraphInput(name.asText, Json.items(shape).map(_.asInt))
  }

  /** The names of a graph's outputs, where there are several. */
  def outputs(network: JsonNode): Seq[String] = {
    val names = list(network, "outputs").map(_.asText)
    if (names.length > 1) names else Nil
  }

  /** Columns that are the inputs one by one, and so have the inputs' widths; None where the features come otherwise. */
  def widths(inputs: Seq[GraphInput], columns: Seq[String]): Option[Seq[Int]] =
    if (inputs.nonEmpty && inputs.length == columns.length) Some(inputs.map(_.width)) else None

  /** The shape that a column of features is viewed as, where that is known: its input's, or that of all features where it is
    * the only one.
    */
  def shape(inputs: Seq[GraphInput], columns: Int, at: Int, features: Seq[Int]): Seq[Int] =
    if (inputs.nonEmpty && inputs.length == columns) inputs.lift(at).fold(Seq.empty[Int])(_.shape)
    else if (at == 0 && columns == 1) features
    else Nil

  /** Throws where the schema says that a column has another width than its input. */
  def check(fields: Seq[org.apache.spark.sql.types.StructField], inputs: Seq[GraphInput]): Unit =
    if (fields.length == inputs.length)
      fields.zip(inputs).foreach { case (field, input) =>
        ColumnRules.knownWidth(field).filter(_ != input.width).foreach { width =>
          throw Failures.parameter(
            s"features: column '${field.name}' has $width values, but the network's input '${input.name}' has " +
              s"${input.width}; make them equal"
          )
        }
      }

  private def list(network: JsonNode, name: String): Seq[JsonNode] =
    Option(network.get(name)).filter(_.isArray).fold(Seq.empty[JsonNode])(Json.items)
}
