package org.apache.spark.ml.util

/** The summary of a model where Spark itself looks for it. */
object KeptSummary {
  def of[T](model: HasTrainingSummary[T]): Option[T] = model.trainingSummary
}
