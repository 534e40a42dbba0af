"""Data of unusual shapes: large rows, many columns, many partitions, and what does not fit anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from candlewick import NeuralClassifier, NeuralRegressionModel, NeuralRegressor, nn
from candlewick.errors import CandlewickError, InvalidParameterError, JobFailedError

from .support import blobs, classifier


def fitted(df: DataFrame, network: Any, **params: Any) -> Any:
    """The summary of a small fit."""
    settings: dict[str, Any] = dict(network=network, epochs=1, seed=3, numTrainers=2, verbose=False)
    return NeuralClassifier(**{**settings, **params}).fit(df).summary


def parity(spark: SparkSession, rows: int, partitions: int) -> DataFrame:
    """Numbers and whether they are odd."""
    return spark.range(0, rows, 1, partitions).select("id", (F.col("id") % 2).cast("double").alias("label"))


def test_rows_of_four_megabytes(local2: SparkSession) -> None:
    sides, bytes_of_row = (3, 1024, 1366), 3 * 1024 * 1366
    line = F.unhex(F.concat_ws("", F.transform(F.sequence(F.lit(1), F.lit(64)), lambda j: F.md5(F.concat("id", j)))))
    frame = F.substring(F.repeat(F.hex(line), bytes_of_row // 1024 + 1), 1, 2 * bytes_of_row)
    df = parity(local2, 6, 3).select(F.unhex(frame).alias("features"), "label")
    network = nn.Sequential(nn.AvgPool2d(64), nn.Flatten(), nn.Linear(2))
    summary = fitted(df, network, inputShape=list(sides), scale=1 / 255, batchSize=2)
    assert (summary.totalSteps, summary.ledger["rowsSpooled"], summary.ledger["partitions"]) == (3, 6, 3)
    assert max(summary.history[0]["loss"], 0.0) > 0


def test_five_thousand_columns(local2: SparkSession) -> None:
    names = [f"c{at}" for at in range(5_000)]
    columns = [f"id * {at} % 7 AS {name}" for at, name in enumerate(names)]
    df = parity(local2, 40, 2).selectExpr(*columns, "label")
    summary = fitted(df, nn.Sequential(nn.Linear(2)), featuresCols=names, batchSize=8)
    assert (summary.totalSteps, summary.ledger["rowsSpooled"]) == (5, 40)
    assert summary.ledger["featureBytes"] == 40 * 5_000 * 4


def test_two_thousand_partitions_of_which_most_are_empty_or_have_a_row(local2: SparkSession) -> None:
    df = parity(local2, 1_500, 2_000).select(F.array("id", "label").alias("features"), "label")
    summary = fitted(df, nn.Sequential(nn.Linear(2)), batchSize=100, inputShape=[2])
    ledger = summary.ledger
    assert (summary.totalSteps, ledger["rowsRead"], ledger["rowsSpooled"], ledger["partitions"]) == (
        15,
        1_500,
        1_500,
        2_000,
    )


@pytest.fixture(scope="module")
def data(local2: SparkSession) -> DataFrame:
    return blobs(local2, rows=600).cache()


@pytest.fixture
def next_fit_works(data: DataFrame) -> Any:
    yield
    assert classifier(epochs=1).fit(data).summary.ledger["rowsSpooled"] == 600


def test_a_row_larger_than_a_message_is_told_with_its_size(local2: SparkSession, next_fit_works: Any) -> None:
    df = parity(local2, 2, 1).select(F.array_repeat(F.col("id").cast("double"), 17_000_000).alias("features"), "label")
    network = nn.Sequential(nn.Unflatten(1, (1, 17_000_000)), nn.AvgPool1d(17_000), nn.Flatten(), nn.Linear(2))
    with pytest.raises(InvalidParameterError, match=r"a row takes \d+ bytes \(17000000 features\), more than the \d+"):
        # No row is read for that.
        fitted(df, network, inputShape=[17_000_000], batchSize=1)


def test_a_budget_smaller_than_a_batch_is_told_before_anything_starts(data: DataFrame, next_fit_works: Any) -> None:
    with pytest.raises(
        InvalidParameterError, match=r"batches \d.*set trainerMemory to at least \d+m.*or lower batchSize"
    ):
        classifier(batchSize=4_000_000, trainerMemory="64m").fit(data)


def test_a_folder_for_rows_that_cannot_be_written_is_named(
    local2: SparkSession, next_fit_works: Any, tmp_path: Path
) -> None:
    # Nobody may write there, not even root.
    folder = "/proc/self"
    df = parity(local2, 60_000, 4).select(F.array_repeat(F.col("id").cast("float"), 500).alias("features"), "label")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(JobFailedError, match=rf"the folder {folder} .*spoolDir") as caught:
        fitted(df, nn.Sequential(nn.Linear(2)), inputShape=[500], trainerMemory="64m", spoolDir=folder)
    assert isinstance(caught.value, CandlewickError) and sorted(tmp_path.iterdir()) == before


def test_metrics_of_hundreds_of_outputs_in_any_number_of_trainers(local2: SparkSession) -> None:
    values = ", ".join(f"double((id * {at} + 3) % 7)" for at in range(256))
    data = local2.range(120).selectExpr(
        "array(double(id % 5), double(id % 3)) AS features", f"array({values}) AS label"
    )

    def fitted(trainers: int) -> NeuralRegressionModel:
        return NeuralRegressor(
            network=nn.Sequential(nn.Linear(256)), epochs=2, batchSize=32, metrics=["mae", "r2"], validationFraction=0.2,
            seed=3, numTrainers=trainers,
        ).fit(data)  # fmt: skip

    one, two = fitted(1), fitted(2)
    assert one.weightsHash == two.weightsHash and two.summary.numTrainers == 2
    assert [record["mae"] for record in one.summary.history] == [record["mae"] for record in two.summary.history]
