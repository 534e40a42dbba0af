"""Callbacks: what they are told, and what they may do."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any

import pytest
from pyspark.ml import Pipeline
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder
from pyspark.sql import DataFrame, SparkSession

from candlewick import Callback, EarlyStopping, EpochRecord, FitInfo, NeuralClassifier, StepRecord, _estimators
from candlewick._fitting import Watch
from candlewick.errors import CallbackError, CancelledError, InvalidParameterError, translated

from .support import DEADLINE, blobs, captured_lines, classifier, wait_for


@pytest.fixture(scope="module")
def data(local2: SparkSession) -> DataFrame:
    """The blobs, on two partitions."""
    return blobs(local2).repartition(2).cache()


class Seen(Callback):
    """Writes down what it is told, and ends the training after so many epochs."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.stop_after = stop_after
        self.calls: list[str] = []
        self.epochs: list[EpochRecord] = []
        self.fits: list[FitInfo] = []
        self.models: list[Any] = []
        self.errors: list[BaseException] = []

    def on_fit_begin(self, fit: FitInfo) -> None:
        self.calls.append("begin")
        self.fits.append(fit)

    def on_step(self, step: StepRecord) -> None:
        assert step.stepsPerEpoch > 0 and step.fit in self.fits

    def on_epoch_end(self, epoch: EpochRecord) -> bool:
        self.calls.append(f"epoch {epoch.epoch}")
        self.epochs.append(epoch)
        return epoch.epoch + 1 == self.stop_after

    def on_fit_end(self, model: Any, fit: FitInfo) -> None:
        self.calls.append("end")
        self.models.append(model)

    def on_exception(self, error: BaseException, fit: FitInfo) -> None:
        self.calls.append("exception")
        self.errors.append(error)


def test_a_callback_sees_the_whole_fit_and_changes_nothing(data: DataFrame) -> None:
    seen, losses = Seen(), []
    params: dict[str, Any] = dict(epochs=3, validationFraction=0.2, metrics=["accuracy"])
    model = classifier(**params, callbacks=[seen, lambda epoch: losses.append(epoch.loss)]).fit(data)
    assert seen.calls == ["begin", "epoch 0", "epoch 1", "epoch 2", "end"]
    assert seen.models == [model] and seen.fits[0].epochs == 3 and seen.fits[0].params["batchSize"] == 64
    history = model.summary.history
    assert losses == [record["loss"] for record in history]
    assert [epoch.val_accuracy for epoch in seen.epochs] == [record["val_accuracy"] for record in history]
    assert seen.epochs[0]["val_loss"] == history[0]["val_loss"] and "val_loss" in seen.epochs[0].numbers()
    assert model.weightsHash == classifier(**params).fit(data).weightsHash
    assert (model.summary.stoppedEarly, model.summary.stopReason) == (False, None)


def test_true_ends_the_training_with_the_model_of_so_many_epochs(data: DataFrame) -> None:
    seen = Seen(stop_after=2)
    model = classifier(epochs=50, callbacks=[seen]).fit(data)
    assert seen.calls == ["begin", "epoch 0", "epoch 1", "end"]
    assert model.weightsHash == classifier(epochs=2).fit(data).weightsHash
    assert (model.summary.stoppedEarly, model.summary.stopReason) == (True, "callback Seen")
    assert len(model.summary.history) == 2 and model.summary.totalSteps == seen.epochs[-1].step


def test_the_best_epoch_becomes_the_model_of_a_fit_that_a_callback_ends(data: DataFrame) -> None:
    rule = EarlyStopping("val_loss", patience=100)
    params: dict[str, Any] = dict(validationFraction=0.3, earlyStopping=rule, optimizer={"type": "SGD", "lr": 2.0})
    stopped = classifier(epochs=40, callbacks=[lambda epoch: epoch.epoch == 5], **params).fit(data)
    whole = classifier(epochs=6, **params).fit(data)
    assert stopped.weightsHash == whole.weightsHash
    assert stopped.summary.bestEpoch == whole.summary.bestEpoch
    assert stopped.summary.stopReason == "callback number 1 (a lambda)"


def test_what_a_callback_raises_fails_the_fit_and_names_it(data: DataFrame) -> None:
    class Broken(Callback):
        def on_epoch_end(self, epoch: EpochRecord) -> None:
            raise KeyError("nobody")

    seen = Seen()
    with pytest.raises(
        CallbackError, match=r"the callback Broken failed in on_epoch_end of epoch 0: KeyError: 'nobody'"
    ) as caught:
        classifier(epochs=1_000_000, callbacks=[Broken(), seen]).fit(data)
    assert isinstance(caught.value.__cause__, KeyError)
    assert seen.calls == ["begin", "exception"] and seen.errors == [caught.value]
    # The session is as good as before.
    classifier(epochs=1).fit(data)


