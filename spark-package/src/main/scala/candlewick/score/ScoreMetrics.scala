package candlewick.score

import org.apache.spark.SparkContext
import org.apache.spark.sql.execution.metric.{SQLMetric, SQLMetrics}

/** What the operator counts, as the SQL tab of Spark's UI shows it.
  *
  * @param rows
  *   rows that came out
  * @param invalid
  *   rows that were not valid: left out, or without a prediction
  * @param batches
  *   calls into the native library
  * @param nativeTime
  *   nanoseconds in those calls
  * @param loadTime
  *   nanoseconds until a task had its model: to load it, to wait for the task that loads it, or to find it
  * @param deviceTasks
  *   tasks that scored on GPUs
  * @param deviceModels
  *   how often the model was put on a GPU: once for each and each JVM, as long as it stays in use
  */
private[score] final case class ScoreMetrics(
    rows: SQLMetric,
    invalid: SQLMetric,
    batches: SQLMetric,
    nativeTime: SQLMetric,
    loadTime: SQLMetric,
    deviceTasks: SQLMetric,
    deviceModels: SQLMetric
)

private[score] object ScoreMetrics {

  /** New ones, by name. Initial values are given: Spark's methods for defaults differ between its builds. */
  def create(sc: SparkContext): Map[String, SQLMetric] = Map(
    "numOutputRows" -> SQLMetrics.createMetric(sc, "number of output rows"),
    "numInvalidRows" -> SQLMetrics.createMetric(sc, "number of invalid rows"),
    "numBatches" -> SQLMetrics.createMetric(sc, "number of batches"),
    "scoreTime" -> SQLMetrics.createNanoTimingMetric(sc, "time in native scoring", 0L),
    "loadTime" -> SQLMetrics.createNanoTimingMetric(sc, "time to load the model", 0L),
    "numDeviceTasks" -> SQLMetrics.createMetric(sc, "tasks on GPUs"),
    "numDeviceModels" -> SQLMetrics.createMetric(sc, "models put on GPUs")
  )

  /** Those of [[create]]. */
  def of(metrics: Map[String, SQLMetric]): ScoreMetrics = ScoreMetrics(
    metrics("numOutputRows"),
    metrics("numInvalidRows"),
    metrics("numBatches"),
    metrics("scoreTime"),
    metrics("loadTime"),
    metrics("numDeviceTasks"),
    metrics("numDeviceModels")
  )
}
