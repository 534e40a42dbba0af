package candlewick.internal

/** Validators of parameters that say what is legal: Spark's own message leaves out the range. */
private[candlewick] object Legal {

  /** A validator that throws where `isLegal` is false, in the words of the native library.
    *
    * @param expected
    *   what is legal, in words
    */
  def apply[T](name: String, expected: String, isLegal: T => Boolean): T => Boolean = value =>
    if (isLegal(value)) true
    else
      throw Failures.parameter(
        s"parameter $name = ${Json.list(Seq(value)).get(0)} is not legal: expected $expected"
      )

  // A null is told what is legal, too, and not by a NullPointerException.

  /** A list with at least one item, all of them legal. */
  def each[T](isLegal: T => Boolean): Array[T] => Boolean = items =>
    items != null && items.nonEmpty && items.forall(isLegal)

  /** Thresholds of classes: probabilities are divided by them. */
  val thresholds: Array[Double] => Boolean = items =>
    each[Double](item => item >= 0.0 && finite(item))(items) && items.count(_ == 0.0) <= 1

  /** A number that is not NaN or infinite. */
  val finite: Double => Boolean = number => !number.isNaN && !number.isInfinite

  /** A whole number from `least` to `most`. */
  def whole(least: Long, most: Long): Int => Boolean = number => least <= number && number <= most

  /** That one too. */
  def or(other: Int, legal: Int => Boolean): Int => Boolean = number => number == other || legal(number)

  /** A text that fits the pattern as a whole, in any case of letters. */
  def matches(pattern: String): String => Boolean = text => text != null && text.matches(s"(?i)$pattern")
}
