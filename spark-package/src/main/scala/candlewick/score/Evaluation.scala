package candlewick.score

import candlewick.internal.Failures
import org.apache.spark.ml.linalg.Vector
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.{DataFrame, Row}
import org.apache.spark.storage.StorageLevel

/** Metrics of scored rows, by the names and definitions of the training's: scikit-learn's, with the rows' weights. NaN
  * where one is not defined.
  *
  * What tasks give back is made of numbers alone: where a session got the jar later, as from a client of Spark Connect, the
  * driver and its tasks have our classes from different class loaders, and an object of one is none of the other.
  */
private[candlewick] object Evaluation {

  /** Classes up to which the areas under curves are computed: they sort all rows for each. */
  private val MostAreas = 100

  private val FilterOut = "filter such rows out before evaluate"

  /** Rounds in which the sums of partitions meet. */
  private val Depth = 2

  /** What one row says of a classifier. */
  private final case class Judged(label: Int, predicted: Int, weight: Double, probability: Vector)

  /** What one row says of values. */
  private final case class Valued(label: Array[Double], guess: Array[Double], weight: Double)

  /** Those of a classifier.
    *
    * @param scored
    *   the columns of the label, weight, prediction, probability
    * @param ignored
    *   the label of rows that do not count
    * @param rules
    *   what is told, and which rows count
    */
  def classifier(
      scored: DataFrame,
      labels: Labels,
      classes: Int,
      ignored: Option[Double],
      rules: Rules
  ): Map[String, Double] = {
    val Rules(asked, skips, kept) = rules
    val rows =
      scored.rdd.flatMap(row => valid(judged(row, labels, classes, ignored), skips)).filter(_.weight > 0.0)
    val withAreas = classes <= MostAreas
    // Sums alone go through the rows once.
    val keeps = withAreas && !kept
    if (keeps) rows.persist(StorageLevel.MEMORY_AND_DISK)
    try {
      def summed(part: Iterator[Judged]) = {
        val tally = new ClassTally(classes, asked)
        part.foreach(row => tally.add(row.label, row.predicted, row.weight, row.probability))
        Iterator(tally.sums)
      }
      val none = new ClassTally(classes, asked)
      val all = none.merge(added(rows.mapPartitions(summed, false), none.sums))
      all.values ++ (if (withAreas) areas(rows, classes) else Map.empty[String, Double])
    } finally if (keeps) rows.unpersist(false): Unit
  }

  /** The sums of all partitions; of none `zero`. */
  private def added(sums: RDD[Array[Double]], zero: Array[Double]): Array[Double] = {
    def both(a: Array[Double], b: Array[Double]) = a.zip(b).map { case (one, other) => one + other }
    sums.treeAggregate(zero)(both, both, Depth)
  }

  private def judged(
      row: Row,
      labels: Labels,
      classes: Int,
      ignored: Option[Double]
  ): Either[String, Judged] =
    labelled(row, labels).flatMap { case (values, weight) =>
      val (label, probability) = (values.head, row.getAs[Vector](labels.count + 2))
      if (ignored.contains(label)) Right(Judged(0, 0, 0.0, probability))
      else if (label < 0.0 || label >= classes || label != math.rint(label)) {
        val wanted = s"expected a whole number from 0 to ${classes - 1}"
        Left(s"${labels.first} holds $label, which is no class of this model: $wanted")
      } else Right(Judged(label.toInt, row.getDouble(labels.count + 1).toInt, weight, probability))
    }

  /** What outputs are compared with and the weight, of a row that begins with the columns of the label and the weight; or
    * what is wrong with any of them.
    */
  private def labelled(row: Row, labels: Labels): Either[String, (Array[Double], Double)] = {
    val each = (0 until labels.count).map(at => numbersOf(row.get(at), labels, at))
    each.collectFirst { case Left(wrong) => wrong }.orElse(wrongWeight(row, labels.count)).toLeft {
      val values = each.iterator.collect { case Right(numbers) => numbers }.flatMap(_.iterator)
      values.slice(labels.from, labels.until).toArray -> row.getDouble(labels.count)
    }
  }

  /** The values of one of the columns of the label. */
  private def numbersOf(value: Any, labels: Labels, at: Int): Either[String, Array[Double]] =
    if (holdsNull(value)) Left(holding(labels.column(at), "null", FilterOut))
    else {
      val (values, length) = (numbers(value), labels.columns(at)._2)
      if (values.length != length) {
        val expected = s"the model compares it with $length: correct it"
        Left(holding(labels.column(at), s"${values.length} values", expected))
      } else
        values.find(!finite(_)) match {
          case Some(wrong) =>
            Left(holding(labels.column(at), wrong, s"expected finite numbers: $FilterOut"))
          case None => Right(values)
        }
    }

  private def wrongWeight(row: Row, at: Int): Option[String] =
    if (row.isNullAt(at)) Some(holding("weightCol", "null", FilterOut))
    else {
      val weight = row.getDouble(at)
      if (weight < 0.0 || !finite(weight))
        Some(holding("weightCol", weight, "expected finite numbers of at least 0"))
      else None
    }

  private def finite(value: Double) = !value.isNaN && !value.isInfinite

  private def holding(column: String, what: Any, expected: String): String =
    s"$column holds $what; $expected, or set handleInvalid to skip to leave such rows out"

  private def valid[T](found: Either[String, T], skips: Boolean): Option[T] = found match {
    case Right(value) => Some(value)
    case Left(_) if skips => None
    case Left(wrong) => throw Failures.data(wrong)
  }

  /** Means over the classes of the areas one class against the others; of two classes those of class 1. */
  private def areas(rows: RDD[Judged], classes: Int): Map[String, Double] = {
    val curves = if (classes == 2) Seq(1) else 0 until classes
    val points = rows.flatMap { row =>
      curves.map { curve =>
        val weights = if (row.label == curve) (row.weight, 0.0) else (0.0, row.weight)
        ((curve, -row.probability(curve)), weights)
      }
    }
    areasOf(points)
  }

  private def areasOf(points: RDD[Areas.Point]): Map[String, Double] = {
    val found = Areas.of(points.reduceByKey((a, b) => (a._1 + b._1, a._2 + b._2)))
    def mean(values: Iterable[Double]) = if (values.isEmpty) Double.NaN else values.sum / values.size
    Map("roc_auc" -> mean(found.flatMap(_.rocAuc)), "pr_auc" -> mean(found.flatMap(_.averagePrecision)))
  }

  /** Those of a regressor: means over its outputs, of which there are as many as values of the label. Where each output tells
    * whether a row has a class, of which it may have several, scikit-learn's of indicators too, if all labels are 0 or 1.
    *
    * @param scored
    *   the columns of the label, weight, prediction; label and prediction are numbers, arrays or Vectors
    * @param logits
    *   whether outputs that tell of classes are logits, else probabilities; None where they tell of none
    * @param skips
    *   whether rows whose label or weight is not valid are left out; else they are an error
    */
  def regressor(
      scored: DataFrame,
      labels: Labels,
      logits: Option[Boolean],
      skips: Boolean
  ): Map[String, Double] = {
    val outputs = labels.until - labels.from
    val rows = scored.rdd.flatMap(row => valued(row, labels, skips))
    // Sums alone go through the rows once.
    logits.foreach(_ => rows.persist(StorageLevel.MEMORY_AND_DISK))
    try values(rows, outputs) ++ logits.fold(Map.empty[String, Double])(tags(rows, outputs, _))
    finally logits.foreach(_ => rows.unpersist(false))
  }

  private def values(rows: RDD[Valued], outputs: Int): Map[String, Double] = {
    def summed(part: Iterator[Valued]) = {
      val tally = new ValueTally(outputs)
      part.foreach(row => tally.add(row.label, row.guess, row.weight))
      Iterator(tally.sums)
    }
    val sums = rows.mapPartitions(summed, false)
    def both(a: Array[Double], b: Array[Double]) =
      ValueTally.of(a, outputs).merge(ValueTally.of(b, outputs)).sums
    ValueTally.of(sums.treeAggregate(new ValueTally(outputs).sums)(both, both, Depth), outputs).values
  }

  private def tags(rows: RDD[Valued], count: Int, logits: Boolean): Map[String, Double] = {
    def summed(part: Iterator[Valued]) = {
      val tally = new TagTally(count, logits)
      part.foreach(row => tally.add(row.label, row.guess, row.weight))
      Iterator(tally.sums)
    }
    val none = new TagTally(count, logits)
    val sums = added(rows.mapPartitions(summed, false), none.sums)
    def points = rows.filter(_.weight > 0.0).flatMap { row =>
      (0 until count).map { at =>
        val weights = if (row.label(at) == 1.0) (row.weight, 0.0) else (0.0, row.weight)
        ((at, -row.guess(at)), weights)
      }
    }
    none.merge(sums).values.fold(Map.empty[String, Double]) { found =>
      if (count > MostAreas) found else found ++ areasOf(points)
    }
  }

  private def valued(row: Row, labels: Labels, skips: Boolean): Option[Valued] =
    valid(labelled(row, labels), skips).map { case (label, weight) =>
      Valued(label, numbers(row.get(labels.count + 1)), weight)
    }

  private def numbers(value: Any): Array[Double] = value match {
    case vector: Vector => vector.toArray
    case items: scala.collection.Seq[_] => items.map(number).toArray
    case one => Array(number(one))
  }

  private def holdsNull(value: Any): Boolean = value match {
    case null => true
    case items: scala.collection.Seq[_] => items.exists(_ == null)
    case _ => false
  }

  private def number(value: Any): Double = value match {
    case flag: Boolean => if (flag) 1.0 else 0.0
    case number => number.asInstanceOf[Number].doubleValue
  }
}

/** What is told of scored rows.
  *
  * @param asked
  *   names of metrics that are wanted beside those that are always told
  * @param skips
  *   whether rows whose label or weight is not valid are left out; else they are an error
  * @param kept
  *   whether Spark keeps the scored rows already
  */
private[candlewick] final case class Rules(asked: Seq[String], skips: Boolean, kept: Boolean = false)

/** The columns of the label, whose values stand one after another.
  *
  * @param param
  *   the parameter that names them
  * @param columns
  *   names, with the number of values that each has in a row
  * @param from
  *   the first of all values that an output is compared with
  * @param until
  *   one past the last
  */
private[candlewick] final case class Labels(
    param: String,
    columns: Seq[(String, Int)],
    from: Int,
    until: Int
) {

  /** How many there are. */
  def count: Int = columns.length

  /** One of them in words. */
  def column(at: Int): String = s"$param: column '${columns(at)._1}'"

  /** The one that the values begin in. */
  def first: String = column(columns.map(_._2).scanLeft(0)(_ + _).lastIndexWhere(_ <= from))
}

private[candlewick] object Labels {

  /** One column, all of whose values are compared. */
  def of(name: String, values: Int): Labels = Labels("labelCol", Seq(name -> values), 0, values)
}
