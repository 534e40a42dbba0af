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
}
