package candlewick.fit

import candlewick.columns.ColumnChoice

/** What a user asked for, read from the estimator's parameters once, so that changing them later changes nothing.
  *
  * @param params
  *   every parameter that was set, as JSON: what the native library checks and completes
  */
private[candlewick] final case class FitSpec(
    columns: ColumnChoice,
    params: String,
    numTrainers: Int,
    threadsPerTrainer: Int,
    logicalShards: Int,
    launchTimeoutMs: Long,
    failureTimeoutMs: Long,
    feedMemoryBytes: Long,
    initialWeights: Option[String],
    strictWeights: Boolean,
    verbose: Boolean
)
