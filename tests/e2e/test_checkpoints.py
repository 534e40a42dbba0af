"""A driver that is killed, and the fit that is begun again with the same checkpointDir."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from candlewick.errors import InvalidParameterError

from .support import blobs, captured_lines, classifier, wait_for


@pytest.fixture(scope="module")
def data(cluster: SparkSession) -> DataFrame:
    return blobs(cluster, rows=300).repartition(4).cache()


def manifests(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/step-*.json"))


def killed_while_training(folder: Path) -> None:
    """A driver of its own with a fit that does not end by itself, killed with all its processes once there is a checkpoint."""
    script = textwrap.dedent(
        f"""
        from tests.e2e import conftest
        from tests.e2e.support import blobs, classifier

        data = blobs(conftest.start("local[2]"), rows=300)
        classifier(epochs=1_000_000, numTrainers=1, checkpointDir={str(folder)!r}).fit(data)
        """
    )
    driver = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
    try:
        wait_for("a checkpoint", lambda: manifests(folder) or driver.poll() is not None)
        assert driver.poll() is None, "the driver ended by itself"
    finally:
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()


def test_a_fit_whose_driver_was_killed_goes_on_with_the_same_bits(data: DataFrame, tmp_path: Path) -> None:
    killed_while_training(tmp_path)
    newest = json.loads(manifests(tmp_path)[-1].read_text())
    step, epoch = newest["counter"]["step"], newest["counter"]["epoch"]
    with captured_lines() as lines:
        model = classifier(epochs=epoch + 2, checkpointDir=str(tmp_path), verbose=True).fit(data)
    assert lines.has(f"training goes on from the checkpoint at step {step} (complete epochs: {epoch})")
    expected = classifier(epochs=epoch + 2).fit(data)
    assert model.summary.resumedFromStep == step
    assert expected.summary.resumedFromStep is None
    assert model.weightsHash == expected.weightsHash
    assert model.summary.totalSteps == expected.summary.totalSteps
    told = [{**record, "seconds": 0} for record in model.summary.history]
    assert told == [{**record, "seconds": 0} for record in expected.summary.history]
    # What the killed driver left half-written is gone, and so are its lock and the older checkpoints.
    left = sorted(path.name for path in tmp_path.glob("*/*") if path.suffix != ".crc")
    assert len(left) == 4 and all(name.startswith("step-") for name in left), left


def test_what_was_changed_since_is_named(data: DataFrame, tmp_path: Path) -> None:
    killed_while_training(tmp_path)
    with pytest.raises(
        InvalidParameterError, match=r"driver was killed after step.*seed is 5 and was 7.*choose another checkpointDir"
    ):
        classifier(epochs=3, seed=5, checkpointDir=str(tmp_path)).fit(data)


def test_checkpoints_that_would_not_be_written_are_refused(data: DataFrame, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameterError, match="checkpointSteps is set, but checkpointDir is not"):
        classifier(checkpointSteps=5).fit(data)
    with pytest.raises(InvalidParameterError, match="checkpointInterval = 0 is not legal"):
        classifier(checkpointDir=str(tmp_path), checkpointInterval=0).fit(data)
    occupied = tmp_path / "file"
    occupied.touch()
    with pytest.raises(InvalidParameterError, match=r"no checkpoint can be written to .*file/below"):
        classifier(checkpointDir=str(occupied / "below")).fit(data)
