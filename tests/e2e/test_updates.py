"""Schedules, gradient accumulation, the moving average of the weights, steps that are not finite: from PySpark."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from pyspark.ml.linalg import Vectors
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from candlewick import EarlyStopping, NeuralRegressor, nn, optim
from candlewick.errors import InvalidDataError, InvalidParameterError
from candlewick.optim import lr_scheduler

from .support import BLOBS_HASH, blobs, classifier


@pytest.fixture(scope="module")
def data(local3: SparkSession) -> DataFrame:
    return blobs(local3).cache()


def rates(model: Any) -> list[float]:
    return [record["lr"] for record in model.summary.history]


def test_the_history_shows_the_schedules_learning_rates(data: DataFrame) -> None:
    adamw = optim.AdamW(lr=0.1)
    halved = classifier(optimizer=adamw, epochs=4, lrScheduler=lr_scheduler.StepLR(step_size=2, gamma=0.5)).fit(data)
    assert rates(halved) == [0.1, 0.1, 0.05, 0.05]
    cosine = classifier(optimizer=adamw, epochs=4, lrScheduler=lr_scheduler.CosineAnnealingLR(T_max=4)).fit(data)
    assert rates(cosine) == pytest.approx([0.05 * (1 + math.cos(math.pi * epoch / 4)) for epoch in range(4)])
    as_text = classifier(optimizer=adamw, epochs=4, lrScheduler='{"type": "StepLR", "step_size": 2, "gamma": 0.5}')
    assert as_text.fit(data).weightsHash == halved.weightsHash


def test_a_warm_up_and_one_cycle_move_with_every_update(data: DataFrame) -> None:
    cycle = lr_scheduler.OneCycleLR(max_lr=0.2)
    model = classifier(epochs=3, lrScheduler=cycle, numTrainers=2).fit(data)
    assert rates(model)[-1] == pytest.approx(0.2 / 25 / 1e4)
    assert model.weightsHash == classifier(epochs=3, lrScheduler=cycle, numTrainers=1).fit(data).weightsHash
    steps = model.summary.totalSteps
    warm = lr_scheduler.ConstantLR(factor=1, warmup_steps=steps, warmup_start_factor=0.5)
    warmed = classifier(epochs=3, optimizer=optim.AdamW(lr=0.1), lrScheduler=warm).fit(data)
    assert rates(warmed)[-1] == pytest.approx(0.1 * (0.5 + 0.5 * (steps - 1) / steps))


def test_a_plateau_looks_at_the_metric_that_is_named(data: DataFrame) -> None:
    plateau = lr_scheduler.ReduceLROnPlateau(mode="max", patience=0, threshold=10, metric="accuracy")
    model = classifier(epochs=4, metrics=["accuracy"], optimizer=optim.AdamW(lr=0.1), lrScheduler=plateau).fit(data)
    # The first epoch is the best; no other is ten times as good.
    assert rates(model) == pytest.approx([0.1, 0.1, 0.01, 0.001])


def test_accumulated_steps_are_one_larger_step(data: DataFrame) -> None:
    # Plain SGD from the same weights: the update of k steps is that of one step of k times the rows, up to rounding.
    # (No dropout: its masks belong to a step.)
    common = dict(network=nn.Sequential(nn.Linear(8), nn.Tanh(), nn.Linear(3)), epochs=2, optimizer=optim.SGD(lr=0.1))
    one = classifier(batchSize=128, **common).fit(data)
    four = classifier(batchSize=32, gradientAccumulationSteps=4, **common).fit(data)
    assert four.summary.totalSteps > one.summary.totalSteps
    for name, value in one.weights().items():
        np.testing.assert_allclose(four.weights()[name], value, rtol=1e-3, atol=1e-5)


def test_the_average_is_what_is_judged_and_returned(data: DataFrame) -> None:
    plain = classifier(epochs=3, validationFraction=0.3).fit(data)
    none = classifier(epochs=3, validationFraction=0.3, emaDecay=0.0).fit(data)
    assert none.weightsHash == plain.weightsHash, "decay 0 keeps nothing of the past"
    slow = classifier(epochs=3, validationFraction=0.3, emaDecay=0.999, numTrainers=2).fit(data)
    assert slow.summary.objectiveHistory == plain.summary.objectiveHistory, "training goes on with the weights"
    val = [record["val_loss"] for record in slow.summary.history]
    assert val != [record["val_loss"] for record in plain.summary.history]
    best = classifier(
        epochs=3, validationFraction=0.3, emaDecay=0.999, earlyStopping=EarlyStopping(mode="max", patience=5)
    ).fit(data)
    assert best.summary.bestValue == max(val), "the average of an epoch is what is restored"


def test_groups_have_settings_of_their_own_and_may_be_frozen(data: DataFrame) -> None:
    groups: list[dict[str, Any]] = [{"params": "0.*", "frozen": True}, {"params": ["*.bias"], "lr": 0.0}]
    start = classifier(epochs=0).fit(data).weights()
    end = classifier(optimizer=optim.AdamW(lr=0.1, groups=groups)).fit(data).weights()
    moved = {name for name, value in end.items() if not np.array_equal(value, start[name])}
    assert moved == {"3.weight"}
    with pytest.raises(InvalidParameterError, match=r"1\.\*"):
        classifier(optimizer=optim.AdamW(groups=[{"params": "1.*", "lr": 0.1}])).fit(data)


def spoiled(spark: SparkSession, data: DataFrame) -> DataFrame:
    """One row whose gradient is not finite in f32."""
    rows = [(row[0], row[1], 1.0) for row in data.select("features", "label").collect()]
    return spark.createDataFrame(
        [*rows, (Vectors.dense([0.5] * len(rows[0][0])), 0.0, 1e300)], ["features", "label", "w"]
    )


def test_a_step_that_is_not_finite(local3: SparkSession, data: DataFrame) -> None:
    rows = spoiled(local3, data)
    with pytest.raises(InvalidParameterError, match=r"(the loss became|parameter 0\.weight became) NaN") as told:
        classifier(weightCol="w").fit(rows)
    assert "step" in str(told.value)
    model = classifier(weightCol="w", onNonFinite="skip", epochs=2).fit(rows)
    assert [record["skippedSteps"] for record in model.summary.history] == [1, 1]
    assert all(math.isfinite(loss) for loss in model.summary.objectiveHistory)
    assert classifier(onNonFinite="skip").fit(data).weightsHash == BLOBS_HASH, (
        "where nothing is skipped nothing changes"
    )


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"lrScheduler": {"type": "StepLR"}}, "step_size"),
        ({"lrScheduler": {"type": "Step", "step_size": 1}}, "StepLR"),
        ({"lrScheduler": {"type": "AdamW"}}, "AdamW"),
        ({"lrScheduler": lr_scheduler.OneCycleLR(max_lr=1), "optimizer": optim.Adagrad()}, "cycle_momentum"),
        ({"lrScheduler": lr_scheduler.ReduceLROnPlateau(metric="val_loss")}, "validationFraction"),
        ({"lrScheduler": lr_scheduler.ReduceLROnPlateau(metric="f1")}, "metrics"),
        ({"lrScheduler": lr_scheduler.ConstantLR(warmup_steps=10**6)}, "make the warm-up shorter"),
        ({"gradientAccumulationSteps": 0}, "gradientAccumulationSteps = 0"),
        ({"emaDecay": 1.0}, "emaDecay = 1.0"),
        ({"onNonFinite": "ignore"}, "onNonFinite"),
        ({"dataShuffle": "local"}, "dataShuffle"),
        ({"numTrainers": -1}, "numTrainers = -1"),
    ],
)
def test_what_is_wrong_is_named(data: DataFrame, params: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        classifier(**params).fit(data)


def test_a_loss_with_two_outputs_for_a_value(data: DataFrame) -> None:
    regressor = NeuralRegressor(
        network=nn.Sequential(nn.Linear(8), nn.Tanh(), nn.Linear(2)),
        loss=nn.GaussianNLLLoss(log_variance=True),
        epochs=2,
    )
    model = regressor.fit(data)
    assert model.numOutputs == 2
    assert len(model.transform(data).head(1)[0]["prediction"]) == 2


def test_without_a_row_that_counts_there_is_no_model(local3: SparkSession, data: DataFrame) -> None:
    with pytest.raises(InvalidDataError, match="no row of epoch 0 counts in the loss"):
        classifier(weightCol="w").fit(data.withColumn("w", F.lit(0.0)))


def test_a_label_that_is_too_large_is_the_cause(data: DataFrame) -> None:
    large = data.withColumn("label", F.lit(1e200))
    regressor = NeuralRegressor(network=nn.Sequential(nn.Linear(1)), epochs=1)
    with pytest.raises(InvalidParameterError, match="there is a label as large as 1e200"):
        regressor.fit(large)
