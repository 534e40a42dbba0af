// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick.generated

import candlewick._
import candlewick.internal.Legal
import org.apache.spark.ml.param._
import org.apache.spark.ml.param.shared._

/** Parameters of estimators, which their models know. How it is trained. */
trait TrainingParams extends Params with HasSeed {

  /** Passes over the data. 0 gives a model that holds the initial weights. (whole number from 0 to
    * 1000000)
    * @group param
    */
  final val epochs: IntParam = new IntParam(
    this,
    "epochs",
    "Passes over the data. 0 gives a model that holds the initial weights. (whole number from 0 to 1000000)",
    Legal[Int]("epochs", "a whole number from 0 to 1000000", ParamValidators.inRange(0, 1000000))
  )
  setDefault(epochs, 10)

  /** @group getParam */
  final def getEpochs: Int = $(epochs)

  /** Rows of one step over all trainers together; exact, only the last step of an epoch may be
    * shorter. (whole number from 1 to 16777216)
    * @group param
    */
  final val batchSize: IntParam = new IntParam(
    this,
    "batchSize",
    "Rows of one step over all trainers together; exact, only the last step of an epoch may be shorter. (whole number from 1 to 16777216)",
    Legal[Int]("batchSize", "a whole number from 1 to 16777216", ParamValidators.inRange(1, 16777216))
  )
  setDefault(batchSize, 256)

  /** @group getParam */
  final def getBatchSize: Int = $(batchSize)

  /** The optimiser: optim.SGD, optim.AdamW and the others, its JSON document, or its name where
    * nothing else is to be said, such as "adam". (object of its builder, or its JSON document)
    * @group param
    */
  final val optimizer: Param[String] = new DocumentParam(
    this,
    "optimizer",
    "The optimiser: optim.SGD, optim.AdamW and the others, its JSON document, or its name where nothing else is to be said, such as \"adam\". (object of its builder, or its JSON document)",
    Formats.Optimizers
  )
  setDefault(optimizer, "{\"type\": \"AdamW\", \"lr\": 0.001}")

  /** @group getParam */
  final def getOptimizer: String = $(optimizer)

  /** Learning rate, in place of the one that the optimizer says: a number, for grids and searches.
    * Groups of the optimizer with a rate of their own keep it. Not set: as the optimizer says.
    * (number of at least 0)
    * @group param
    */
  final val learningRate: DoubleParam = new DoubleParam(
    this,
    "learningRate",
    "Learning rate, in place of the one that the optimizer says: a number, for grids and searches. Groups of the optimizer with a rate of their own keep it. Not set: as the optimizer says. (number of at least 0)",
    Legal[Double]("learningRate", "a finite number of at least 0", ParamValidators.inRange(0.0, Double.MaxValue))
  )

  /** @group getParam */
  final def getLearningRate: Double = $(learningRate)

  /** How the learning rate moves: optim.lr_scheduler.StepLR and the others, its JSON document, or
    * its name where nothing else is to be said. It moves by epochs, or by updates with
    * interval="step". Not set: it stays as the optimizer says. (object of its builder, or its JSON
    * document)
    * @group param
    */
  final val lrScheduler: Param[String] = new DocumentParam(
    this,
    "lrScheduler",
    "How the learning rate moves: optim.lr_scheduler.StepLR and the others, its JSON document, or its name where nothing else is to be said. It moves by epochs, or by updates with interval=\"step\". Not set: it stays as the optimizer says. (object of its builder, or its JSON document)",
    Formats.Schedulers
  )

  /** @group getParam */
  final def getLrScheduler: String = $(lrScheduler)

