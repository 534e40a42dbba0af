// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick.generated

import candlewick.internal.Legal
import org.apache.spark.ml.param._

/** Parameters of estimators. Checkpoints of the training. */
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

  /** @group setParam */
  def setCheckpointDir(value: String): this.type = set(checkpointDir, value)

  /** Epochs between checkpoints, where checkpointDir is set. -1: none at the end of epochs but the
    * last one. (whole number of at least -1)
    * @group param
    */
  final val checkpointInterval: IntParam = new IntParam(
    this,
    "checkpointInterval",
    "Epochs between checkpoints, where checkpointDir is set. -1: none at the end of epochs but the last one. (whole number of at least -1)",
    Legal[Int]("checkpointInterval", "a whole number of at least -1", ParamValidators.inRange(-1, 2147483647))
  )
  setDefault(checkpointInterval, 1)

  /** @group getParam */
  final def getCheckpointInterval: Int = $(checkpointInterval)

  /** @group setParam */
  def setCheckpointInterval(value: Int): this.type = set(checkpointInterval, value)

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

  /** @group setParam */
  def setCheckpointSteps(value: Int): this.type = set(checkpointSteps, value)

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

  /** @group setParam */
  def setKeepCheckpoints(value: Int): this.type = set(keepCheckpoints, value)
}
