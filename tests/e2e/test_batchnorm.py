"""Layers that normalise over a step give the same model bit for bit for any number of trainers."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from .support import blobs, classifier

NETWORK: dict[str, Any] = {
    "format": "candlewick.network/1",
    "layers": [
        {"type": "BatchNorm1d"},
        {"type": "Linear", "out_features": 12},
        {"type": "BatchNorm1d", "momentum": None},
        {"type": "ReLU"},
        {"type": "LayerNorm"},
        {"type": "Linear", "out_features": 3},
    ],
}


def with_scope(scope: str) -> dict[str, Any]:
    layers = [{**layer, "scope": scope} if layer["type"] == "BatchNorm1d" else layer for layer in NETWORK["layers"]]
    return {**NETWORK, "layers": layers}


@pytest.fixture(scope="module")
def data(local3: SparkSession) -> DataFrame:
    return blobs(local3).cache()


@pytest.mark.parametrize("scope", ["step", "slice"])
def test_any_number_of_trainers_gives_the_same_bits(data: DataFrame, scope: str) -> None:
    models = [classifier(network=with_scope(scope), numTrainers=trainers).fit(data) for trainers in (1, 2, 3)]
    assert len({model.summary.weightsHash for model in models}) == 1
    assert [model.summary.numTrainers for model in models] == [1, 2, 3]
    history = models[0].summary.history
    assert history[-1]["loss"] < history[0]["loss"]


def test_trainers_without_rows_in_a_step_take_part(local3: SparkSession) -> None:
    # Steps of 4 rows over 8 shards: most shards, and in most steps one of three trainers, have none. The last step
    # of an epoch has a single row, which meets the running statistics.
    few = blobs(local3, rows=61)
    models = [classifier(network=NETWORK, numTrainers=trainers, batchSize=4).fit(few) for trainers in (1, 3)]
    assert len({model.summary.weightsHash for model in models}) == 1
    for model in models:
        counted = [record["batchNormByRunningStatistics"] for record in model.summary.history]
        assert counted == [1] * len(counted)


def test_the_scopes_differ(data: DataFrame) -> None:
    step, by_slice = (classifier(network=with_scope(scope)).fit(data).weightsHash for scope in ("step", "slice"))
    assert step != by_slice
