"""Training that goes on from a model: 3 epochs and 3 more are 6."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from candlewick import NeuralClassificationModel, NeuralClassifier, nn, optim
from candlewick.errors import InvalidParameterError
from candlewick.optim import lr_scheduler

from .support import blobs, classifier


@pytest.fixture(scope="module")
def data(cluster: SparkSession) -> DataFrame:
    return blobs(cluster, rows=300).repartition(4).cache()


def trained(epochs: int, **params: Any) -> NeuralClassifier:
    """An optimiser with moments, a schedule, dropout: whatever is not restored shows."""
    return classifier(
        network=nn.Sequential(nn.Linear(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(3)),
        optimizer=optim.Adam(lr=0.05),
        lrScheduler=lr_scheduler.CosineAnnealingLR(T_max=8),
        epochs=epochs,
        **params,
    )


def told(model: NeuralClassificationModel) -> list[dict[str, Any]]:
    return [{**record, "seconds": 0} for record in model.summary.history]


def test_three_epochs_and_three_more_are_six(data: DataFrame, tmp_path: Path) -> None:
    expected = trained(6).fit(data)
    path = str(tmp_path / "model")
    trained(3, saveOptimizer=True).fit(data).write().overwrite().save(path)
    assert sorted(entry.name for entry in Path(path, "optimizer").glob("[!.]*")) == [
        "manifest.json",
        "state.safetensors",
    ]
    half = NeuralClassificationModel.load(path)
    steps = half.summary.totalSteps
    assert half.hasOptimizerState and not expected.hasOptimizerState
    first = trained(6, initialModel=half, resumeOptimizer=True, numTrainers=1)
    second = trained(6).setInitialModel(half).setResumeOptimizer(True)
    third = trained(6, resumeOptimizer=True).setParams(initialWeights=half).copy()
    # The JVM's object goes with the last Python object of a model.
    passing = weakref.ref(half)
    del half
    gc.collect()
    assert passing() is not None
    for estimator in (first, second, third):
        model = estimator.fit(data.repartition(3))
        assert model.weightsHash == expected.weightsHash
        assert told(model) == told(expected)
        assert model.summary.resumedFromStep == steps
        assert model.summary.totalSteps == expected.summary.totalSteps


def test_what_cannot_go_on_says_why(data: DataFrame, tmp_path: Path) -> None:
    without = trained(1).fit(data)
    with pytest.raises(InvalidParameterError, match="fit it with saveOptimizer=true"):
        trained(2, initialModel=without, resumeOptimizer=True).fit(data)
    with pytest.raises(InvalidParameterError, match="there is no model to go on from: set it with setInitialModel"):
        trained(2, resumeOptimizer=True).fit(data)
    model = trained(2, saveOptimizer=True).fit(data)
    later = trained(4, initialModel=model, resumeOptimizer=True)
    with pytest.raises(InvalidParameterError, match="was trained for 2 epochs, and epochs is 2"):
        later.copy({later.epochs: 2}).fit(data)
    with pytest.raises(InvalidParameterError, match="batchSize is 16 and was"):
        later.copy({later.batchSize: 16}).fit(data)
    later.setInitialWeights(model.weights())
    with pytest.raises(InvalidParameterError, match="there is no model to go on from"):
        later.fit(data)


def test_an_initial_model_is_one(data: DataFrame, tmp_path: Path) -> None:
    with pytest.raises(
        TypeError, match=r"initialModel must be a trained model, not str; NeuralClassificationModel\.load"
    ):
        classifier(initialModel=str(tmp_path))
    model = classifier(epochs=0).fit(data)
    with pytest.raises(InvalidParameterError, match="initialModel and initialWeights are both set"):
        classifier(initialModel=model, initialWeights=model.weights())
