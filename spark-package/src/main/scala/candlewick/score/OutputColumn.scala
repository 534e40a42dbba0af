package candlewick.score

import candlewick.internal.Json
import com.fasterxml.jackson.databind.node.ObjectNode
import org.apache.spark.ml.attribute.{AttributeGroup, NominalAttribute}
import org.apache.spark.ml.linalg.SQLDataTypes
import org.apache.spark.sql.types.{DoubleType, Metadata, StructField}

/** A column that transform appends. */
private[candlewick] sealed trait OutputColumn {

  /** Name of the column. */
  def name: String

  /** The parameter that names it. */
  def param: String

  /** What the native library is told. */
  def json: ObjectNode
}

/** What a network says of its outputs, as far as it is known.
  *
  * @param classes
  *   number of classes, of a classifier's model
  * @param values
  *   number of values of a regressor's prediction
  * @param widths
  *   number of values of each named output
  * @param inner
  *   number of values that layers and nodes put out
  * @param named
  *   number of classes of each named output that tells classes apart
  */
private[candlewick] final case class OutputSizes(
    classes: Option[Int] = None,
    values: Int = 1,
    widths: Map[String, Int] = Map.empty,
    inner: Map[String, Int] = Map.empty,
    named: Map[String, Int] = Map.empty
)

private[candlewick] object OutputColumn {

  /** The network's outputs for each class. */
  final case class RawPrediction(name: String, param: String = "rawPredictionCol") extends OutputColumn {
    override def json: ObjectNode = Json.obj("kind" -> "rawPrediction")
  }

  /** The probability of each class. */
  final case class Probability(name: String, param: String = "probabilityCol") extends OutputColumn {
    override def json: ObjectNode = Json.obj("kind" -> "probability")
  }

  /** The class, or the value or values of a regressor. */
  final case class Prediction(name: String, param: String = "predictionCol") extends OutputColumn {
    override def json: ObjectNode = Json.obj("kind" -> "prediction")
  }

  /** The class, the value or the values of one output of a graph that has several, or what is asked of its class.
    *
    * @param part
    *   "prediction", "probability" or "rawPrediction"
    */
  final case class NamedOutput(
      output: String,
      name: String,
      part: String = "prediction",
      param: String = "predictionCol"
  ) extends OutputColumn {
    override def json: ObjectNode = Json.obj("kind" -> "named", "output" -> output, "part" -> part)
  }

  /** What a layer or a node puts out. */
  final case class Inner(node: String, name: String) extends OutputColumn {
    override def param: String = "outputCols"
    override def json: ObjectNode = Json.obj("kind" -> "inner", "node" -> node)
  }

  /** Those of a classifier; an empty name leaves a column out. */
  def classifier(raw: String, probability: String, prediction: String): Seq[OutputColumn] =
    Seq(RawPrediction(raw), Probability(probability), Prediction(prediction)).filter(_.name.nonEmpty)

  /** Those of a regressor: the prediction, and one for each named output of a graph that has several. */
  def regressor(prediction: String, named: Seq[String]): Seq[OutputColumn] =
    if (prediction.isEmpty) Nil
    else Prediction(prediction) +: named.map(output => NamedOutput(output, s"${prediction}_$output"))

  /** The columns with Spark ML's attributes, as far as sizes are known.
    *
    * @param nullable
    *   whether they may be null
    */
  def fields(outputs: Seq[OutputColumn], sizes: OutputSizes, nullable: Boolean = false): Seq[StructField] =
    outputs.map(field(_, sizes)).map { made =>
      StructField(made.name, made.dataType, nullable, made.metadata)
    }

  private def field(output: OutputColumn, sizes: OutputSizes): StructField = output match {
    case Inner(node, name) => vector(name, sizes.inner.get(node))
    case NamedOutput(output, name, part, _) =>
      (sizes.named.get(output), part) match {
        case (Some(count), "prediction") => nominal(name, count)
        case (Some(count), _) => vector(name, Some(count))
        case (None, _) => numbers(name, sizes.widths.getOrElse(output, 1))
      }
    case Prediction(name, _) => sizes.classes.fold(numbers(name, sizes.values))(nominal(name, _))
    case RawPrediction(name, _) => vector(name, sizes.classes)
    case Probability(name, _) => vector(name, sizes.classes)
  }

  private def nominal(name: String, count: Int): StructField =
    NominalAttribute.defaultAttr.withName(name).withNumValues(count).toStructField()

  private def numbers(name: String, count: Int): StructField =
    if (count > 1) vector(name, Some(count))
    else StructField(name, DoubleType, nullable = false, Metadata.empty)

  private def vector(name: String, size: Option[Int]): StructField =
    size.fold(StructField(name, SQLDataTypes.VectorType, nullable = false, Metadata.empty)) { count =>
      new AttributeGroup(name, count).toStructField()
    }
}
