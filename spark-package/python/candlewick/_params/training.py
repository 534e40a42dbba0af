# Written by candlewick-codegen (`make generate`); do not edit.
"""How it is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import HasSeed

from candlewick._class_weight import ClassWeightLike, ClassWeights
from candlewick._convert import to_int, to_long, to_switch, to_text
from candlewick._document import (
    LRScheduler,
    Optimizer,
    OptimizerLike,
    SchedulerLike,
    Stopping,
    StoppingLike,
    to_optimizer,
    to_scheduler,
    to_stopping,
)
from candlewick._legal import Legal, Range, each, one_of
from candlewick._reading import as_optimizer, as_scheduler, as_stopping

if TYPE_CHECKING:
    from typing_extensions import Self


class TrainingParams(HasSeed):
    """Parameters of estimators, which their models know. How it is trained."""

    epochs: Param[int] = Param(
        Params._dummy(),
        "epochs",
        "Passes over the data. 0 gives a model that holds the initial weights. (whole number from 0 to 1000000)",
        typeConverter=Legal(
            "epochs",
            to_int,
            "a whole number from 0 to 1000000",
            Range(0, 1000000),
        ),
    )

    batchSize: Param[int] = Param(
        Params._dummy(),
        "batchSize",
        "Rows of one step over all trainers together; exact, only the last step of an epoch may be shorter. (whole number from 1 to 16777216)",
        typeConverter=Legal(
            "batchSize",
            to_int,
            "a whole number from 1 to 16777216",
            Range(1, 16777216),
        ),
    )

    optimizer: Param[str] = Param(
        Params._dummy(),
        "optimizer",
        'The optimiser: optim.SGD, optim.AdamW and the others, its JSON document, or its name where nothing else is to be said, such as "adam". (object of its builder, or its JSON document)',
        typeConverter=to_optimizer,
    )

    learningRate: Param[float] = Param(
        Params._dummy(),
        "learningRate",
        "Learning rate, in place of the one that the optimizer says: a number, for grids and searches. Groups of the optimizer with a rate of their own keep it. Not set: as the optimizer says. (number of at least 0)",
        typeConverter=Legal(
            "learningRate",
            TypeConverters.toFloat,
            "a finite number of at least 0",
            Range(0.0),
        ),
    )

    lrScheduler: Param[str] = Param(
        Params._dummy(),
        "lrScheduler",
        'How the learning rate moves: optim.lr_scheduler.StepLR and the others, its JSON document, or its name where nothing else is to be said. It moves by epochs, or by updates with interval="step". Not set: it stays as the optimizer says. (object of its builder, or its JSON document)',
        typeConverter=to_scheduler,
    )

    gradientAccumulationSteps: Param[int] = Param(
        Params._dummy(),
        "gradientAccumulationSteps",
        "Steps whose gradients are added up for one update of the optimiser, as if they were one step of so many times batchSize; the last update of an epoch may have fewer. (whole number from 1 to 16777216)",
        typeConverter=Legal(
            "gradientAccumulationSteps",
            to_int,
            "a whole number from 1 to 16777216",
            Range(1, 16777216),
        ),
    )

    clipNorm: Param[float] = Param(
        Params._dummy(),
        "clipNorm",
        "Largest Euclidean norm of the whole gradient (torch.nn.utils.clip_grad_norm_). Not set: no clipping. (number above 0)",
        typeConverter=Legal(
            "clipNorm",
            TypeConverters.toFloat,
            "a finite number above 0",
            Range(above=0.0),
        ),
    )

    clipValue: Param[float] = Param(
        Params._dummy(),
        "clipValue",
        "Largest absolute value of a gradient's element (torch.nn.utils.clip_grad_value_). Not set: no clipping. (number above 0)",
        typeConverter=Legal(
            "clipValue",
            TypeConverters.toFloat,
            "a finite number above 0",
            Range(above=0.0),
        ),
    )

    dropLast: Param[bool] = Param(
        Params._dummy(),
        "dropLast",
        "Leave out the last step of an epoch where it has fewer than batchSize rows. (true or false)",
        typeConverter=TypeConverters.toBoolean,
    )

    emaDecay: Param[float] = Param(
        Params._dummy(),
        "emaDecay",
        "The model gets an exponential moving average of the weights, decay * average + (1 - decay) * weights after every update, for example 0.999; validation and early stopping judge the average. Not set: the weights themselves. (number of at least 0 and below 1)",
        typeConverter=Legal(
            "emaDecay",
            TypeConverters.toFloat,
            "a finite number of at least 0 and below 1",
            Range(0.0, below=1.0),
        ),
    )

    onNonFinite: Param[str] = Param(
        Params._dummy(),
        "onNonFinite",
        'What to do where the loss becomes NaN or infinite: "error" fails with the step and the likely cause, "skip" makes no update in a step whose loss or gradient is not finite and counts it in the history (skippedSteps). ("error" or "skip")',
        typeConverter=Legal(
            "onNonFinite",
            to_text,
            '"error" or "skip"',
            one_of("error", "skip"),
        ),
    )

    metrics: Param[list[str]] = Param(
        Params._dummy(),
        "metrics",
        "What is reported of every epoch beside the loss, by scikit-learn's definitions. Classifier: accuracy, top_3_accuracy (any k), precision, recall, f1 (of class 1 of two, weighted by class where there are more; or with _macro, _micro, _weighted), roc_auc, pr_auc (average precision), log_loss, confusion_matrix. Regressor: mae, mse, rmse, r2, mape. History has each as val_<metric> over the validation rows, and as <metric> over the outputs of the epoch's training steps, but for roc_auc, pr_auc and confusion_matrix (and precision, recall and f1 of more than 100 classes). (list of at least one text)",
        typeConverter=Legal(
            "metrics",
            TypeConverters.toListString,
            "a list of at least one text",
            each(),
        ),
    )

    validationFraction: Param[float] = Param(
        Params._dummy(),
        "validationFraction",
        "Share of the rows to put aside for validation, chosen by their content and the seed: equal rows stay together, and the choice does not depend on partitions or cluster. 0: none. (number of at least 0 and below 1)",
        typeConverter=Legal(
            "validationFraction",
            TypeConverters.toFloat,
            "a finite number of at least 0 and below 1",
            Range(0.0, below=1.0),
        ),
    )

    validationSteps: Param[int] = Param(
        Params._dummy(),
        "validationSteps",
        "Steps after which the validation rows are also evaluated within an epoch (history: validations). 0: at the end of every epoch only. (whole number from 0 to 1073741824)",
        typeConverter=Legal(
            "validationSteps",
            to_int,
            "a whole number from 0 to 1073741824",
            Range(0, 1073741824),
        ),
    )

    earlyStopping: Param[str] = Param(
        Params._dummy(),
        "earlyStopping",
        "When training ends before its last epoch: EarlyStopping(...), or its JSON document. Decided at the end of an epoch. Not set: never. (object of its builder, or its JSON document)",
        typeConverter=to_stopping,
    )

    seed: Param[int] = Param(
        Params._dummy(),
        "seed",
        "Seed of initial weights, row order and dropout. The same data, parameters and seed give the same weights bit for bit, on any number of trainers. (whole number of 64 bits)",
        typeConverter=to_long,
    )

    precision: Param[str] = Param(
        Params._dummy(),
        "precision",
        'What products of matrices (linear layers, convolutions, recurrent layers, attention) round their operands to while training: "f32", nothing is rounded; "bf16", as torch.autocast does, where products take about half the time on AMD\'s processors with avx512_bf16, and on others the same bits come out, slower; on GPUs they go through TF32; "bf16_amx", the same with sums in the order of Intel\'s AMX, which has products three times as fast as those of f32 (Xeon since Sapphire Rapids) and bits of its own: elsewhere they come out slower, and GPUs do not compute in it; "fp16", on GPUs only, with a loss that is scaled by the rules of torch.amp.GradScaler (history: lossScale). Sums, weights, the optimizer and everything else stay in f32. What a model computes in is scorePrecision. ("f32" or "bf16" or "bf16_amx" or "fp16")',
        typeConverter=Legal(
            "precision",
            to_text,
            '"f32" or "bf16" or "bf16_amx" or "fp16"',
            one_of("f32", "bf16", "bf16_amx", "fp16"),
        ),
    )

    allowTF32: Param[bool] = Param(
        Params._dummy(),
        "allowTF32",
        'Whether products of f32 may be computed in TF32 where trainers compute on GPUs, as torch.backends.cuda.matmul.allow_tf32: operands have 11 bits then instead of 24, and products go through tensor cores. Processors have none of it, and "bf16" and "fp16" (precision) go through it already: neither is changed by it. (true or false)',
        typeConverter=TypeConverters.toBoolean,
    )

    verbose: Param[str] = Param(
        Params._dummy(),
        "verbose",
        'What the driver shows while it trains: loss, validation, metrics, rows/s, seconds left. true: a line per epoch. "auto": in Python a bar in a notebook, a line that moves in a terminal, else at most a line every two seconds; in Scala the log alone. false: nothing. ("auto", true or false)',
        typeConverter=Legal(
            "verbose",
            to_switch,
            '"auto", true or false',
            one_of("auto", "true", "false"),
        ),
    )

    def __init__(self) -> None:
        super().__init__()
        self._setDefault(
            epochs=10,
            batchSize=256,
            optimizer='{"type": "AdamW", "lr": 0.001}',
            gradientAccumulationSteps=1,
            dropLast=False,
            onNonFinite="error",
            validationFraction=0.0,
            validationSteps=0,
            seed=0,
            precision="f32",
            allowTF32=False,
            verbose="auto",
        )

    def getEpochs(self) -> int:
        """Value of epochs, or its default."""
        return self.getOrDefault(self.epochs)

    def getBatchSize(self) -> int:
        """Value of batchSize, or its default."""
        return self.getOrDefault(self.batchSize)

    def getOptimizer(self) -> Optimizer:
        """Value of optimizer, or its default."""
        return as_optimizer(self.getOrDefault(self.optimizer))

    def getLearningRate(self) -> float:
        """Value of learningRate, or its default."""
        return self.getOrDefault(self.learningRate)

    def getLrScheduler(self) -> LRScheduler:
        """Value of lrScheduler, or its default."""
        return as_scheduler(self.getOrDefault(self.lrScheduler))

    def getGradientAccumulationSteps(self) -> int:
        """Value of gradientAccumulationSteps, or its default."""
        return self.getOrDefault(self.gradientAccumulationSteps)

    def getClipNorm(self) -> float:
        """Value of clipNorm, or its default."""
        return self.getOrDefault(self.clipNorm)

    def getClipValue(self) -> float:
        """Value of clipValue, or its default."""
        return self.getOrDefault(self.clipValue)

    def getDropLast(self) -> bool:
        """Value of dropLast, or its default."""
        return self.getOrDefault(self.dropLast)

    def getEmaDecay(self) -> float:
        """Value of emaDecay, or its default."""
        return self.getOrDefault(self.emaDecay)

    def getOnNonFinite(self) -> str:
        """Value of onNonFinite, or its default."""
        return self.getOrDefault(self.onNonFinite)

    def getMetrics(self) -> list[str]:
        """Value of metrics, or its default."""
        return self.getOrDefault(self.metrics)

    def getValidationFraction(self) -> float:
        """Value of validationFraction, or its default."""
        return self.getOrDefault(self.validationFraction)

    def getValidationSteps(self) -> int:
        """Value of validationSteps, or its default."""
        return self.getOrDefault(self.validationSteps)

    def getEarlyStopping(self) -> Stopping:
        """Value of earlyStopping, or its default."""
        return as_stopping(self.getOrDefault(self.earlyStopping))

    def getSeed(self) -> int:
        """Value of seed, or its default."""
        return self.getOrDefault(self.seed)

    def getPrecision(self) -> str:
        """Value of precision, or its default."""
        return self.getOrDefault(self.precision)

    def getAllowTF32(self) -> bool:
        """Value of allowTF32, or its default."""
        return self.getOrDefault(self.allowTF32)

    def getVerbose(self) -> str:
        """Value of verbose, or its default."""
        return self.getOrDefault(self.verbose)


class TrainingSetters(TrainingParams):
    """What estimators have beyond their models. How it is trained."""

    def setEpochs(self, value: int) -> Self:
        """Passes over the data. 0 gives a model that holds the initial weights. (whole number from 0 to
        1000000)
        """
        return self._set(epochs=value)

    def setBatchSize(self, value: int) -> Self:
        """Rows of one step over all trainers together; exact, only the last step of an epoch may be
        shorter. (whole number from 1 to 16777216)
        """
        return self._set(batchSize=value)

    def setOptimizer(self, value: OptimizerLike) -> Self:
        """The optimiser: optim.SGD, optim.AdamW and the others, its JSON document, or its name where
        nothing else is to be said, such as "adam". (object of its builder, or its JSON document)
        """
        return self._set(optimizer=value)

    def setLearningRate(self, value: float) -> Self:
        """Learning rate, in place of the one that the optimizer says: a number, for grids and searches.
        Groups of the optimizer with a rate of their own keep it. Not set: as the optimizer says. (number of
        at least 0)
        """
        return self._set(learningRate=value)

    def setLrScheduler(self, value: SchedulerLike) -> Self:
        """How the learning rate moves: optim.lr_scheduler.StepLR and the others, its JSON document, or its
        name where nothing else is to be said. It moves by epochs, or by updates with interval="step". Not
        set: it stays as the optimizer says. (object of its builder, or its JSON document)
        """
        return self._set(lrScheduler=value)

    def setGradientAccumulationSteps(self, value: int) -> Self:
        """Steps whose gradients are added up for one update of the optimiser, as if they were one step of
        so many times batchSize; the last update of an epoch may have fewer. (whole number from 1 to
        16777216)
        """
        return self._set(gradientAccumulationSteps=value)

    def setClipNorm(self, value: float) -> Self:
        """Largest Euclidean norm of the whole gradient (torch.nn.utils.clip_grad_norm_). Not set: no
        clipping. (number above 0)
        """
        return self._set(clipNorm=value)

    def setClipValue(self, value: float) -> Self:
        """Largest absolute value of a gradient's element (torch.nn.utils.clip_grad_value_). Not set: no
        clipping. (number above 0)
        """
        return self._set(clipValue=value)

    def setDropLast(self, value: bool) -> Self:
        """Leave out the last step of an epoch where it has fewer than batchSize rows. (true or false)"""
        return self._set(dropLast=value)

    def setEmaDecay(self, value: float) -> Self:
        """The model gets an exponential moving average of the weights, decay * average + (1 - decay) *
        weights after every update, for example 0.999; validation and early stopping judge the average. Not
        set: the weights themselves. (number of at least 0 and below 1)
        """
        return self._set(emaDecay=value)

    def setOnNonFinite(self, value: str) -> Self:
        """What to do where the loss becomes NaN or infinite: "error" fails with the step and the likely
        cause, "skip" makes no update in a step whose loss or gradient is not finite and counts it in the
        history (skippedSteps). ("error" or "skip")
        """
        return self._set(onNonFinite=value)

    def setMetrics(self, value: Sequence[str]) -> Self:
        """What is reported of every epoch beside the loss, by scikit-learn's definitions. Classifier:
        accuracy, top_3_accuracy (any k), precision, recall, f1 (of class 1 of two, weighted by class where
        there are more; or with _macro, _micro, _weighted), roc_auc, pr_auc (average precision), log_loss,
        confusion_matrix. Regressor: mae, mse, rmse, r2, mape. History has each as val_<metric> over the
        validation rows, and as <metric> over the outputs of the epoch's training steps, but for roc_auc,
        pr_auc and confusion_matrix (and precision, recall and f1 of more than 100 classes). (list of at
        least one text)
        """
        return self._set(metrics=value)

    def setValidationFraction(self, value: float) -> Self:
        """Share of the rows to put aside for validation, chosen by their content and the seed: equal rows
        stay together, and the choice does not depend on partitions or cluster. 0: none. (number of at least
        0 and below 1)
        """
        return self._set(validationFraction=value)

    def setValidationSteps(self, value: int) -> Self:
        """Steps after which the validation rows are also evaluated within an epoch (history: validations).
        0: at the end of every epoch only. (whole number from 0 to 1073741824)
        """
        return self._set(validationSteps=value)

    def setEarlyStopping(self, value: StoppingLike) -> Self:
        """When training ends before its last epoch: EarlyStopping(...), or its JSON document. Decided at
        the end of an epoch. Not set: never. (object of its builder, or its JSON document)
        """
        return self._set(earlyStopping=value)

    def setSeed(self, value: int) -> Self:
        """Seed of initial weights, row order and dropout. The same data, parameters and seed give the same
        weights bit for bit, on any number of trainers. (whole number of 64 bits)
        """
        return self._set(seed=value)

    def setPrecision(self, value: str) -> Self:
        """What products of matrices (linear layers, convolutions, recurrent layers, attention) round their
        operands to while training: "f32", nothing is rounded; "bf16", as torch.autocast does, where
        products take about half the time on AMD's processors with avx512_bf16, and on others the same bits
        come out, slower; on GPUs they go through TF32; "bf16_amx", the same with sums in the order of
        Intel's AMX, which has products three times as fast as those of f32 (Xeon since Sapphire Rapids) and
        bits of its own: elsewhere they come out slower, and GPUs do not compute in it; "fp16", on GPUs
        only, with a loss that is scaled by the rules of torch.amp.GradScaler (history: lossScale). Sums,
        weights, the optimizer and everything else stay in f32. What a model computes in is scorePrecision.
        ("f32" or "bf16" or "bf16_amx" or "fp16")
        """
        return self._set(precision=value)

    def setAllowTF32(self, value: bool) -> Self:
        """Whether products of f32 may be computed in TF32 where trainers compute on GPUs, as
        torch.backends.cuda.matmul.allow_tf32: operands have 11 bits then instead of 24, and products go
        through tensor cores. Processors have none of it, and "bf16" and "fp16" (precision) go through it
        already: neither is changed by it. (true or false)
        """
        return self._set(allowTF32=value)

    def setVerbose(self, value: str | bool) -> Self:
        """What the driver shows while it trains: loss, validation, metrics, rows/s, seconds left. true: a
        line per epoch. "auto": in Python a bar in a notebook, a line that moves in a terminal, else at most
        a line every two seconds; in Scala the log alone. false: nothing. ("auto", true or false)
        """
        return self._set(verbose=value)


class ClassifierTrainingParams(Params):
    """Parameters of classifiers, which their models know. How it is trained."""

    classWeight: Param[str] = Param(
        Params._dummy(),
        "classWeight",
        'What rows of a class weigh in the loss, beside their weightCol: "balanced", rows / (classes * rows of the class) by the rows that train, counted exactly while they are fed, as in scikit-learn; or a number for each class, 1 for those that are not named. loss and val_loss are weighted by it, metrics are not. Not set: every class weighs 1. ("balanced", or an object with a number for classes such as {"0": 1.0, "1": 12.0}, each of at least 0)',
        typeConverter=ClassWeights(
            '"balanced", or an object with a number for classes such as {"0": 1.0, "1": 12.0}, each of at least 0'
        ),
    )

    def __init__(self) -> None:
        super().__init__()

    def getClassWeight(self) -> str:
        """Value of classWeight, or its default."""
        return self.getOrDefault(self.classWeight)


class ClassifierTrainingSetters(ClassifierTrainingParams):
    """What classifiers have beyond their models. How it is trained."""

    def setClassWeight(self, value: ClassWeightLike) -> Self:
        """What rows of a class weigh in the loss, beside their weightCol: "balanced", rows / (classes *
        rows of the class) by the rows that train, counted exactly while they are fed, as in scikit-learn;
        or a number for each class, 1 for those that are not named. loss and val_loss are weighted by it,
        metrics are not. Not set: every class weighs 1. ("balanced", or an object with a number for classes
        such as {"0": 1.0, "1": 12.0}, each of at least 0)
        """
        return self._set(classWeight=value)
