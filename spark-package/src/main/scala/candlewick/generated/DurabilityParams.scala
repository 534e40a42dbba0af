// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick.generated

import candlewick.internal.Legal
import org.apache.spark.ml.param._

/** Parameters of estimators, which their models know. Checkpoints of the training, and models that it goes on from. */
trait DurabilityParams extends Params {

  /** Folder on any Hadoop filesystem for checkpoints of the training. A fit of the same data and
    * parameters (others than epochs, trainers and timeouts) goes on from the newest one there, with
    * the bits of a fit that nobody ended. Not set: no checkpoints. (text)
    * @group param
    */
  final val checkpointDir: Param[String] = new Param[String](
    this,
    "checkpointDir",
    "Folder on any Hadoop filesystem for checkpoints of the training. A fit of the same data and parameters (others than epochs, trainers and timeouts) goes on from the newest one there, with the bits of a fit that nobody ended. Not set: no checkpoints. (text)"
  )

  /** @group getParam */
  final def getCheckpointDir: String = $(checkpointDir)

  /** Epochs between checkpoints, where checkpointDir is set. -1: none at the end of epochs but the
    * last one. (whole number of at least 1, or -1)
    * @group param
    */
  final val checkpointInterval: IntParam = new IntParam(
    this,
    "checkpointInterval",
    "Epochs between checkpoints, where checkpointDir is set. -1: none at the end of epochs but the last one. (whole number of at least 1, or -1)",
    Legal[Int]("checkpointInterval", "a whole number of at least 1, or -1", Legal.or(-1, Legal.whole(1L, 2147483647L)))
  )
  setDefault(checkpointInterval, 1)

  /** @group getParam */
  final def getCheckpointInterval: Int = $(checkpointInterval)

  /** Steps between checkpoints, where checkpointDir is set, beside those of checkpointInterval. Not
    * set: none within epochs. (whole number of at least 1)
    * @group param
    */
  final val checkpointSteps: IntParam = new IntParam(
    this,
    "checkpointSteps",
    "Steps between checkpoints, where checkpointDir is set, beside those of checkpointInterval. Not set: none within epochs. (whole number of at least 1)",
    Legal[Int]("checkpointSteps", "a whole number of at least 1", ParamValidators.inRange(1, 2147483647))
  )

  /** @group getParam */
  final def getCheckpointSteps: Int = $(checkpointSteps)

  /** The newest checkpoints that are kept; older ones are deleted. With one there is none to go
    * back to where it is damaged. (whole number of at least 1)
    * @group param
    */
  final val keepCheckpoints: IntParam = new IntParam(
    this,
    "keepCheckpoints",
    "The newest checkpoints that are kept; older ones are deleted. With one there is none to go back to where it is damaged. (whole number of at least 1)",
    Legal[Int]("keepCheckpoints", "a whole number of at least 1", ParamValidators.inRange(1, 2147483647))
  )
  setDefault(keepCheckpoints, 2)

  /** @group getParam */
  final def getKeepCheckpoints: Int = $(keepCheckpoints)

  /** Whether the model keeps the state that the training ended with, that of the optimiser too, so
    * that a later fit can go on from it (resumeOptimizer). Saving the model writes it into the
    * folder optimizer/. It has the size of the weights and of all that the optimiser keeps beside
    * them: three times the weights with Adam. (true or false)
    * @group param
    */
  final val saveOptimizer: BooleanParam = new BooleanParam(
    this,
    "saveOptimizer",
    "Whether the model keeps the state that the training ended with, that of the optimiser too, so that a later fit can go on from it (resumeOptimizer). Saving the model writes it into the folder optimizer/. It has the size of the weights and of all that the optimiser keeps beside them: three times the weights with Adam. (true or false)"
  )
  setDefault(saveOptimizer, false)

  /** @group getParam */
  final def getSaveOptimizer: Boolean = $(saveOptimizer)

  /** Whether training goes on where that of the initial model (setInitialModel) ended, with its
    * optimiser, schedule and history, and not from its weights with a new optimiser. The model must
    * have been fitted with saveOptimizer=true, from the same rows and parameters. epochs counts
    * from the beginning: a model of 3 epochs and then epochs=6 give the bits of 6 epochs at once.
    * (true or false)
    * @group param
    */
  final val resumeOptimizer: BooleanParam = new BooleanParam(
    this,
    "resumeOptimizer",
    "Whether training goes on where that of the initial model (setInitialModel) ended, with its optimiser, schedule and history, and not from its weights with a new optimiser. The model must have been fitted with saveOptimizer=true, from the same rows and parameters. epochs counts from the beginning: a model of 3 epochs and then epochs=6 give the bits of 6 epochs at once. (true or false)"
  )
  setDefault(resumeOptimizer, false)

  /** @group getParam */
  final def getResumeOptimizer: Boolean = $(resumeOptimizer)
}

/** What estimators have beyond their models. Checkpoints of the training, and models that it goes on from. */
trait DurabilitySetters extends DurabilityParams {

  /** @group setParam */
  def setCheckpointDir(value: String): this.type = set(checkpointDir, value)

  /** @group setParam */
  def setCheckpointInterval(value: Int): this.type = set(checkpointInterval, value)

  /** @group setParam */
  def setCheckpointSteps(value: Int): this.type = set(checkpointSteps, value)

  /** @group setParam */
  def setKeepCheckpoints(value: Int): this.type = set(keepCheckpoints, value)

  /** @group setParam */
  def setSaveOptimizer(value: Boolean): this.type = set(saveOptimizer, value)

  /** @group setParam */
  def setResumeOptimizer(value: Boolean): this.type = set(resumeOptimizer, value)
}
