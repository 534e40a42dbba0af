"""`gradientCompression`: what gradients become before trainers exchange them, from PySpark."""

from __future__ import annotations

import pytest
from pyspark.sql import DataFrame, SparkSession

from candlewick import NeuralClassifier
from candlewick.errors import InvalidParameterError

from .support import blobs, classifier


@pytest.fixture(scope="module")
def data(local3: SparkSession) -> DataFrame:
    return blobs(local3).cache()


@pytest.mark.parametrize("kind", ["bf16", "fp16", "topk:0.1", "1bit", "powersgd:1"])
def test_a_fit_learns_and_has_the_bits_of_one_trainer(data: DataFrame, kind: str) -> None:
    two = classifier(gradientCompression=kind, logicalShards=4).fit(data)
    one = classifier(gradientCompression=kind, logicalShards=4, numTrainers=1).fit(data)
    assert two.weightsHash == one.weightsHash
    assert two.weightsHash != classifier(logicalShards=4).fit(data).weightsHash
    sent = two.summary.compression
    assert sent is not None and 0 < sent["sentBytes"] < sent["plainBytes"]
    assert one.summary.compression is None
    losses = two.summary.objectiveHistory
    assert losses[-1] < losses[0]


def test_what_the_trainers_decide_is_said_with_the_reason(data: DataFrame) -> None:
    model = classifier(gradientCompression="auto", logicalShards=4).fit(data)
    told = model.summary.compression
    # Few values between trainers of one machine.
    assert told is not None and told["kind"] == "none" and "with bf16" in told["reason"], told
    assert model.weightsHash == classifier(logicalShards=4).fit(data).weightsHash


@pytest.mark.parametrize("wrong", ["bf15", "BF16", "topk:0", "topk:1.5", "topk", "powersgd:0", ""])
def test_a_kind_that_there_is_not_is_refused_with_those_that_there_are(wrong: str) -> None:
    with pytest.raises(InvalidParameterError) as told:
        NeuralClassifier(gradientCompression=wrong)
    for name in ("gradientCompression", '"none", "auto", "bf16", "fp16", "1bit"', '"topk:0.01"', '"powersgd:4"'):
        assert name in str(told.value)
