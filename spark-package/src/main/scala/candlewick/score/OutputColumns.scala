package candlewick.score

import org.apache.spark.ml.attribute.{AttributeGroup, NominalAttribute}
import org.apache.spark.ml.linalg.SQLDataTypes
import org.apache.spark.sql.types.{DoubleType, StructField}

/** The columns that transform appends, named by the parameter that names them. */
private[candlewick] object OutputColumns {

  /** Those of a classifier; an empty name leaves a column out. */
  def classifier(raw: String, probability: String, prediction: String): Seq[(String, String)] =
    Seq("rawPredictionCol" -> raw, "probabilityCol" -> probability, "predictionCol" -> prediction).filter(
      _._2.nonEmpty
    )

  /** Those of a regressor: the prediction, and one for each named output of a graph that has several. */
  def regressor(prediction: String, named: Seq[String]): Seq[(String, String)] =
    (("predictionCol" -> prediction) +: named.map(name => s"$Named$name" -> s"${prediction}_$name"))
      .filter(_ => prediction.nonEmpty)

  private val Named = "predictionCol_"

  /** What the native library calls the column of a parameter. */
  def kind(param: String): String =
    if (param.startsWith(Named)) s"prediction_${param.stripPrefix(Named)}" else param.stripSuffix("Col")

  /** The columns with Spark ML's attributes, as far as sizes are known.
    *
    * @param classes
    *   number of classes, of a classifier's model
    * @param values
    *   number of values of a regressor's prediction
    * @param widths
    *   number of values of each named output
    */
  def fields(
      outputs: Seq[(String, String)],
      classes: Option[Int],
      values: Int,
      widths: Map[String, Int]
  ): Seq[StructField] =
    outputs.map {
      case (param, name) if param.startsWith(Named) =>
        val width = widths.getOrElse(param.stripPrefix(Named), 1)
        if (width > 1) vector(name, Some(width)) else StructField(name, DoubleType, nullable = false)
      case ("predictionCol", name) if values > 1 => vector(name, Some(values))
      case ("predictionCol", name) =>
        classes.fold(StructField(name, DoubleType, nullable = false)) { count =>
          NominalAttribute.defaultAttr.withName(name).withNumValues(count).toStructField()
        }
      case (_, name) => vector(name, classes)
    }

  private def vector(name: String, size: Option[Int]): StructField =
    size.fold(StructField(name, SQLDataTypes.VectorType, nullable = false)) { count =>
      new AttributeGroup(name, count).toStructField()
    }
}
