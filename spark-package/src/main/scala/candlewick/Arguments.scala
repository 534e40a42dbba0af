package candlewick

import scala.language.implicitConversions

/** A size for every dimension: one number for all, or one for each. Numbers, pairs and lists become sizes by
  * themselves: `nn.Conv2d(32, 3)`, `nn.Conv2d(32, (3, 5))`.
  *
  * @param sizes
  *   one number, or as many as there are dimensions
  */
final class Size private (val sizes: Seq[Int]) extends Padding {

  /** What the document holds. */
  override private[candlewick] def value: Any = if (sizes.length == 1) sizes.head else sizes

  override def equals(other: Any): Boolean = other match {
    case size: Size => sizes == size.sizes
    case _ => false
  }

  override def hashCode(): Int = sizes.hashCode()

  override def toString: String = sizes.mkString("Size(", ", ", ")")
}

/** Makes sizes of numbers. */
object Size {

  /** A size of these numbers. */
  def apply(sizes: Int*): Size = new Size(sizes)

  /** One number for all dimensions. */
  implicit def ofOne(size: Int): Size = new Size(Seq(size))

  /** Two dimensions. */
  implicit def ofPair(sizes: (Int, Int)): Size = new Size(Seq(sizes._1, sizes._2))

  /** Three dimensions. */
  implicit def ofTriple(sizes: (Int, Int, Int)): Size = new Size(Seq(sizes._1, sizes._2, sizes._3))

  /** Any number of dimensions. */
  implicit def ofList(sizes: Seq[Int]): Size = new Size(sizes)
}

/** The padding of a convolution: a [[Size]], or "same" or "valid". */
sealed abstract class Padding {

  /** What the document holds. */
  private[candlewick] def value: Any
}

/** A size for every dimension, of which each may be that of the input: `nn.AdaptiveAvgPool2d((3, None))`.
  *
  * @param sizes
  *   one number, or as many as there are dimensions
  */
final class OpenSize private (val sizes: Seq[Option[Int]]) extends Padding {

  /** What the document holds. */
  override private[candlewick] def value: Any = if (sizes.length == 1) sizes.head else sizes

  override def equals(other: Any): Boolean = other match {
    case size: OpenSize => sizes == size.sizes
    case _ => false
  }

  override def hashCode(): Int = sizes.hashCode()

  override def toString: String = sizes.mkString("OpenSize(", ", ", ")")
}

/** Makes sizes of numbers and of None. */
object OpenSize {

  /** One number for all dimensions. */
  implicit def ofOne(size: Int): OpenSize = new OpenSize(Seq(Some(size)))

  /** Two dimensions, each a number or None. */
  implicit def ofPair[A, B](
      sizes: (A, B)
  )(implicit first: A => Opt[Int], second: B => Opt[Int]): OpenSize =
    new OpenSize(Seq(first(sizes._1).option, second(sizes._2).option))

  /** Any number of dimensions. */
  implicit def ofList(sizes: Seq[Int]): OpenSize = new OpenSize(sizes.map(Some(_)))
}

/** Makes paddings of texts and of what [[Size]] is made of. */
object Padding {
  private final case class Word(value: Any) extends Padding

  /** "same" or "valid". */
  implicit def ofText(word: String): Padding = Word(word)

  /** One number for all dimensions. */
  implicit def ofOne(size: Int): Padding = Size(size)

  /** Two dimensions. */
  implicit def ofPair(sizes: (Int, Int)): Padding = Size.ofPair(sizes)

  /** Three dimensions. */
  implicit def ofTriple(sizes: (Int, Int, Int)): Padding = Size.ofTriple(sizes)

  /** Any number of dimensions. */
  implicit def ofList(sizes: Seq[Int]): Padding = Size.ofList(sizes)
}

/** One name, or several. Texts and lists of texts become names by themselves: `output = "digit"`,
  * `output = Seq("mean", "variance")`.
  *
  * @param names
  *   at least one
  */
final class Names private (val names: Seq[String]) {

  /** What the document holds. */
  private[candlewick] def value: Any = if (names.length == 1) names.head else names

  override def equals(other: Any): Boolean = other match {
    case several: Names => names == several.names
    case _ => false
  }

  override def hashCode(): Int = names.hashCode()

  override def toString: String = names.mkString("Names(", ", ", ")")
}

/** Makes names of texts. */
object Names {

  /** These names. */
  def apply(names: String*): Names = new Names(names)

  /** One name. */
  implicit def ofOne(name: String): Names = new Names(Seq(name))

  /** Any number of names. */
  implicit def ofList(names: Seq[String]): Names = new Names(names)
}

/** An argument that may be None. Values become one by themselves: `padding_idx = 0`, `padding_idx = None`, and an
  * `Option` of the user's.
  */
final class Opt[+A] private[candlewick] (private[candlewick] val option: Option[A])

/** Conversions that give way to those of [[Opt]]. */
private[candlewick] trait OptOfConverted {

  /** What converts to a size. */
  implicit def size[A](value: A)(implicit convert: A => Size): Opt[Size] = new Opt(Some(convert(value)))

  /** A value that converts to names. */
  implicit def names[A](value: A)(implicit convert: A => Names): Opt[Names] = new Opt(Some(convert(value)))
}

/** Makes [[Opt]]s. */
object Opt extends OptOfConverted {

  /** A value. */
  implicit def some[A](value: A): Opt[A] = new Opt(Some(value))

  /** An option, None too. */
  implicit def option[A](option: Option[A]): Opt[A] = new Opt(option)

  /** A whole number where any number is wanted. */
  implicit def real(value: Int): Opt[Double] = new Opt(Some(value.toDouble))
}

/** Stands between the arguments of a layer that go by position and those that go by name; nothing is given for it. */
sealed abstract class ByName

private[candlewick] case object ByName extends ByName