  /** Steps whose gradients are added up for one update of the optimiser, as if they were one step
    * of so many times batchSize; the last update of an epoch may have fewer. (whole number from 1
    * to 16777216)
    * @group param
    */
  final val gradientAccumulationSteps: IntParam = new IntParam(
    this,
    "gradientAccumulationSteps",
    "Steps whose gradients are added up for one update of the optimiser, as if they were one step of so many times batchSize; the last update of an epoch may have fewer. (whole number from 1 to 16777216)",
    Legal[Int]("gradientAccumulationSteps", "a whole number from 1 to 16777216", ParamValidators.inRange(1, 16777216))
  )
  setDefault(gradientAccumulationSteps, 1)

  /** @group getParam */
  final def getGradientAccumulationSteps: Int = $(gradientAccumulationSteps)

  /** Largest Euclidean norm of the whole gradient (torch.nn.utils.clip_grad_norm_). Not set: no
    * clipping. (number above 0)
    * @group param
    */
  final val clipNorm: DoubleParam = new DoubleParam(
    this,
    "clipNorm",
    "Largest Euclidean norm of the whole gradient (torch.nn.utils.clip_grad_norm_). Not set: no clipping. (number above 0)",
    Legal[Double]("clipNorm", "a finite number above 0", ParamValidators.inRange(0.0, Double.MaxValue, false, true))
  )

  /** @group getParam */
  final def getClipNorm: Double = $(clipNorm)

  /** Largest absolute value of a gradient's element (torch.nn.utils.clip_grad_value_). Not set: no
    * clipping. (number above 0)
    * @group param
    */
  final val clipValue: DoubleParam = new DoubleParam(
    this,
    "clipValue",
    "Largest absolute value of a gradient's element (torch.nn.utils.clip_grad_value_). Not set: no clipping. (number above 0)",
    Legal[Double]("clipValue", "a finite number above 0", ParamValidators.inRange(0.0, Double.MaxValue, false, true))
  )

  /** @group getParam */
  final def getClipValue: Double = $(clipValue)

  /** Leave out the last step of an epoch where it has fewer than batchSize rows. (true or false)
    * @group param
    */
  final val dropLast: BooleanParam = new BooleanParam(
    this,
    "dropLast",
    "Leave out the last step of an epoch where it has fewer than batchSize rows. (true or false)"
  )
  setDefault(dropLast, false)

  /** @group getParam */
  final def getDropLast: Boolean = $(dropLast)

  /** The model gets an exponential moving average of the weights, decay * average + (1 - decay) *
    * weights after every update, for example 0.999; validation and early stopping judge the
    * average. Not set: the weights themselves. (number of at least 0 and below 1)
    * @group param
    */
  final val emaDecay: DoubleParam = new DoubleParam(
    this,
    "emaDecay",
    "The model gets an exponential moving average of the weights, decay * average + (1 - decay) * weights after every update, for example 0.999; validation and early stopping judge the average. Not set: the weights themselves. (number of at least 0 and below 1)",
    Legal[Double]("emaDecay", "a finite number of at least 0 and below 1", ParamValidators.inRange(0.0, 1.0, true, false))
  )

  /** @group getParam */
  final def getEmaDecay: Double = $(emaDecay)

  /** What to do where the loss becomes NaN or infinite: "error" fails with the step and the likely
    * cause, "skip" makes no update in a step whose loss or gradient is not finite and counts it in
    * the history (skippedSteps). ("error" or "skip")
    * @group param
    */
  final val onNonFinite: Param[String] = new Param[String](
    this,
    "onNonFinite",
    "What to do where the loss becomes NaN or infinite: \"error\" fails with the step and the likely cause, \"skip\" makes no update in a step whose loss or gradient is not finite and counts it in the history (skippedSteps). (\"error\" or \"skip\")",
    Legal[String]("onNonFinite", "\"error\" or \"skip\"", ParamValidators.inArray(Array("error", "skip")))
  )
  setDefault(onNonFinite, "error")

  /** @group getParam */
  final def getOnNonFinite: String = $(onNonFinite)

