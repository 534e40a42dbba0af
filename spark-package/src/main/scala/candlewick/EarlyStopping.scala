package candlewick

/** Ends a training before its last epoch, once a metric gets no better.
  *
  * {{{
  * classifier
  *   .setMetrics(Array("accuracy"))
  *   .setValidationFraction(0.1)
  *   .setEarlyStopping(EarlyStopping("val_accuracy", patience = 5))
  * }}}
  *
  * @param metric
  *   name in the history: `val_loss`, `val_<metric>`, `loss` or `<metric>`
  * @param patience
  *   epochs without a better value after which training ends
  * @param minDelta
  *   a value counts as better where it is so by more than this
  * @param mode
  *   `min` where less is better, `max` where more is; `auto` knows for every metric
  * @param restoreBest
  *   the model gets the weights of the best epoch, not of the last; takes a copy of the weights in every trainer
  */
final case class EarlyStopping(
    metric: String = "val_loss",
    patience: Int = 3,
    minDelta: Double = 0.0,
    mode: String = "auto",
    restoreBest: Boolean = true
) {

  /** The document that `setEarlyStopping` takes. */
  def json: String = Document
    .of(
      "EarlyStopping",
      Seq(
        "metric" -> metric,
        "patience" -> patience,
        "minDelta" -> minDelta,
        "mode" -> mode,
        "restoreBest" -> restoreBest
      )
    )
    .toString
}
