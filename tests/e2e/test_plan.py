"""``plan(df)``, the check of memory before a fit, and ``summary.memory``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pyspark.ml.linalg import Vectors
from pyspark.sql import DataFrame, SparkSession

from candlewick import NeuralClassifier, TrainingPlan, nn
from candlewick.errors import InvalidParameterError


@pytest.fixture(scope="module")
def rows(local2: SparkSession) -> DataFrame:
    rng = np.random.default_rng(5)
    made = [(Vectors.dense(rng.normal(size=4).tolist()), at % 3) for at in range(300)]
    return local2.createDataFrame(made, ["features", "label"]).repartition(3).cache()


def classifier(size: int = 8, **params: object) -> NeuralClassifier:
    network = nn.Sequential(nn.Linear(size), nn.ReLU(), nn.Linear(3))
    return NeuralClassifier(network=network, batchSize=32, epochs=2, **params)  # type: ignore[arg-type]


def test_a_plan_is_there_before_the_fit_and_the_fit_is_as_it_says(rows: DataFrame) -> None:
    plan = classifier(numTrainers=2).plan(rows)
    assert isinstance(plan, TrainingPlan)
    assert (plan.rows, plan.stepsPerEpoch, plan.numTrainers, plan.fits) == (300, 10, 2, True)
    assert plan.seconds["total"] > plan.seconds["epoch"] > 0
    assert json.loads(json.dumps(plan.to_dict()))["totalSteps"] == 20
    assert "bound by" in repr(plan) and "<table>" in plan._repr_html_()
    assert classifier().plan(rows, rows=10**9).stepsPerEpoch == 31_250_000
    summary = classifier(numTrainers=2).fit(rows).summary
    assert summary.totalSteps == plan.totalSteps
    assert len(summary.memory) == 2
    assert summary.exchange is not None and summary.exchange["algorithm"] == "direct"
    assert summary.exchange["predictedSeconds"] > 0 and summary.exchange["links"]["host"]["bytesPerSecond"] > 0
    assert classifier(numTrainers=1, deterministicReduction=False).fit(rows).summary.exchange is None
    for one in summary.memory:
        assert one["accounts"]["weights"] == plan.memory["accounts"]["weights"]
        assert one["limit"] > 0 and one["spilledBytes"] == 0
    assert " of " in repr(summary).partition("memory=")[2]


def test_a_plan_counts_what_encryption_takes(rows: DataFrame) -> None:
    plan = classifier(numTrainers=2, transportSecurity="tls").plan(rows)
    assert plan.transportSecurity == plan.to_dict()["transportSecurity"] == "tls"
    told = [line.split(maxsplit=1) for line in repr(plan).splitlines()]
    assert ["encrypted", "by TLS 1.3"] in told and plan.seconds["feed"] > 0
    plain = classifier(numTrainers=2).plan(rows)
    assert plain.transportSecurity == "none" and "encrypted" not in repr(plain)


def test_a_plan_knows_how_gradients_will_go(rows: DataFrame) -> None:
    plan = classifier(numTrainers=2).plan(rows)
    assert plan.exchange is not None and plan.seconds["exchange"] > 0
    told = [plan.exchange[name] for name in ("algorithm", "parts", "compression", "compressionReason")]
    assert told == ["direct", 1, "none", None]
    assert plan.seconds["hidden"] == 0
    assert plan.seconds["step"] == pytest.approx(plan.seconds["compute"] + plan.seconds["exchange"])
    late = classifier(numTrainers=2, asynchrony="delayed").plan(rows).seconds
    assert 0 < late["hidden"] <= late["exchange"]
    decided = classifier(numTrainers=2, gradientCompression="auto").plan(rows).exchange
    assert decided is not None and decided["compression"] == "none" and "with bf16" in decided["compressionReason"]
    assert classifier(numTrainers=1).plan(rows).exchange is None


def test_what_checkpoints_and_ranks_hold_stands_in_the_ledger(rows: DataFrame, tmp_path: Path) -> None:
    plain = classifier(numTrainers=1).fit(rows).summary.memory[0]["accounts"]
    assert (plain["states"], plain["scores"]) == (0, 0)
    judging = classifier(validationFraction=0.5, metrics=["roc_auc"], checkpointDir=str(tmp_path), numTrainers=1)
    model = judging.fit(rows)
    accounts = model.summary.memory[0]["accounts"]
    # A copy of the weights and AdamW's two moments, which the plan keeps room for; 16 bytes for each score, three classes.
    assert accounts["states"] >= 3 * plain["weights"]
    assert judging.plan(rows).memory["accounts"]["states"] == 3 * plain["weights"]
    judged = model.summary.ledger["validationRows"]
    assert accounts["scores"] == judged * (3 * 16 + 2 * 16)


def test_a_limit_that_is_too_small_is_an_error_with_what_to_set(rows: DataFrame) -> None:
    small = classifier(400_000, trainerMemory="64m")
    assert not small.plan(rows).fits
    with pytest.raises(InvalidParameterError, match=r"set trainerMemory to at least [0-9]+m, or lower batchSize"):
        small.fit(rows)
    with pytest.raises(InvalidParameterError, match="absent"):
        classifier(featuresCol="absent").plan(rows)


@pytest.mark.parametrize("wrong", [0, -1, 1e9, 1.5, "many", True, 1 << 63])
def test_a_number_of_rows_that_is_none_is_told_what_is_legal(rows: DataFrame, wrong: object) -> None:
    with pytest.raises(InvalidParameterError, match=r"rows = .* is not legal: expected a whole number of at least 1"):
        classifier().plan(rows, rows=wrong)  # type: ignore[arg-type]


def test_a_plan_says_that_the_cluster_has_too_few_slots_and_numbers_of_numpy_count(rows: DataFrame) -> None:
    large = classifier(numTrainers=3)
    plan = large.plan(rows, rows=np.int64(64_000_000_000))  # type: ignore[arg-type]
    assert plan.numTrainers == 3 and plan.rows == 64_000_000_000
    with pytest.raises(InvalidParameterError) as told:
        large.fit(rows)
    assert plan.advice[0] == f"it will be refused: {told.value}"
    assert "e+" not in repr(plan) and "e-" not in repr(plan)
    assert not any("will be refused" in line for line in classifier(numTrainers=2).plan(rows).advice)