  /** What is reported of every epoch beside the loss, by scikit-learn's definitions. Classifier:
    * accuracy, top_3_accuracy (any k), precision, recall, f1 (of class 1 of two, weighted by class
    * where there are more; or with _macro, _micro, _weighted), roc_auc, pr_auc (average precision),
    * log_loss, confusion_matrix. Regressor: mae, mse, rmse, r2, mape. History has each as
    * val_<metric> over the validation rows, and as <metric> over the outputs of the epoch's
    * training steps, but for roc_auc, pr_auc and confusion_matrix (and precision, recall and f1 of
    * more than 100 classes). (list of at least one text)
    * @group param
    */
  final val metrics: StringArrayParam = new StringArrayParam(
    this,
    "metrics",
    "What is reported of every epoch beside the loss, by scikit-learn's definitions. Classifier: accuracy, top_3_accuracy (any k), precision, recall, f1 (of class 1 of two, weighted by class where there are more; or with _macro, _micro, _weighted), roc_auc, pr_auc (average precision), log_loss, confusion_matrix. Regressor: mae, mse, rmse, r2, mape. History has each as val_<metric> over the validation rows, and as <metric> over the outputs of the epoch's training steps, but for roc_auc, pr_auc and confusion_matrix (and precision, recall and f1 of more than 100 classes). (list of at least one text)",
    Legal[Array[String]]("metrics", "a list of at least one text", ParamValidators.arrayLengthGt[String](0))
  )

  /** @group getParam */
  final def getMetrics: Array[String] = $(metrics)

  /** Share of the rows to put aside for validation, chosen by their content and the seed: equal
    * rows stay together, and the choice does not depend on partitions or cluster. 0: none. (number
    * of at least 0 and below 1)
    * @group param
    */
  final val validationFraction: DoubleParam = new DoubleParam(
    this,
    "validationFraction",
    "Share of the rows to put aside for validation, chosen by their content and the seed: equal rows stay together, and the choice does not depend on partitions or cluster. 0: none. (number of at least 0 and below 1)",
    Legal[Double]("validationFraction", "a finite number of at least 0 and below 1", ParamValidators.inRange(0.0, 1.0, true, false))
  )
  setDefault(validationFraction, 0.0)

  /** @group getParam */
  final def getValidationFraction: Double = $(validationFraction)

  /** Steps after which the validation rows are also evaluated within an epoch (history:
    * validations). 0: at the end of every epoch only. (whole number from 0 to 1073741824)
    * @group param
    */
  final val validationSteps: IntParam = new IntParam(
    this,
    "validationSteps",
    "Steps after which the validation rows are also evaluated within an epoch (history: validations). 0: at the end of every epoch only. (whole number from 0 to 1073741824)",
    Legal[Int]("validationSteps", "a whole number from 0 to 1073741824", ParamValidators.inRange(0, 1073741824))
  )
  setDefault(validationSteps, 0)

  /** @group getParam */
  final def getValidationSteps: Int = $(validationSteps)

  /** When training ends before its last epoch: EarlyStopping(...), or its JSON document. Decided at
    * the end of an epoch. Not set: never. (object of its builder, or its JSON document)
    * @group param
    */
  final val earlyStopping: Param[String] = new DocumentParam(
    this,
    "earlyStopping",
    "When training ends before its last epoch: EarlyStopping(...), or its JSON document. Decided at the end of an epoch. Not set: never. (object of its builder, or its JSON document)"
  )

  /** @group getParam */
  final def getEarlyStopping: String = $(earlyStopping)

  // seed: Seed of initial weights, row order and dropout. The same data, parameters and seed give
  // the same weights bit for bit, on any number of trainers. (whole number of 64 bits)
  setDefault(seed, 0L)

