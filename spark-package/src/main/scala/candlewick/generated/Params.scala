// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick.generated

import candlewick._
import org.apache.spark.ml.param._

/** Parameters that estimators and models share. */
trait NeuralModelParams extends Params {

  /** Every parameter that was set, not the defaults, as one JSON object: what the native library resolves.
    */
  def paramsJson(): String = {
    // A file that is given by its bytes would only be copied.
    val asked = params.filter(param => isSet(param) && param.name != "initialWeights")
    val set = asked.map(param => s"\"${param.name}\":${jsonValue(param)}")
    set.mkString("{", ",", "}")
  }

  private def jsonValue[T](param: Param[T]): String =
    if (NeuralModelParams.documents.contains(param.name))
      Document.parse(s"parameter ${param.name}", $(param).toString).toString
    else param.jsonEncode($(param))

  /** Column of the features: a Vector (dense or sparse), an array of any numeric type, one numeric
    * column, or binary (see inputShape and scale). (text)
    * @group param
    */
  final val featuresCol: Param[String] = new Param[String](
    this,
    "featuresCol",
    "Column of the features: a Vector (dense or sparse), an array of any numeric type, one numeric column, or binary (see inputShape and scale)."
  )
  setDefault(featuresCol, "features")

  /** Column of the features: a Vector (dense or sparse), an array of any numeric type, one numeric
    * column, or binary (see inputShape and scale). (text)
    * @group getParam
    */
  def getFeaturesCol: String = $(featuresCol)

  /** Column of the features: a Vector (dense or sparse), an array of any numeric type, one numeric
    * column, or binary (see inputShape and scale). (text)
    * @group setParam
    */
  def setFeaturesCol(value: String): this.type = set(featuresCol, value)

  /** Columns whose values are put one after another to form the features, instead of featuresCol:
    * numeric, array and Vector columns may be mixed. Not set, and the network is a graph: the
    * columns named as its inputs. (list of texts)
    * @group param
    */
  final val featuresCols: StringArrayParam = new StringArrayParam(
    this,
    "featuresCols",
    "Columns whose values are put one after another to form the features, instead of featuresCol: numeric, array and Vector columns may be mixed. Not set, and the network is a graph: the columns named as its inputs."
  )

  /** Columns whose values are put one after another to form the features, instead of featuresCol:
    * numeric, array and Vector columns may be mixed. Not set, and the network is a graph: the
    * columns named as its inputs. (list of texts)
    * @group getParam
    */
  def getFeaturesCols: Array[String] = $(featuresCols)

  /** Columns whose values are put one after another to form the features, instead of featuresCol:
    * numeric, array and Vector columns may be mixed. Not set, and the network is a graph: the
    * columns named as its inputs. (list of texts)
    * @group setParam
    */
  def setFeaturesCols(value: Array[String]): this.type = set(featuresCols, value)

  /** Column that transform appends: the class of a classifier, the value (or Vector of values) of a
    * regressor. A regressor whose network is a graph of several outputs also appends a column for
    * each, such as prediction_price. (text)
    * @group param
    */
  final val predictionCol: Param[String] = new Param[String](
    this,
    "predictionCol",
    "Column that transform appends: the class of a classifier, the value (or Vector of values) of a regressor. A regressor whose network is a graph of several outputs also appends a column for each, such as prediction_price."
  )
  setDefault(predictionCol, "prediction")

  /** Column that transform appends: the class of a classifier, the value (or Vector of values) of a
    * regressor. A regressor whose network is a graph of several outputs also appends a column for
    * each, such as prediction_price. (text)
    * @group getParam
    */
  def getPredictionCol: String = $(predictionCol)

  /** Column that transform appends: the class of a classifier, the value (or Vector of values) of a
    * regressor. A regressor whose network is a graph of several outputs also appends a column for
    * each, such as prediction_price. (text)
    * @group setParam
    */
  def setPredictionCol(value: String): this.type = set(predictionCol, value)

  /** What to do with a row that holds null, NaN, infinity or a vector of another length: "error"
    * fails with the row named, "skip" leaves it out and counts it in the ledger. ("error" or
    * "skip")
    * @group param
    */
  final val handleInvalid: Param[String] = new Param[String](
    this,
    "handleInvalid",
    "What to do with a row that holds null, NaN, infinity or a vector of another length: \"error\" fails with the row named, \"skip\" leaves it out and counts it in the ledger."
  )
  setDefault(handleInvalid, "error")

  /** What to do with a row that holds null, NaN, infinity or a vector of another length: "error"
    * fails with the row named, "skip" leaves it out and counts it in the ledger. ("error" or
    * "skip")
    * @group getParam
    */
  def getHandleInvalid: String = $(handleInvalid)

  /** What to do with a row that holds null, NaN, infinity or a vector of another length: "error"
    * fails with the row named, "skip" leaves it out and counts it in the ledger. ("error" or
    * "skip")
    * @group setParam
    */
  def setHandleInvalid(value: String): this.type = set(handleInvalid, value)

