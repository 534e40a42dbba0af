"""Estimators and models as what Spark ML takes them for: its types, its own test of parameters, its meta-algorithms."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from unittest import TestCase

import numpy as np
import pytest
from pyspark.ml import Estimator, Model, PredictionModel, Predictor
from pyspark.ml.classification import (
    ClassificationModel,
    Classifier,
    OneVsRest,
    OneVsRestModel,
    ProbabilisticClassificationModel,
    ProbabilisticClassifier,
)
from pyspark.ml.evaluation import BinaryClassificationEvaluator, MulticlassClassificationEvaluator, RegressionEvaluator
from pyspark.ml.functions import array_to_vector
from pyspark.ml.linalg import Vectors
from pyspark.ml.param.shared import HasFeaturesCol, HasLabelCol, HasSeed, HasThresholds, HasWeightCol
from pyspark.ml.regression import RegressionModel, Regressor
from pyspark.ml.tuning import ParamGridBuilder, TrainValidationSplit
from pyspark.ml.util import HasTrainingSummary
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.testing.mlutils import check_params
from sklearn import metrics
from sklearn.datasets import load_iris

from candlewick import NeuralClassificationModel, NeuralClassifier, NeuralRegressionModel, NeuralRegressor, nn, optim
from candlewick.errors import InvalidParameterError

#: What sums may differ by: they add the same numbers in another order.
ROUNDING = 1e-9


@pytest.fixture(scope="module")
def iris(local2: SparkSession) -> DataFrame:
    bunch = load_iris()
    rows = [
        (Vectors.dense(x.tolist()), float(y), 0.5 + i % 3)
        for i, (x, y) in enumerate(zip(bunch.data, bunch.target, strict=True))
    ]
    return local2.createDataFrame(rows, ["features", "label", "weight"]).repartition(3).cache()


def classifier(outputs: int = 3, **params: Any) -> NeuralClassifier:
    net = nn.Sequential(nn.Linear(8), nn.Tanh(), nn.Linear(outputs))
    settings: dict[str, Any] = dict(network=net, epochs=3, batchSize=16, optimizer=optim.AdamW(lr=0.05))
    return NeuralClassifier(**{**settings, **params})


@pytest.fixture(scope="module")
def model(iris: DataFrame) -> NeuralClassificationModel:
    return classifier().fit(iris)


@pytest.fixture(scope="module")
def real(iris: DataFrame) -> NeuralRegressionModel:
    net = nn.Sequential(nn.Linear(8), nn.Tanh(), nn.Linear(1))
    return NeuralRegressor(network=net, epochs=3, batchSize=16, weightCol="weight").fit(iris)


def test_sparks_types_and_shared_parameters(model: NeuralClassificationModel, real: NeuralRegressionModel) -> None:
    shared: tuple[Any, ...] = (HasFeaturesCol, HasLabelCol, HasWeightCol)
    kinds: list[tuple[Any, tuple[Any, ...]]] = [
        (NeuralClassifier(), (Estimator, Predictor, Classifier, ProbabilisticClassifier, HasThresholds, HasSeed)),
        (NeuralRegressor(), (Estimator, Predictor, Regressor, HasSeed)),
        (model, (Model, PredictionModel, ClassificationModel, ProbabilisticClassificationModel, HasTrainingSummary)),
        (real, (Model, PredictionModel, RegressionModel, HasTrainingSummary)),
    ]
    for stage, wanted in kinds:
        missing = [kind.__name__ for kind in (*shared, *wanted) if not isinstance(stage, kind)]
        assert not missing, f"{type(stage).__name__} is no {missing}"
    assert NeuralClassifier().getSeed() == 0
    assert "numeric" in NeuralClassifier().explainParam("labelCol"), "the docs are the catalogue's"


def test_parameters_are_those_of_the_jvm(
    local2: SparkSession, model: NeuralClassificationModel, real: NeuralRegressionModel
) -> None:
    test: Any = TestCase()
    test.sc = local2.sparkContext
    for stage in (NeuralClassifier(), NeuralRegressor(), model.copy(), real.copy()):
        check_params(test, stage)


def test_one_row_is_scored_as_transform_does_it(
    iris: DataFrame, model: NeuralClassificationModel, real: NeuralRegressionModel
) -> None:
    for row in model.transform(iris).limit(10).collect():
        assert model.predictRaw(row.features) == row.rawPrediction
        assert model.predictProbability(row.features.toArray()) == row.probability
        assert model.predict(row.features.toArray().tolist()) == row.prediction
    for row in real.transform(iris).limit(10).collect():
        assert real.predict(row.features) == row.prediction
        assert real.predictRaw(row.features) == Vectors.dense(row.prediction)
    assert (model.numClasses, model.numFeatures, real.numFeatures) == (3, 4, 4)
    with pytest.raises(InvalidParameterError, match="have 2 values, but the model was trained on 4"):
        model.predict([1.0, 2.0])


def test_the_network_of_a_model_trains_again(iris: DataFrame, model: NeuralClassificationModel) -> None:
    assert classifier(network=model.network).fit(iris).weightsHash == model.weightsHash


def test_evaluate_is_scikit_learns(iris: DataFrame, model: NeuralClassificationModel) -> None:
    weighing = model.copy().setWeightCol("weight")
    rows = model.transform(iris).select("label", "prediction", "probability", "weight").collect()
    labels, guesses, weights = (np.array([row[at] for row in rows]) for at in (0, 1, 3))
    scores = np.array([row.probability.toArray() for row in rows])
    one = [np.equal(labels, at) for at in range(3)]
    for judge, weight in ((model, None), (weighing, weights)):
        given: dict[str, Any] = dict(sample_weight=weight)
        wanted = {
            "accuracy": metrics.accuracy_score(labels, guesses, **given),
            "precision": metrics.precision_score(labels, guesses, average="weighted", zero_division=0, **given),
            "recall": metrics.recall_score(labels, guesses, average="weighted", **given),
            "f1": metrics.f1_score(labels, guesses, average="weighted", **given),
            "log_loss": metrics.log_loss(labels, scores, **given),
            "roc_auc": np.mean([metrics.roc_auc_score(one[at], scores[:, at], **given) for at in range(3)]),
            "pr_auc": np.mean([metrics.average_precision_score(one[at], scores[:, at], **given) for at in range(3)]),
        }
        assert judge.evaluate(iris) == pytest.approx(wanted, abs=ROUNDING)
    # What metrics names, of the training or later, is told beside them.
    named = ["f1_macro", "recall_micro", "precision_weighted", "top_2_accuracy", "roc_auc"]
    asked = weighing.copy({weighing.metrics: named})
    told = asked.evaluate(iris)
    assert told["f1_macro"] == pytest.approx(metrics.f1_score(labels, guesses, average="macro", sample_weight=weights))
    assert told["recall_micro"] == pytest.approx(told["accuracy"], abs=ROUNDING)
    assert told["precision_weighted"] == told["precision"]
    assert told["top_2_accuracy"] == pytest.approx(
        metrics.top_k_accuracy_score(labels, scores, k=2, sample_weight=weights), abs=ROUNDING
    )
    assert set(told) == set(wanted) | set(named)
    spark = MulticlassClassificationEvaluator(metricName="f1", weightCol="weight")
    assert spark.evaluate(model.transform(iris)) == pytest.approx(weighing.evaluate(iris)["f1"], abs=ROUNDING)


def test_evaluate_of_two_classes_and_of_values(iris: DataFrame, real: NeuralRegressionModel) -> None:
    # The same flowers in fewer digits: equal scores are one step of a curve.
    two = iris.where("label > 0").selectExpr("features", "label - 1 as label").cache()
    binary = classifier(1, epochs=1).fit(two)
    rows = binary.transform(two).select("label", "probability").collect()
    labels, scores = np.array([row[0] for row in rows]), np.array([row[1][1] for row in rows])
    told = binary.evaluate(two.union(two))
    assert told["roc_auc"] == pytest.approx(metrics.roc_auc_score(labels, scores), abs=ROUNDING)
    assert told["pr_auc"] == pytest.approx(metrics.average_precision_score(labels, scores), abs=ROUNDING)
    assert math.isnan(binary.evaluate(two.where("label = 1"))["roc_auc"])
    drawn = real.transform(iris).select("label", "prediction", "weight").collect()
    truth, guess, weight = (np.array([row[at] for row in drawn]) for at in range(3))
    told = real.evaluate(iris)
    assert real.getWeightCol() == "weight"
    assert told == pytest.approx(
        {
            "mae": metrics.mean_absolute_error(truth, guess, sample_weight=weight),
            "mse": metrics.mean_squared_error(truth, guess, sample_weight=weight),
            "rmse": metrics.mean_squared_error(truth, guess, sample_weight=weight) ** 0.5,
            "r2": metrics.r2_score(truth, guess, sample_weight=weight),
            "mape": metrics.mean_absolute_percentage_error(truth, guess, sample_weight=weight),
        },
        rel=ROUNDING,
    )
    rmse = RegressionEvaluator(metricName="rmse", weightCol="weight").evaluate(real.transform(iris))
    assert rmse == pytest.approx(told["rmse"], abs=ROUNDING)


def test_one_vs_rest(iris: DataFrame, tmp_path: Path) -> None:
    rest = OneVsRest(classifier=classifier(2, epochs=8), parallelism=2, weightCol="weight")
    fitted = rest.fit(iris)
    scored = fitted.transform(iris)
    assert MulticlassClassificationEvaluator(metricName="accuracy").evaluate(scored) > 0.9
    fitted.write().save(str(tmp_path / "rest"))
    loaded = OneVsRestModel.load(str(tmp_path / "rest"))
    assert [type(one) for one in loaded.models] == [NeuralClassificationModel] * 3
    assert loaded.transform(iris).select("prediction").collect() == scored.select("prediction").collect()


def test_train_validation_split_keeps_the_models_of_a_grid(iris: DataFrame) -> None:
    two = iris.where("label > 0").selectExpr("features", "label - 1 as label")
    estimator = classifier(2)
    split = TrainValidationSplit(
        estimator=estimator,
        estimatorParamMaps=ParamGridBuilder().addGrid(estimator.epochs, [1, 4]).build(),
        evaluator=BinaryClassificationEvaluator(),
        parallelism=2,
        collectSubModels=True,
        seed=3,
    )
    subs: Any = split.fit(two).subModels
    assert [len(one.summary.history) for one in subs] == [1, 4]


def test_a_grid_holds_learning_rates(iris: DataFrame) -> None:
    estimator = classifier(epochs=1, optimizer=optim.SGD(lr=0.5))
    grid = ParamGridBuilder().addGrid(estimator.learningRate, [0.1, 0.2]).build()
    hashes = [estimator.fit(iris, params).weightsHash for params in grid]
    assert hashes == [classifier(epochs=1, optimizer=optim.SGD(lr=lr)).fit(iris).weightsHash for lr in (0.1, 0.2)]
    assert hashes[0] != hashes[1]


def test_thresholds_are_sparks(iris: DataFrame, model: NeuralClassificationModel) -> None:
    certain = model.copy().setThresholds([5.0, 0.0, 2.0])
    assert certain.transform(iris).where("prediction = 1").count() == iris.count()
    with pytest.raises(InvalidParameterError, match="at most one of them 0"):
        model.copy().setThresholds([0.0, 1.0, 0.0])


def test_rows_are_sent_in_the_type_they_came_in_and_the_model_is_the_same(local2: SparkSession) -> None:
    width = 640
    rows = [
        ([float(at % 40 == row % 40) * (row + 1) for at in range(width)], float(row % 3), 1.0 + row % 2)
        for row in range(100)
    ]
    floats = local2.createDataFrame(rows, "features array<float>, label double, weight double").cache()
    network = nn.Sequential(nn.Linear(4), nn.ReLU(), nn.Linear(3))
    settings: dict[str, Any] = dict(network=network, epochs=2, batchSize=16, inputShape=[width], scale=0.25, seed=3)
    frames = {
        width * 4: floats,
        width * 2: floats.withColumn("features", floats.features.cast("array<smallint>")),
        width: floats.withColumn("features", F.udf(bytes, "binary")(floats.features.cast("array<int>"))),
        width // 40 * 8: floats.withColumn("features", array_to_vector(floats.features)),
    }
    models = {size: NeuralClassifier(**settings).fit(frame) for size, frame in frames.items()}
    assert {size: model.summary.ledger["featureBytes"] for size, model in models.items()} == {
        size: size * len(rows) for size in frames
    }
    assert len({model.weightsHash for model in models.values()}) == 1
