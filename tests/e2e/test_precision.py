"""precision and scorePrecision: bf16 learns what f32 learns, with bits that depend on nothing, and nobody gets it unasked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

from candlewick import NeuralClassificationModel, NeuralClassifier, NeuralRegressor, nn
from candlewick.errors import InvalidParameterError

from .support import BLOBS_HASH, blobs, classifier


@pytest.mark.parametrize("precision", ["bf16", "bf16_amx"])
def test_the_bits_of_bf16_are_those_of_any_number_of_trainers(local3: SparkSession, precision: str) -> None:
    hashes = []
    for trainers in (1, 2, 3):
        # Batches large enough for sums whose order matters.
        estimator = classifier(precision=precision, numTrainers=trainers, batchSize=512)
        model = estimator.fit(blobs(local3).repartition(trainers + 1))
        assert model.getPrecision() == precision
        hashes.append(model.summary.weightsHash)
    assert hashes == [HASHES[precision]] * 3


#: On any processor.
HASHES = {"bf16": "4e96f76fae4f3b73df0701b218cac1de", "bf16_amx": "fc514fdf6851f22ac93dcde48af5d43c"}


def rows(spark: SparkSession, load: Any) -> DataFrame:
    """A set of scikit-learn, every column with mean 0 and deviation 1."""
    bunch = load()
    x = np.asarray(bunch.data, dtype=np.float64)
    x = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-9)
    y = np.asarray(bunch.target, dtype=np.float64)
    if load is load_diabetes:
        y = (y - y.mean()) / y.std()
    pairs = [(list(map(float, features)), float(label)) for features, label in zip(x, y, strict=True)]
    return spark.createDataFrame(pairs, "features array<double>, label double")


def estimator(load: Any, precision: str) -> Any:
    digits = nn.Sequential(
        nn.Unflatten(1, [1, 8, 8]), nn.Conv2d(16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(10)
    )
    options: dict[str, Any] = {"precision": precision, "epochs": 8, "batchSize": 64, "seed": 3, "numTrainers": 1}
    if load is load_digits:
        return NeuralClassifier(network=digits, **options)
    if load is load_breast_cancer:
        return NeuralClassifier(network=nn.Sequential(nn.Linear(32), nn.ReLU(), nn.Linear(2)), **options)
    return NeuralRegressor(network=nn.Sequential(nn.Linear(32), nn.Tanh(), nn.Linear(1)), **options)


@pytest.mark.parametrize("load", [load_digits, load_breast_cancer, load_diabetes], ids=["digits", "cancer", "diabetes"])
def test_the_loss_of_real_rows_falls_as_in_f32(local3: SparkSession, load: Any) -> None:
    df = rows(local3, load).cache()
    exact = estimator(load, "f32").fit(df).summary.objectiveHistory
    assert exact[-1] < 0.8 * exact[0]
    curves = [estimator(load, precision).fit(df).summary.objectiveHistory for precision in HASHES]
    assert exact not in curves and curves[0] != curves[1]
    for curve in curves:
        np.testing.assert_allclose(curve, exact, rtol=0.02)
    df.unpersist()


def probabilities(model: NeuralClassificationModel, df: DataFrame) -> dict[tuple[float, ...], tuple[float, ...]]:
    """Those of every row, by its features."""
    rows = model.transform(df).select("features", "probability").collect()
    return {tuple(row[0]): tuple(row[1]) for row in rows}


def test_a_model_scores_in_f32_unless_it_is_asked(local3: SparkSession, tmp_path: Path) -> None:
    df = blobs(local3)
    model = classifier(precision="bf16", numTrainers=1).fit(df)
    assert model.getScorePrecision() == "f32"
    exact = probabilities(model, df)
    model.setScorePrecision("bf16")
    rounded = probabilities(model, df)
    assert rounded != exact
    np.testing.assert_allclose([rounded[row] for row in exact], list(exact.values()), atol=0.02)
    # Rows alone and in company have the same bits, and so has the model that was saved.
    assert probabilities(model, df.repartition(40)) == rounded
    first = model.transform(df).first()
    assert first is not None
    assert model.predictProbability(first["features"]) == first["probability"]
    path = str(tmp_path / "model")
    model.write().overwrite().save(path)
    loaded = NeuralClassificationModel.load(path)
    assert (loaded.getScorePrecision(), loaded.getPrecision()) == ("bf16", "bf16")
    assert probabilities(loaded, df) == rounded
    assert probabilities(loaded.setScorePrecision("f32"), df) == exact


def test_an_estimator_hands_its_scorePrecision_on(local3: SparkSession) -> None:
    model = classifier(scorePrecision="bf16", numTrainers=1).fit(blobs(local3))
    assert model.summary.weightsHash == BLOBS_HASH
    assert model.getScorePrecision() == "bf16"


@pytest.mark.parametrize("name", ["precision", "scorePrecision"])
def test_a_precision_that_is_none(name: str) -> None:
    with pytest.raises(Exception, match=f'{name}.*"f32" or "bf16" or "bf16_amx"'):
        classifier(**{name: "int8"})


def test_fp16_is_for_gpus(local3: SparkSession) -> None:
    with pytest.raises(InvalidParameterError, match=r'processors .*precision = "fp16" is for GPUs only'):
        classifier(precision="fp16").fit(blobs(local3))


def test_training_does_not_go_on_in_another_precision(local3: SparkSession) -> None:
    df = blobs(local3)
    model = classifier(precision="bf16", saveOptimizer=True, numTrainers=1).fit(df)
    with pytest.raises(InvalidParameterError, match="precision"):
        classifier(precision="f32", initialModel=model, resumeOptimizer=True, epochs=9, numTrainers=1).fit(df)