  /** Shape that views the flat features as a tensor, without the batch dimension, for example [1,
    * 28, 28]. Needed for binary features. (list of whole numbers of at least 1)
    * @group param
    */
  final val inputShape: IntArrayParam = new IntArrayParam(
    this,
    "inputShape",
    "Shape that views the flat features as a tensor, without the batch dimension, for example [1, 28, 28]. Needed for binary features."
  )

  /** Shape that views the flat features as a tensor, without the batch dimension, for example [1,
    * 28, 28]. Needed for binary features. (list of whole numbers of at least 1)
    * @group getParam
    */
  def getInputShape: Array[Int] = $(inputShape)

  /** Shape that views the flat features as a tensor, without the batch dimension, for example [1,
    * 28, 28]. Needed for binary features. (list of whole numbers of at least 1)
    * @group setParam
    */
  def setInputShape(value: Array[Int]): this.type = set(inputShape, value)

  /** Factor for every feature value, for example 1/255 for bytes of a picture. Not set: 1. (number
    * above 0)
    * @group param
    */
  final val scale: DoubleParam = new DoubleParam(
    this,
    "scale",
    "Factor for every feature value, for example 1/255 for bytes of a picture. Not set: 1."
  )

  /** Factor for every feature value, for example 1/255 for bytes of a picture. Not set: 1. (number
    * above 0)
    * @group getParam
    */
  def getScale: Double = $(scale)

  /** Factor for every feature value, for example 1/255 for bytes of a picture. Not set: 1. (number
    * above 0)
    * @group setParam
    */
  def setScale(value: Double): this.type = set(scale, value)
}

private[generated] object NeuralModelParams {

  /** Parameters whose text is a JSON document. */
  val documents: Set[String] = Set("network", "loss", "optimizer", "lrScheduler", "earlyStopping")
}

/** Parameters of every estimator. */
trait NeuralEstimatorParams extends NeuralModelParams {

  /** Column of the label: any numeric type. A classifier wants whole numbers from 0; a regressor
    * also takes an array or a Vector (several outputs; those of a graph one after another). (text)
    * @group param
    */
  final val labelCol: Param[String] = new Param[String](
    this,
    "labelCol",
    "Column of the label: any numeric type. A classifier wants whole numbers from 0; a regressor also takes an array or a Vector (several outputs; those of a graph one after another)."
  )
  setDefault(labelCol, "label")

  /** Column of the label: any numeric type. A classifier wants whole numbers from 0; a regressor
    * also takes an array or a Vector (several outputs; those of a graph one after another). (text)
    * @group getParam
    */
  def getLabelCol: String = $(labelCol)

  /** Column of the label: any numeric type. A classifier wants whole numbers from 0; a regressor
    * also takes an array or a Vector (several outputs; those of a graph one after another). (text)
    * @group setParam
    */
  def setLabelCol(value: String): this.type = set(labelCol, value)

  /** Column of the row's weight in the loss: numeric, finite, not negative. Not set: every row
    * weighs 1. (text)
    * @group param
    */
  final val weightCol: Param[String] = new Param[String](
    this,
    "weightCol",
    "Column of the row's weight in the loss: numeric, finite, not negative. Not set: every row weighs 1."
  )

  /** Column of the row's weight in the loss: numeric, finite, not negative. Not set: every row
    * weighs 1. (text)
    * @group getParam
    */
  def getWeightCol: String = $(weightCol)

  /** Column of the row's weight in the loss: numeric, finite, not negative. Not set: every row
    * weighs 1. (text)
    * @group setParam
    */
  def setWeightCol(value: String): this.type = set(weightCol, value)

  /** Boolean column that is true for the rows to validate on: they never train. Not set: see
    * validationFraction. (text)
    * @group param
    */
  final val validationIndicatorCol: Param[String] = new Param[String](
    this,
    "validationIndicatorCol",
    "Boolean column that is true for the rows to validate on: they never train. Not set: see validationFraction."
  )

  /** Boolean column that is true for the rows to validate on: they never train. Not set: see
    * validationFraction. (text)
    * @group getParam
    */
  def getValidationIndicatorCol: String = $(validationIndicatorCol)

  /** Boolean column that is true for the rows to validate on: they never train. Not set: see
    * validationFraction. (text)
    * @group setParam
    */
  def setValidationIndicatorCol(value: String): this.type = set(validationIndicatorCol, value)

  /** The network: nn.Sequential(...), nn.Graph(...) or its JSON document. (builder object or JSON
    * document)
    * @group param
    */
  final val network: Param[String] = new Param[String](
    this,
    "network",
    "The network: nn.Sequential(...), nn.Graph(...) or its JSON document."
  )

  /** The network: nn.Sequential(...), nn.Graph(...) or its JSON document. (builder object or JSON
    * document)
    * @group getParam
    */
  def getNetwork: String = $(network)

