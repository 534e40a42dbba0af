package candlewick

/** A fit, as its callbacks know it: several may run at once, for example those of a `CrossValidator`.
  *
  * @param id
  *   id of the fit, as it stands in the log and in the tags of its Spark jobs
  * @param number
  *   the same in short: fits of one driver are numbered from 1
  * @param uid
  *   uid of the estimator
  * @param epochs
  *   epochs that it makes unless it is stopped
  */
final case class FitInfo(id: String, number: Int, uid: String, epochs: Int)

/** Where a fit stands within an epoch.
  *
  * @param epoch
  *   epoch, from 0
  * @param step
  *   steps of the whole training so far
  * @param stepsPerEpoch
  *   steps of an epoch
  * @param loss
  *   mean loss over the epoch so far; NaN where it has none yet
  * @param rowsPerSecond
  *   rows trained on per second, in this epoch
  * @param secondsLeft
  *   until the last epoch ends, at that rate; NaN where that is not known yet
  */
final case class StepRecord(
    epoch: Int,
    step: Long,
    stepsPerEpoch: Long,
    loss: Double,
    rowsPerSecond: Double,
    secondsLeft: Double
)

/** Looks on while a fit trains, from the driver, and may end it: see `setCallbacks`.
  *
  * Its methods are called one after another, in a thread of their own. Trainers wait at the end of an epoch until all
  * callbacks have seen it. What a callback throws fails the fit. A fit that fails by something else waits 5 s for what is
  * called then, and calls `onException` beside it where that takes longer.
  *
  * {{{
  * classifier.setCallbacks(new Callback {
  *   override def onEpochEnd(epoch: EpochRecord, fit: FitInfo): Boolean = {
  *     println(s"${fit.number}: ${epoch.loss}")
  *     epoch.metrics("val_accuracy") > 0.95 // true ends the training here
  *   }
  * })
  * }}}
  */
trait Callback {

  /** Before anything is started. `fit.epochs` is what is asked for. */
  def onFitBegin(fit: FitInfo): Unit = ()

  /** Within an epoch, a few times a second at most. */
  def onStep(step: StepRecord, fit: FitInfo): Unit = ()

  /** At the end of an epoch. Where a fit goes on from a checkpoint, it is first told of the epochs before it
    * (`epoch.again`).
    *
    * @return
    *   true ends the training after this epoch, with the model of a fit of so many epochs
    */
  def onEpochEnd(epoch: EpochRecord, fit: FitInfo): Boolean = false

  /** The fit has ended well. */
  def onFitEnd(model: NeuralModel[_], fit: FitInfo): Unit = ()

  /** The fit has failed or was cancelled. What this throws is logged and changes nothing. */
  def onException(error: Throwable, fit: FitInfo): Unit = ()
}

/** Makes callbacks of functions. */
object Callback {

  /** A callback that looks at the end of each epoch; true ends the training there. */
  def apply(stop: EpochRecord => Boolean): Callback = new Callback {
    override def onEpochEnd(epoch: EpochRecord, fit: FitInfo): Boolean = stop(epoch)
    override def toString: String = "(a function)"
  }
}