def test_ctrl_c_in_a_callback_cancels_the_fit(data: DataFrame) -> None:
    seen = Seen()

    def interrupted(epoch: EpochRecord) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        classifier(epochs=1_000_000, callbacks=[interrupted, seen]).fit(data)
    assert [type(error) for error in seen.errors] == [KeyboardInterrupt]


def test_ctrl_c_reaches_a_callback_that_does_not_return(data: DataFrame) -> None:
    def deaf(epoch: EpochRecord) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait(DEADLINE)
        raise AssertionError("the signal did not arrive")

    with pytest.raises(KeyboardInterrupt):
        classifier(epochs=1_000_000, callbacks=[deaf]).fit(data)
    classifier(epochs=1).fit(data)


def test_ctrl_c_reaches_on_exception_too(data: DataFrame) -> None:
    class Unreachable(Callback):
        """Logs to a server that does not answer."""

        def on_epoch_end(self, epoch: EpochRecord) -> None:
            raise ValueError("no")

        def on_exception(self, error: BaseException, fit: FitInfo) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(DEADLINE)
            raise AssertionError("the signal did not arrive")

    with pytest.raises(KeyboardInterrupt) as caught:
        classifier(epochs=1_000_000, callbacks=[Unreachable()]).fit(data)
    assert isinstance(caught.value.__context__, CallbackError), "what failed is told as well"
    classifier(epochs=1).fit(data)