  /** What products of matrices (linear layers, convolutions, recurrent layers, attention) round
    * their operands to while training: "f32", nothing is rounded; "bf16", as torch.autocast does,
    * where products take about half the time on AMD's processors with avx512_bf16, and on others
    * the same bits come out, slower; on GPUs they go through TF32; "bf16_amx", the same with sums
    * in the order of Intel's AMX, which has products three times as fast as those of f32 (Xeon
    * since Sapphire Rapids) and bits of its own: elsewhere they come out slower, and GPUs do not
    * compute in it; "fp16", on GPUs only, with a loss that is scaled by the rules of
    * torch.amp.GradScaler (history: lossScale). Sums, weights, the optimizer and everything else
    * stay in f32. What a model computes in is scorePrecision. ("f32" or "bf16" or "bf16_amx" or
    * "fp16")
    * @group param
    */
  final val precision: Param[String] = new Param[String](
    this,
    "precision",
    "What products of matrices (linear layers, convolutions, recurrent layers, attention) round their operands to while training: \"f32\", nothing is rounded; \"bf16\", as torch.autocast does, where products take about half the time on AMD's processors with avx512_bf16, and on others the same bits come out, slower; on GPUs they go through TF32; \"bf16_amx\", the same with sums in the order of Intel's AMX, which has products three times as fast as those of f32 (Xeon since Sapphire Rapids) and bits of its own: elsewhere they come out slower, and GPUs do not compute in it; \"fp16\", on GPUs only, with a loss that is scaled by the rules of torch.amp.GradScaler (history: lossScale). Sums, weights, the optimizer and everything else stay in f32. What a model computes in is scorePrecision. (\"f32\" or \"bf16\" or \"bf16_amx\" or \"fp16\")",
    Legal[String]("precision", "\"f32\" or \"bf16\" or \"bf16_amx\" or \"fp16\"", ParamValidators.inArray(Array("f32", "bf16", "bf16_amx", "fp16")))
  )
  setDefault(precision, "f32")

  /** @group getParam */
  final def getPrecision: String = $(precision)

  /** Whether products of f32 may be computed in TF32 where trainers compute on GPUs, as
    * torch.backends.cuda.matmul.allow_tf32: operands have 11 bits then instead of 24, and products
    * go through tensor cores. Processors have none of it, and "bf16" and "fp16" (precision) go
    * through it already: neither is changed by it. (true or false)
    * @group param
    */
  final val allowTF32: BooleanParam = new BooleanParam(
    this,
    "allowTF32",
    "Whether products of f32 may be computed in TF32 where trainers compute on GPUs, as torch.backends.cuda.matmul.allow_tf32: operands have 11 bits then instead of 24, and products go through tensor cores. Processors have none of it, and \"bf16\" and \"fp16\" (precision) go through it already: neither is changed by it. (true or false)"
  )
  setDefault(allowTF32, false)

  /** @group getParam */
  final def getAllowTF32: Boolean = $(allowTF32)

  /** What the driver shows while it trains: loss, validation, metrics, rows/s, seconds left. true:
    * a line per epoch. "auto": in Python a bar in a notebook, a line that moves in a terminal, else
    * at most a line every two seconds; in Scala the log alone. false: nothing. ("auto", true or
    * false)
    * @group param
    */
  final val verbose: Param[String] = new SwitchParam(
    this,
    "verbose",
    "What the driver shows while it trains: loss, validation, metrics, rows/s, seconds left. true: a line per epoch. \"auto\": in Python a bar in a notebook, a line that moves in a terminal, else at most a line every two seconds; in Scala the log alone. false: nothing. (\"auto\", true or false)",
    Legal[String]("verbose", "\"auto\", true or false", ParamValidators.inArray(Array("auto", "true", "false")))
  )
  setDefault(verbose, "auto")

  /** @group getParam */
  final def getVerbose: String = $(verbose)
}

/** What estimators have beyond their models. How it is trained. */
trait TrainingSetters extends TrainingParams {

  /** @group setParam */
  def setEpochs(value: Int): this.type = set(epochs, value)

  /** @group setParam */
  def setBatchSize(value: Int): this.type = set(batchSize, value)

  /** @group setParam */
  def setOptimizer(value: String): this.type = set(optimizer, value)

