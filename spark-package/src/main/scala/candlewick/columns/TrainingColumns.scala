package candlewick.columns

import candlewick.internal.{Failures, Json}
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode
import org.apache.spark.sql.{Column, DataFrame}
import org.apache.spark.sql.functions.{col, lit}
import org.apache.spark.sql.types.{BinaryType, DoubleType, Metadata, StructField, StructType}

/** Which columns of a DataFrame a user wants to train on.
  *
  * @param features
  *   one or many feature columns; `featuresParam` names the parameter they come from
  * @param inputs
  *   the inputs of the network where it is a graph
  * @param inputShape
  *   shape that views the features as a tensor, if set
  * @param labels
  *   the columns of the label, whose values stand one after another; none where no loss reads one. `labelParam` names the
  *   parameter they come from
  * @param task
  *   which estimator asks: "classifier", "regressor" or "estimator"
  */
private[candlewick] final case class ColumnChoice(
    features: Seq[String],
    featuresParam: String,
    inputs: Seq[GraphInput],
    labels: Seq[String],
    labelParam: String,
    weight: Option[String],
    validation: Option[String],
    inputShape: Option[Seq[Int]],
    scale: Option[Double],
    skipInvalid: Boolean,
    task: String
)

/** The columns a fit reads, checked against the schema: features first, then label, weight, and the mark of validation
  * rows.
  */
