"""`startFit`: a fit in the background."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from pyspark.sql import DataFrame, SparkSession

from candlewick import FitHandle, NeuralClassificationModel
from candlewick._handle import Kept
from candlewick.errors import CancelledError, InvalidParameterError

from .support import DEADLINE, Gate, blobs, classifier


@pytest.fixture(scope="module")
def data(local2: SparkSession) -> DataFrame:
    """The blobs, on two partitions."""
    return blobs(local2).repartition(2).cache()


def test_it_runs_beside_and_gives_the_model_of_fit(data: DataFrame) -> None:
    gate, heard = Gate(), list[str]()
    estimator = classifier(epochs=5, verbose=True, callbacks=[gate])
    handle: FitHandle[NeuralClassificationModel] = estimator.startFit(data, {estimator.epochs: 2})
    handle.listenProgress(heard.append)
    assert gate.reached.wait(DEADLINE)
    assert not handle.awaitTermination(0) and repr(handle) == f"FitHandle({handle.id}, running)"
    # What is set now is for later fits.
    estimator.setEpochs(7).setCallbacks([])
    gate.goes_on.set()
    model = handle.result()
    assert handle.awaitTermination() and repr(handle) == f"FitHandle({handle.id}, finished)"
    assert gate.ended == [model] and gate.thread == f"candlewick-fit-{handle.id}"
    lines = handle.progressLines()
    assert [line for line in lines if "epoch 2/2" in line] == lines[-1:] and heard[-1:] == lines[-1:]
    assert handle.progressLines() == []
    assert model.summary.weightsHash == classifier(epochs=2).fit(data).summary.weightsHash
    assert len(model.transform(data).take(1)) == 1 and handle.result() is model
    handle.cancel("too late")
    assert handle.result() is model


def test_it_is_cancelled_with_the_reason(data: DataFrame) -> None:
    gate = Gate()
    handle = classifier(epochs=1_000_000, callbacks=[gate]).startFit(data)
    assert gate.reached.wait(DEADLINE)
    handle.cancel("it takes too long")
    gate.goes_on.set()
    with pytest.raises(CancelledError, match="it takes too long") as caught:
        handle.result()
    assert gate.ended == [caught.value]
    assert repr(handle).startswith(f"FitHandle({handle.id}, failed: ")


#: A program whose fit is not over when the session is, or the program itself.
ENDING = """
import sys, threading
from pyspark.sql import SparkSession
from candlewick import NeuralClassifier, nn
from candlewick.errors import CancelledError

spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
rows = spark.range(200).selectExpr("array(rand(1), rand(2)) as features", "cast(id % 2 as double) as label")
started = threading.Event()
handle = NeuralClassifier(network=nn.Sequential(nn.Linear(2)), epochs=1_000_000, verbose=True).startFit(rows)
handle.listenProgress(lambda line: started.set() if "epoch 2/" in line else None)
assert started.wait(120)
if sys.argv[1] == "stop":
    spark.stop()
    try:
        handle.result()
    except CancelledError as error:
        print("told:", error)
print("the last line")
"""


@pytest.mark.parametrize("how", ["stop", "exit"])
def test_a_fit_ends_with_its_session_without_a_word_about_what_is_gone(how: str) -> None:
    jar = {"PYSPARK_SUBMIT_ARGS": f"--jars {os.environ['CANDLEWICK_JAR']} pyspark-shell"}
    command = [sys.executable, "-c", ENDING, how]
    ended = subprocess.run(
        command, env={**os.environ, **jar}, capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    told = ended.stdout + ended.stderr
    assert ended.returncode == 0 and "the last line" in ended.stdout, told
    assert ("told: the fit was cancelled: the Spark application ended" in ended.stdout) == (how == "stop"), told
    assert "stopped SparkContext" not in told and "ERROR" not in told and "Traceback" not in told, told


def test_what_is_wrong_is_raised_by_the_result(data: DataFrame) -> None:
    handle = classifier(featuresCol="nowhere").startFit(data)
    with pytest.raises(InvalidParameterError, match="nowhere"):
        handle.result()
    with pytest.raises(TypeError, match="listenProgress takes a function"):
        handle.listenProgress(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="startFit needs a DataFrame of Spark"):
        classifier().startFit([1, 2])  # type: ignore[arg-type]


def test_a_listener_that_fails_is_left_out() -> None:
    kept, heard = Kept(epochs=False), list[str]()

    def fails(_: str) -> None:
        raise OSError("a full disk")

    kept.listen(fails)
    kept.listen(heard.append)
    for text in ("one", "two"):
        kept.line(text)
    kept.epoch({"text": "an epoch"})
    assert heard == ["one", "two"] == kept.take()
    # Where nobody takes them the latest stay.
    for at in range(10_001):
        kept.line(str(at))
    lines = kept.take()
    assert (len(lines), lines[0], lines[-1]) == (10_000, "1", "10000")
    every = Kept(epochs=True)
    every.epoch({"text": "an epoch"})
    assert every.take() == ["an epoch"] and every.take() == []