  /** The network: nn.Sequential(...), nn.Graph(...) or its JSON document. (builder object or JSON
    * document)
    * @group setParam
    */
  def setNetwork(value: String): this.type = set(network, value)

  /** The network: nn.Sequential(...), nn.Graph(...) or its JSON document. (builder object or JSON
    * document)
    * @group setParam
    */
  def setNetwork(value: Network): this.type = set(network, value.json)

  /** Weights that training starts from: a safetensors file (F32, F64, F16, BF16) with PyTorch's
    * names on any file system that Hadoop reads. In Python also its bytes, a state_dict, or a
    * trained model. Not set: random by the seed. (text)
    * @group param
    */
  final val initialWeights: Param[String] = new Param[String](
    this,
    "initialWeights",
    "Weights that training starts from: a safetensors file (F32, F64, F16, BF16) with PyTorch's names on any file system that Hadoop reads. In Python also its bytes, a state_dict, or a trained model. Not set: random by the seed."
  )

  /** Weights that training starts from: a safetensors file (F32, F64, F16, BF16) with PyTorch's
    * names on any file system that Hadoop reads. In Python also its bytes, a state_dict, or a
    * trained model. Not set: random by the seed. (text)
    * @group getParam
    */
  def getInitialWeights: String = $(initialWeights)

  /** Weights that training starts from: a safetensors file (F32, F64, F16, BF16) with PyTorch's
    * names on any file system that Hadoop reads. In Python also its bytes, a state_dict, or a
    * trained model. Not set: random by the seed. (text)
    * @group setParam
    */
  def setInitialWeights(value: String): this.type = set(initialWeights, value)

  /** Whether initialWeights must hold exactly the network's parameters. False: what fits is loaded,
    * the rest starts random by the seed, and the summary says which. (true or false)
    * @group param
    */
  final val strictWeights: BooleanParam = new BooleanParam(
    this,
    "strictWeights",
    "Whether initialWeights must hold exactly the network's parameters. False: what fits is loaded, the rest starts random by the seed, and the summary says which."
  )
  setDefault(strictWeights, true)

  /** Whether initialWeights must hold exactly the network's parameters. False: what fits is loaded,
    * the rest starts random by the seed, and the summary says which. (true or false)
    * @group getParam
    */
  def getStrictWeights: Boolean = $(strictWeights)

  /** Whether initialWeights must hold exactly the network's parameters. False: what fits is loaded,
    * the rest starts random by the seed, and the summary says which. (true or false)
    * @group setParam
    */
  def setStrictWeights(value: Boolean): this.type = set(strictWeights, value)

  /** The loss: nn.CrossEntropyLoss(), nn.MSELoss() and the others, nn.MultiLoss for several, or its
    * JSON document. Not set: CrossEntropyLoss for a classifier (BCEWithLogitsLoss where the network
    * has one output), MSELoss for a regressor. (builder object or JSON document)
    * @group param
    */
  final val loss: Param[String] = new Param[String](
    this,
    "loss",
    "The loss: nn.CrossEntropyLoss(), nn.MSELoss() and the others, nn.MultiLoss for several, or its JSON document. Not set: CrossEntropyLoss for a classifier (BCEWithLogitsLoss where the network has one output), MSELoss for a regressor."
  )

  /** The loss: nn.CrossEntropyLoss(), nn.MSELoss() and the others, nn.MultiLoss for several, or its
    * JSON document. Not set: CrossEntropyLoss for a classifier (BCEWithLogitsLoss where the network
    * has one output), MSELoss for a regressor. (builder object or JSON document)
    * @group getParam
    */
  def getLoss: String = $(loss)

  /** The loss: nn.CrossEntropyLoss(), nn.MSELoss() and the others, nn.MultiLoss for several, or its
    * JSON document. Not set: CrossEntropyLoss for a classifier (BCEWithLogitsLoss where the network
    * has one output), MSELoss for a regressor. (builder object or JSON document)
    * @group setParam
    */
  def setLoss(value: String): this.type = set(loss, value)

  /** The loss: nn.CrossEntropyLoss(), nn.MSELoss() and the others, nn.MultiLoss for several, or its
    * JSON document. Not set: CrossEntropyLoss for a classifier (BCEWithLogitsLoss where the network
    * has one output), MSELoss for a regressor. (builder object or JSON document)
    * @group setParam
    */
  def setLoss(value: Loss): this.type = set(loss, value.json)

  /** Passes over the data. 0 gives a model that holds the initial weights. (whole number, 0 to
    * 1000000)
    * @group param
    */
  final val epochs: IntParam = new IntParam(
    this,
    "epochs",
    "Passes over the data. 0 gives a model that holds the initial weights."
  )
  setDefault(epochs, 10)

  /** Passes over the data. 0 gives a model that holds the initial weights. (whole number, 0 to
    * 1000000)
    * @group getParam
    */
  def getEpochs: Int = $(epochs)

  /** Passes over the data. 0 gives a model that holds the initial weights. (whole number, 0 to
    * 1000000)
    * @group setParam
    */
  def setEpochs(value: Int): this.type = set(epochs, value)