private[candlewick] final class TrainingColumns private (
    choice: ColumnChoice,
    features: Seq[StructField],
    labels: Seq[StructField],
    weight: Option[StructField],
    mark: Option[StructField]
) {

  /** Whether the label has several values: an array or a Vector, or several columns. */
  def multiLabel: Boolean = labels.length > 1 || labels.exists(label => ColumnRules.isMulti(label.dataType))

  /** The DataFrame that holds these columns and no other, in this order. */
  def select(source: DataFrame): DataFrame = {
    def column(field: StructField) =
      if (field eq TrainingColumns.NoLabel) lit(0.0).as(field.name) else TrainingColumns.column(field)
    source.select(all.map(column): _*)
  }

  /** Shape of the features, as far as inputShape, the network's inputs and the schema tell it. */
  def knownShape: Option[Seq[Int]] = choice.inputShape.orElse(total.map(Seq(_)))

  // Once each: of thousands of columns every one would look at all others.
  private lazy val known: Seq[Option[Int]] =
    inputWidths.fold(features.map(ColumnRules.knownWidth))(_.map(Some(_)))

  private lazy val total: Option[Int] =
    known.foldLeft(Option(0))((sum, width) => sum.flatMap(so => width.map(so + _)))

  /** Whether the width of the features is to be seen in a row. */
  private lazy val askFeatures: Boolean = {
    // A shape of one size is a width that is relied on; one of several is easily mistaken, and a row that does not fit it is
    // told as wrong data by every executor. Rows that are skipped may not fit.
    val checked = choice.inputShape.forall(_.length > 1 && !choice.skipInvalid)
    total.isEmpty && checked && !features.exists(_.dataType == BinaryType)
  }

  /** Vectors that are wide enough for it to matter whether they are sparse. */
  private def vectors: Seq[Int] =
    if (features.exists(field => ColumnRules.nested(field.dataType))) Nil
    else
      features.indices.filter { at =>
        val width = known(at).orElse(choice.inputShape.map(_.product))
        ColumnRules.isVector(features(at).dataType) && width.forall(_ >= TrainingColumns.Wide)
      }

  /** Types of the feature columns. */
  def featureTypes: Seq[String] = features.map(field => ColumnRules.typeName(field.dataType))

  /** The columns whose width the schema does not tell. */
  private lazy val unknown: Seq[Int] = {
    val ofLabels = read.map(labelWidth)
    val unknownLabels = ofLabels.indices.filter(ofLabels(_).isEmpty).map(_ + features.length)
    features.indices.filter(at => askFeatures && known(at).isEmpty) ++ unknownLabels
  }

  /** Whether [[widths]] has to look at a row, which is a Spark job. */
  def asksFirstRow: Boolean = unknown.nonEmpty

  /** Widths of features and label: from the schema where it tells, else from the first row that has them; of some first rows
    * what most have, where invalid ones are skipped.
    *
    * @param dear
    *   whether it costs much to look at a row: then that is done for widths only
    * @param check
    *   fails where nobody waits for it any more
    */
  def widths(selected: DataFrame, dear: => Boolean)(check: () => Unit): Widths = {
    val shaped = choice.inputShape.map(_.foldLeft(1L)(_ * _))
    val ofLabels = read.map(labelWidth)
    val looks = unknown.nonEmpty || (vectors.nonEmpty && !dear)
    val asked = (unknown ++ vectors).distinct
    val most = if (vectors.isEmpty && !choice.skipInvalid) 1 else TrainingColumns.Looked
    val first = if (looks) FirstRow.look(selected, asked, most)(check).map(asked.zip(_).toMap) else Nil
    // Vectors of known width need no row.
    if (first.isEmpty && unknown.nonEmpty) throw nothingToRead(selected)
    val sizes = usual(first.map(row => unknown.map(at => at -> row(at).sizes).toMap))
    val found = sizes.map { case (at, each) => at -> each.product }
    val width =
      if (askFeatures) known.indices.map(at => known(at).getOrElse(found(at))).sum
      else total.getOrElse(shaped.fold(0)(_.toInt))
    shaped.filter(_ != width).foreach(wanted => throw shapeMismatch(wanted, width))
    val each = known.indices.map(at => known(at).orElse(found.get(at)))
    val widths = ofLabels.indices.map(at => ofLabels(at).getOrElse(found(features.length + at)))
    val shape =
      if (features.length == 1 && choice.inputShape.isEmpty) sizes.get(0).filter(_.length > 1) else None
    Widths(width, widths, DataContract.lengths(each, width), shape, nonzeros(first, each))
  }

  /** The sizes that most of some first rows have, the earlier of those that are as many: where invalid rows are skipped the first
    * may be one of them.
    */
  private def usual(all: Seq[Map[Int, Seq[Int]]]): Map[Int, Seq[Int]] =
    if (all.isEmpty) Map.empty
    else if (choice.skipInvalid) all.maxBy(sizes => all.count(_ == sizes))
    else all.head

  /** Features that are not zero in a row, about. Where no row was looked at, vectors that are wider than any that people fill
    * count as sparse.
    */
  private def nonzeros(first: Seq[Map[Int, FirstRow.Seen]], each: Seq[Option[Int]]): Option[Long] = {
    val others = features.indices.filterNot(vectors.contains).flatMap(each(_)).map(_.toLong).sum
    if (vectors.isEmpty) None
    else if (first.nonEmpty) {
      val counts = first.map(row => vectors.map(at => row(at).nonzeros).sum)
      Some(others + math.round(counts.sum.toDouble / counts.length))
    } else if (vectors.flatMap(each(_)).exists(_ >= TrainingColumns.SurelySparse))
      Some(others + TrainingColumns.Guess)
    else None
  }

  /** Values of a column of the label, where that is known: a column of features has what the network reads. */
  private def labelWidth(label: StructField): Option[Int] = {
    val feature = features.indexWhere(_.name == label.name)
    ColumnRules.knownWidth(label).orElse(if (feature < 0) None else known(feature))
  }

  /** Names and widths of the columns of the label. The names are the user's, as losses have them: Spark may know them in
    * another case of letters.
    */
  def labelColumns(widths: Widths): Seq[ObjectNode] =
    choice.labels.zip(widths.labels).map { case (name, width) => Json.obj("name" -> name, "width" -> width) }

  /** What the model shall remember of these columns. */
  def contract(widths: Widths): ObjectNode = Json.obj(
    "features" -> features.zip(widths.each).map { case (field, length) =>
      DataContract.column(field, length)
    },
    if (choice.task == TrainingColumns.General)
      "labels" -> labels.zip(widths.labels).map { case (label, width) =>
        DataContract.column(label, Some(width))
      }
    else "label" -> DataContract.column(labels.head, Some(widths.label)),
    "weight" -> weight.map(DataContract.column(_, Some(1))),
    "scale" -> choice.scale,
    "handleInvalid" -> (if (choice.skipInvalid) "skip" else "error")
  )

  /** The `Columns` document of the feed.
    *
    * @param inputShape
    *   shape that the network views the features as
    * @param limits
    *   the features of which the network does not take every number
    * @param featureType
    *   the type that features are sent in
    */
  def json(
      widths: Widths,
      inputShape: Seq[Int],
      labelKind: JsonNode,
      limits: JsonNode,
      featureType: String
  ): ObjectNode = {
    // One column alone takes its width from what the network wants; of several each keeps to its own.
    val own = if (features.length > 1) widths.each else features.map(_ => Option.empty[Int])
    val ofLabels = if (choice.task == TrainingColumns.General) widths.labels.map(Some(_)) else Seq(None)
    val wanted = inputWidths.fold(own)(_.map(Some(_))) ++ ofLabels
    val described = all.zipWithIndex.map { case (field, at) =>
      val shape = GraphColumns.shape(choice.inputs, features.length, at, inputShape)
      TrainingColumns.document(field, at, wanted.lift(at).flatten, shape)
    }
    Json.obj(
      "numFields" -> all.length,
      "features" -> described.take(features.length),
      "featureWidth" -> widths.features,
      "widthOfFirstRow" -> (features.length == 1 && unknown.contains(0) && choice.inputShape.isEmpty),
      "featureType" -> featureType,
      "scale" -> choice.scale,
      "labels" -> described.slice(features.length, features.length + read.length),
      "labelKind" -> labelKind,
      "weight" -> weight.map(_ => described(features.length + read.length)),
      "validation" -> mark.map(_ => described.last),
      "limits" -> limits,
      "skipInvalid" -> choice.skipInvalid
    )
  }

  /** The widths that the inputs of a graph ask of their columns. */
  private def inputWidths: Option[Seq[Int]] = GraphColumns.widths(choice.inputs, choice.features)

  private def all: Seq[StructField] = features ++ read ++ weight ++ mark

  /** The columns of the label that are read: a row always has one. */
  private def read: Seq[StructField] = if (labels.isEmpty) Seq(TrainingColumns.NoLabel) else labels

  private def shapeMismatch(wanted: Long, width: Int): Exception = {
    val shape = choice.inputShape.fold("")(_.mkString("[", ", ", "]"))
    Failures.parameter(
      s"inputShape $shape holds $wanted values but ${choice.featuresParam} holds $width, in the first row where only rows " +
        s"tell it; set inputShape to sizes whose product is $width, or correct the column"
    )
  }

  private def nothingToRead(selected: DataFrame): Exception =
    if (selected.head(1).isEmpty) TrainingColumns.empty()
    else
      Failures.data(
        s"every row of the DataFrame has null, or an empty array, in ${choice.featuresParam} or ${choice.labelParam}: nothing to train on"
      )
}

