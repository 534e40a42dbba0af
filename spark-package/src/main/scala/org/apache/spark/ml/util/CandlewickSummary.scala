package org.apache.spark.ml.util

/** A model with a training summary, as others see it by Spark's own trait, which only Spark's packages may extend.
  *
  * @tparam T
  *   class of the summary
  */
trait CandlewickSummary[T] extends HasTrainingSummary[T] {

  /** Keeps the summary where Spark looks for it. */
  protected final def keepSummary(summary: Option[T]): Unit = setSummary(summary): Unit
}
