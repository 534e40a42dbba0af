"""Faults: real processes are killed at chosen points; the fit goes on without them, or fails with the first cause."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.flight as flight
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType

from candlewick.errors import CandlewickError

from . import support
from .support import Background, Lines, blobs, captured_lines, classifier, kill, trainers, wait_for


@pytest.fixture(scope="module")
def data(cluster: SparkSession) -> DataFrame:
    return blobs(cluster, rows=300).repartition(4).cache()


@pytest.fixture(autouse=True)
def next_fit_works(data: DataFrame) -> Iterator[None]:
    yield
    support.no_trainer_left()
    assert data.count() == 300
    assert classifier(epochs=1).fit(data).summary.totalSteps == 5


@contextmanager
def endless_fit(df: DataFrame, until: str, max_recoveries: int = 0) -> Iterator[tuple[Background, Lines]]:
    """A fit that trains until something ends it, handed over once a line with `until` came; ended at the latest after."""
    with captured_lines() as lines:
        endless = classifier(epochs=1_000_000, verbose=True, maxRecoveries=max_recoveries)
        fit = Background(lambda: endless.fit(df))
        try:
            wait_for(f"a line with {until!r}", lambda: lines.has(until), during=fit)
            yield fit, lines
        finally:
            for trainer in trainers():
                kill(trainer.pid)
            fit.join()


def gated(df: DataFrame, folder: Path, partition: int) -> DataFrame:
    """The same rows; the named partition stops at its first row until the file `go` exists, and tells so by `there`."""
    there, go = folder / "there", folder / "go"
    # Longer than any wait of the test: it fails before the gate gives up.
    patience = 5 * support.DEADLINE

    def gate(label: float, at: int) -> float:
        import time

        if at == partition:
            there.touch()
            end = time.monotonic() + patience
            while not go.exists() and time.monotonic() < end:
                time.sleep(0.01)
        return label

    wait = F.udf(gate, DoubleType())
    return df.withColumn("label", wait("label", F.spark_partition_id()))


def test_trainer_killed_during_training(data: DataFrame) -> None:
    with endless_fit(data, "epoch 3/") as (fit, _):
        victim = trainers()[0]
        kill(victim.pid)
        text = fit.message()
    assert isinstance(fit.error, CandlewickError)
    assert f"pid {victim.pid}" in text and "signal 9" in text and "train" in text, text


def test_the_fit_goes_on_without_a_trainer_and_ends_with_the_last(data: DataFrame) -> None:
    with endless_fit(data, "epoch 2/", max_recoveries=1) as (fit, lines):
        victim, survivor = trainers()
        kill(victim.pid)
        wait_for("the recovery", lambda: lines.has("training goes on at step "), during=fit)
        assert f"pid {victim.pid}" in lines.text and "rows were fed again" in lines.text
        # Another one may come in its place.
        assert survivor in trainers() and victim not in trainers()
        epoch = lines.text.count("epoch ")
        wait_for("a later epoch", lambda: lines.text.count("epoch ") > epoch + 2, during=fit)
        kill(survivor.pid)
        text = fit.message()
    assert f"pid {survivor.pid}" in text and "signal 9" in text, text


def test_trainer_killed_during_feed(data: DataFrame, tmp_path: Path) -> None:
    undisturbed = classifier().fit(data)
    fit = Background(lambda: classifier().fit(gated(data, tmp_path, partition=1)))
    wait_for("the feed", (tmp_path / "there").exists, during=fit)
    victim = trainers()[1]
    kill(victim.pid)
    wait_for("the end of the trainer", lambda: not support.alive(victim))
    (tmp_path / "go").touch()
    assert fit.join().error is None
    model = fit.result
    assert model.weightsHash == undisturbed.weightsHash
    assert model.summary.ledger == undisturbed.summary.ledger
    (recovery,) = model.summary.recoveryLog
    assert f"pid {victim.pid}" in recovery["cause"] and "signal 9" in recovery["cause"], recovery
    (lost,) = recovery["lost"]
    assert lost["executor"] and recovery["rowsRefed"] > 0 and recovery["resumeStep"] == 0


def test_executor_killed_takes_its_trainers_along(data: DataFrame) -> None:
    with endless_fit(data, "epoch 2/") as (fit, _):
        victim = trainers()[0]
        kill(victim.parent)
        wait_for("the end of its trainer", lambda: not support.alive(victim))
        text = fit.message()
    assert "executor" in text and f"pid {victim.pid}" in text, text


def test_a_cancelled_job_group_cancels_the_fit(cluster: SparkSession, data: DataFrame) -> None:
    sc = cluster.sparkContext

    def fit_in_group() -> object:
        sc.setJobGroup("users-group", "a user's notebook cell", interruptOnCancel=False)
        return classifier(epochs=1_000_000, verbose=True).fit(data)

    with captured_lines() as lines:
        fit = Background(fit_in_group)
        wait_for("the second epoch", lambda: lines.has("epoch 2/"), during=fit)
        sc.cancelJobGroup("users-group")
        support.no_trainer_left()
        assert "cancel" in fit.message().lower()


def hangs_up(port: int, sent: bytes) -> bool:
    """True where the listener ends a connection that says `sent`."""
    with socket.create_connection(("127.0.0.1", port), timeout=support.DEADLINE) as raw:
        try:
            raw.sendall(sent)
            while raw.recv(4096):
                pass
        except ConnectionError:
            pass
        return True


def test_wrong_secrets_are_refused_and_training_goes_on(data: DataFrame) -> None:
    with endless_fit(data, "epoch 1/") as (fit, lines):
        before = trainers()
        ports = {port for trainer in before for port in support.listening_ports(trainer.pid)}
        refused: list[type[BaseException]] = []
        assert len(ports) >= 3, "two Flight ports and at least one collective port"
        for port in sorted(ports):
            client = flight.connect(f"grpc://127.0.0.1:{port}")
            options = flight.FlightCallOptions(
                headers=[(b"authorization", b"Bearer guessed")], timeout=support.DEADLINE
            )
            # The collective's ports do not speak Flight and hang up.
            with pytest.raises((flight.FlightUnauthenticatedError, flight.FlightUnavailableError)) as told:
                list(client.do_action(flight.Action("status", b""), options))
            refused.append(type(told.value))
            assert hangs_up(port, b"\x00" * 3000)
        assert refused.count(flight.FlightUnauthenticatedError) == 2
        epoch = lines.text.count("epoch ")
        wait_for("a later epoch", lambda: lines.text.count("epoch ") > epoch + 2, during=fit)
        assert trainers() == before
        kill(before[0].pid)
        fit.message()


def test_the_secret_is_in_no_command_line_and_no_environment(data: DataFrame) -> None:
    with endless_fit(data, "epoch 1/") as (fit, _):
        allowed = {"PATH", "LANG", "TZ", "LD_LIBRARY_PATH", "RUST_LOG"}
        for trainer in trainers():
            names = {name for name in support.environment_of(trainer.pid) if not name.startswith("CUDA_")}
            assert names <= allowed
            command = Path(f"/proc/{trainer.pid}/cmdline").read_bytes().split(b"\0")
            assert [part for part in command[1:] if part] == [b"gang"]
        ports = {port for trainer in trainers() for port in support.listening_ports(trainer.pid)}
        kill(trainers()[0].pid)
        fit.message()
    support.no_trainer_left()
    assert all(support.refuses_connections(port) for port in ports)


FIT = """
    import sys
    from pyspark.sql import SparkSession
    from tests.e2e.conftest import start
    from tests.e2e.support import blobs, classifier, no_trainer_left
    spark = start("local[2]")
    df = blobs(spark, rows=300).cache()
    try:
        classifier(epochs=1000000, verbose=True).fit(df)
    except KeyboardInterrupt:
        no_trainer_left()
        print("interrupted, next fit:", classifier(epochs=1).fit(df).summary.totalSteps, flush=True)
    spark.stop()
