# Written by candlewick-codegen (`make generate`); do not edit.
"""Parameters of the estimators and models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pyspark import keyword_only
from pyspark.ml.param import Param, Params, TypeConverters

from candlewick._document import (
    LossLike,
    NetworkLike,
    OptimizerLike,
    SchedulerLike,
    to_int,
    to_long,
    to_loss,
    to_network,
    to_optimizer,
    to_scheduler,
)
from candlewick._stopping import StoppingLike, to_stopping
from candlewick._weights import WeightsLike, to_weights

if TYPE_CHECKING:
    from typing_extensions import Self


class NeuralModelParams(Params):
    """Parameters that estimators and models share."""

    featuresCol: Param[str] = Param(
        Params._dummy(),
        "featuresCol",
        "Column of the features: a Vector (dense or sparse), an array of any numeric type, one numeric column, or binary (see inputShape and scale).",
        typeConverter=TypeConverters.toString,
    )
    featuresCols: Param[list[str]] = Param(
        Params._dummy(),
        "featuresCols",
        "Columns whose values are put one after another to form the features, instead of featuresCol: numeric, array and Vector columns may be mixed. Not set, and the network is a graph: the columns named as its inputs.",
        typeConverter=TypeConverters.toListString,
    )
    predictionCol: Param[str] = Param(
        Params._dummy(),
        "predictionCol",
        "Column that transform appends: the class of a classifier, the value (or Vector of values) of a regressor. A regressor whose network is a graph of several outputs also appends a column for each, such as prediction_price.",
        typeConverter=TypeConverters.toString,
    )
    handleInvalid: Param[str] = Param(
        Params._dummy(),
        "handleInvalid",
        'What to do with a row that holds null, NaN, infinity or a vector of another length: "error" fails with the row named, "skip" leaves it out and counts it in the ledger.',
        typeConverter=TypeConverters.toString,
    )
    inputShape: Param[list[int]] = Param(
        Params._dummy(),
        "inputShape",
        "Shape that views the flat features as a tensor, without the batch dimension, for example [1, 28, 28]. Needed for binary features.",
        typeConverter=TypeConverters.toListInt,
    )
    scale: Param[float] = Param(
        Params._dummy(),
        "scale",
        "Factor for every feature value, for example 1/255 for bytes of a picture. Not set: 1.",
        typeConverter=TypeConverters.toFloat,
    )

    def __init__(self) -> None:
        super().__init__()
        self._setDefault(
            featuresCol="features",
            predictionCol="prediction",
            handleInvalid="error",
        )

    def getFeaturesCol(self) -> str:
        """Value of featuresCol, or its default."""
        return self.getOrDefault(self.featuresCol)

    def setFeaturesCol(self, value: str) -> Self:
        """Column of the features: a Vector (dense or sparse), an array of any numeric type, one numeric
        column, or binary (see inputShape and scale). (text)
        """
        return self._set(featuresCol=value)

    def getFeaturesCols(self) -> list[str]:
        """Value of featuresCols, or its default."""
        return self.getOrDefault(self.featuresCols)

    def setFeaturesCols(self, value: Sequence[str]) -> Self:
        """Columns whose values are put one after another to form the features, instead of featuresCol:
        numeric, array and Vector columns may be mixed. Not set, and the network is a graph: the columns
        named as its inputs. (list of texts)
        """
        return self._set(featuresCols=value)

    def getPredictionCol(self) -> str:
        """Value of predictionCol, or its default."""
        return self.getOrDefault(self.predictionCol)

    def setPredictionCol(self, value: str) -> Self:
        """Column that transform appends: the class of a classifier, the value (or Vector of values) of a
        regressor. A regressor whose network is a graph of several outputs also appends a column for each,
        such as prediction_price. (text)
        """
        return self._set(predictionCol=value)

    def getHandleInvalid(self) -> str:
        """Value of handleInvalid, or its default."""
        return self.getOrDefault(self.handleInvalid)

    def setHandleInvalid(self, value: str) -> Self:
        """What to do with a row that holds null, NaN, infinity or a vector of another length: "error" fails
        with the row named, "skip" leaves it out and counts it in the ledger. ("error" or "skip")
        """
        return self._set(handleInvalid=value)

    def getInputShape(self) -> list[int]:
        """Value of inputShape, or its default."""
        return self.getOrDefault(self.inputShape)

    def setInputShape(self, value: Sequence[int]) -> Self:
        """Shape that views the flat features as a tensor, without the batch dimension, for example [1, 28,
        28]. Needed for binary features. (list of whole numbers of at least 1)
        """
        return self._set(inputShape=value)

    def getScale(self) -> float:
        """Value of scale, or its default."""
        return self.getOrDefault(self.scale)

    def setScale(self, value: float) -> Self:
        """Factor for every feature value, for example 1/255 for bytes of a picture. Not set: 1. (number
        above 0)
        """
        return self._set(scale=value)


class NeuralEstimatorParams(NeuralModelParams):
    """Parameters of every estimator."""

    labelCol: Param[str] = Param(
        Params._dummy(),
        "labelCol",
        "Column of the label: any numeric type. A classifier wants whole numbers from 0; a regressor also takes an array or a Vector (several outputs; those of a graph one after another).",
        typeConverter=TypeConverters.toString,
    )
    weightCol: Param[str] = Param(
        Params._dummy(),
        "weightCol",
        "Column of the row's weight in the loss: numeric, finite, not negative. Not set: every row weighs 1.",
        typeConverter=TypeConverters.toString,
    )
    validationIndicatorCol: Param[str] = Param(
        Params._dummy(),
        "validationIndicatorCol",
        "Boolean column that is true for the rows to validate on: they never train. Not set: see validationFraction.",
        typeConverter=TypeConverters.toString,
    )
    network: Param[str] = Param(
        Params._dummy(),
        "network",
        "The network: nn.Sequential(...), nn.Graph(...) or its JSON document.",
        typeConverter=to_network,
    )
    initialWeights: Param[str] = Param(
        Params._dummy(),
        "initialWeights",
        "Weights that training starts from: a safetensors file (F32, F64, F16, BF16) with PyTorch's names on any file system that Hadoop reads. In Python also its bytes, a state_dict, or a trained model. Not set: random by the seed.",
        typeConverter=to_weights,
    )
    strictWeights: Param[bool] = Param(
        Params._dummy(),
        "strictWeights",
        "Whether initialWeights must hold exactly the network's parameters. False: what fits is loaded, the rest starts random by the seed, and the summary says which.",
        typeConverter=TypeConverters.toBoolean,
    )
    loss: Param[str] = Param(
        Params._dummy(),
        "loss",
        "The loss: nn.CrossEntropyLoss(), nn.MSELoss() and the others, nn.MultiLoss for several, or its JSON document. Not set: CrossEntropyLoss for a classifier (BCEWithLogitsLoss where the network has one output), MSELoss for a regressor.",
        typeConverter=to_loss,
    )
    epochs: Param[int] = Param(
        Params._dummy(),
        "epochs",
        "Passes over the data. 0 gives a model that holds the initial weights.",
        typeConverter=to_int,
    )
    batchSize: Param[int] = Param(
        Params._dummy(),
        "batchSize",
        "Rows of one step over all trainers together; exact, only the last step of an epoch may be shorter.",
        typeConverter=to_int,
    )
    optimizer: Param[str] = Param(
        Params._dummy(),
        "optimizer",
        "The optimiser: optim.SGD, optim.AdamW and the others, or its JSON document.",
        typeConverter=to_optimizer,
    )
    lrScheduler: Param[str] = Param(
        Params._dummy(),
        "lrScheduler",
        "How the learning rate moves: optim.lr_scheduler.StepLR and the others, or its JSON document. Its steps are updates of the optimiser. Not set: it stays as the optimizer says.",
        typeConverter=to_scheduler,
    )
    gradientAccumulationSteps: Param[int] = Param(
        Params._dummy(),
        "gradientAccumulationSteps",
        "Steps whose gradients are added up for one update of the optimiser, as if they were one step of so many times batchSize; the last update of an epoch may have fewer.",
        typeConverter=to_int,
    )
    clipNorm: Param[float] = Param(
        Params._dummy(),
        "clipNorm",
        "Largest Euclidean norm of the whole gradient (torch.nn.utils.clip_grad_norm_). Not set: no clipping.",
        typeConverter=TypeConverters.toFloat,
    )
    clipValue: Param[float] = Param(
        Params._dummy(),
        "clipValue",
        "Largest absolute value of a gradient's element (torch.nn.utils.clip_grad_value_). Not set: no clipping.",
        typeConverter=TypeConverters.toFloat,
    )
    dropLast: Param[bool] = Param(
        Params._dummy(),
        "dropLast",
        "Leave out the last step of an epoch where it has fewer than batchSize rows.",
        typeConverter=TypeConverters.toBoolean,
    )
    emaDecay: Param[float] = Param(
        Params._dummy(),
        "emaDecay",
        "The model gets an exponential moving average of the weights, decay * average + (1 - decay) * weights after every update, for example 0.999; validation and early stopping judge the average. Not set: the weights themselves.",
        typeConverter=TypeConverters.toFloat,
    )
    onNonFinite: Param[str] = Param(
        Params._dummy(),
        "onNonFinite",
        'What to do where the loss becomes NaN or infinite: "error" fails with the step and the likely cause, "skip" makes no update in a step whose loss or gradient is not finite and counts it in the history (skippedSteps).',
        typeConverter=TypeConverters.toString,
    )
    metrics: Param[list[str]] = Param(
        Params._dummy(),
        "metrics",
        "What is told of every epoch beside the loss, by scikit-learn's definitions. Classifier: accuracy, top_3_accuracy (any k), precision, recall, f1 (of class 1 of two, weighted by class where there are more; or with _macro, _micro, _weighted), roc_auc, pr_auc (average precision), log_loss, confusion_matrix. Regressor: mae, mse, rmse, r2, mape. History has each as val_<metric> over the validation rows, and as <metric> over the outputs of the epoch's training steps, but for roc_auc, pr_auc and confusion_matrix (and precision, recall and f1 of more than 100 classes).",
        typeConverter=TypeConverters.toListString,
    )
    validationFraction: Param[float] = Param(
        Params._dummy(),
        "validationFraction",
        "Share of the rows to put aside for validation, chosen by their content and the seed: equal rows stay together, and the choice does not depend on partitions or cluster. 0: none.",
        typeConverter=TypeConverters.toFloat,
    )
    validationSteps: Param[int] = Param(
        Params._dummy(),
        "validationSteps",
        "Steps after which the validation rows are also evaluated within an epoch (history: validations). 0: at the end of every epoch only.",
        typeConverter=to_int,
    )
    earlyStopping: Param[str] = Param(
        Params._dummy(),
        "earlyStopping",
        'When training ends before its last epoch: EarlyStopping(metric="val_loss", patience=3, minDelta=0, mode="auto", restoreBest=true), or its JSON document. Decided at the end of an epoch. Not set: never.',
        typeConverter=to_stopping,
    )
    seed: Param[int] = Param(
        Params._dummy(),
        "seed",
        "Seed of initial weights, row order and dropout. The same data, parameters and seed give the same weights bit for bit, on any number of trainers.",
        typeConverter=to_long,
    )
    verbose: Param[bool] = Param(
        Params._dummy(),
        "verbose",
        "Print a line per epoch on the driver: loss, rows/s, seconds left.",
        typeConverter=TypeConverters.toBoolean,
    )
    numTrainers: Param[int] = Param(
        Params._dummy(),
        "numTrainers",
        "Trainer processes. 0: one per executor.",
        typeConverter=to_int,
    )
    threadsPerTrainer: Param[int] = Param(
        Params._dummy(),
        "threadsPerTrainer",
        "Compute threads of a trainer. 0: the executor's cores divided by its trainers.",
        typeConverter=to_int,
    )
    logicalShards: Param[int] = Param(
        Params._dummy(),
        "logicalShards",
        "Logical shards the rows are dealt to; the unit of computation, so part of what decides the weights' bits. At least numTrainers.",
        typeConverter=to_int,
    )
    failureTimeout: Param[str] = Param(
        Params._dummy(),
        "failureTimeout",
        "Silence after which a trainer counts as lost.",
        typeConverter=TypeConverters.toString,
    )
    progressTimeout: Param[str] = Param(
        Params._dummy(),
        "progressTimeout",
        "Time without a step after which a trainer counts as stuck.",
        typeConverter=TypeConverters.toString,
    )
    launchTimeout: Param[str] = Param(
        Params._dummy(),
        "launchTimeout",
        "Longest wait for all trainers to start.",
        typeConverter=TypeConverters.toString,
    )
    feedMemory: Param[str] = Param(
        Params._dummy(),
        "feedMemory",
        "Memory of an executor for rows on their way to the trainers.",
        typeConverter=TypeConverters.toString,
    )

    def __init__(self) -> None:
        super().__init__()
        self._setDefault(
            labelCol="label",
            strictWeights=True,
            epochs=10,
            batchSize=256,
            optimizer='{"type": "AdamW", "lr": 0.001}',
            gradientAccumulationSteps=1,
            dropLast=False,
            onNonFinite="error",
            validationFraction=0.0,
            validationSteps=0,
            seed=0,
            verbose=False,
            numTrainers=0,
            threadsPerTrainer=0,
            logicalShards=8,
            failureTimeout="15s",
            progressTimeout="600s",
            launchTimeout="300s",
            feedMemory="64m",
        )

    def getLabelCol(self) -> str:
        """Value of labelCol, or its default."""
        return self.getOrDefault(self.labelCol)

    def setLabelCol(self, value: str) -> Self:
        """Column of the label: any numeric type. A classifier wants whole numbers from 0; a regressor also
        takes an array or a Vector (several outputs; those of a graph one after another). (text)
        """
        return self._set(labelCol=value)

    def getWeightCol(self) -> str:
        """Value of weightCol, or its default."""
        return self.getOrDefault(self.weightCol)

    def setWeightCol(self, value: str) -> Self:
        """Column of the row's weight in the loss: numeric, finite, not negative. Not set: every row weighs
        1. (text)
        """
        return self._set(weightCol=value)

    def getValidationIndicatorCol(self) -> str:
        """Value of validationIndicatorCol, or its default."""
        return self.getOrDefault(self.validationIndicatorCol)

    def setValidationIndicatorCol(self, value: str) -> Self:
        """Boolean column that is true for the rows to validate on: they never train. Not set: see
        validationFraction. (text)
        """
        return self._set(validationIndicatorCol=value)

    def getNetwork(self) -> str:
        """Value of network, or its default."""
        return self.getOrDefault(self.network)

    def setNetwork(self, value: NetworkLike) -> Self:
        """The network: nn.Sequential(...), nn.Graph(...) or its JSON document. (builder object or JSON
        document)
        """
        return self._set(network=value)

    def getInitialWeights(self) -> str:
        """Value of initialWeights, or its default."""
        return self.getOrDefault(self.initialWeights)

    def setInitialWeights(self, value: WeightsLike) -> Self:
        """Weights that training starts from: a safetensors file (F32, F64, F16, BF16) with PyTorch's names
        on any file system that Hadoop reads. In Python also its bytes, a state_dict, or a trained model.
        Not set: random by the seed. (text)
        """
        return self._set(initialWeights=value)

    def getStrictWeights(self) -> bool:
        """Value of strictWeights, or its default."""
        return self.getOrDefault(self.strictWeights)

    def setStrictWeights(self, value: bool) -> Self:
        """Whether initialWeights must hold exactly the network's parameters. False: what fits is loaded,
        the rest starts random by the seed, and the summary says which. (true or false)
        """
        return self._set(strictWeights=value)

    def getLoss(self) -> str:
        """Value of loss, or its default."""
        return self.getOrDefault(self.loss)

    def setLoss(self, value: LossLike) -> Self:
        """The loss: nn.CrossEntropyLoss(), nn.MSELoss() and the others, nn.MultiLoss for several, or its
        JSON document. Not set: CrossEntropyLoss for a classifier (BCEWithLogitsLoss where the network has
        one output), MSELoss for a regressor. (builder object or JSON document)
        """
        return self._set(loss=value)

    def getEpochs(self) -> int:
        """Value of epochs, or its default."""
        return self.getOrDefault(self.epochs)

    def setEpochs(self, value: int) -> Self:
        """Passes over the data. 0 gives a model that holds the initial weights. (whole number, 0 to
        1000000)
        """
        return self._set(epochs=value)

    def getBatchSize(self) -> int:
        """Value of batchSize, or its default."""
        return self.getOrDefault(self.batchSize)

    def setBatchSize(self, value: int) -> Self:
        """Rows of one step over all trainers together; exact, only the last step of an epoch may be
        shorter. (whole number, 1 to 16777216)
        """
        return self._set(batchSize=value)

    def getOptimizer(self) -> str:
        """Value of optimizer, or its default."""
        return self.getOrDefault(self.optimizer)

    def setOptimizer(self, value: OptimizerLike) -> Self:
        """The optimiser: optim.SGD, optim.AdamW and the others, or its JSON document. (builder object or
        JSON document)
        """
        return self._set(optimizer=value)

    def getLrScheduler(self) -> str:
        """Value of lrScheduler, or its default."""
        return self.getOrDefault(self.lrScheduler)

    def setLrScheduler(self, value: SchedulerLike) -> Self:
        """How the learning rate moves: optim.lr_scheduler.StepLR and the others, or its JSON document. Its
        steps are updates of the optimiser. Not set: it stays as the optimizer says. (builder object or JSON
        document)
        """
        return self._set(lrScheduler=value)

    def getGradientAccumulationSteps(self) -> int:
        """Value of gradientAccumulationSteps, or its default."""
        return self.getOrDefault(self.gradientAccumulationSteps)

    def setGradientAccumulationSteps(self, value: int) -> Self:
        """Steps whose gradients are added up for one update of the optimiser, as if they were one step of
        so many times batchSize; the last update of an epoch may have fewer. (whole number, 1 to 16777216)
        """
        return self._set(gradientAccumulationSteps=value)

    def getClipNorm(self) -> float:
        """Value of clipNorm, or its default."""
        return self.getOrDefault(self.clipNorm)

    def setClipNorm(self, value: float) -> Self:
        """Largest Euclidean norm of the whole gradient (torch.nn.utils.clip_grad_norm_). Not set: no
        clipping. (number above 0)
        """
        return self._set(clipNorm=value)

    def getClipValue(self) -> float:
        """Value of clipValue, or its default."""
        return self.getOrDefault(self.clipValue)

    def setClipValue(self, value: float) -> Self:
        """Largest absolute value of a gradient's element (torch.nn.utils.clip_grad_value_). Not set: no
        clipping. (number above 0)
        """
        return self._set(clipValue=value)

    def getDropLast(self) -> bool:
        """Value of dropLast, or its default."""
        return self.getOrDefault(self.dropLast)

    def setDropLast(self, value: bool) -> Self:
        """Leave out the last step of an epoch where it has fewer than batchSize rows. (true or false)"""
        return self._set(dropLast=value)

    def getEmaDecay(self) -> float:
        """Value of emaDecay, or its default."""
        return self.getOrDefault(self.emaDecay)

    def setEmaDecay(self, value: float) -> Self:
        """The model gets an exponential moving average of the weights, decay * average + (1 - decay) *
        weights after every update, for example 0.999; validation and early stopping judge the average. Not
        set: the weights themselves. (number of at least 0 and below 1)
        """
        return self._set(emaDecay=value)

    def getOnNonFinite(self) -> str:
        """Value of onNonFinite, or its default."""
        return self.getOrDefault(self.onNonFinite)

    def setOnNonFinite(self, value: str) -> Self:
        """What to do where the loss becomes NaN or infinite: "error" fails with the step and the likely
        cause, "skip" makes no update in a step whose loss or gradient is not finite and counts it in the
        history (skippedSteps). ("error" or "skip")
        """
        return self._set(onNonFinite=value)

    def getMetrics(self) -> list[str]:
        """Value of metrics, or its default."""
        return self.getOrDefault(self.metrics)

    def setMetrics(self, value: Sequence[str]) -> Self:
        """What is told of every epoch beside the loss, by scikit-learn's definitions. Classifier: accuracy,
        top_3_accuracy (any k), precision, recall, f1 (of class 1 of two, weighted by class where there are
        more; or with _macro, _micro, _weighted), roc_auc, pr_auc (average precision), log_loss,
        confusion_matrix. Regressor: mae, mse, rmse, r2, mape. History has each as val_<metric> over the
        validation rows, and as <metric> over the outputs of the epoch's training steps, but for roc_auc,
        pr_auc and confusion_matrix (and precision, recall and f1 of more than 100 classes). (list of texts)
        """
        return self._set(metrics=value)

    def getValidationFraction(self) -> float:
        """Value of validationFraction, or its default."""
        return self.getOrDefault(self.validationFraction)

    def setValidationFraction(self, value: float) -> Self:
        """Share of the rows to put aside for validation, chosen by their content and the seed: equal rows
        stay together, and the choice does not depend on partitions or cluster. 0: none. (number of at least
        0 and below 1)
        """
        return self._set(validationFraction=value)

    def getValidationSteps(self) -> int:
        """Value of validationSteps, or its default."""
        return self.getOrDefault(self.validationSteps)

    def setValidationSteps(self, value: int) -> Self:
        """Steps after which the validation rows are also evaluated within an epoch (history: validations).
        0: at the end of every epoch only. (whole number, 0 to 1073741824)
        """
        return self._set(validationSteps=value)

    def getEarlyStopping(self) -> str:
        """Value of earlyStopping, or its default."""
        return self.getOrDefault(self.earlyStopping)

    def setEarlyStopping(self, value: StoppingLike) -> Self:
        """When training ends before its last epoch: EarlyStopping(metric="val_loss", patience=3,
        minDelta=0, mode="auto", restoreBest=true), or its JSON document. Decided at the end of an epoch.
        Not set: never. (builder object or JSON document)
        """
        return self._set(earlyStopping=value)

    def getSeed(self) -> int:
        """Value of seed, or its default."""
        return self.getOrDefault(self.seed)

    def setSeed(self, value: int) -> Self:
        """Seed of initial weights, row order and dropout. The same data, parameters and seed give the same
        weights bit for bit, on any number of trainers. (whole number of 64 bits)
        """
        return self._set(seed=value)

    def getVerbose(self) -> bool:
        """Value of verbose, or its default."""
        return self.getOrDefault(self.verbose)

    def setVerbose(self, value: bool) -> Self:
        """Print a line per epoch on the driver: loss, rows/s, seconds left. (true or false)"""
        return self._set(verbose=value)

    def getNumTrainers(self) -> int:
        """Value of numTrainers, or its default."""
        return self.getOrDefault(self.numTrainers)

    def setNumTrainers(self, value: int) -> Self:
        """Trainer processes. 0: one per executor. (whole number, 0 to 4096)"""
        return self._set(numTrainers=value)

    def getThreadsPerTrainer(self) -> int:
        """Value of threadsPerTrainer, or its default."""
        return self.getOrDefault(self.threadsPerTrainer)

    def setThreadsPerTrainer(self, value: int) -> Self:
        """Compute threads of a trainer. 0: the executor's cores divided by its trainers. (whole number, 0
        to 1024)
        """
        return self._set(threadsPerTrainer=value)

    def getLogicalShards(self) -> int:
        """Value of logicalShards, or its default."""
        return self.getOrDefault(self.logicalShards)

    def setLogicalShards(self, value: int) -> Self:
        """Logical shards the rows are dealt to; the unit of computation, so part of what decides the
        weights' bits. At least numTrainers. (whole number, 1 to 65536)
        """
        return self._set(logicalShards=value)

    def getFailureTimeout(self) -> str:
        """Value of failureTimeout, or its default."""
        return self.getOrDefault(self.failureTimeout)

    def setFailureTimeout(self, value: str) -> Self:
        """Silence after which a trainer counts as lost. (duration such as "15s", "500ms", "2min")"""
        return self._set(failureTimeout=value)

    def getProgressTimeout(self) -> str:
        """Value of progressTimeout, or its default."""
        return self.getOrDefault(self.progressTimeout)

    def setProgressTimeout(self, value: str) -> Self:
        """Time without a step after which a trainer counts as stuck. (duration such as "15s", "500ms",
        "2min")
        """
        return self._set(progressTimeout=value)

    def getLaunchTimeout(self) -> str:
        """Value of launchTimeout, or its default."""
        return self.getOrDefault(self.launchTimeout)

    def setLaunchTimeout(self, value: str) -> Self:
        """Longest wait for all trainers to start. (duration such as "15s", "500ms", "2min")"""
        return self._set(launchTimeout=value)

    def getFeedMemory(self) -> str:
        """Value of feedMemory, or its default."""
        return self.getOrDefault(self.feedMemory)

    def setFeedMemory(self, value: str) -> Self:
        """Memory of an executor for rows on their way to the trainers. (size such as "64m", "1g")"""
        return self._set(feedMemory=value)


class NeuralClassifierParams(NeuralModelParams):
    """What a classifier and its model have beyond the others."""

    probabilityCol: Param[str] = Param(
        Params._dummy(),
        "probabilityCol",
        "Column that transform appends: the Vector of class probabilities. Empty text: not appended.",
        typeConverter=TypeConverters.toString,
    )
    rawPredictionCol: Param[str] = Param(
        Params._dummy(),
        "rawPredictionCol",
        "Column that transform appends: the Vector of the network's outputs (logits), of two less their mean. Empty text: not appended.",
        typeConverter=TypeConverters.toString,
    )
    thresholds: Param[list[float]] = Param(
        Params._dummy(),
        "thresholds",
        "One number per class: the class with the largest probability / threshold is predicted, as in Spark ML.",
        typeConverter=TypeConverters.toListFloat,
    )

    def __init__(self) -> None:
        super().__init__()
        self._setDefault(
            probabilityCol="probability",
            rawPredictionCol="rawPrediction",
        )

    def getProbabilityCol(self) -> str:
        """Value of probabilityCol, or its default."""
        return self.getOrDefault(self.probabilityCol)

    def setProbabilityCol(self, value: str) -> Self:
        """Column that transform appends: the Vector of class probabilities. Empty text: not appended.
        (text)
        """
        return self._set(probabilityCol=value)

    def getRawPredictionCol(self) -> str:
        """Value of rawPredictionCol, or its default."""
        return self.getOrDefault(self.rawPredictionCol)

    def setRawPredictionCol(self, value: str) -> Self:
        """Column that transform appends: the Vector of the network's outputs (logits), of two less their
        mean. Empty text: not appended. (text)
        """
        return self._set(rawPredictionCol=value)

    def getThresholds(self) -> list[float]:
        """Value of thresholds, or its default."""
        return self.getOrDefault(self.thresholds)

    def setThresholds(self, value: Sequence[float]) -> Self:
        """One number per class: the class with the largest probability / threshold is predicted, as in
        Spark ML. (list of numbers from 0 to 1)
        """
        return self._set(thresholds=value)


class NeuralClassifierBase(NeuralEstimatorParams, NeuralClassifierParams):
    """Trains a neural network that tells classes apart."""

    _input_kwargs: dict[str, Any]

    if TYPE_CHECKING:

        def _attach(self, given: dict[str, Any]) -> None:
            """Makes the companion in the JVM and sets what the constructor was given."""

    @keyword_only
    def __init__(
        self,
        *,
        featuresCol: str = "features",
        featuresCols: Sequence[str] | None = None,
        labelCol: str = "label",
        weightCol: str | None = None,
        validationIndicatorCol: str | None = None,
        predictionCol: str = "prediction",
        probabilityCol: str = "probability",
        rawPredictionCol: str = "rawPrediction",
        thresholds: Sequence[float] | None = None,
        handleInvalid: str = "error",
        inputShape: Sequence[int] | None = None,
        scale: float | None = None,
        network: NetworkLike | None = None,
        initialWeights: WeightsLike | None = None,
        strictWeights: bool = True,
        loss: LossLike | None = None,
        epochs: int = 10,
        batchSize: int = 256,
        optimizer: OptimizerLike = '{"type": "AdamW", "lr": 0.001}',
        lrScheduler: SchedulerLike | None = None,
        gradientAccumulationSteps: int = 1,
        clipNorm: float | None = None,
        clipValue: float | None = None,
        dropLast: bool = False,
        emaDecay: float | None = None,
        onNonFinite: str = "error",
        metrics: Sequence[str] | None = None,
        validationFraction: float = 0.0,
        validationSteps: int = 0,
        earlyStopping: StoppingLike | None = None,
        seed: int = 0,
        verbose: bool = False,
        numTrainers: int = 0,
        threadsPerTrainer: int = 0,
        logicalShards: int = 8,
        failureTimeout: str = "15s",
        progressTimeout: str = "600s",
        launchTimeout: str = "300s",
        feedMemory: str = "64m",
    ) -> None:
        """Trains a neural network that tells classes apart.

        Args:
            featuresCol: Column of the features: a Vector (dense or sparse), an array of any numeric type,
                one numeric column, or binary (see inputShape and scale). (text)
            featuresCols: Columns whose values are put one after another to form the features, instead of
                featuresCol: numeric, array and Vector columns may be mixed. Not set, and the network is a
                graph: the columns named as its inputs. (list of texts)
            labelCol: Column of the label: any numeric type. A classifier wants whole numbers from 0; a
                regressor also takes an array or a Vector (several outputs; those of a graph one after
                another). (text)
            weightCol: Column of the row's weight in the loss: numeric, finite, not negative. Not set: every
                row weighs 1. (text)
            validationIndicatorCol: Boolean column that is true for the rows to validate on: they never
                train. Not set: see validationFraction. (text)
            predictionCol: Column that transform appends: the class of a classifier, the value (or Vector of
                values) of a regressor. A regressor whose network is a graph of several outputs also appends
                a column for each, such as prediction_price. (text)
            probabilityCol: Column that transform appends: the Vector of class probabilities. Empty text:
                not appended. (text)
            rawPredictionCol: Column that transform appends: the Vector of the network's outputs (logits),
                of two less their mean. Empty text: not appended. (text)
            thresholds: One number per class: the class with the largest probability / threshold is
                predicted, as in Spark ML. (list of numbers from 0 to 1)
            handleInvalid: What to do with a row that holds null, NaN, infinity or a vector of another
                length: "error" fails with the row named, "skip" leaves it out and counts it in the ledger.
                ("error" or "skip")
            inputShape: Shape that views the flat features as a tensor, without the batch dimension, for
                example [1, 28, 28]. Needed for binary features. (list of whole numbers of at least 1)
            scale: Factor for every feature value, for example 1/255 for bytes of a picture. Not set: 1.
                (number above 0)
            network: The network: nn.Sequential(...), nn.Graph(...) or its JSON document. (builder object or
                JSON document)
            initialWeights: Weights that training starts from: a safetensors file (F32, F64, F16, BF16) with
                PyTorch's names on any file system that Hadoop reads. In Python also its bytes, a
                state_dict, or a trained model. Not set: random by the seed. (text)
            strictWeights: Whether initialWeights must hold exactly the network's parameters. False: what
                fits is loaded, the rest starts random by the seed, and the summary says which. (true or
                false)
            loss: The loss: nn.CrossEntropyLoss(), nn.MSELoss() and the others, nn.MultiLoss for several, or
                its JSON document. Not set: CrossEntropyLoss for a classifier (BCEWithLogitsLoss where the
                network has one output), MSELoss for a regressor. (builder object or JSON document)
            epochs: Passes over the data. 0 gives a model that holds the initial weights. (whole number, 0
                to 1000000)
            batchSize: Rows of one step over all trainers together; exact, only the last step of an epoch
                may be shorter. (whole number, 1 to 16777216)
            optimizer: The optimiser: optim.SGD, optim.AdamW and the others, or its JSON document. (builder
                object or JSON document)
            lrScheduler: How the learning rate moves: optim.lr_scheduler.StepLR and the others, or its JSON
                document. Its steps are updates of the optimiser. Not set: it stays as the optimizer says.
                (builder object or JSON document)
            gradientAccumulationSteps: Steps whose gradients are added up for one update of the optimiser,
                as if they were one step of so many times batchSize; the last update of an epoch may have
                fewer. (whole number, 1 to 16777216)
            clipNorm: Largest Euclidean norm of the whole gradient (torch.nn.utils.clip_grad_norm_). Not
                set: no clipping. (number above 0)
            clipValue: Largest absolute value of a gradient's element (torch.nn.utils.clip_grad_value_). Not
                set: no clipping. (number above 0)
            dropLast: Leave out the last step of an epoch where it has fewer than batchSize rows. (true or
                false)
            emaDecay: The model gets an exponential moving average of the weights, decay * average + (1 -
                decay) * weights after every update, for example 0.999; validation and early stopping judge
                the average. Not set: the weights themselves. (number of at least 0 and below 1)
            onNonFinite: What to do where the loss becomes NaN or infinite: "error" fails with the step and
                the likely cause, "skip" makes no update in a step whose loss or gradient is not finite and
                counts it in the history (skippedSteps). ("error" or "skip")
            metrics: What is told of every epoch beside the loss, by scikit-learn's definitions. Classifier:
                accuracy, top_3_accuracy (any k), precision, recall, f1 (of class 1 of two, weighted by
                class where there are more; or with _macro, _micro, _weighted), roc_auc, pr_auc (average
                precision), log_loss, confusion_matrix. Regressor: mae, mse, rmse, r2, mape. History has
                each as val_<metric> over the validation rows, and as <metric> over the outputs of the
                epoch's training steps, but for roc_auc, pr_auc and confusion_matrix (and precision, recall
                and f1 of more than 100 classes). (list of texts)
            validationFraction: Share of the rows to put aside for validation, chosen by their content and
                the seed: equal rows stay together, and the choice does not depend on partitions or cluster.
                0: none. (number of at least 0 and below 1)
            validationSteps: Steps after which the validation rows are also evaluated within an epoch
                (history: validations). 0: at the end of every epoch only. (whole number, 0 to 1073741824)
            earlyStopping: When training ends before its last epoch: EarlyStopping(metric="val_loss",
                patience=3, minDelta=0, mode="auto", restoreBest=true), or its JSON document. Decided at the
                end of an epoch. Not set: never. (builder object or JSON document)
            seed: Seed of initial weights, row order and dropout. The same data, parameters and seed give
                the same weights bit for bit, on any number of trainers. (whole number of 64 bits)
            verbose: Print a line per epoch on the driver: loss, rows/s, seconds left. (true or false)
            numTrainers: Trainer processes. 0: one per executor. (whole number, 0 to 4096)
            threadsPerTrainer: Compute threads of a trainer. 0: the executor's cores divided by its
                trainers. (whole number, 0 to 1024)
            logicalShards: Logical shards the rows are dealt to; the unit of computation, so part of what
                decides the weights' bits. At least numTrainers. (whole number, 1 to 65536)
            failureTimeout: Silence after which a trainer counts as lost. (duration such as "15s", "500ms",
                "2min")
            progressTimeout: Time without a step after which a trainer counts as stuck. (duration such as
                "15s", "500ms", "2min")
            launchTimeout: Longest wait for all trainers to start. (duration such as "15s", "500ms", "2min")
            feedMemory: Memory of an executor for rows on their way to the trainers. (size such as "64m",
                "1g")
        """
        given = self._input_kwargs
        super().__init__()
        self._attach(given)

    @keyword_only
    def setParams(
        self,
        *,
        featuresCol: str = "features",
        featuresCols: Sequence[str] | None = None,
        labelCol: str = "label",
        weightCol: str | None = None,
        validationIndicatorCol: str | None = None,
        predictionCol: str = "prediction",
        probabilityCol: str = "probability",
        rawPredictionCol: str = "rawPrediction",
        thresholds: Sequence[float] | None = None,
        handleInvalid: str = "error",
        inputShape: Sequence[int] | None = None,
        scale: float | None = None,
        network: NetworkLike | None = None,
        initialWeights: WeightsLike | None = None,
        strictWeights: bool = True,
        loss: LossLike | None = None,
        epochs: int = 10,
        batchSize: int = 256,
        optimizer: OptimizerLike = '{"type": "AdamW", "lr": 0.001}',
        lrScheduler: SchedulerLike | None = None,
        gradientAccumulationSteps: int = 1,
        clipNorm: float | None = None,
        clipValue: float | None = None,
        dropLast: bool = False,
        emaDecay: float | None = None,
        onNonFinite: str = "error",
        metrics: Sequence[str] | None = None,
        validationFraction: float = 0.0,
        validationSteps: int = 0,
        earlyStopping: StoppingLike | None = None,
        seed: int = 0,
        verbose: bool = False,
        numTrainers: int = 0,
        threadsPerTrainer: int = 0,
        logicalShards: int = 8,
        failureTimeout: str = "15s",
        progressTimeout: str = "600s",
        launchTimeout: str = "300s",
        feedMemory: str = "64m",
    ) -> Self:
        """Sets the parameters that are named; the others keep their values. See the constructor."""
        return self._set(**{name: value for name, value in self._input_kwargs.items() if value is not None})


class NeuralRegressorBase(NeuralEstimatorParams):
    """Trains a neural network that predicts one or several numbers."""

    _input_kwargs: dict[str, Any]

    if TYPE_CHECKING:

        def _attach(self, given: dict[str, Any]) -> None:
            """Makes the companion in the JVM and sets what the constructor was given."""

    @keyword_only
    def __init__(
        self,
        *,
        featuresCol: str = "features",
        featuresCols: Sequence[str] | None = None,
        labelCol: str = "label",
        weightCol: str | None = None,
        validationIndicatorCol: str | None = None,
        predictionCol: str = "prediction",
        handleInvalid: str = "error",
        inputShape: Sequence[int] | None = None,
        scale: float | None = None,
        network: NetworkLike | None = None,
        initialWeights: WeightsLike | None = None,
        strictWeights: bool = True,
        loss: LossLike | None = None,
        epochs: int = 10,
        batchSize: int = 256,
        optimizer: OptimizerLike = '{"type": "AdamW", "lr": 0.001}',
        lrScheduler: SchedulerLike | None = None,
        gradientAccumulationSteps: int = 1,
        clipNorm: float | None = None,
        clipValue: float | None = None,
        dropLast: bool = False,
        emaDecay: float | None = None,
        onNonFinite: str = "error",
        metrics: Sequence[str] | None = None,
        validationFraction: float = 0.0,
        validationSteps: int = 0,
        earlyStopping: StoppingLike | None = None,
        seed: int = 0,
        verbose: bool = False,
        numTrainers: int = 0,
        threadsPerTrainer: int = 0,
        logicalShards: int = 8,
        failureTimeout: str = "15s",
        progressTimeout: str = "600s",
        launchTimeout: str = "300s",
        feedMemory: str = "64m",
    ) -> None:
        """Trains a neural network that predicts one or several numbers.

        Args:
            featuresCol: Column of the features: a Vector (dense or sparse), an array of any numeric type,
                one numeric column, or binary (see inputShape and scale). (text)
            featuresCols: Columns whose values are put one after another to form the features, instead of
                featuresCol: numeric, array and Vector columns may be mixed. Not set, and the network is a
                graph: the columns named as its inputs. (list of texts)
            labelCol: Column of the label: any numeric type. A classifier wants whole numbers from 0; a
                regressor also takes an array or a Vector (several outputs; those of a graph one after
                another). (text)
            weightCol: Column of the row's weight in the loss: numeric, finite, not negative. Not set: every
                row weighs 1. (text)
            validationIndicatorCol: Boolean column that is true for the rows to validate on: they never
                train. Not set: see validationFraction. (text)
            predictionCol: Column that transform appends: the class of a classifier, the value (or Vector of
                values) of a regressor. A regressor whose network is a graph of several outputs also appends
                a column for each, such as prediction_price. (text)
            handleInvalid: What to do with a row that holds null, NaN, infinity or a vector of another
                length: "error" fails with the row named, "skip" leaves it out and counts it in the ledger.
                ("error" or "skip")
            inputShape: Shape that views the flat features as a tensor, without the batch dimension, for
                example [1, 28, 28]. Needed for binary features. (list of whole numbers of at least 1)
            scale: Factor for every feature value, for example 1/255 for bytes of a picture. Not set: 1.
                (number above 0)
            network: The network: nn.Sequential(...), nn.Graph(...) or its JSON document. (builder object or
                JSON document)
            initialWeights: Weights that training starts from: a safetensors file (F32, F64, F16, BF16) with
                PyTorch's names on any file system that Hadoop reads. In Python also its bytes, a
                state_dict, or a trained model. Not set: random by the seed. (text)
            strictWeights: Whether initialWeights must hold exactly the network's parameters. False: what
                fits is loaded, the rest starts random by the seed, and the summary says which. (true or
                false)
            loss: The loss: nn.CrossEntropyLoss(), nn.MSELoss() and the others, nn.MultiLoss for several, or
                its JSON document. Not set: CrossEntropyLoss for a classifier (BCEWithLogitsLoss where the
                network has one output), MSELoss for a regressor. (builder object or JSON document)
            epochs: Passes over the data. 0 gives a model that holds the initial weights. (whole number, 0
                to 1000000)
            batchSize: Rows of one step over all trainers together; exact, only the last step of an epoch
                may be shorter. (whole number, 1 to 16777216)
            optimizer: The optimiser: optim.SGD, optim.AdamW and the others, or its JSON document. (builder
                object or JSON document)
            lrScheduler: How the learning rate moves: optim.lr_scheduler.StepLR and the others, or its JSON
                document. Its steps are updates of the optimiser. Not set: it stays as the optimizer says.
                (builder object or JSON document)
            gradientAccumulationSteps: Steps whose gradients are added up for one update of the optimiser,
                as if they were one step of so many times batchSize; the last update of an epoch may have
                fewer. (whole number, 1 to 16777216)
            clipNorm: Largest Euclidean norm of the whole gradient (torch.nn.utils.clip_grad_norm_). Not
                set: no clipping. (number above 0)
            clipValue: Largest absolute value of a gradient's element (torch.nn.utils.clip_grad_value_). Not
                set: no clipping. (number above 0)
            dropLast: Leave out the last step of an epoch where it has fewer than batchSize rows. (true or
                false)
            emaDecay: The model gets an exponential moving average of the weights, decay * average + (1 -
                decay) * weights after every update, for example 0.999; validation and early stopping judge
                the average. Not set: the weights themselves. (number of at least 0 and below 1)
            onNonFinite: What to do where the loss becomes NaN or infinite: "error" fails with the step and
                the likely cause, "skip" makes no update in a step whose loss or gradient is not finite and
                counts it in the history (skippedSteps). ("error" or "skip")
            metrics: What is told of every epoch beside the loss, by scikit-learn's definitions. Classifier:
                accuracy, top_3_accuracy (any k), precision, recall, f1 (of class 1 of two, weighted by
                class where there are more; or with _macro, _micro, _weighted), roc_auc, pr_auc (average
                precision), log_loss, confusion_matrix. Regressor: mae, mse, rmse, r2, mape. History has
                each as val_<metric> over the validation rows, and as <metric> over the outputs of the
                epoch's training steps, but for roc_auc, pr_auc and confusion_matrix (and precision, recall
                and f1 of more than 100 classes). (list of texts)
            validationFraction: Share of the rows to put aside for validation, chosen by their content and
                the seed: equal rows stay together, and the choice does not depend on partitions or cluster.
                0: none. (number of at least 0 and below 1)
            validationSteps: Steps after which the validation rows are also evaluated within an epoch
                (history: validations). 0: at the end of every epoch only. (whole number, 0 to 1073741824)
            earlyStopping: When training ends before its last epoch: EarlyStopping(metric="val_loss",
                patience=3, minDelta=0, mode="auto", restoreBest=true), or its JSON document. Decided at the
                end of an epoch. Not set: never. (builder object or JSON document)
            seed: Seed of initial weights, row order and dropout. The same data, parameters and seed give
                the same weights bit for bit, on any number of trainers. (whole number of 64 bits)
            verbose: Print a line per epoch on the driver: loss, rows/s, seconds left. (true or false)
            numTrainers: Trainer processes. 0: one per executor. (whole number, 0 to 4096)
            threadsPerTrainer: Compute threads of a trainer. 0: the executor's cores divided by its
                trainers. (whole number, 0 to 1024)
            logicalShards: Logical shards the rows are dealt to; the unit of computation, so part of what
                decides the weights' bits. At least numTrainers. (whole number, 1 to 65536)
            failureTimeout: Silence after which a trainer counts as lost. (duration such as "15s", "500ms",
                "2min")
            progressTimeout: Time without a step after which a trainer counts as stuck. (duration such as
                "15s", "500ms", "2min")
            launchTimeout: Longest wait for all trainers to start. (duration such as "15s", "500ms", "2min")
            feedMemory: Memory of an executor for rows on their way to the trainers. (size such as "64m",
                "1g")
        """
        given = self._input_kwargs
        super().__init__()
        self._attach(given)

    @keyword_only
    def setParams(
        self,
        *,
        featuresCol: str = "features",
        featuresCols: Sequence[str] | None = None,
        labelCol: str = "label",
        weightCol: str | None = None,
        validationIndicatorCol: str | None = None,
        predictionCol: str = "prediction",
        handleInvalid: str = "error",
        inputShape: Sequence[int] | None = None,
        scale: float | None = None,
        network: NetworkLike | None = None,
        initialWeights: WeightsLike | None = None,
        strictWeights: bool = True,
        loss: LossLike | None = None,
        epochs: int = 10,
        batchSize: int = 256,
        optimizer: OptimizerLike = '{"type": "AdamW", "lr": 0.001}',
        lrScheduler: SchedulerLike | None = None,
        gradientAccumulationSteps: int = 1,
        clipNorm: float | None = None,
        clipValue: float | None = None,
        dropLast: bool = False,
        emaDecay: float | None = None,
        onNonFinite: str = "error",
        metrics: Sequence[str] | None = None,
        validationFraction: float = 0.0,
        validationSteps: int = 0,
        earlyStopping: StoppingLike | None = None,
        seed: int = 0,
        verbose: bool = False,
        numTrainers: int = 0,
        threadsPerTrainer: int = 0,
        logicalShards: int = 8,
        failureTimeout: str = "15s",
        progressTimeout: str = "600s",
        launchTimeout: str = "300s",
        feedMemory: str = "64m",
    ) -> Self:
        """Sets the parameters that are named; the others keep their values. See the constructor."""
        return self._set(**{name: value for name, value in self._input_kwargs.items() if value is not None})
