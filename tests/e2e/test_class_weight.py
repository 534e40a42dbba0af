"""``classWeight``: scikit-learn's weights and PyTorch's loss, the same bits as numbers of one's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pyspark.ml.linalg import Vectors
from pyspark.ml.tuning import ParamGridBuilder
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from sklearn.utils.class_weight import compute_class_weight

from candlewick import NeuralClassificationModel, NeuralClassifier, nn, optim
from candlewick.errors import InvalidParameterError

#: As a fraud table: few rows of class 1.
ROWS, RARE = 600, 12


@pytest.fixture(scope="module")
def fraud(local2: SparkSession) -> DataFrame:
    rng = np.random.default_rng(3)
    labels = (np.arange(ROWS) % RARE == 0).astype(int)
    features = rng.normal(size=(ROWS, 4)) + 0.8 * labels[:, None]
    rows = [(Vectors.dense(x.tolist()), int(y)) for x, y in zip(features, labels, strict=True)]
    return local2.createDataFrame(rows, ["features", "label"]).repartition(3).cache()


def logistic(**params: Any) -> NeuralClassifier:
    """A logistic regression by plain descent over all rows at once."""
    settings: dict[str, Any] = dict(
        network=nn.Sequential(nn.Linear(2)), optimizer=optim.SGD(lr=0.5), batchSize=4096, epochs=20
    )
    return NeuralClassifier(**{**settings, **params})


def recall(model: NeuralClassificationModel, rows: DataFrame) -> float:
    found = model.transform(rows.where("label = 1")).agg(F.avg("prediction")).first()
    assert found is not None
    return float(found[0])


def test_balanced_is_scikit_learns(fraud: DataFrame) -> None:
    labels = [row.label for row in fraud.select("label").collect()]
    wanted = compute_class_weight("balanced", classes=np.array([0, 1]), y=labels)
    balanced = logistic(classWeight="balanced").fit(fraud)
    assert balanced.summary.classWeights == wanted.tolist()
    said = logistic(classWeight={0: wanted[0], np.int64(1): wanted[1]}).fit(fraud)
    assert said.weightsHash == balanced.weightsHash
    plain = logistic().fit(fraud)
    assert plain.summary.classWeights is None
    assert recall(balanced, fraud) > recall(plain, fraud) + 0.3


def test_it_is_the_gradient_of_weighted_cross_entropy(fraud: DataFrame) -> None:
    # The formula of PyTorch's CrossEntropyLoss(weight): the sum of w[y] * loss over that of w[y].
    rows = fraud.collect()
    x = np.array([row.features.toArray() for row in rows], dtype=np.float32)
    y = np.array([row.label for row in rows])
    model = logistic(classWeight={1: 12.0}).fit(fraud)
    start = logistic(epochs=0).fit(fraud).weights()
    weight, bias = start["0.weight"].astype(np.float64), start["0.bias"].astype(np.float64)
    rows_weigh = np.where(y == 1, 12.0, 1.0)
    for _ in range(20):
        logits = x @ weight.T + bias
        chances = np.exp(logits - logits.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        pull = (chances - np.eye(2)[y]) * rows_weigh[:, None] / rows_weigh.sum()
        weight, bias = weight - 0.5 * pull.T @ x, bias - 0.5 * pull.sum(axis=0)
    np.testing.assert_allclose(model.weights()["0.weight"], weight, atol=1e-5)
    np.testing.assert_allclose(model.weights()["0.bias"], bias, atol=1e-5)


def test_a_grid_a_saved_estimator_and_a_model_know_it(fraud: DataFrame, tmp_path: Any) -> None:
    estimator = logistic(epochs=1)
    grid = ParamGridBuilder().addGrid(estimator.classWeight, ["balanced", {1: 12}]).build()
    models = [estimator.fit(fraud, params) for params in grid]
    assert [model.getClassWeight() for model in models] == ["balanced", '{"1": 12.0}']
    assert models[1].summary.classWeights == [1.0, 12.0]
    estimator.setClassWeight({0: 0.5}).write().save(str(tmp_path / "estimator"))
    loaded = NeuralClassifier.load(str(tmp_path / "estimator"))
    assert loaded.getClassWeight() == '{"0": 0.5}'
    assert loaded.fit(fraud).summary.classWeights == [0.5, 1.0]


def test_what_cannot_be_meant_is_refused(fraud: DataFrame) -> None:
    with pytest.raises(InvalidParameterError, match="names class 2, but the network tells 2 classes apart, 0 to 1"):
        logistic(classWeight={2: 1.0}).fit(fraud)
    with pytest.raises(InvalidParameterError, match="both say what a class weighs: set one of them"):
        logistic(classWeight="balanced", loss=nn.CrossEntropyLoss(weight=[1.0, 2.0])).fit(fraud)