"""

# Its rows have to be counted, which does not end.
PLAN = """
    import threading
    from candlewick import NeuralClassifier, nn
    from tests.e2e.conftest import start
    from tests.e2e.support import blobs, classifier, wait_for
    spark = start("local[2]")
    jobs = spark.sparkContext.statusTracker().getActiveJobsIds
    endless = spark.range(10**15).where("id % 7 < 3").selectExpr("cast(id as double) as x", "id % 2 as label")
    def tell():
        wait_for("the job that counts", jobs)
        print("counting", flush=True)
    teller = threading.Thread(target=tell)
    teller.start()
    try:
        NeuralClassifier(network=nn.Sequential(nn.Linear(2)), featuresCols=["x"]).plan(endless)
    except KeyboardInterrupt:
        teller.join()
        wait_for("the end of that job", lambda: not jobs())
        df = blobs(spark, rows=300)
        print("interrupted, next fit:", classifier(epochs=1).fit(df).summary.totalSteps, flush=True)
    spark.stop()
"""


@pytest.mark.parametrize(("script", "under_way"), [(FIT, "epoch 2/"), (PLAN, "counting")], ids=["fit", "plan"])
def test_ctrl_c_ends_it_and_the_session_goes_on(tmp_path: Path, script: str, under_way: str) -> None:
    root = Path(__file__).parents[2]
    job_file = tmp_path / "job.py"
    job_file.write_text(textwrap.dedent(script))
    environment = {
        **os.environ,
        "PYTHONPATH": f"{root}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "PYTHONUNBUFFERED": "1",
    }
    job = subprocess.Popen(
        [sys.executable, str(job_file)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )
    watchdog = threading.Timer(support.DEADLINE, job.kill)
    watchdog.start()
    try:
        assert job.stdout is not None
        seen = []
        for line in job.stdout:
            seen.append(line)
            if under_way in line:
                job.send_signal(signal.SIGINT)
        assert job.wait() == 0, "".join(seen)
        assert "interrupted, next fit: 5" in "".join(seen)
        assert "Traceback" not in "".join(seen), "".join(seen)
    finally:
        watchdog.cancel()
        job.kill()
        job.wait()
