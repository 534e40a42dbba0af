package candlewick

import candlewick.internal.Failures

/** Arguments of the builders on their way into documents, checked by the ranges of the native library's catalogue. */
private[candlewick] object Argument {

  /** Characters of a value that a message shows. */
  private val Shown = 80

  /** The name and the value of an argument that is legal; of one that is not, an exception in the words of the native
    * library.
    *
    * @param owner
    *   name of the layer, loss, optimiser or schedule
    * @param expected
    *   what is legal, in words
    */
  def apply[T](owner: String, name: String, value: T, expected: String)(
      isLegal: T => Boolean
  ): (String, Any) =
    if (isLegal(value)) name -> value
    else throw Failures.parameter(s"$owner: $name = ${shown(value)} is not legal: expected $expected")

  private def shown(value: Any): String = {
    val text = Document.encode(value).toString
    if (text.length <= Shown) text else text.take(Shown - 3) + "..."
  }

  /** None, or a legal value. */
  def opt[T](isLegal: T => Boolean): Opt[T] => Boolean = _.option.forall(isLegal)

  /** Both numbers are legal. */
  def pair(isLegal: Double => Boolean): ((Double, Double)) => Boolean = both =>
    isLegal(both._1) && isLegal(both._2)

  /** A list with at least one item. */
  val filled: Seq[Any] => Boolean = _.nonEmpty

  /** A list with at least one item, all of them legal. */
  def items[T](isLegal: T => Boolean): Seq[T] => Boolean = items => items.nonEmpty && items.forall(isLegal)

  /** One legal number, or one for each of `count` dimensions; of any number of them where that is 0. */
  def sizes(count: Int, isLegal: Int => Boolean): Size => Boolean = size =>
    fits(count, size.sizes.length) && size.sizes.forall(isLegal)

  /** As [[sizes]], but one of several may be that of the input. */
  def openSizes(count: Int, isLegal: Int => Boolean): OpenSize => Boolean = size =>
    fits(count, size.sizes.length) && size.sizes.forall(_.fold(size.sizes.length > 1)(isLegal))

  /** As [[sizes]], or one of these words. */
  def padding(count: Int, isLegal: Int => Boolean, words: Array[String]): Padding => Boolean = {
    case size: Size => sizes(count, isLegal)(size)
    case padding => words.contains(padding.value.toString)
  }

  private def fits(count: Int, sizes: Int): Boolean =
    sizes == 1 || sizes > 0 && (count == 0 || sizes == count)
}
