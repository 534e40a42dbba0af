package candlewick

/** The columns of a table as what a network begins with; `candlewick.tabular` makes it.
  *
  * @param inputs
  *   an input for each column, the numeric ones first
  * @param features
  *   all of a row: the numbers, then what stands for each category
  */
final class Tabular private[candlewick] (val inputs: Seq[Tensor], val features: Tensor) {

  /** The network: these layers over the columns, as in `nn.Sequential`; the last one's outputs are the network's.
    *
    * {{{
    * val net = candlewick.tabular(Seq("age"), Seq("city" -> 1200)).head(nn.Linear(64), nn.ReLU(), nn.Linear(2))
    * }}}
    */
  def head(layers: Module*): Graph = {
    if (layers.isEmpty)
      throw new IllegalArgumentException("head needs at least one layer, such as nn.Linear(2)")
    val output = Tabular.free("out", inputs.flatMap(_.name))
    Graph(inputs, output -> layers.foldLeft(features)((reached, layer) => layer(reached)))
  }

  override def toString: String = inputs.flatMap(_.name).mkString("Tabular(", ", ", ")")
}

private[candlewick] object Tabular {

  /** The most numbers that stand for a category where nobody says how many, and the rule below it: fastai's (Howard and
    * Gugger, Information 11(2), 2020).
    */
  private val Most = 600

  /** Numbers that stand for one of so many categories: round(1.6 * categories^0.56^), at most 600. */
  def embeddingSize(categories: Int): Int =
    math.min(Most.toLong, math.rint(1.6 * math.pow(math.max(categories, 1).toDouble, 0.56)).toLong).toInt

  /** The name, or a longer one that no column has. */
  def free(name: String, taken: Seq[String]): String =
    if (taken.contains(name)) free(s"${name}_", taken) else name

  /** See the package object. */
  def of(
      numeric: Seq[String],
      categorical: Seq[(String, Int)],
      sizes: Map[String, Int],
      widths: Map[String, Int]
  ): Tabular = {
    val known = categorical.map(_._1)
    if (numeric.isEmpty && known.isEmpty)
      throw new IllegalArgumentException("a table needs at least one column, numeric or categorical")
    among("embedding_dim", sizes, known, "categorical")
    among("widths", widths, numeric, "numeric")
    val numbers = numeric.map(name => input(name, widths.getOrElse(name, 1)))
    val codes = categorical.map { case (name, categories) =>
      val column = input(name, 1)
      val table = nn.Embedding(categories, sizes.getOrElse(name, embeddingSize(categories)))
      column -> nn.Flatten()(table(free(s"${name}_embedding", numeric ++ known), column))
    }
    val parts = numbers ++ codes.map(_._2)
    new Tabular(numbers ++ codes.map(_._1), if (parts.length == 1) parts.head else nn.Concat()(parts: _*))
  }

  private def among(what: String, said: Map[String, Int], columns: Seq[String], kind: String): Unit =
    said.keys.find(!columns.contains(_)).foreach { name =>
      throw new IllegalArgumentException(
        s"$what names '$name', which is not among the $kind columns ${columns.mkString("[", ", ", "]")}"
      )
    }

  private def input(name: String, width: Int): Tensor =
    try nn.Input(name, Seq(width))
    catch {
      case wrong: IllegalArgumentException if width > 0 =>
        val hint = "rename the column before (withColumnRenamed)"
        throw new IllegalArgumentException(s"${wrong.getMessage}; $hint", wrong)
    }
}