  /** Rows of one step over all trainers together; exact, only the last step of an epoch may be
    * shorter. (whole number, 1 to 16777216)
    * @group param
    */
  final val batchSize: IntParam = new IntParam(
    this,
    "batchSize",
    "Rows of one step over all trainers together; exact, only the last step of an epoch may be shorter."
  )
  setDefault(batchSize, 256)

  /** Rows of one step over all trainers together; exact, only the last step of an epoch may be
    * shorter. (whole number, 1 to 16777216)
    * @group getParam
    */
  def getBatchSize: Int = $(batchSize)

  /** Rows of one step over all trainers together; exact, only the last step of an epoch may be
    * shorter. (whole number, 1 to 16777216)
    * @group setParam
    */
  def setBatchSize(value: Int): this.type = set(batchSize, value)

  /** The optimiser: optim.SGD, optim.AdamW and the others, or its JSON document. (builder object or
    * JSON document)
    * @group param
    */
  final val optimizer: Param[String] = new Param[String](
    this,
    "optimizer",
    "The optimiser: optim.SGD, optim.AdamW and the others, or its JSON document."
  )
  setDefault(optimizer, "{\"type\": \"AdamW\", \"lr\": 0.001}")

  /** The optimiser: optim.SGD, optim.AdamW and the others, or its JSON document. (builder object or
    * JSON document)
    * @group getParam
    */
  def getOptimizer: String = $(optimizer)

  /** The optimiser: optim.SGD, optim.AdamW and the others, or its JSON document. (builder object or
    * JSON document)
    * @group setParam
    */
  def setOptimizer(value: String): this.type = set(optimizer, value)

  /** The optimiser: optim.SGD, optim.AdamW and the others, or its JSON document. (builder object or
    * JSON document)
    * @group setParam
    */
  def setOptimizer(value: Optimizer): this.type = set(optimizer, value.json)

  /** How the learning rate moves: optim.lr_scheduler.StepLR and the others, or its JSON document.
    * Its steps are updates of the optimiser. Not set: it stays as the optimizer says. (builder
    * object or JSON document)
    * @group param
    */
  final val lrScheduler: Param[String] = new Param[String](
    this,
    "lrScheduler",
    "How the learning rate moves: optim.lr_scheduler.StepLR and the others, or its JSON document. Its steps are updates of the optimiser. Not set: it stays as the optimizer says."
  )

  /** How the learning rate moves: optim.lr_scheduler.StepLR and the others, or its JSON document.
    * Its steps are updates of the optimiser. Not set: it stays as the optimizer says. (builder
    * object or JSON document)
    * @group getParam
    */
  def getLrScheduler: String = $(lrScheduler)

  /** How the learning rate moves: optim.lr_scheduler.StepLR and the others, or its JSON document.
    * Its steps are updates of the optimiser. Not set: it stays as the optimizer says. (builder
    * object or JSON document)
    * @group setParam
    */
  def setLrScheduler(value: String): this.type = set(lrScheduler, value)

  /** How the learning rate moves: optim.lr_scheduler.StepLR and the others, or its JSON document.
    * Its steps are updates of the optimiser. Not set: it stays as the optimizer says. (builder
    * object or JSON document)
    * @group setParam
    */
  def setLrScheduler(value: LRScheduler): this.type = set(lrScheduler, value.json)

  /** Steps whose gradients are added up for one update of the optimiser, as if they were one step
    * of so many times batchSize; the last update of an epoch may have fewer. (whole number, 1 to
    * 16777216)
    * @group param
    */
  final val gradientAccumulationSteps: IntParam = new IntParam(
    this,
    "gradientAccumulationSteps",
    "Steps whose gradients are added up for one update of the optimiser, as if they were one step of so many times batchSize; the last update of an epoch may have fewer."
  )
  setDefault(gradientAccumulationSteps, 1)

  /** Steps whose gradients are added up for one update of the optimiser, as if they were one step
    * of so many times batchSize; the last update of an epoch may have fewer. (whole number, 1 to
    * 16777216)
    * @group getParam
    */
  def getGradientAccumulationSteps: Int = $(gradientAccumulationSteps)

  /** Steps whose gradients are added up for one update of the optimiser, as if they were one step
    * of so many times batchSize; the last update of an epoch may have fewer. (whole number, 1 to
    * 16777216)
    * @group setParam
    */
  def setGradientAccumulationSteps(value: Int): this.type = set(gradientAccumulationSteps, value)

  /** Largest Euclidean norm of the whole gradient (torch.nn.utils.clip_grad_norm_). Not set: no
    * clipping. (number above 0)
    * @group param
    */
  final val clipNorm: DoubleParam = new DoubleParam(
    this,
    "clipNorm",
    "Largest Euclidean norm of the whole gradient (torch.nn.utils.clip_grad_norm_). Not set: no clipping."
  )

