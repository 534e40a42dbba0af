package candlewick.fit

import candlewick.checkpoint.{CheckpointSpec, OptimizerState}
import candlewick.columns.ColumnChoice
import candlewick.internal.Json
import com.fasterxml.jackson.databind.JsonNode

/** What a user asked for, read from the estimator's parameters once, so that changing them later changes nothing.
  *
  * @param params
  *   every parameter that was set, as JSON: what the native library checks and completes
  * @param defaults
  *   the defaults of all others, which a loaded stage has from the version that saved it
  * @param initialWeights
  *   what training starts from, which `params` leaves out: it may hold a whole file
  * @param outputs
  *   the columns that the model will append, each with the parameter that names it
  * @param resumed
  *   the state that training goes on from, with resumeOptimizer
  */
private[candlewick] final case class FitSpec(
    columns: ColumnChoice,
    params: String,
    defaults: String,
    initialWeights: Option[GivenWeights],
    outputs: Seq[(String, String)],
    resumed: Option[OptimizerState]
)

/** How the driver runs a fit: what the native library made of the parameters.
  *
  * @param device
  *   where trainers shall compute: "auto", "cpu" or "cuda"
  * @param shardsFollowTrainers
  *   the logical shards are as many as trainers will have been found
  * @param numTrainers
  *   0: one for each executor, or for each GPU
  * @param minTrainers
  *   fewest to begin with, 0: all
  * @param maxTrainers
  *   so many it grows to, 0: as many as it began with
  * @param threadsPerTrainer
  *   0: the executor's cores divided by its trainers
  * @param trainerMemoryBytes
  *   0: what its executor has for it
  * @param spoolDirs
  *   folders on the executors for rows that do not fit, none: those of Spark
  * @param transportSecurity
  *   whether connections are encrypted: "auto", "none" or "tls", see [[Encryption]]
  * @param strictWeights
  *   initial weights have to be exactly the network's
  * @param checkpoint
  *   where checkpoints are written and looked for, if anywhere
  * @param saveOptimizer
  *   the model keeps the state that training ends with
  * @param identity
  *   of the job everything that the bits of its states depend on, where any is kept or gone on from; see
  *   [[candlewick.checkpoint.Identity]]
  */
private[candlewick] final case class LaunchSpec(
    device: String,
    deviceRefusals: Map[String, String],
    shardsFollowTrainers: Boolean,
    numTrainers: Int,
    minTrainers: Int,
    maxTrainers: Int,
    threadsPerTrainer: Int,
    launchTimeoutMs: Long,
    maxRecoveries: Int,
    feedMemoryBytes: Long,
    trainerMemoryBytes: Long,
    spoolDirs: Seq[String],
    transportSecurity: String,
    strictWeights: Boolean,
    verbose: String,
    checkpoint: Option[CheckpointSpec],
    saveOptimizer: Boolean,
    identity: Option[JsonNode]
)

private[fit] object LaunchSpec {

  /** Reads the document of the native library. */
  def of(node: JsonNode): LaunchSpec = LaunchSpec(
    Json.field(node, "device").asText,
    Json.fields(Json.field(node, "deviceRefusals")).map { case (device, why) => device -> why.asText }.toMap,
    Json.field(node, "shardsFollowTrainers").asBoolean,
    Json.field(node, "numTrainers").asInt,
    Json.field(node, "minTrainers").asInt,
    Json.field(node, "maxTrainers").asInt,
    Json.field(node, "threadsPerTrainer").asInt,
    Json.field(node, "launchTimeoutMs").asLong,
    Json.field(node, "maxRecoveries").asInt,
    Json.field(node, "feedMemoryBytes").asLong,
    Json.field(node, "trainerMemoryBytes").asLong,
    Json.items(Json.field(node, "spoolDirs")).map(_.asText),
    Json.field(node, "transportSecurity").asText,
    Json.field(node, "strictWeights").asBoolean,
    Json.field(node, "verbose").asText,
    Option(node.get("checkpoint")).filterNot(_.isNull).map { spec =>
      CheckpointSpec(Json.field(spec, "dir").asText, Json.field(spec, "keep").asInt)
    },
    Json.field(node, "saveOptimizer").asBoolean,
    Option(node.get("identity")).filterNot(_.isNull)
  )
}
