package candlewick.score

import candlewick.columns.GraphInput
import candlewick.internal.SentWeights

/** How rows are scored.
  *
  * @param outputs
  *   what is appended, in order
  * @param handleInvalid
  *   what becomes of invalid rows: "error", "skip" or "keep"
  * @param precision
  *   what products are computed in
  * @param device
  *   where rows are computed: "cpu", "auto" or "cuda"
  * @param inputShape
  *   shape that the network views the features as
  * @param inputs
  *   the inputs of a graph, which columns may be one by one
  * @param trained
  *   names and widths, where they are known, of the columns that the model was trained on
  * @param golden
  *   golden vectors that whoever loads the model checks it by, where it has any
  * @param label
  *   text in plans and in the UI
  */
private[candlewick] final case class ScoreTaskSpec(
    modelJson: String,
    key: String,
    weights: SentWeights,
    outputs: Seq[OutputColumn],
    thresholds: Option[Seq[Double]],
    handleInvalid: String,
    precision: String,
    device: String,
    scale: Option[Double],
    featureWidth: Int,
    inputShape: Seq[Int],
    inputs: Seq[GraphInput],
    trained: Seq[(String, Option[Int])],
    golden: Option[SentWeights],
    label: String
) {
  override def toString: String = label

  /** Whether rows may be left out. */
  def drops: Boolean = handleInvalid == "skip"
}
