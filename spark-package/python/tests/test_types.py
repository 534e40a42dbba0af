"""Estimators and models are PySpark's own kinds. No JVM."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from pyspark.ml import Estimator, Model, PredictionModel, Predictor
from pyspark.ml.classification import (
    ClassificationModel,
    Classifier,
    ProbabilisticClassificationModel,
    ProbabilisticClassifier,
)
from pyspark.ml.linalg import Vector, Vectors
from pyspark.ml.param.shared import HasFeaturesCol, HasLabelCol, HasSeed, HasThresholds, HasWeightCol
from pyspark.ml.regression import RegressionModel, Regressor
from pyspark.ml.util import HasTrainingSummary

import candlewick._estimators
from candlewick import (
    NeuralClassificationModel,
    NeuralClassifier,
    NeuralEstimator,
    NeuralEstimatorModel,
    NeuralRegressionModel,
    NeuralRegressor,
    nn,
)

KINDS: list[tuple[type, tuple[Any, ...]]] = [
    (NeuralClassifier, (Estimator, Predictor, Classifier, ProbabilisticClassifier, HasThresholds, HasSeed)),
    (NeuralRegressor, (Estimator, Predictor, Regressor, HasSeed)),
    (
        NeuralClassificationModel,
        (Model, PredictionModel, ClassificationModel, ProbabilisticClassificationModel, HasTrainingSummary),
    ),
    (NeuralEstimator, (Estimator, HasSeed)),
    (NeuralEstimatorModel, (Model, HasTrainingSummary)),
    (NeuralRegressionModel, (Model, PredictionModel, RegressionModel, HasTrainingSummary)),
]


@pytest.mark.parametrize(("stage", "parents"), KINDS, ids=lambda value: getattr(value, "__name__", ""))
def test_sparks_types_and_shared_parameters(stage: Any, parents: tuple[Any, ...]) -> None:
    for parent in (HasFeaturesCol, HasLabelCol, HasWeightCol, *parents):
        assert issubclass(stage, parent), f"{stage.__name__} is no {parent.__name__}"
    assert not stage.__abstractmethods__


class Answers(NeuralClassificationModel):
    """A model whose companion in the JVM answers what it is told to."""

    given: dict[str, Any]
    asked: list[tuple[str, Any]]

    def _call_java(self, name: str, *args: Any) -> Any:
        self.asked.append((name, args[0] if args else None))
        return self.given[name]

    def _transfer_params_to_java(self) -> None:
        self.asked.append(("params", None))


def answering(**given: Any) -> Answers:
    model = Answers()
    model.given, model.asked = given, []
    return model


def test_a_model_has_the_parameters_of_its_estimator_with_the_catalogues_docs() -> None:
    model = NeuralClassificationModel()
    assert (model.getLabelCol(), model.getFeaturesCol()) == ("label", "features")
    assert "any numeric type" in model.explainParam("labelCol")
    assert model.setThresholds([0.5, 0.0]).getThresholds() == [0.5, 0.0]


def test_one_row_goes_to_the_jvm_as_a_vector() -> None:
    model = answering(predict=2, predictRaw=Vectors.dense(1.0), predictProbability=Vectors.dense(0.5))
    rows: list[Any] = [[1.0, 2.0], np.array([1.0, 2.0]), Vectors.dense(1.0, 2.0)]
    for row in rows:
        prediction = model.predict(row)
        assert prediction == 2.0 and isinstance(prediction, float)
    assert model.predictRaw(rows[0]) == Vectors.dense(1.0)
    assert model.predictProbability(rows[1]) == Vectors.dense(0.5)
    assert all(isinstance(asked, Vector) and asked == rows[2] for _, asked in model.asked)
    assert [name for name, _ in model.asked] == ["predict"] * 3 + ["predictRaw", "predictProbability"]


def test_evaluate_reads_null_as_nan_and_what_json_has_no_number_for_by_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(candlewick._estimators, "_require_dataframe", lambda method, dataset: None)
    frame: Any = object()
    model = answering(evaluateJson='{"accuracy": 0.5, "roc_auc": null, "mse": "Infinity"}')
    told = model.evaluate(frame)
    assert told["accuracy"] == 0.5 and math.isnan(told["roc_auc"]) and told["mse"] == math.inf
    assert model.asked == [("evaluateJson", frame)]


def test_evaluate_wants_a_dataframe() -> None:
    with pytest.raises(TypeError, match=r"^evaluate needs a DataFrame of Spark, not builtins\.list"):
        answering().evaluate([1])  # type: ignore[arg-type]


def test_the_network_of_a_model_is_one() -> None:
    network = nn.Sequential(nn.Linear(3))
    model = answering(networkJson=network.to_json())
    assert model.network.to_dict() == network.to_dict()
    estimator = candlewick._estimators.NeuralClassifierBase
    assert json.loads(estimator.network.typeConverter(model.network)) == network.to_dict()