/** Numbers in the features and in the columns of the label of a row.
  *
  * @param each
  *   of the feature columns one by one, where that is known
  * @param shape
  *   sizes of nested arrays, which are the features' shape where the user set none
  * @param nonzeros
  *   features of a row that are not zero, about, where there are Vectors
  */
private[candlewick] final case class Widths(
    features: Int,
    labels: Seq[Int],
    each: Seq[Option[Int]],
    shape: Option[Seq[Int]],
    nonzeros: Option[Long]
) {

  /** Of all columns of the label. */
  def label: Int = labels.sum
}

private[candlewick] object TrainingColumns {

  /** The task of a NeuralEstimator. */
  val General = "estimator"

  /** Vectors of fewer values are taken for dense unless rows are looked at anyhow. */
  private val Wide = 512

  /** Rows that are looked at for how sparse they are. */
  private val Looked = 8

  /** Vectors of so many values are taken for sparse where no row is looked at, with so many values that are not zero. */
  private val SurelySparse = 1 << 14
  private val Guess = 100L

  /** Stands for the label that nothing reads. */
  private val NoLabel = StructField("candlewick_label", DoubleType, nullable = false, Metadata.empty)

  /** Checks the choice against a schema. Nothing is read. */
  def of(schema: StructType, choice: ColumnChoice, caseSensitive: Boolean): TrainingColumns = {
    val features = choice.features.map(ColumnRules.find(schema, _, choice.featuresParam, caseSensitive))
    features.foreach(ColumnRules.checkFeature)
    GraphColumns.check(features, choice.inputs)
    val shaped =
      choice.inputShape.isDefined || GraphColumns.widths(choice.inputs, choice.features).isDefined
    features.find(_.dataType == BinaryType).filterNot(_ => shaped).foreach { field =>
      throw Failures.parameter(
        s"features: column '${field.name}' is binary; set inputShape, for example [1, 28, 28], to say what a row holds"
      )
    }
    val labels = choice.labels.map(ColumnRules.find(schema, _, choice.labelParam, caseSensitive))
    labels.foreach(ColumnRules.checkLabel(_, choice.task == "classifier", choice.labelParam))
    labels.indices.find(at => labels.take(at).contains(labels(at))).foreach { at =>
      throw Failures.parameter(
        s"${choice.labelParam}: the column '${labels(at).name}' is named twice; name it once, several losses can read it"
      )
    }
    val weight = choice.weight.map(ColumnRules.find(schema, _, "weightCol", caseSensitive))
    weight.foreach(ColumnRules.checkWeight)
    val mark = choice.validation.map(ColumnRules.find(schema, _, "validationIndicatorCol", caseSensitive))
    mark.foreach(ColumnRules.checkMark)
    val read = features.map(choice.featuresParam -> _) ++ labels.map(choice.labelParam -> _) ++
      weight.map("weightCol" -> _) ++ mark.map("validationIndicatorCol" -> _)
    ColumnRules.checkTold(schema, read, caseSensitive)
    new TrainingColumns(choice, features, labels, weight, mark)
  }

  /** The error for a DataFrame without rows. */
  def empty(): Exception =
    Failures.data("the DataFrame is empty: fit needs at least one row; check the filters and joins before it")

  /** A column by its exact name, whatever characters it holds. */
  def column(field: StructField): Column = col("`" + field.name.replace("`", "``") + "`")

  /** The `Column` document.
    *
    * @param inputShape
    *   shape that the network views this column as; empty where it is one of several
    */
  def document(
      field: StructField,
      ordinal: Int,
      width: Option[Int],
      inputShape: Seq[Int]
  ): ObjectNode =
    Json.obj(
      "ordinal" -> ordinal,
      "name" -> field.name,
      "dataType" -> ColumnRules.typeName(field.dataType),
      "width" -> width,
      "sizes" -> ColumnRules.nestedSizes(field.dataType, inputShape)
    )
}
