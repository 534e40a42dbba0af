package candlewick.score

import org.apache.spark.ml.linalg.Vector

/** How the values of the classes become one, as scikit-learn's `average`. */
private[score] sealed trait Average
private[score] object Average {

  /** The mean of the classes that occur among labels or predictions. */
  case object Macro extends Average

  /** Over all rows at once. */
  case object Micro extends Average

  /** The mean weighted by the rows of each class. */
  case object Weighted extends Average

  /** Its name, as the end of a metric's says it: `f1_macro`. */
  def of(name: String): Average = name match {
    case "macro" => Macro
    case "micro" => Micro
    case _ => Weighted
  }
}

/** Weights of rows, by class.
  *
  * @param right
  *   of the class, and predicted so
  * @param predicted
  *   predicted so
  * @param there
  *   of the class
  */
private[score] final class Counts(
    val right: Array[Double],
    val predicted: Array[Double],
    val there: Array[Double]
) {
  import Counts.ratio

  private val places = right.indices

  /** One of precision, recall and f1 of a class. */
  def of(metric: String, at: Int): Double = value(metric)(right(at), predicted(at), there(at))

  /** The same over the classes, of at least one row. */
  def averaged(metric: String, average: Average): Double = average match {
    case Average.Micro => value(metric)(right.sum, predicted.sum, there.sum)
    case Average.Macro =>
      val seen = places.filter(at => predicted(at) + there(at) > 0.0)
      seen.map(of(metric, _)).sum / seen.length
    case Average.Weighted =>
      places.map(at => there(at) * of(metric, at)).sum / there.sum
  }

  private def value(metric: String): (Double, Double, Double) => Double = metric match {
    case "precision" => (right, predicted, _) => ratio(right, predicted)
    case "recall" => (right, _, there) => ratio(right, there)
    case _ => (right, predicted, there) => ratio(2.0 * right, predicted + there)
  }
}

private[score] object Counts {

  /** Metrics of a class that are made of its counts. */
  val Metrics: Seq[String] = Seq("precision", "recall", "f1")

  /** 0 where nothing is there to be divided by, as scikit-learn's `zero_division` does by default. */
  def ratio(part: Double, whole: Double): Double = if (whole > 0.0) part / whole else 0.0
}

/** Sums of a classifier's rows.
  *
  * @param asked
  *   names of metrics that are wanted beside those of every classifier
  */
private[score] final class ClassTally(classes: Int, asked: Seq[String]) {
  private val right, predicted, there = new Array[Double](classes)
  private val tops = asked.flatMap(ClassTally.top)
  private val among = new Array[Double](tops.length)
  private var loss = 0.0

  /** All of it; [[merge]] adds it. */
  def sums: Array[Double] = right ++ predicted ++ there ++ among :+ loss

  def add(label: Int, guess: Int, weight: Double, probability: Vector): Unit = {
    there(label) += weight
    predicted(guess) += weight
    if (label == guess) right(label) += weight
    val own = probability(label)
    if (tops.nonEmpty) {
      val rank = ClassTally.rank(probability, label, own)
      for (at <- tops.indices if rank < tops(at)) among(at) += weight
    }
    // scikit-learn's clipping.
    val epsilon = ValueTally.Epsilon
    loss -= weight * math.log(math.min(math.max(own, epsilon), 1.0 - epsilon))
  }

  def merge(sums: Array[Double]): this.type = {
    var at = 0
    for (part <- Seq(right, predicted, there, among); place <- part.indices) {
      part(place) += sums(at)
      at += 1
    }
    loss += sums(at)
    this
  }

  def values: Map[String, Double] = {
    val (total, counts) = (there.sum, new Counts(right, predicted, there))
    def plain(metric: String) =
      if (total <= 0.0) Double.NaN
      else if (classes == 2) counts.of(metric, 1)
      else counts.averaged(metric, Average.Weighted)
    val averages = asked.collect { case name @ ClassTally.Averaged(metric, average) =>
      name -> (if (total <= 0.0) Double.NaN else counts.averaged(metric, Average.of(average)))
    }
    Counts.Metrics.map(metric => metric -> plain(metric)).toMap ++ averages ++
      tops.zip(among).map { case (k, sum) => s"top_${k}_accuracy" -> sum / total } +
      ("accuracy" -> right.sum / total) + ("log_loss" -> loss / total)
  }
}

