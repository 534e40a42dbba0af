package candlewick.checkpoint

import candlewick.internal.{Failures, Json}
import com.fasterxml.jackson.databind.JsonNode
import org.apache.hadoop.conf.Configuration

/** The training that a fit with resumeOptimizer goes on with. */
private[candlewick] final case class Continued(state: OptimizerState, manifest: Manifest) {

  /** What the bits of the fit depend on, now that its rows are known. What it began with is what the model began with.
    * Throws where its rows are others.
    */
  def identity(params: JsonNode, ledger: JsonNode): Identity = {
    val began = Json.field(manifest.identity, "initialWeights")
    val identity = Identity.of(params, ledger, began)
    if (identity.isPlacedElsewhere(manifest.identity))
      throw Failures.parameter(
        s"resumeOptimizer: the shards held other rows when the initial model was trained: ${Identity.PlacementRemedy}; or set " +
          "resumeOptimizer to false to start from its weights alone"
      )
    Continued.same(identity.differences(manifest.identity))
    identity
  }

  /** Early stopping had ended the training. */
  def over(): Throwable = Failures.parameter(
    s"resumeOptimizer: early stopping ended the training of the initial model after ${manifest.epoch} epochs, so that nothing " +
      "comes after it; set resumeOptimizer to false to start from its weights alone, or fit the model without " +
      "earlyStopping, or with more patience"
  )
}

private[candlewick] object Continued {

  /** Reads the manifest of a model's state and throws where this fit cannot go on from it, as far as that is known before
    * the rows are.
    *
    * @param params
    *   of the fit, what the native library says that its bits depend on
    * @param epochs
    *   what the fit is asked for
    */
  def of(conf: Configuration, state: OptimizerState, params: JsonNode, epochs: Int): Continued = {
    val manifest = state.manifest(conf)
    val continued = Continued(state, manifest)
    val theirs = Json.field(manifest.identity, "params")
    val train = Json.field(theirs, "train")
    if (train.has("epochs"))
      throw Failures.parameter(
        s"resumeOptimizer: the schedule ${Json.field(Json.field(train, "lrScheduler"), "type").asText} of the initial " +
          s"model spans all of its ${manifest.epoch} epochs, so that nothing comes after it; fit the model with a schedule " +
          "whose length is given (total_steps), or set resumeOptimizer to false to start from its weights alone"
      )
    same(new Identity(Json.obj("params" -> params)).differences(Json.obj("params" -> theirs)))
    val done = manifest.epoch
    if (epochs <= done)
      throw Failures.parameter(
        s"resumeOptimizer: the initial model was trained for $done epochs, and epochs is $epochs; epochs counts from the " +
          s"beginning: set it to more than $done, for example to ${2 * done} for $done more"
      )
    if (manifest.stopped) throw continued.over()
    continued
  }

  private def same(differences: Seq[String]): Unit = if (differences.nonEmpty)
    throw Failures.parameter(
      s"resumeOptimizer: the initial model was trained with other data or parameters: ${Identity.first(differences)}; set " +
        "back what differs, or set resumeOptimizer to false to start from its weights alone"
    )
}
