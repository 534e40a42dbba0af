"""Two classes are ranked as their probabilities rank them: Spark's evaluators agree with scikit-learn to the last digits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pyspark.ml.evaluation import BinaryClassificationEvaluator
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from candlewick import NeuralClassifier, nn, optim

#: What the two sums may differ by: they add the same numbers in another order.
ROUNDING = 1e-12


@pytest.fixture(scope="module")
def cancer(local2: SparkSession) -> DataFrame:
    bunch = load_breast_cancer()
    features = StandardScaler().fit_transform(bunch.data)
    rows = [(x.tolist(), float(y), i % 3) for i, (x, y) in enumerate(zip(features, bunch.target, strict=True))]
    return local2.createDataFrame(rows, "features array<double>, label double, fold int").cache()


def estimator(outputs: int = 2, **params: Any) -> NeuralClassifier:
    settings: dict[str, Any] = dict(epochs=2, batchSize=64, optimizer=optim.AdamW(lr=3e-3), seed=7)
    net = nn.Sequential(nn.Linear(16), nn.Tanh(), nn.Linear(outputs))
    return NeuralClassifier(network=net, **{**settings, **params})


def evaluator(metric: Any) -> BinaryClassificationEvaluator:
    return BinaryClassificationEvaluator(metricName=metric, numBins=0)


def probable(model: Any, df: DataFrame) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Labels, and the probabilities of class 1."""
    rows = model.transform(df).select("label", "probability").collect()
    return np.array([row[0] for row in rows]), np.array([row[1][1] for row in rows])


def area_under_pr(labels: np.ndarray[Any, Any], scores: np.ndarray[Any, Any]) -> float:
    """By Spark's definition: straight lines between the points of every different score, from the first one's height."""
    thresholds = np.unique(scores)[::-1]
    chosen = [labels[scores >= threshold] for threshold in thresholds]
    recall = np.array([one.sum() / labels.sum() for one in chosen])
    precision = np.array([one.mean() for one in chosen])
    return float(np.trapezoid(np.append(precision[0], precision), np.append(0.0, recall)))


@pytest.mark.parametrize("outputs", [1, 2])
def test_areas_are_those_of_the_probabilities(cancer: DataFrame, outputs: int) -> None:
    model = estimator(outputs, metrics=["roc_auc"], validationIndicatorCol="held").fit(
        cancer.withColumn("held", F.col("fold") == 0)
    )
    scored = model.transform(cancer)
    labels, scores = probable(model, cancer)
    auc = roc_auc_score(labels, scores)
    assert 0.9 < auc < 1, "some rows are ranked wrong, else any order would do"
    assert evaluator("areaUnderROC").evaluate(scored) == pytest.approx(auc, abs=ROUNDING)
    assert evaluator("areaUnderPR").evaluate(scored) == pytest.approx(area_under_pr(labels, scores), abs=ROUNDING)
    held = model.transform(cancer.where("fold = 0"))
    told = model.summary.history[-1]["val_roc_auc"]
    assert evaluator("areaUnderROC").evaluate(held) == pytest.approx(told, abs=ROUNDING)


def test_raw_predictions_are_logits_less_their_mean(cancer: DataFrame) -> None:
    model = estimator().fit(cancer)
    weights = model.weights()
    for row in model.transform(cancer).limit(50).collect():
        x = np.asarray(row.features, dtype=np.float32)
        hidden = np.tanh(weights["0.weight"] @ x + weights["0.bias"])
        logits = weights["2.weight"] @ hidden + weights["2.bias"]
        assert np.allclose(row.rawPrediction, logits - logits.mean(), atol=1e-5)
        exp = np.exp(np.asarray(row.rawPrediction))
        assert np.allclose(row.probability, exp / exp.sum(), rtol=1e-14, atol=0)
        assert row.prediction == np.argmax(row.rawPrediction) == np.argmax(row.probability)


def test_a_cross_validator_compares_by_the_probabilities(cancer: DataFrame) -> None:
    classifier = estimator()
    validator = CrossValidator(
        estimator=classifier,
        estimatorParamMaps=ParamGridBuilder().addGrid(classifier.epochs, [1, 3]).build(),
        evaluator=evaluator("areaUnderROC"),
        numFolds=3,
        foldCol="fold",
        collectSubModels=True,
    )
    fitted = validator.fit(cancer)
    assert fitted.subModels is not None
    by_fold = [
        [roc_auc_score(*probable(model, cancer.where(F.col("fold") == fold))) for model in models]
        for fold, models in enumerate(fitted.subModels)
    ]
    means = np.mean(by_fold, axis=0)
    assert len(set(means)) == 2
    assert fitted.avgMetrics == pytest.approx(means, abs=ROUNDING)
    best = classifier.copy({classifier.epochs: [1, 3][int(np.argmax(means))]})
    winner: Any = fitted.bestModel
    assert winner.weightsHash == best.fit(cancer).weightsHash
