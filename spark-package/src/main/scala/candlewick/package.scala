import org.apache.spark.sql.SparkSession

/** Deep learning inside the Spark cluster that already holds the data. */
package object candlewick {

  /** Makes a model a function of SQL in a session: `candlewick_predict('digits', features)` is its prediction, and
    * `candlewick_predict('digits', features, 'probability')` another of its outputs: `'rawPrediction'`, or what a layer puts
    * out, by the names of outputCols.
    *
    * {{{
    * candlewick.register(spark, "digits", model)
    * spark.sql("SELECT id FROM images WHERE candlewick_predict('digits', pixels) = 7")
    * }}}
    *
    * A row that is not valid is an error, or null where handleInvalid of the model is "skip" or "keep": a function leaves no
    * row out. A model that is registered under the same name before is replaced.
    *
    * @param spark
    *   the session, as which sessions cloned from it know the name too
    * @param name
    *   name in SQL
    * @param model
    *   the model; what is set on it later does not count
    */
  def register(spark: SparkSession, name: String, model: NeuralModel[_]): Unit =
    SqlModels.register(spark, name, model)

  /** The columns of a table as what a network begins with.
    *
    * A category is a whole number from 0, as StringIndexer makes it (with `handleInvalid` "keep" there is one more of them, for
    * what is new), and gets an `nn.Embedding` of its own, the node `<column>_embedding`. An estimator reads the columns by
    * their names: featuresCol and featuresCols stay unset.
    *
    * {{{
    * val table = candlewick.tabular(Seq("age", "income"), categorical = Seq("city" -> 1200, "plan" -> 5), embedding_dim = Map("plan" -> 3))
    * val net = table.head(nn.Linear(64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(2))
    * }}}
    *
    * @param numeric
    *   columns of numbers, Vectors or arrays, which are taken as they are: scale them before (StandardScaler), or begin the
    *   head with `nn.BatchNorm1d`
    * @param categorical
    *   columns of categories, with the number of these
    * @param embedding_dim
    *   how many numbers stand for a category of a column; of columns that are left out round(1.6 * categories^0.56^), at most
    *   600, as in fastai
    * @param widths
    *   how many numbers a numeric column has in a row; 1 where it is left out
    */
  def tabular(
      numeric: Seq[String] = Nil,
      categorical: Seq[(String, Int)] = Nil,
      embedding_dim: Map[String, Int] = Map.empty,
      widths: Map[String, Int] = Map.empty
  ): Tabular = Tabular.of(numeric, categorical, embedding_dim, widths)
}
