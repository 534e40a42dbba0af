# Written by candlewick-codegen (`make generate`); do not edit.
"""Columns that are read and appended, and how they are read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import (
    HasFeaturesCol,
    HasHandleInvalid,
    HasLabelCol,
    HasPredictionCol,
    HasProbabilityCol,
    HasRawPredictionCol,
    HasThresholds,
    HasValidationIndicatorCol,
    HasWeightCol,
)

from candlewick._convert import to_text, to_text_map
from candlewick._legal import Legal, Range, each, one_of, one_zero

if TYPE_CHECKING:
    from typing_extensions import Self


class ColumnParams(HasLabelCol, HasFeaturesCol, HasPredictionCol, HasHandleInvalid, HasWeightCol):
    """Parameters of estimators and models. Columns that are read and appended, and how they are read."""

    featuresCol: Param[str] = Param(
        Params._dummy(),
        "featuresCol",
        "Column of the features: a Vector (dense or sparse), an array of any numeric type or of such arrays (a tensor), one numeric column, or binary (see inputShape and scale). (text)",
        typeConverter=to_text,
    )

    featuresCols: Param[list[str]] = Param(
        Params._dummy(),
        "featuresCols",
        "Columns whose values are put one after another to form the features, instead of featuresCol: numeric, array and Vector columns may be mixed. Not set, and the network is a graph: the columns named as its inputs. (list of at least one text)",
        typeConverter=Legal(
            "featuresCols",
            TypeConverters.toListString,
            "a list of at least one text",
            each(),
        ),
    )

    labelCol: Param[str] = Param(
        Params._dummy(),
        "labelCol",
        "Column of the label, for fit and for a model's evaluate: any numeric type. A classifier expects whole numbers from 0; a regressor also takes an array or a Vector (several outputs; those of a graph one after another), and so does a NeuralEstimator, where an empty text stands for none: its loss reads no label. (text)",
        typeConverter=to_text,
    )

    weightCol: Param[str] = Param(
        Params._dummy(),
        "weightCol",
        "Column of the row's weight in the loss and in a model's evaluate: numeric, finite, not negative. Not set: every row weighs 1. (text)",
        typeConverter=to_text,
    )

    predictionCol: Param[str] = Param(
        Params._dummy(),
        "predictionCol",
        "Column that transform appends: the class of a classifier, the value (or Vector of values) of a regressor. A regressor whose network is a graph of several outputs also appends a column for each, such as prediction_price; a NeuralEstimator appends these alone: the class of an output whose loss tells classes apart, else its value or values. (text)",
        typeConverter=to_text,
    )

    handleInvalid: Param[str] = Param(
        Params._dummy(),
        "handleInvalid",
        'What to do with a row that holds null, NaN, infinity, a vector of another length or an index outside of the table of an embedding: "error" fails with the row named, "skip" leaves it out and counts it, "keep", which is for transform only, gives null in the columns that the model appends. ("error" or "skip" or "keep")',
        typeConverter=Legal(
            "handleInvalid",
            to_text,
            '"error" or "skip" or "keep"',
            one_of("error", "skip", "keep"),
        ),
    )

    outputCols: Param[str] = Param(
        Params._dummy(),
        "outputCols",
        'More columns that transform appends: what layers put out, as Vectors. Names of layers ("0" is the first of a chain, "2.0" the first within the third; of a graph the names of its nodes), each with the name of its column. With a NeuralEstimator they are all that it appends, and names may also be those of outputs, alone or with what is asked of a class: "digit", "digit.probability", "digit.rawPrediction"; of a network with one output "prediction", "probability" and "rawPrediction". (an object of at least one name with a text, such as {"embed": "embedding"})',
        typeConverter=to_text_map,
    )

    scorePrecision: Param[str] = Param(
        Params._dummy(),
        "scorePrecision",
        'What products of matrices round their operands to when a model scores: "f32", "bf16", or "bf16_amx" for Intel\'s AMX (GPUs take that for bf16), as precision does while training. A model that was trained in bf16 scores in f32 too unless this says otherwise. ("f32" or "bf16" or "bf16_amx")',
        typeConverter=Legal(
            "scorePrecision",
            to_text,
            '"f32" or "bf16" or "bf16_amx"',
            one_of("f32", "bf16", "bf16_amx"),
        ),
    )

    scoreDevice: Param[str] = Param(
        Params._dummy(),
        "scoreDevice",
        'Where a model\'s transform, evaluate and SQL score: "cpu", on processors, where a row\'s bits do not depend on the rows it comes with; "cuda", on the NVIDIA GPUs that Spark gave the executors, which needs the artifact candlewick-cuda and gives values within f32 of those; "auto", on GPUs where both are there, else on processors, and an executor\'s log says why. One row by itself (predict) is scored on processors. ("cpu" or "auto" or "cuda")',
        typeConverter=Legal(
            "scoreDevice",
            to_text,
            '"cpu" or "auto" or "cuda"',
            one_of("cpu", "auto", "cuda"),
        ),
    )

    scale: Param[float] = Param(
        Params._dummy(),
        "scale",
        "Factor for every feature value, for example 1/255 for bytes of a picture. Not set: 1. (number above 0)",
        typeConverter=Legal(
            "scale",
            TypeConverters.toFloat,
            "a finite number above 0",
            Range(above=0.0),
        ),
    )

    def __init__(self) -> None:
        super().__init__()
        self._setDefault(
            featuresCol="features",
            labelCol="label",
            predictionCol="prediction",
            handleInvalid="error",
            scorePrecision="f32",
            scoreDevice="cpu",
        )

    def getFeaturesCol(self) -> str:
        """Value of featuresCol, or its default."""
        return self.getOrDefault(self.featuresCol)

    def setFeaturesCol(self, value: str) -> Self:
        """Column of the features: a Vector (dense or sparse), an array of any numeric type or of such
        arrays (a tensor), one numeric column, or binary (see inputShape and scale). (text)
        """
        return self._set(featuresCol=value)

    def getFeaturesCols(self) -> list[str]:
        """Value of featuresCols, or its default."""
        return self.getOrDefault(self.featuresCols)

    def setFeaturesCols(self, value: Sequence[str]) -> Self:
        """Columns whose values are put one after another to form the features, instead of featuresCol:
        numeric, array and Vector columns may be mixed. Not set, and the network is a graph: the columns
        named as its inputs. (list of at least one text)
        """
        return self._set(featuresCols=value)

    def getLabelCol(self) -> str:
        """Value of labelCol, or its default."""
        return self.getOrDefault(self.labelCol)

    def setLabelCol(self, value: str) -> Self:
        """Column of the label, for fit and for a model's evaluate: any numeric type. A classifier expects
        whole numbers from 0; a regressor also takes an array or a Vector (several outputs; those of a graph
        one after another), and so does a NeuralEstimator, where an empty text stands for none: its loss
        reads no label. (text)
        """
        return self._set(labelCol=value)

    def getWeightCol(self) -> str:
        """Value of weightCol, or its default."""
        return self.getOrDefault(self.weightCol)

    def setWeightCol(self, value: str) -> Self:
        """Column of the row's weight in the loss and in a model's evaluate: numeric, finite, not negative.
        Not set: every row weighs 1. (text)
        """
        return self._set(weightCol=value)

    def getPredictionCol(self) -> str:
        """Value of predictionCol, or its default."""
        return self.getOrDefault(self.predictionCol)

    def setPredictionCol(self, value: str) -> Self:
        """Column that transform appends: the class of a classifier, the value (or Vector of values) of a
        regressor. A regressor whose network is a graph of several outputs also appends a column for each,
        such as prediction_price; a NeuralEstimator appends these alone: the class of an output whose loss
        tells classes apart, else its value or values. (text)
        """
        return self._set(predictionCol=value)

    def getHandleInvalid(self) -> str:
        """Value of handleInvalid, or its default."""
        return self.getOrDefault(self.handleInvalid)

    def setHandleInvalid(self, value: str) -> Self:
        """What to do with a row that holds null, NaN, infinity, a vector of another length or an index
        outside of the table of an embedding: "error" fails with the row named, "skip" leaves it out and
        counts it, "keep", which is for transform only, gives null in the columns that the model appends.
        ("error" or "skip" or "keep")
        """
        return self._set(handleInvalid=value)

    def getOutputCols(self) -> dict[str, str]:
        """Value of outputCols, or its default."""
        return dict(json.loads(self.getOrDefault(self.outputCols)))

    def setOutputCols(self, value: Mapping[str, str]) -> Self:
        """More columns that transform appends: what layers put out, as Vectors. Names of layers ("0" is the
        first of a chain, "2.0" the first within the third; of a graph the names of its nodes), each with
        the name of its column. With a NeuralEstimator they are all that it appends, and names may also be
        those of outputs, alone or with what is asked of a class: "digit", "digit.probability",
        "digit.rawPrediction"; of a network with one output "prediction", "probability" and "rawPrediction".
        (an object of at least one name with a text, such as {"embed": "embedding"})
        """
        return self._set(outputCols=value)

    def getScorePrecision(self) -> str:
        """Value of scorePrecision, or its default."""
        return self.getOrDefault(self.scorePrecision)

    def setScorePrecision(self, value: str) -> Self:
        """What products of matrices round their operands to when a model scores: "f32", "bf16", or
        "bf16_amx" for Intel's AMX (GPUs take that for bf16), as precision does while training. A model that
        was trained in bf16 scores in f32 too unless this says otherwise. ("f32" or "bf16" or "bf16_amx")
        """
        return self._set(scorePrecision=value)

    def getScoreDevice(self) -> str:
        """Value of scoreDevice, or its default."""
        return self.getOrDefault(self.scoreDevice)

    def setScoreDevice(self, value: str) -> Self:
        """Where a model's transform, evaluate and SQL score: "cpu", on processors, where a row's bits do
        not depend on the rows it comes with; "cuda", on the NVIDIA GPUs that Spark gave the executors,
        which needs the artifact candlewick-cuda and gives values within f32 of those; "auto", on GPUs where
        both are there, else on processors, and an executor's log says why. One row by itself (predict) is
        scored on processors. ("cpu" or "auto" or "cuda")
        """
        return self._set(scoreDevice=value)

    def getScale(self) -> float:
        """Value of scale, or its default."""
        return self.getOrDefault(self.scale)

    def setScale(self, value: float) -> Self:
        """Factor for every feature value, for example 1/255 for bytes of a picture. Not set: 1. (number
        above 0)
        """
        return self._set(scale=value)


class EstimatorColumnParams(HasValidationIndicatorCol):
    """Parameters of estimators, which their models know. Columns that are read and appended, and how they are read."""

    validationIndicatorCol: Param[str] = Param(
        Params._dummy(),
        "validationIndicatorCol",
        "Boolean column that is true for the rows to validate on: they never train. Not set: see validationFraction. (text)",
        typeConverter=to_text,
    )

    inputShape: Param[list[int]] = Param(
        Params._dummy(),
        "inputShape",
        "Shape that views the flat features as a tensor, without the batch dimension, for example [1, 28, 28]. Needed for binary features. Not set, and the features are one column of nested arrays: their sizes. (list of at least one whole number, each of at least 1)",
        typeConverter=Legal(
            "inputShape",
            TypeConverters.toListInt,
            "a list of at least one whole number, each of at least 1",
            each(Range(1, 2147483647)),
        ),
    )

    def __init__(self) -> None:
        super().__init__()

    def getValidationIndicatorCol(self) -> str:
        """Value of validationIndicatorCol, or its default."""
        return self.getOrDefault(self.validationIndicatorCol)

    def getInputShape(self) -> list[int]:
        """Value of inputShape, or its default."""
        return self.getOrDefault(self.inputShape)


class EstimatorColumnSetters(EstimatorColumnParams):
    """What estimators have beyond their models. Columns that are read and appended, and how they are read."""

    def setValidationIndicatorCol(self, value: str) -> Self:
        """Boolean column that is true for the rows to validate on: they never train. Not set: see
        validationFraction. (text)
        """
        return self._set(validationIndicatorCol=value)

    def setInputShape(self, value: Sequence[int]) -> Self:
        """Shape that views the flat features as a tensor, without the batch dimension, for example [1, 28,
        28]. Needed for binary features. Not set, and the features are one column of nested arrays: their
        sizes. (list of at least one whole number, each of at least 1)
        """
        return self._set(inputShape=value)


class ClassifierColumnParams(HasProbabilityCol, HasThresholds, HasRawPredictionCol):
    """Parameters of classifiers and their models. Columns that are read and appended, and how they are read."""

    probabilityCol: Param[str] = Param(
        Params._dummy(),
        "probabilityCol",
        "Column that transform appends: the Vector of class probabilities. Empty text: not appended. (text)",
        typeConverter=to_text,
    )

    rawPredictionCol: Param[str] = Param(
        Params._dummy(),
        "rawPredictionCol",
        "Column that transform appends: the Vector of the network's outputs (logits), of two less their mean. Empty text: not appended. (text)",
        typeConverter=to_text,
    )

    thresholds: Param[list[float]] = Param(
        Params._dummy(),
        "thresholds",
        "One number per class: the class with the largest probability / threshold is predicted, as in Spark ML. (list of at least one number, each of at least 0, at most one of them 0)",
        typeConverter=Legal(
            "thresholds",
            TypeConverters.toListFloat,
            "a list of at least one number, each of at least 0, at most one of them 0",
            one_zero,
        ),
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
        Spark ML. (list of at least one number, each of at least 0, at most one of them 0)
        """
        return self._set(thresholds=value)


class GeneralColumnParams(Params):
    """Parameters of NeuralEstimator and its models. Columns that are read and appended, and how they are read."""

    labelCols: Param[list[str]] = Param(
        Params._dummy(),
        "labelCols",
        "Columns whose values stand one after another in the label, instead of labelCol: numeric, array and Vector columns, columns of features too. A loss reads one of them by its name: nn.LossTerm(loss, label=...). (list of at least one text)",
        typeConverter=Legal(
            "labelCols",
            TypeConverters.toListString,
            "a list of at least one text",
            each(),
        ),
    )

    def __init__(self) -> None:
        super().__init__()

    def getLabelCols(self) -> list[str]:
        """Value of labelCols, or its default."""
        return self.getOrDefault(self.labelCols)

    def setLabelCols(self, value: Sequence[str]) -> Self:
        """Columns whose values stand one after another in the label, instead of labelCol: numeric, array
        and Vector columns, columns of features too. A loss reads one of them by its name: nn.LossTerm(loss,
        label=...). (list of at least one text)
        """
        return self._set(labelCols=value)
