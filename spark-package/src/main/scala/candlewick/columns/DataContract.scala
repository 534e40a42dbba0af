package candlewick.columns

import candlewick.internal.{Failures, Json}
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode
import org.apache.spark.sql.types.StructField

/** What a model remembers of the rows that it was trained on: `data` in data/model.json. */
private[candlewick] object DataContract {
  private val Fields = Seq("features", "weight", "inputShape", "scale", "handleInvalid")

  /** One column.
    *
    * @param length
    *   numbers in it, where that is known
    */
  def column(field: StructField, length: Option[Int]): ObjectNode = Json.obj(
    "name" -> field.name,
    "type" -> ColumnRules.typeName(field.dataType),
    "nullable" -> field.nullable,
    "length" -> length
  )

  /** The document: what the columns say, and the shape that the network views the features as. */
  def of(columns: ObjectNode, inputShape: JsonNode): ObjectNode = {
    val whole = columns.deepCopy()
    whole.set[JsonNode]("inputShape", inputShape): Unit
    whole
  }

  /** Throws unless the document is complete. */
  def check(contract: JsonNode): Unit = {
    Fields.foreach(Json.field(contract, _))
    val columns = Json.items(Json.field(contract, "features"))
    if (columns.isEmpty) throw Failures.parameter("'data' names no column of features")
    for (column <- columns ++ labels(contract); name <- Seq("name", "type"))
      Json.field(column, name): Unit
  }

  /** The columns of the label: those of a NeuralEstimator, of which there may be none, or the one of another. */
  def labels(contract: JsonNode): Seq[JsonNode] =
    Option(contract.get("labels")).fold(Seq(Json.field(contract, "label")))(Json.items)

  /** The columns of features in words: `features: vector of 4`. */
  def features(contract: JsonNode): String = {
    val columns = Json.items(Json.field(contract, "features")).map { column =>
      val kind = Json.field(column, "type").asText
      val length = column.path("length").asInt(1)
      s"${Json.field(column, "name").asText}: $kind${if (length > 1) s" of $length" else ""}"
    }
    val (first, rest) = columns.splitAt(Shown)
    first.mkString(", ") + (if (rest.isEmpty) "" else s" and ${rest.length} more columns")
  }

  /** Names of the columns of features, and how many values each has, where that is known. */
  def featureColumns(contract: JsonNode): Seq[(String, Option[Int])] =
    Json.items(Json.field(contract, "features")).map { column =>
      val length = Option(column.get("length")).filter(_.isInt).map(_.asInt)
      Json.field(column, "name").asText -> length
    }

  /** How many values each of the columns `read` has to have: where they are those of `trained`, by their names and in that
    * order, as many as there. One column alone, and others, have as many as the network wants together.
    */
  def widths(trained: Seq[(String, Option[Int])], read: Seq[String]): Seq[Option[Int]] = {
    val same = trained.length == read.length && trained.map(_._1).zip(read).forall { case (one, other) =>
      one.equalsIgnoreCase(other)
    }
    if (same && read.length > 1) trained.map(_._2) else read.map(_ => None)
  }

  private val Shown = 20

  /** Lengths of the columns, where the sum tells that of the one that is not known. */
  def lengths(known: Seq[Option[Int]], sum: Int): Seq[Option[Int]] =
    if (known.count(_.isEmpty) == 1) known.map(_.orElse(Some(sum - known.flatten.sum))) else known
}