  /** Largest Euclidean norm of the whole gradient (torch.nn.utils.clip_grad_norm_). Not set: no
    * clipping. (number above 0)
    * @group getParam
    */
  def getClipNorm: Double = $(clipNorm)

  /** Largest Euclidean norm of the whole gradient (torch.nn.utils.clip_grad_norm_). Not set: no
    * clipping. (number above 0)
    * @group setParam
    */
  def setClipNorm(value: Double): this.type = set(clipNorm, value)

  /** Largest absolute value of a gradient's element (torch.nn.utils.clip_grad_value_). Not set: no
    * clipping. (number above 0)
    * @group param
    */
  final val clipValue: DoubleParam = new DoubleParam(
    this,
    "clipValue",
    "Largest absolute value of a gradient's element (torch.nn.utils.clip_grad_value_). Not set: no clipping."
  )

  /** Largest absolute value of a gradient's element (torch.nn.utils.clip_grad_value_). Not set: no
    * clipping. (number above 0)
    * @group getParam
    */
  def getClipValue: Double = $(clipValue)

  /** Largest absolute value of a gradient's element (torch.nn.utils.clip_grad_value_). Not set: no
    * clipping. (number above 0)
    * @group setParam
    */
  def setClipValue(value: Double): this.type = set(clipValue, value)

  /** Leave out the last step of an epoch where it has fewer than batchSize rows. (true or false)
    * @group param
    */
  final val dropLast: BooleanParam = new BooleanParam(
    this,
    "dropLast",
    "Leave out the last step of an epoch where it has fewer than batchSize rows."
  )
  setDefault(dropLast, false)

  /** Leave out the last step of an epoch where it has fewer than batchSize rows. (true or false)
    * @group getParam
    */
  def getDropLast: Boolean = $(dropLast)

  /** Leave out the last step of an epoch where it has fewer than batchSize rows. (true or false)
    * @group setParam
    */
  def setDropLast(value: Boolean): this.type = set(dropLast, value)

  /** The model gets an exponential moving average of the weights, decay * average + (1 - decay) *
    * weights after every update, for example 0.999; validation and early stopping judge the
    * average. Not set: the weights themselves. (number of at least 0 and below 1)
    * @group param
    */
  final val emaDecay: DoubleParam = new DoubleParam(
    this,
    "emaDecay",
    "The model gets an exponential moving average of the weights, decay * average + (1 - decay) * weights after every update, for example 0.999; validation and early stopping judge the average. Not set: the weights themselves."
  )

  /** The model gets an exponential moving average of the weights, decay * average + (1 - decay) *
    * weights after every update, for example 0.999; validation and early stopping judge the
    * average. Not set: the weights themselves. (number of at least 0 and below 1)
    * @group getParam
    */
  def getEmaDecay: Double = $(emaDecay)

  /** The model gets an exponential moving average of the weights, decay * average + (1 - decay) *
    * weights after every update, for example 0.999; validation and early stopping judge the
    * average. Not set: the weights themselves. (number of at least 0 and below 1)
    * @group setParam
    */
  def setEmaDecay(value: Double): this.type = set(emaDecay, value)

  /** What to do where the loss becomes NaN or infinite: "error" fails with the step and the likely
    * cause, "skip" makes no update in a step whose loss or gradient is not finite and counts it in
    * the history (skippedSteps). ("error" or "skip")
    * @group param
    */
  final val onNonFinite: Param[String] = new Param[String](
    this,
    "onNonFinite",
    "What to do where the loss becomes NaN or infinite: \"error\" fails with the step and the likely cause, \"skip\" makes no update in a step whose loss or gradient is not finite and counts it in the history (skippedSteps)."
  )
  setDefault(onNonFinite, "error")

  /** What to do where the loss becomes NaN or infinite: "error" fails with the step and the likely
    * cause, "skip" makes no update in a step whose loss or gradient is not finite and counts it in
    * the history (skippedSteps). ("error" or "skip")
    * @group getParam
    */
  def getOnNonFinite: String = $(onNonFinite)

  /** What to do where the loss becomes NaN or infinite: "error" fails with the step and the likely
    * cause, "skip" makes no update in a step whose loss or gradient is not finite and counts it in
    * the history (skippedSteps). ("error" or "skip")
    * @group setParam
    */
  def setOnNonFinite(value: String): this.type = set(onNonFinite, value)

  /** What is told of every epoch beside the loss, by scikit-learn's definitions. Classifier:
    * accuracy, top_3_accuracy (any k), precision, recall, f1 (of class 1 of two, weighted by class
    * where there are more; or with _macro, _micro, _weighted), roc_auc, pr_auc (average precision),
    * log_loss, confusion_matrix. Regressor: mae, mse, rmse, r2, mape. History has each as
    * val_<metric> over the validation rows, and as <metric> over the outputs of the epoch's
    * training steps, but for roc_auc, pr_auc and confusion_matrix (and precision, recall and f1 of
    * more than 100 classes). (list of texts)
    * @group param
    */
  final val metrics: StringArrayParam = new StringArrayParam(
    this,
    "metrics",
    "What is told of every epoch beside the loss, by scikit-learn's definitions. Classifier: accuracy, top_3_accuracy (any k), precision, recall, f1 (of class 1 of two, weighted by class where there are more; or with _macro, _micro, _weighted), roc_auc, pr_auc (average precision), log_loss, confusion_matrix. Regressor: mae, mse, rmse, r2, mape. History has each as val_<metric> over the validation rows, and as <metric> over the outputs of the epoch's training steps, but for roc_auc, pr_auc and confusion_matrix (and precision, recall and f1 of more than 100 classes)."
  )

