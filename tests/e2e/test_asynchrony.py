"""`asynchrony`: gradients that are exchanged while the next step is computed, trainers that are some steps apart, from PySpark."""

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


def test_trainers_that_do_not_wait_learn_and_say_how_stale_they_were(data: DataFrame) -> None:
    stale = classifier(asynchrony="stale", staleness=3, logicalShards=4)
    two = stale.fit(data)
    losses = two.summary.objectiveHistory
    assert losses[-1] < losses[0]
    for record in two.summary.history:
        assert 0.0 <= record["stalenessMean"] <= record["stalenessMax"] <= 3.0
    one = classifier(asynchrony="stale", logicalShards=4, numTrainers=1).fit(data)
    assert one.weightsHash == classifier(logicalShards=4).fit(data).weightsHash
    assert all("stalenessMax" not in record for record in one.summary.history)
    plan = stale.plan(data)
    plain = classifier(logicalShards=4).plan(data)
    assert plan.memory["accounts"]["weights"] > plain.memory["accounts"]["weights"]


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"localSteps": 2}, "localSteps = 2"),
        ({"gradientCompression": "bf16"}, 'gradientCompression = "bf16"'),
        ({"onNonFinite": "skip"}, 'onNonFinite = "skip"'),
    ],
)
def test_what_stale_does_not_go_together_with_is_refused(data: DataFrame, more: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidParameterError) as told:
        classifier(asynchrony="stale", **more).fit(data)
    for part in ('asynchrony = "stale"', named, 'set asynchrony to "none"'):
        assert part in str(told.value)


@pytest.mark.parametrize("wrong", [0, 65])
def test_a_bound_that_is_none_is_refused(wrong: int) -> None:
    with pytest.raises(InvalidParameterError) as told:
        NeuralClassifier(staleness=wrong)
    assert "staleness" in str(told.value) and "from 1 to 64" in str(told.value)


@pytest.mark.parametrize("wrong", ["late", "Delayed", ""])
def test_what_is_not_built_is_refused_with_what_there_is(wrong: str) -> None:
    with pytest.raises(InvalidParameterError) as told:
        NeuralClassifier(asynchrony=wrong)
    assert "asynchrony" in str(told.value) and '"none" or "delayed" or "stale"' in str(told.value)
