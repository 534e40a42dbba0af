// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick.generated

import candlewick._
import org.apache.spark.ml.param._

/** Parameters of estimators, which their models know. What is trained. */
trait NetworkParams extends Params {

  /** The loss: nn.CrossEntropyLoss(), nn.MSELoss() and the others, nn.MultiLoss for several, its
    * JSON document, or its name where nothing else is to be said. A NeuralEstimator also takes a
    * loss for each output by its name. Not set: CrossEntropyLoss for a classifier
    * (BCEWithLogitsLoss where the network has one output), MSELoss for a regressor; a
    * NeuralEstimator needs one. (object of its builder, or its JSON document)
    * @group param
    */
  final val loss: Param[String] = new DocumentParam(
    this,
    "loss",
    "The loss: nn.CrossEntropyLoss(), nn.MSELoss() and the others, nn.MultiLoss for several, its JSON document, or its name where nothing else is to be said. A NeuralEstimator also takes a loss for each output by its name. Not set: CrossEntropyLoss for a classifier (BCEWithLogitsLoss where the network has one output), MSELoss for a regressor; a NeuralEstimator needs one. (object of its builder, or its JSON document)",
    Formats.Losses
  )

  /** @group getParam */
  final def getLoss: String = $(loss)
}

/** What estimators have beyond their models. What is trained. */
trait NetworkSetters extends NetworkParams {

  /** The network: nn.Sequential(...), nn.Graph(...) or its JSON document. (object of its builder,
    * or its JSON document)
    * @group param
    */
  final val network: Param[String] = new DocumentParam(
    this,
    "network",
    "The network: nn.Sequential(...), nn.Graph(...) or its JSON document. (object of its builder, or its JSON document)"
  )

  /** @group getParam */
  final def getNetwork: String = $(network)

  /** @group setParam */
  def setNetwork(value: String): this.type = set(network, value)

  /** @group setParam */
  def setNetwork(value: Network): this.type = set(network, value.json)

  /** Weights that training starts from: a safetensors file (F32, F64, F16, BF16) with PyTorch's
    * names on any file system that Hadoop reads, or its bytes. In Python also a state_dict, a
    * module of PyTorch, or a trained model. Not set: random by the seed. (path, or the bytes of a
    * file)
    * @group param
    */
  final val initialWeights: Param[String] = new Param[String](
    this,
    "initialWeights",
    "Weights that training starts from: a safetensors file (F32, F64, F16, BF16) with PyTorch's names on any file system that Hadoop reads, or its bytes. In Python also a state_dict, a module of PyTorch, or a trained model. Not set: random by the seed. (path, or the bytes of a file)"
  )

  /** @group getParam */
  final def getInitialWeights: String = $(initialWeights)

  /** @group setParam */
  def setInitialWeights(value: String): this.type = set(initialWeights, value)

  /** Whether initialWeights must hold exactly the network's parameters. False: what fits is loaded,
    * the rest starts random by the seed, and the summary says which. (true or false)
    * @group param
    */
  final val strictWeights: BooleanParam = new BooleanParam(
    this,
    "strictWeights",
    "Whether initialWeights must hold exactly the network's parameters. False: what fits is loaded, the rest starts random by the seed, and the summary says which. (true or false)"
  )
  setDefault(strictWeights, true)

  /** @group getParam */
  final def getStrictWeights: Boolean = $(strictWeights)

  /** @group setParam */
  def setStrictWeights(value: Boolean): this.type = set(strictWeights, value)

  /** @group setParam */
  def setLoss(value: String): this.type = set(loss, value)

  /** @group setParam */
  def setLoss(value: Loss): this.type = set(loss, value.json)

  /** A loss for each output by its name: `setLoss("digit" -> nn.CrossEntropyLoss())`. Their sum is what is trained.
    *
    * @group setParam
    */
  def setLoss(first: (String, Loss), others: (String, Loss)*): this.type =
    set(loss, Losses.byOutput(first +: others).json)
}
