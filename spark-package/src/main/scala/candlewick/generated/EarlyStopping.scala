// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick

/** Ends training before its last epoch, once a metric gets no better.
  *
  * @param metric Name in the history: "val_loss", "val_<metric>", "loss" or "<metric>". (text)
  * @param patience Epochs without a better value after which training ends; 0 counts as 1. (whole
  *   number of at least 0)
  * @param minDelta A value counts as better where it is so by more than this. (number of at least
  *   0)
  * @param mode "min" where less is better, "max" where more is; "auto" is "min" for losses and
  *   errors, else "max". ("auto" or "min" or "max")
  * @param restoreBest The model gets the weights of the best epoch, not of the last; takes a copy
  *   of the weights in every trainer. (true or false)
  */
final case class EarlyStopping(
    metric: String = "val_loss",
    patience: Int = 3,
    minDelta: Double = 0.0,
    mode: String = "auto",
    restoreBest: Boolean = true
) {

  /** The document that `setEarlyStopping` takes. */
  def json: String = {
    val arguments = Seq(
        "metric" -> metric,
        "patience" -> patience,
        "minDelta" -> minDelta,
        "mode" -> mode,
        "restoreBest" -> restoreBest
      )
    Document.of("EarlyStopping", arguments).toString
  }
}