private[score] object ClassTally {
  // No network has more classes than so many digits say.
  private val Top = "top_([0-9]{1,9})_accuracy".r
  private val Averaged = s"(${Counts.Metrics.mkString("|")})_(macro|micro|weighted)".r

  /** The k of `top_k_accuracy`. */
  private def top(metric: String): Option[Int] = metric match {
    case Top(k) => Some(k.toInt)
    case _ => None
  }

  /** Classes that come before this one. Of equal ones the lower comes first, as it does where the class is told. */
  private def rank(probability: Vector, label: Int, own: Double): Int =
    (0 until probability.size).count { at =>
      val other = probability(at)
      other > own || other == own && at < label
    }
}

/** Sums of rows that have several classes at once, or none. A class is there where its label is 1, and predicted where its
  * probability is above one half.
  *
  * @param logits
  *   whether the outputs are logits; else probabilities
  */
private[score] final class TagTally(tags: Int, logits: Boolean) {
  private val right, predicted, there = new Array[Double](tags)
  // Weight of all rows, of those with every tag right, of wrong tags; rows whose label is something else than 0 and 1.
  private val whole = new Array[Double](TagTally.Others + 1)
  private val limit = if (logits) 0.0 else 0.5

  /** All of it; [[merge]] adds it. */
  def sums: Array[Double] = right ++ predicted ++ there ++ whole

  def add(label: Array[Double], guess: Array[Double], weight: Double): Unit = {
    var wrong = 0
    for (at <- 0 until tags) {
      val (is, says) = (label(at) == 1.0, guess(at) > limit)
      if (is) there(at) += weight
      if (says) predicted(at) += weight
      if (is && says) right(at) += weight
      if (is != says) wrong += 1
    }
    whole(TagTally.Weight) += weight
    whole(TagTally.Wrong) += weight * wrong
    if (wrong == 0) whole(TagTally.Exact) += weight
    if (label.exists(value => value != 0.0 && value != 1.0)) whole(TagTally.Others) += 1.0
  }

  def merge(sums: Array[Double]): this.type = {
    var at = 0
    for (part <- Seq(right, predicted, there, whole); place <- part.indices) {
      part(place) += sums(at)
      at += 1
    }
    this
  }

  /** None where labels are no tags. */
  def values: Option[Map[String, Double]] =
    if (whole(TagTally.Others) > 0.0 || whole(TagTally.Weight) <= 0.0) None
    else {
      val counts = new Counts(right, predicted, there)
      val macros = Counts.Metrics.map { metric =>
        s"${metric}_macro" -> (0 until tags).map(counts.of(metric, _)).sum / tags
      }
      val micros = Counts.Metrics.map(metric => s"${metric}_micro" -> counts.averaged(metric, Average.Micro))
      val total = whole(TagTally.Weight)
      val rows = Map(
        "accuracy" -> whole(TagTally.Exact) / total,
        "hamming_loss" -> whole(TagTally.Wrong) / total / tags
      )
      Some(rows ++ macros ++ micros)
    }
}

private object TagTally {
  val Weight = 0
  val Exact = 1
  val Wrong = 2
  val Others = 3
}

/** Sums of a regressor's rows, for each output; of the label the mean and the squared deviations from it. */
private[score] final class ValueTally(outputs: Int) {
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
      // Of one value alone the mean is that value and nothing beside it: labels that never vary have no spread.
      if (weight == 0.0) mean(at) = label(at)
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
      if (weight == 0.0) mean(at) = other.mean(at)
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

private[score] object ValueTally {
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