  /** @group setParam */
  def setOptimizer(value: Optimizer): this.type = set(optimizer, value.json)

  /** @group setParam */
  def setLearningRate(value: Double): this.type = set(learningRate, value)

  /** @group setParam */
  def setLrScheduler(value: String): this.type = set(lrScheduler, value)

  /** @group setParam */
  def setLrScheduler(value: LRScheduler): this.type = set(lrScheduler, value.json)

  /** @group setParam */
  def setGradientAccumulationSteps(value: Int): this.type = set(gradientAccumulationSteps, value)

  /** @group setParam */
  def setClipNorm(value: Double): this.type = set(clipNorm, value)

  /** @group setParam */
  def setClipValue(value: Double): this.type = set(clipValue, value)

  /** @group setParam */
  def setDropLast(value: Boolean): this.type = set(dropLast, value)

  /** @group setParam */
  def setEmaDecay(value: Double): this.type = set(emaDecay, value)

  /** @group setParam */
  def setOnNonFinite(value: String): this.type = set(onNonFinite, value)

  /** @group setParam */
  def setMetrics(value: Array[String]): this.type = set(metrics, value)

  /** @group setParam */
  def setValidationFraction(value: Double): this.type = set(validationFraction, value)

  /** @group setParam */
  def setValidationSteps(value: Int): this.type = set(validationSteps, value)

  /** @group setParam */
  def setEarlyStopping(value: String): this.type = set(earlyStopping, value)

  /** @group setParam */
  def setEarlyStopping(value: EarlyStopping): this.type = set(earlyStopping, value.json)

  /** Seed of initial weights, row order and dropout. The same data, parameters and seed give the
    * same weights bit for bit, on any number of trainers. (whole number of 64 bits)
    *
    * @group setParam
    */
  def setSeed(value: Long): this.type = set(seed, value)

  /** @group setParam */
  def setPrecision(value: String): this.type = set(precision, value)

  /** @group setParam */
  def setAllowTF32(value: Boolean): this.type = set(allowTF32, value)

  /** @group setParam */
  def setVerbose(value: String): this.type = set(verbose, value)

  /** @group setParam */
  def setVerbose(value: Boolean): this.type = set(verbose, value.toString)
}

/** Parameters of classifiers, which their models know. How it is trained. */
trait ClassifierTrainingParams extends Params {

  /** What rows of a class weigh in the loss, beside their weightCol: "balanced", rows / (classes *
    * rows of the class) by the rows that train, counted exactly while they are fed, as in
    * scikit-learn; or a number for each class, 1 for those that are not named. loss and val_loss
    * are weighted by it, metrics are not. Not set: every class weighs 1. ("balanced", or an object
    * with a number for classes such as {"0": 1.0, "1": 12.0}, each of at least 0)
    * @group param
    */
  final val classWeight: Param[String] = new ClassWeightsParam(
    this,
    "classWeight",
    "What rows of a class weigh in the loss, beside their weightCol: \"balanced\", rows / (classes * rows of the class) by the rows that train, counted exactly while they are fed, as in scikit-learn; or a number for each class, 1 for those that are not named. loss and val_loss are weighted by it, metrics are not. Not set: every class weighs 1. (\"balanced\", or an object with a number for classes such as {\"0\": 1.0, \"1\": 12.0}, each of at least 0)",
    "\"balanced\", or an object with a number for classes such as {\"0\": 1.0, \"1\": 12.0}, each of at least 0"
  )

  /** @group getParam */
  final def getClassWeight: String = $(classWeight)
}

/** What classifiers have beyond their models. How it is trained. */
trait ClassifierTrainingSetters extends ClassifierTrainingParams {

  /** @group setParam */
  def setClassWeight(value: String): this.type = set(classWeight, value)

  /** A weight for each class; classes that are not named weigh 1.
    *
    * @group setParam
    */
  def setClassWeight(value: Map[Int, Double]): this.type = set(classWeight, ClassWeights.json(value))
}
