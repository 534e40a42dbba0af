"""`localSteps`: steps that logical shards make by themselves before they meet, from PySpark."""

from __future__ import annotations

import pytest
from pyspark.sql import DataFrame, SparkSession

from candlewick.errors import InvalidParameterError

from .support import blobs, classifier


@pytest.fixture(scope="module")
def data(local3: SparkSession) -> DataFrame:
    return blobs(local3).cache()


def test_a_fit_learns_and_has_the_bits_of_one_trainer(data: DataFrame) -> None:
    two = classifier(localSteps=4, logicalShards=4).fit(data)
    one = classifier(localSteps=4, logicalShards=4, numTrainers=1).fit(data)
    assert two.weightsHash == one.weightsHash
    assert two.weightsHash != classifier(logicalShards=4).fit(data).weightsHash
    losses = two.summary.objectiveHistory
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"gradientCompression": "1bit"}, 'gradientCompression = "1bit"'),
        ({"gradientAccumulationSteps": 2}, "gradientAccumulationSteps = 2"),
        ({"onNonFinite": "skip"}, 'onNonFinite = "skip"'),
    ],
)
def test_what_it_does_not_go_together_with_is_refused(data: DataFrame, more: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidParameterError) as told:
        classifier(localSteps=4, **more).fit(data)
    for part in ("localSteps = 4", named, "set localSteps to 1"):
        assert part in str(told.value)
