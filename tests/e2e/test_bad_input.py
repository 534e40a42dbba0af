"""Bad input: the message names what was wrong and what to change, and the next fit works."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pyspark.ml.linalg import Vectors
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from candlewick import NeuralRegressor, nn
from candlewick.errors import CandlewickError

from .support import blobs, classifier


@pytest.fixture(scope="module")
def data(local2: SparkSession) -> DataFrame:
    return blobs(local2, rows=60).cache()


@pytest.fixture(autouse=True)
def next_fit_works(data: DataFrame) -> Any:
    yield
    assert classifier(epochs=1).fit(data).summary.totalSteps == 1
    assert data.count() == 60


def message(df: DataFrame, **params: Any) -> str:
    with pytest.raises((CandlewickError, ValueError)) as caught:
        classifier(**params).fit(df)
    return str(caught.value)


def arrays(spark: SparkSession, bad: list[float | None] | None, label: float | None = 1.0) -> DataFrame:
    """59 good rows and, as row 40, the bad one."""
    rows = [([1.0, 2.0, float(i)], float(i % 3)) for i in range(60)]
    rows[40] = (bad, label)  # type: ignore[assignment]
    return spark.createDataFrame(rows, "features array<double>, label double").coalesce(1)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (None, ["features", "null", "row 40", "handleInvalid"]),
        ([1.0, None, 2.0], ["features", "null", "index 1", "row 40"]),
        ([1.0, math.nan, 2.0], ["features", "NaN", "index 1", "row 40"]),
        ([1.0, 2.0, math.inf], ["features", "inf", "index 2", "row 40"]),
        ([1.0, 2.0], ["features", "2", "3", "row 40"]),
        ([1.0, 2.0, 1e300], ["features", "index 2", "row 40"]),
    ],
)
def test_a_bad_feature_row_is_named(local2: SparkSession, bad: list[float | None] | None, words: list[str]) -> None:
    text = message(arrays(local2, bad))
    for word in words:
        assert word.lower() in text.lower(), text


@pytest.mark.parametrize(
    ("label", "words"),
    [
        (None, ["label", "null"]),
        (math.nan, ["label", "NaN"]),
        (math.inf, ["label", "inf"]),
        (3.5, ["label", "3.5", "whole"]),
        (-1.0, ["label", "-1"]),
        (3.0, ["label", "3", "0 to 2"]),
    ],
)
def test_a_bad_label_is_named(local2: SparkSession, label: float | None, words: list[str]) -> None:
    text = message(arrays(local2, [1.0, 2.0, 3.0], label))
    assert "row 40" in text
    for word in words:
        assert word.lower() in text.lower(), text


def test_skip_leaves_bad_rows_out_and_counts_them(local2: SparkSession) -> None:
    model = classifier(handleInvalid="skip").fit(arrays(local2, [1.0, math.nan, 2.0]))
    assert model.summary.ledger["rowsSkipped"] == 1
    assert model.summary.ledger["rowsSpooled"] == 59
    scored = model.transform(arrays(local2, [1.0, math.nan, 2.0]))
    assert scored.count() == 59


def test_a_vector_of_another_length(local2: SparkSession) -> None:
    rows = [(Vectors.dense([1.0, 2.0]), 0.0)] * 5 + [(Vectors.dense([1.0, 2.0, 3.0]), 1.0)]
    text = message(local2.createDataFrame(rows, ["features", "label"]).coalesce(1))
    assert "features" in text and "3" in text and "2" in text and "row 5" in text


def test_a_missing_column_lists_those_there(data: DataFrame) -> None:
    text = message(data, featuresCol="featurs")
    assert "featurs" in text and "features" in text and "label" in text


def test_a_string_column_says_what_to_do(data: DataFrame) -> None:
    text = message(data.withColumn("label", F.col("label").cast("string")))
    assert "label" in text and "string" in text


def test_an_empty_dataframe(data: DataFrame) -> None:
    assert "empty" in message(data.limit(0))
    assert "empty" in message(data.where("label > 100"))


def test_fewer_rows_than_trainers_and_empty_partitions_work(data: DataFrame) -> None:
    one = classifier(epochs=2, batchSize=4).fit(data.limit(1))
    assert one.summary.ledger["rowsSpooled"] == 1
    many = classifier(epochs=1).fit(data.limit(3).repartition(9))
    assert many.summary.ledger["rowsSpooled"] == 3
    assert many.summary.ledger["partitions"] >= 1


def test_shapes_that_do_not_fit_name_the_layer(data: DataFrame) -> None:
    text = message(data, network=nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(17, 3)))
    for word in ("2", "Linear", "16", "17"):
        assert word in text, text


def test_an_unknown_layer_lists_the_known(data: DataFrame) -> None:
    spec = {"format": "candlewick.network/1", "layers": [{"type": "Lineer", "out_features": 3}]}
    text = message(data, network=spec)
    assert "Lineer" in text and "Linear" in text


def test_a_label_of_a_class_that_the_network_lacks(data: DataFrame) -> None:
    text = message(data, network=nn.Sequential(nn.Linear(2)))
    assert "label" in text and "2" in text


def test_more_trainers_than_the_cluster_can_host(data: DataFrame) -> None:
    text = message(data, numTrainers=5, logicalShards=8)
    assert "5" in text and "2" in text and "numTrainers" in text


def test_more_trainers_than_shards(data: DataFrame) -> None:
    text = message(data, numTrainers=2, logicalShards=1)
    assert "logicalShards" in text and "numTrainers" in text


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"batchSize": 0}, ["batchSize", "0"]),
        ({"epochs": -1}, ["epochs", "-1"]),
        ({"handleInvalid": "keep"}, ["handleInvalid", "keep", "skip"]),
        ({"failureTimeout": "soon"}, ["failureTimeout", "soon"]),
        ({"inputShape": [4]}, ["features", "6", "4"]),
    ],
)
def test_a_parameter_out_of_range_is_named(data: DataFrame, params: dict[str, Any], words: list[str]) -> None:
    text = message(data, **params)
    for word in words:
        assert word in text, text


def test_no_network(data: DataFrame) -> None:
    from candlewick import NeuralClassifier

    with pytest.raises((CandlewickError, ValueError)) as caught:
        NeuralClassifier().fit(data)
    assert "network" in str(caught.value)


def test_a_regressor_of_another_width(data: DataFrame) -> None:
    with pytest.raises((CandlewickError, ValueError)) as caught:
        NeuralRegressor(network=nn.Sequential(nn.Linear(2)), numTrainers=1).fit(data)
    assert "2" in str(caught.value) and "1" in str(caught.value)


def test_transform_of_bad_rows_names_them(local2: SparkSession, data: DataFrame) -> None:
    model = classifier(epochs=1).fit(data)
    bad = local2.createDataFrame([(Vectors.dense([1.0] * 5 + [math.nan]), 1.0)], ["features", "label"])
    with pytest.raises(Exception) as caught:
        model.transform(bad).collect()
    assert "NaN" in str(caught.value) and "features" in str(caught.value)
    short = local2.createDataFrame([(Vectors.dense([1.0] * 5), 1.0)], ["features", "label"])
    with pytest.raises(Exception) as caught:
        model.transform(short).collect()
    assert "5" in str(caught.value) and "6" in str(caught.value)
