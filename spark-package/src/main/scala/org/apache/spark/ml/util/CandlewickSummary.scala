package org.apache.spark.ml.util

import org.apache.spark.sql.DataFrame

/** A model with a training summary, as others see it by Spark's own trait, which only Spark's packages may extend.
  *
  * @tparam T
  *   class of the summary
  */
trait CandlewickSummary[T] extends HasTrainingSummary[T] {

  /** Keeps the summary where Spark looks for it. */
  protected final def keepSummary(summary: Option[T]): Unit = setSummary(summary): Unit

  /** Nothing: the model's own files have the summary. A server of Spark Connect asks for this where it keeps models on disk. */
  // Without `override`: with Spark 4.0 there is nothing to override. Later ones call both by their names all the same.
  def saveSummary(path: String): Unit = ()

  /** Nothing, likewise. */
  def loadSummary(path: String, dataset: DataFrame): Unit = ()
}
