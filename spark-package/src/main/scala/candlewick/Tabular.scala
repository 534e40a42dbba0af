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
    Graph(inputs, "out" -> layers.foldLeft(features)((reached, layer) => layer(reached)))
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

  /** See the package object. */
  def of(numeric: Seq[String], categorical: Seq[(String, Int)], sizes: Map[String, Int]): Tabular = {
    val known = categorical.map(_._1)
    if (numeric.isEmpty && known.isEmpty)
      throw new IllegalArgumentException("a table needs at least one column, numeric or categorical")
    sizes.keys.find(!known.contains(_)).foreach { name =>
      throw new IllegalArgumentException(
        s"embedding_dim names '$name', which is not among the categorical columns ${known.mkString("[", ", ", "]")}"
      )
    }
    val numbers = numeric.map(nn.Input(_))
    val codes = categorical.map { case (name, categories) =>
      val column = nn.Input(name)
      val table = nn.Embedding(categories, sizes.getOrElse(name, embeddingSize(categories)))
      column -> nn.Flatten()(table(s"${name}_embedding", column))
    }
    val parts = numbers ++ codes.map(_._2)
    new Tabular(numbers ++ codes.map(_._1), if (parts.length == 1) parts.head else nn.Concat()(parts: _*))
  }
}