  /** What is told of every epoch beside the loss, by scikit-learn's definitions. Classifier:
    * accuracy, top_3_accuracy (any k), precision, recall, f1 (of class 1 of two, weighted by class
    * where there are more; or with _macro, _micro, _weighted), roc_auc, pr_auc (average precision),
    * log_loss, confusion_matrix. Regressor: mae, mse, rmse, r2, mape. History has each as
    * val_<metric> over the validation rows, and as <metric> over the outputs of the epoch's
    * training steps, but for roc_auc, pr_auc and confusion_matrix (and precision, recall and f1 of
    * more than 100 classes). (list of texts)
    * @group getParam
    */
  def getMetrics: Array[String] = $(metrics)

  /** What is told of every epoch beside the loss, by scikit-learn's definitions. Classifier:
    * accuracy, top_3_accuracy (any k), precision, recall, f1 (of class 1 of two, weighted by class
    * where there are more; or with _macro, _micro, _weighted), roc_auc, pr_auc (average precision),
    * log_loss, confusion_matrix. Regressor: mae, mse, rmse, r2, mape. History has each as
    * val_<metric> over the validation rows, and as <metric> over the outputs of the epoch's
    * training steps, but for roc_auc, pr_auc and confusion_matrix (and precision, recall and f1 of
    * more than 100 classes). (list of texts)
    * @group setParam
    */
  def setMetrics(value: Array[String]): this.type = set(metrics, value)

  /** Share of the rows to put aside for validation, chosen by their content and the seed: equal
    * rows stay together, and the choice does not depend on partitions or cluster. 0: none. (number
    * of at least 0 and below 1)
    * @group param
    */
  final val validationFraction: DoubleParam = new DoubleParam(
    this,
    "validationFraction",
    "Share of the rows to put aside for validation, chosen by their content and the seed: equal rows stay together, and the choice does not depend on partitions or cluster. 0: none."
  )
  setDefault(validationFraction, 0.0)

  /** Share of the rows to put aside for validation, chosen by their content and the seed: equal
    * rows stay together, and the choice does not depend on partitions or cluster. 0: none. (number
    * of at least 0 and below 1)
    * @group getParam
    */
  def getValidationFraction: Double = $(validationFraction)

  /** Share of the rows to put aside for validation, chosen by their content and the seed: equal
    * rows stay together, and the choice does not depend on partitions or cluster. 0: none. (number
    * of at least 0 and below 1)
    * @group setParam
    */
  def setValidationFraction(value: Double): this.type = set(validationFraction, value)

  /** Steps after which the validation rows are also evaluated within an epoch (history:
    * validations). 0: at the end of every epoch only. (whole number, 0 to 1073741824)
    * @group param
    */
  final val validationSteps: IntParam = new IntParam(
    this,
    "validationSteps",
    "Steps after which the validation rows are also evaluated within an epoch (history: validations). 0: at the end of every epoch only."
  )
  setDefault(validationSteps, 0)

  /** Steps after which the validation rows are also evaluated within an epoch (history:
    * validations). 0: at the end of every epoch only. (whole number, 0 to 1073741824)
    * @group getParam
    */
  def getValidationSteps: Int = $(validationSteps)

  /** Steps after which the validation rows are also evaluated within an epoch (history:
    * validations). 0: at the end of every epoch only. (whole number, 0 to 1073741824)
    * @group setParam
    */
  def setValidationSteps(value: Int): this.type = set(validationSteps, value)

  /** When training ends before its last epoch: EarlyStopping(metric="val_loss", patience=3,
    * minDelta=0, mode="auto", restoreBest=true), or its JSON document. Decided at the end of an
    * epoch. Not set: never. (builder object or JSON document)
    * @group param
    */
  final val earlyStopping: Param[String] = new Param[String](
    this,
    "earlyStopping",
    "When training ends before its last epoch: EarlyStopping(metric=\"val_loss\", patience=3, minDelta=0, mode=\"auto\", restoreBest=true), or its JSON document. Decided at the end of an epoch. Not set: never."
  )

  /** When training ends before its last epoch: EarlyStopping(metric="val_loss", patience=3,
    * minDelta=0, mode="auto", restoreBest=true), or its JSON document. Decided at the end of an
    * epoch. Not set: never. (builder object or JSON document)
    * @group getParam
    */
  def getEarlyStopping: String = $(earlyStopping)

