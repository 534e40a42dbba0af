"""`asynchrony`: gradients that are exchanged while the next step is computed, from PySpark."""

from __future__ import annotations

import pytest
from pyspark.sql import DataFrame, SparkSession

from candlewick import NeuralClassifier
from candlewick.errors import InvalidParameterError

from .support import blobs, classifier


@pytest.fixture(scope="module")
def data(local3: SparkSession) -> DataFrame:
    return blobs(local3).cache()


def late(**params: object) -> NeuralClassifier:
    return classifier(asynchrony="delayed", logicalShards=4, **params)


def test_a_fit_learns_has_the_bits_of_one_trainer_and_says_what_was_hidden(data: DataFrame) -> None:
    two, one = late().fit(data), late(numTrainers=1).fit(data)
    assert two.weightsHash == one.weightsHash
    assert two.weightsHash != classifier(logicalShards=4).fit(data).weightsHash
    losses = two.summary.objectiveHistory
    assert losses[-1] < losses[0]
    assert all(0.0 <= record["exchangeHidden"] <= 1.0 for record in two.summary.history)
    assert all("exchangeHidden" not in record for record in one.summary.history)


@pytest.mark.parametrize("wrong", ["stale", "Delayed", ""])
def test_what_is_not_built_is_refused_with_what_there_is(wrong: str) -> None:
    with pytest.raises(InvalidParameterError) as told:
        NeuralClassifier(asynchrony=wrong)
    assert "asynchrony" in str(told.value) and '"none" or "delayed"' in str(told.value)