def test_a_signal_that_came_before_takes_no_on_exception_away(data: DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        # Noted: at this moment a call to the JVM may be under way.
        os.kill(os.getpid(), signal.SIGINT)
        sum(range(100))
        raise ValueError("no")

    monkeypatch.setattr(Watch, "look", fails)
    seen = Seen()
    # An interrupt that nobody takes would end the tests.
    with pytest.raises((ValueError, KeyboardInterrupt)) as caught:
        classifier(epochs=1_000_000, callbacks=[seen]).fit(data)
    assert isinstance(caught.value, ValueError)
    assert seen.calls == ["begin", "exception"] and seen.errors == [caught.value]


def test_an_error_before_the_first_look_cancels_the_fit(data: DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    handles = []
    start = NeuralClassifier._start

    def started(*arguments: Any) -> Any:
        handles.append(start(*arguments))
        return handles[-1]

    def fails(_: str) -> None:
        raise OSError("no display")

    monkeypatch.setattr(NeuralClassifier, "_start", started)
    monkeypatch.setattr(_estimators, "display_for", fails)
    with pytest.raises(OSError, match="no display"):
        classifier(epochs=1_000_000).fit(data)
    (handle,) = handles
    wait_for("the end of the fit", lambda: handle.awaitTermination(100))
    with pytest.raises(CancelledError, match="OSError"), translated():
        handle.result()


def test_a_fit_that_fails_is_told_to_its_callbacks(data: DataFrame) -> None:
    seen = Seen()
    with pytest.raises(Exception, match="nowhere") as caught:
        classifier(featuresCol="nowhere", callbacks=[seen]).fit(data)
    assert seen.calls == ["begin", "exception"] and seen.errors == [caught.value]
    assert not isinstance(caught.value, CancelledError)


def test_copies_and_cross_validation_have_the_callbacks_and_a_saved_estimator_has_none(
    data: DataFrame, tmp_path: Path
) -> None:
    seen = Seen(stop_after=1)
    estimator = classifier(epochs=3, numTrainers=1).setCallbacks([seen])
    assert estimator.copy({estimator.epochs: 2}).getCallbacks() == [seen]
    grid = ParamGridBuilder().addGrid(estimator.batchSize, [32, 64]).build()
    evaluator = MulticlassClassificationEvaluator(metricName="accuracy")
    tuned: Any = CrossValidator(
        estimator=Pipeline(stages=[estimator]),
        estimatorParamMaps=grid,
        evaluator=evaluator,
        numFolds=2,
        parallelism=2,
    ).fit(data)
    # Two folds of two settings, and the best one over all rows.
    assert len(seen.fits) == 5 and len({fit.number for fit in seen.fits}) == 5
    assert {epoch.fit.id for epoch in seen.epochs} == {fit.id for fit in seen.fits}
    assert len(tuned.bestModel.stages[0].summary.history) == 1
    estimator.write().overwrite().save(str(tmp_path / "estimator"))
    assert NeuralClassifier.load(str(tmp_path / "estimator")).getCallbacks() == []


def test_a_fit_that_goes_on_from_a_checkpoint_shows_its_callbacks_the_epochs_before(
    data: DataFrame, tmp_path: Path
) -> None:
    params: dict[str, Any] = dict(checkpointDir=str(tmp_path), checkpointInterval=1)

    class Crash(Callback):
        def on_epoch_end(self, epoch: EpochRecord) -> None:
            if epoch.epoch == 3:
                wait_for("a checkpoint", lambda: list(tmp_path.glob("*/step-*.json")))
                raise RuntimeError("the driver is lost")

    with pytest.raises(CallbackError):
        classifier(epochs=20, callbacks=[Crash()], **params).fit(data)
    seen = Seen(stop_after=6)
    model = classifier(epochs=20, callbacks=[seen], **params).fit(data)
    again = [epoch.epoch for epoch in seen.epochs if epoch.again]
    assert again and [epoch.epoch for epoch in seen.epochs] == list(range(6))
    assert model.weightsHash == classifier(epochs=6).fit(data).weightsHash
    # Called again, it is over where it was.
    once_more = Seen(stop_after=6)
    same = classifier(epochs=20, callbacks=[once_more], **params).fit(data)
    assert [epoch.again for epoch in once_more.epochs] == [True] * 6
    assert same.weightsHash == model.weightsHash and same.summary.stoppedEarly


def test_training_goes_on_after_one_that_a_callback_ended(data: DataFrame) -> None:
    stopped = classifier(epochs=50, saveOptimizer=True, callbacks=[Seen(stop_after=2)]).fit(data)
    seen = Seen()
    model = classifier(epochs=4, resumeOptimizer=True, initialModel=stopped, callbacks=[seen]).fit(data)
    assert [(epoch.epoch, epoch.again) for epoch in seen.epochs] == [(2, False), (3, False)]
    assert model.weightsHash == classifier(epochs=4).fit(data).weightsHash


def test_steps_are_told_within_an_epoch(data: DataFrame) -> None:
    class Steps(Callback):
        def __init__(self) -> None:
            self.seen: list[StepRecord] = []

        def on_step(self, step: StepRecord) -> None:
            self.seen.append(step)

        def on_epoch_end(self, epoch: EpochRecord) -> bool:
            return len(self.seen) > 1

    steps = Steps()
    # Trainers tell where they stand twenty times in failureTimeout; some epochs are needed until that comes within one.
    classifier(epochs=500, batchSize=1, failureTimeout="2s", callbacks=[steps]).fit(data)
    assert len(steps.seen) > 1
    for step in steps.seen:
        assert step.stepsPerEpoch == data.count() and step.epoch * step.stepsPerEpoch <= step.step
        assert 0 < step.loss < 10
    assert steps.seen[0].step < steps.seen[1].step


def test_a_full_disk_below_stdout_takes_no_model_away(data: DataFrame, caplog: pytest.LogCaptureFixture) -> None:
    full = open("/dev/full", "w")  # noqa: SIM115 - its end fails too
    try:
        with redirect_stdout(full):
            models = [classifier(epochs=2, verbose=verbose).fit(data) for verbose in ("auto", True)]
            with pytest.raises(InvalidParameterError, match="nowhere"):
                classifier(featuresCol="nowhere").fit(data)
    finally:
        with suppress(OSError):
            full.close()
    quiet = classifier(epochs=2, verbose=False).fit(data)
    assert [model.weightsHash for model in models] == [quiet.weightsHash] * 2
    told = [record.getMessage() for record in caplog.records if record.name == "candlewick"]
    assert len(told) == 2 and all("No space left on device" in message for message in told), told


def test_verbose_shows_every_metric_or_nothing(data: DataFrame) -> None:
    params: dict[str, Any] = dict(epochs=3, validationFraction=0.2, metrics=["accuracy"])
    with captured_lines() as lines:
        classifier(**params, verbose=True).fit(data)
    epochs = [line for line in lines.text.splitlines() if line.startswith("epoch ")]
    assert [line.split("  ")[0] for line in epochs] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    for name in ("loss", "accuracy", "val_loss", "val_accuracy", "rows/s", "s left"):
        assert all(f" {name}" in line for line in epochs), epochs
    with captured_lines() as lines:
        classifier(**params).fit(data)
    assert lines.text.splitlines()[-1].startswith("epoch 3/3  loss"), "by default the last epoch has a line"
    with captured_lines() as lines:
        classifier(**params, verbose=False).fit(data)
    assert lines.text == ""
    rule = EarlyStopping("val_loss", patience=1, minDelta=1e6)
    with captured_lines() as lines:
        model = classifier(**{**params, "epochs": 9}, earlyStopping=rule).fit(data)
    last = lines.text.splitlines()[-1]
    assert last == "stopped after epoch 2/9: earlyStopping: val_loss got no better; the best was epoch 1"
    assert (model.summary.bestEpoch, model.summary.stopReason) == (0, "earlyStopping: val_loss got no better")