  /** When training ends before its last epoch: EarlyStopping(metric="val_loss", patience=3,
    * minDelta=0, mode="auto", restoreBest=true), or its JSON document. Decided at the end of an
    * epoch. Not set: never. (builder object or JSON document)
    * @group setParam
    */
  def setEarlyStopping(value: String): this.type = set(earlyStopping, value)

  /** When training ends before its last epoch: EarlyStopping(metric="val_loss", patience=3,
    * minDelta=0, mode="auto", restoreBest=true), or its JSON document. Decided at the end of an
    * epoch. Not set: never. (builder object or JSON document)
    * @group setParam
    */
  def setEarlyStopping(value: EarlyStopping): this.type = set(earlyStopping, value.json)

  /** Seed of initial weights, row order and dropout. The same data, parameters and seed give the
    * same weights bit for bit, on any number of trainers. (whole number of 64 bits)
    * @group param
    */
  final val seed: LongParam = new LongParam(
    this,
    "seed",
    "Seed of initial weights, row order and dropout. The same data, parameters and seed give the same weights bit for bit, on any number of trainers."
  )
  setDefault(seed, 0L)

  /** Seed of initial weights, row order and dropout. The same data, parameters and seed give the
    * same weights bit for bit, on any number of trainers. (whole number of 64 bits)
    * @group getParam
    */
  def getSeed: Long = $(seed)

  /** Seed of initial weights, row order and dropout. The same data, parameters and seed give the
    * same weights bit for bit, on any number of trainers. (whole number of 64 bits)
    * @group setParam
    */
  def setSeed(value: Long): this.type = set(seed, value)

  /** Print a line per epoch on the driver: loss, rows/s, seconds left. (true or false)
    * @group param
    */
  final val verbose: BooleanParam = new BooleanParam(
    this,
    "verbose",
    "Print a line per epoch on the driver: loss, rows/s, seconds left."
  )
  setDefault(verbose, false)

  /** Print a line per epoch on the driver: loss, rows/s, seconds left. (true or false)
    * @group getParam
    */
  def getVerbose: Boolean = $(verbose)

  /** Print a line per epoch on the driver: loss, rows/s, seconds left. (true or false)
    * @group setParam
    */
  def setVerbose(value: Boolean): this.type = set(verbose, value)

  /** Trainer processes. 0: one per executor. (whole number, 0 to 4096)
    * @group param
    */
  final val numTrainers: IntParam = new IntParam(
    this,
    "numTrainers",
    "Trainer processes. 0: one per executor."
  )
  setDefault(numTrainers, 0)

  /** Trainer processes. 0: one per executor. (whole number, 0 to 4096)
    * @group getParam
    */
  def getNumTrainers: Int = $(numTrainers)

  /** Trainer processes. 0: one per executor. (whole number, 0 to 4096)
    * @group setParam
    */
  def setNumTrainers(value: Int): this.type = set(numTrainers, value)

  /** Compute threads of a trainer. 0: the executor's cores divided by its trainers. (whole number,
    * 0 to 1024)
    * @group param
    */
  final val threadsPerTrainer: IntParam = new IntParam(
    this,
    "threadsPerTrainer",
    "Compute threads of a trainer. 0: the executor's cores divided by its trainers."
  )
  setDefault(threadsPerTrainer, 0)

  /** Compute threads of a trainer. 0: the executor's cores divided by its trainers. (whole number,
    * 0 to 1024)
    * @group getParam
    */
  def getThreadsPerTrainer: Int = $(threadsPerTrainer)

  /** Compute threads of a trainer. 0: the executor's cores divided by its trainers. (whole number,
    * 0 to 1024)
    * @group setParam
    */
  def setThreadsPerTrainer(value: Int): this.type = set(threadsPerTrainer, value)

  /** Logical shards the rows are dealt to; the unit of computation, so part of what decides the
    * weights' bits. At least numTrainers. (whole number, 1 to 65536)
    * @group param
    */
  final val logicalShards: IntParam = new IntParam(
    this,
    "logicalShards",
    "Logical shards the rows are dealt to; the unit of computation, so part of what decides the weights' bits. At least numTrainers."
  )
  setDefault(logicalShards, 8)

  /** Logical shards the rows are dealt to; the unit of computation, so part of what decides the
    * weights' bits. At least numTrainers. (whole number, 1 to 65536)
    * @group getParam
    */
  def getLogicalShards: Int = $(logicalShards)

  /** Logical shards the rows are dealt to; the unit of computation, so part of what decides the
    * weights' bits. At least numTrainers. (whole number, 1 to 65536)
    * @group setParam
    */
  def setLogicalShards(value: Int): this.type = set(logicalShards, value)

  /** Silence after which a trainer counts as lost. (duration such as "15s", "500ms", "2min")
    * @group param
    */
  final val failureTimeout: Param[String] = new Param[String](
    this,
    "failureTimeout",
    "Silence after which a trainer counts as lost."
  )
  setDefault(failureTimeout, "15s")

