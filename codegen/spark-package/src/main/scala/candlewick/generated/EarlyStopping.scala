// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick

import candlewick.internal.Legal
import org.apache.spark.ml.param.ParamValidators

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
  private val arguments = Seq[(String, Any)](
    "metric" -> metric,
    Argument("EarlyStopping", "patience", patience, "a whole number of at least 0")(Legal.whole(0L, 2147483648L)),
    Argument("EarlyStopping", "minDelta", minDelta, "a finite number of at least 0")(ParamValidators.inRange(0.0, Double.MaxValue)),
    Argument("EarlyStopping", "mode", mode, "\"auto\" or \"min\" or \"max\"")(ParamValidators.inArray(Array("auto", "min", "max"))),
    "restoreBest" -> restoreBest
  )

  /** The document that `setEarlyStopping` takes. */
  def json: String = Document.of("EarlyStopping", arguments).toString
}
