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

  /** Those of a classifier.
    *
    * @param scored
    *   the columns of the label, weight, prediction, probability
    * @param ignored
    *   the label of rows that do not count
    * @param skips
    *   whether rows whose label or weight is not valid are left out; else they are an error
    */
  def classifier(
      scored: DataFrame,
      labels: Labels,
      classes: Int,
      ignored: Option[Double],
      skips: Boolean
  ): Map[String, Double] = {
    val rows =
      scored.rdd.flatMap(row => valid(judged(row, labels, classes, ignored), skips)).filter(_.weight > 0.0)
    rows.persist(StorageLevel.MEMORY_AND_DISK)
    try {
      def summed(part: Iterator[Judged]) = {
        val tally = new ClassTally(classes)
        part.foreach(row => tally.add(row.label, row.predicted, row.weight, row.probability(row.label)))
        Iterator(tally.sums)
      }
      val sums = rows.mapPartitions(summed, false)
      def both(a: Array[Double], b: Array[Double]) =
        ClassTally.of(a, classes).merge(ClassTally.of(b, classes)).sums
      val all = sums.treeAggregate(new ClassTally(classes).sums)(both, both, Depth)
      ClassTally.of(all, classes).values ++ (if (classes > MostAreas) Map.empty[String, Double]
                                             else areas(rows, classes))
    } finally rows.unpersist(false): Unit
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
    val found = Areas.of(points.reduceByKey((a, b) => (a._1 + b._1, a._2 + b._2)))
    def mean(values: Iterable[Double]) = if (values.isEmpty) Double.NaN else values.sum / values.size
    Map("roc_auc" -> mean(found.flatMap(_.rocAuc)), "pr_auc" -> mean(found.flatMap(_.averagePrecision)))
  }

  /** Those of a regressor: means over its outputs, of which there are as many as values of the label.
    *
    * @param scored
    *   the columns of the label, weight, prediction; label and prediction are numbers, arrays or Vectors
    * @param skips
    *   whether rows whose label or weight is not valid are left out; else they are an error
    */
  def regressor(scored: DataFrame, labels: Labels, skips: Boolean): Map[String, Double] = {
    val outputs = labels.until - labels.from
    def summed(part: Iterator[Row]) = {
      val tally = new ValueTally(outputs)
      for (row <- part; (label, weight) <- valid(labelled(row, labels), skips))
        tally.add(label, numbers(row.get(labels.count + 1)), weight)
      Iterator(tally.sums)
    }
    val sums = scored.rdd.mapPartitions(summed, false)
    def both(a: Array[Double], b: Array[Double]) =
      ValueTally.of(a, outputs).merge(ValueTally.of(b, outputs)).sums
    ValueTally.of(sums.treeAggregate(new ValueTally(outputs).sums)(both, both, Depth), outputs).values
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

/** Sums of a classifier's rows. */
private final class ClassTally(classes: Int) {
  private val right, predicted, there = new Array[Double](classes)
  private var loss = 0.0

  /** All of it; [[ClassTally.of]] reads it. */
  def sums: Array[Double] = right ++ predicted ++ there :+ loss

  def add(label: Int, guess: Int, weight: Double, probability: Double): Unit = {
    there(label) += weight
    predicted(guess) += weight
    if (label == guess) right(label) += weight
    // scikit-learn's clipping.
    val epsilon = ValueTally.Epsilon
    loss -= weight * math.log(math.min(math.max(probability, epsilon), 1.0 - epsilon))
  }

  def merge(other: ClassTally): this.type = {
    for (at <- 0 until classes) {
      right(at) += other.right(at)
      predicted(at) += other.predicted(at)
      there(at) += other.there(at)
    }
    loss += other.loss
    this
  }

  def values: Map[String, Double] = {
    val total = there.sum
    def ratio(part: Double, whole: Double) = if (whole > 0.0) part / whole else 0.0
    def averaged(value: Int => Double) =
      if (total <= 0.0) Double.NaN
      else if (classes == 2) value(1)
      else (0 until classes).map(at => there(at) * value(at)).sum / total
    Map(
      "accuracy" -> right.sum / total,
      "precision" -> averaged(at => ratio(right(at), predicted(at))),
      "recall" -> averaged(at => ratio(right(at), there(at))),
      "f1" -> averaged(at => ratio(2.0 * right(at), predicted(at) + there(at))),
      "log_loss" -> loss / total
    )
  }
}

private object ClassTally {
  def of(sums: Array[Double], classes: Int): ClassTally = {
    val made = new ClassTally(classes)
    for ((part, at) <- Seq(made.right, made.predicted, made.there).zipWithIndex)
      System.arraycopy(sums, at * classes, part, 0, classes)
    made.loss = sums.last
    made
  }
}

/** Sums of a regressor's rows, for each output; of the label the mean and the squared deviations from it. */
private final class ValueTally(outputs: Int) {
  private val absolute, squared, relative, mean, spread = new Array[Double](outputs)
  private var weight = 0.0
  private var rows = 0.0

  /** All of it; [[ValueTally.of]] reads it. */
  def sums: Array[Double] = absolute ++ squared ++ relative ++ mean ++ spread :+ weight :+ rows

  def add(label: Array[Double], guess: Array[Double], rowWeight: Double): Unit = {
    val total = weight + rowWeight
    for (at <- 0 until outputs if rowWeight > 0.0) {
      val error = math.abs(guess(at) - label(at))
      absolute(at) += rowWeight * error
      squared(at) += rowWeight * error * error
      relative(at) += rowWeight * error / math.max(math.abs(label(at)), ValueTally.Epsilon)
      val off = label(at) - mean(at)
      mean(at) += off * rowWeight / total
      spread(at) += rowWeight * off * (label(at) - mean(at))
    }
    weight = total
    rows += 1.0
  }

  /** Means and deviations by Chan's formula. */
  def merge(other: ValueTally): this.type = {
    val total = weight + other.weight
    for (at <- 0 until outputs if other.weight > 0.0) {
      absolute(at) += other.absolute(at)
      squared(at) += other.squared(at)
      relative(at) += other.relative(at)
      val off = other.mean(at) - mean(at)
      mean(at) += off * other.weight / total
      spread(at) += other.spread(at) + off * off * weight * other.weight / total
    }
    weight = total
    rows += other.rows
    this
  }

  def values: Map[String, Double] = {
    def over(value: Int => Double) = (0 until outputs).map(value).sum / outputs
    def explained(at: Int) =
      if (spread(at) > 0.0) 1.0 - squared(at) / spread(at) else if (squared(at) > 0.0) 0.0 else 1.0
    Map(
      "mae" -> over(absolute(_) / weight),
      "mse" -> over(squared(_) / weight),
      "rmse" -> over(at => math.sqrt(squared(at) / weight)),
      "r2" -> (if (rows < 2 || weight <= 0.0) Double.NaN else over(explained)),
      "mape" -> over(relative(_) / weight)
    )
  }
}

private object ValueTally {
  val Epsilon: Double = math.ulp(1.0)

  def of(sums: Array[Double], outputs: Int): ValueTally = {
    val made = new ValueTally(outputs)
    for ((part, at) <- Seq(made.absolute, made.squared, made.relative, made.mean, made.spread).zipWithIndex)
      System.arraycopy(sums, at * outputs, part, 0, outputs)
    made.weight = sums(sums.length - 2)
    made.rows = sums.last
    made
  }
}

/** Areas under the curves of one class.
  *
  * @param hits
  *   weight of its rows
  * @param alarms
  *   weight of the others
  * @param roc
  *   area in units of both
  * @param precision
  *   sum of the precision at each row of the class, times its weight
  */
private final case class Areas(hits: Double, alarms: Double, roc: Double, precision: Double) {

  /** As `roc_auc_score`; None without rows of both kinds. */
  def rocAuc: Option[Double] = if (hits > 0.0 && alarms > 0.0) Some(roc / hits / alarms) else None

  /** As `average_precision_score`; None without a row of the class. */
  def averagePrecision: Option[Double] = if (hits > 0.0) Some(precision / hits) else None

  /** With the rows of the next lower score: they are one step of the curve. */
  def step(own: Double, other: Double): Areas = {
    val found = hits + own
    val judged = found + alarms + other
    val gained = if (own > 0.0) own * found / judged else 0.0
    Areas(found, alarms + other, roc + other * (hits + own / 2.0), precision + gained)
  }
}

private object Areas {

  /** Class and score, with the weights of the class's rows of that score and of the others. */
  type Point = ((Int, Double), (Double, Double))

  private val Zero = Areas(0.0, 0.0, 0.0, 0.0)

  /** Hits, alarms, roc and precision, as tasks give them back. */
  private type Numbers = (Double, Double, Double, Double)

  private def numbers(of: Map[Int, Areas]): Seq[(Int, Numbers)] = of.toSeq.map { case (curve, areas) =>
    curve -> ((areas.hits, areas.alarms, areas.roc, areas.precision))
  }

  private def read(of: Seq[(Int, Numbers)]): Map[Int, Areas] = of.map { case (curve, areas) =>
    curve -> Areas(areas._1, areas._2, areas._3, areas._4)
  }.toMap

  /** Those of each class that has points, exact over all rows.
    *
    * @param points
    *   class and score (negative: the best come first), with the weights of its rows and of the others
    */
  def of(points: RDD[Point]): Seq[Areas] = {
    val sorted = points.sortByKey(true, points.getNumPartitions).persist(StorageLevel.MEMORY_AND_DISK)
    try {
      def summed(at: Int, rows: Iterator[Point]) = Iterator(at -> numbers(walk(rows, Map.empty)))
      val sums = sorted.mapPartitionsWithIndex(summed, false).collect().toMap.map { case (at, found) =>
        at -> read(found)
      }
      // What comes before a partition: where its curves go on.
      val before =
        (0 until sorted.getNumPartitions).scanLeft(Map.empty[Int, Areas])((so, at) => added(so, sums(at)))
      def goingOn(at: Int, rows: Iterator[Point]) = {
        val start = before(at).map { case (curve, areas) => curve -> areas.copy(roc = 0.0, precision = 0.0) }
        Iterator(numbers(walk(rows, start)))
      }
      val all = sorted.mapPartitionsWithIndex(goingOn, false).collect().toSeq.map(read)
      val totals = before.last
      totals.toSeq.map { case (curve, total) =>
        val found = all.flatMap(_.get(curve))
        total.copy(roc = found.map(_.roc).sum, precision = found.map(_.precision).sum)
      }
    } finally sorted.unpersist(false): Unit
  }

  private def walk(rows: Iterator[Point], start: Map[Int, Areas]): Map[Int, Areas] =
    rows.foldLeft(start) { case (so, ((curve, _), (own, other))) =>
      so + (curve -> so.getOrElse(curve, Zero).step(own, other))
    }

  private def added(left: Map[Int, Areas], right: Map[Int, Areas]): Map[Int, Areas] =
    right.foldLeft(left) { case (so, (curve, areas)) =>
      val known = so.getOrElse(curve, Zero)
      so + (curve -> known.copy(hits = known.hits + areas.hits, alarms = known.alarms + areas.alarms))
    }
}