  /** Silence after which a trainer counts as lost. (duration such as "15s", "500ms", "2min")
    * @group getParam
    */
  def getFailureTimeout: String = $(failureTimeout)

  /** Silence after which a trainer counts as lost. (duration such as "15s", "500ms", "2min")
    * @group setParam
    */
  def setFailureTimeout(value: String): this.type = set(failureTimeout, value)

  /** Time without a step after which a trainer counts as stuck. (duration such as "15s", "500ms",
    * "2min")
    * @group param
    */
  final val progressTimeout: Param[String] = new Param[String](
    this,
    "progressTimeout",
    "Time without a step after which a trainer counts as stuck."
  )
  setDefault(progressTimeout, "600s")

  /** Time without a step after which a trainer counts as stuck. (duration such as "15s", "500ms",
    * "2min")
    * @group getParam
    */
  def getProgressTimeout: String = $(progressTimeout)

  /** Time without a step after which a trainer counts as stuck. (duration such as "15s", "500ms",
    * "2min")
    * @group setParam
    */
  def setProgressTimeout(value: String): this.type = set(progressTimeout, value)

  /** Longest wait for all trainers to start. (duration such as "15s", "500ms", "2min")
    * @group param
    */
  final val launchTimeout: Param[String] = new Param[String](
    this,
    "launchTimeout",
    "Longest wait for all trainers to start."
  )
  setDefault(launchTimeout, "300s")

  /** Longest wait for all trainers to start. (duration such as "15s", "500ms", "2min")
    * @group getParam
    */
  def getLaunchTimeout: String = $(launchTimeout)

  /** Longest wait for all trainers to start. (duration such as "15s", "500ms", "2min")
    * @group setParam
    */
  def setLaunchTimeout(value: String): this.type = set(launchTimeout, value)

  /** Memory of an executor for rows on their way to the trainers. (size such as "64m", "1g")
    * @group param
    */
  final val feedMemory: Param[String] = new Param[String](
    this,
    "feedMemory",
    "Memory of an executor for rows on their way to the trainers."
  )
  setDefault(feedMemory, "64m")

  /** Memory of an executor for rows on their way to the trainers. (size such as "64m", "1g")
    * @group getParam
    */
  def getFeedMemory: String = $(feedMemory)

  /** Memory of an executor for rows on their way to the trainers. (size such as "64m", "1g")
    * @group setParam
    */
  def setFeedMemory(value: String): this.type = set(feedMemory, value)
}

/** What a classifier and its model have beyond the others. */
trait NeuralClassifierParams extends NeuralModelParams {

  /** Column that transform appends: the Vector of class probabilities. Empty text: not appended.
    * (text)
    * @group param
    */
  final val probabilityCol: Param[String] = new Param[String](
    this,
    "probabilityCol",
    "Column that transform appends: the Vector of class probabilities. Empty text: not appended."
  )
  setDefault(probabilityCol, "probability")

  /** Column that transform appends: the Vector of class probabilities. Empty text: not appended.
    * (text)
    * @group getParam
    */
  def getProbabilityCol: String = $(probabilityCol)

  /** Column that transform appends: the Vector of class probabilities. Empty text: not appended.
    * (text)
    * @group setParam
    */
  def setProbabilityCol(value: String): this.type = set(probabilityCol, value)

  /** Column that transform appends: the Vector of the network's outputs (logits), of two less their
    * mean. Empty text: not appended. (text)
    * @group param
    */
  final val rawPredictionCol: Param[String] = new Param[String](
    this,
    "rawPredictionCol",
    "Column that transform appends: the Vector of the network's outputs (logits), of two less their mean. Empty text: not appended."
  )
  setDefault(rawPredictionCol, "rawPrediction")

  /** Column that transform appends: the Vector of the network's outputs (logits), of two less their
    * mean. Empty text: not appended. (text)
    * @group getParam
    */
  def getRawPredictionCol: String = $(rawPredictionCol)

  /** Column that transform appends: the Vector of the network's outputs (logits), of two less their
    * mean. Empty text: not appended. (text)
    * @group setParam
    */
  def setRawPredictionCol(value: String): this.type = set(rawPredictionCol, value)

  /** One number per class: the class with the largest probability / threshold is predicted, as in
    * Spark ML. (list of numbers from 0 to 1)
    * @group param
    */
  final val thresholds: DoubleArrayParam = new DoubleArrayParam(
    this,
    "thresholds",
    "One number per class: the class with the largest probability / threshold is predicted, as in Spark ML."
  )

  /** One number per class: the class with the largest probability / threshold is predicted, as in
    * Spark ML. (list of numbers from 0 to 1)
    * @group getParam
    */
  def getThresholds: Array[Double] = $(thresholds)

  /** One number per class: the class with the largest probability / threshold is predicted, as in
    * Spark ML. (list of numbers from 0 to 1)
    * @group setParam
    */
  def setThresholds(value: Array[Double]): this.type = set(thresholds, value)
}
