"""Helpers of the end-to-end tests: processes, waiting for an event, data."""

from __future__ import annotations

import io
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.ml.linalg import Vectors
from pyspark.sql import DataFrame, SparkSession

from candlewick import Callback, EpochRecord, FitInfo, NeuralClassifier, nn, optim

#: Longest wait for anything in these tests, seconds; only a failing test comes near it.
DEADLINE = 120.0


def wait_for(what: str, probe: Callable[[], Any], during: Background | None = None) -> Any:
    """Returns the first true answer of `probe`; fails with the name of what never came, at once where `during` ended."""
    end = time.monotonic() + DEADLINE
    while True:
        over = during is not None and during.ended
        answer = probe()
        if answer:
            return answer
        if over and during is not None:
            raise AssertionError(f"{what} never came: the fit ended with {during.error!r}, {during.result!r}")
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come within {DEADLINE:g} s")
        time.sleep(0.02)


@dataclass(frozen=True)
class Trainer:
    """A trainer process as /proc shows it."""

    pid: int
    parent: int


def _status(pid: int) -> tuple[int, str] | None:
    """Parent and state letter of a process; None where there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return int(fields[1]), fields[0]


def _is_ours(pid: int) -> bool:
    """True where this test's process is an ancestor: other sessions of this machine are not our concern."""
    while pid > 1:
        status = _status(pid)
        if status is None:
            return False
        pid = status[0]
        if pid == os.getpid():
            return True
    return False


def alive(trainer: Trainer) -> bool:
    """True where the process lives on, whoever its parent is now (a zombie does not live)."""
    status = _status(trainer.pid)
    return status is not None and status[1] != "Z" and _is_trainer(trainer.pid)


def _is_trainer(pid: int) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return command[0].endswith(b"candlewick-trainer") and b"gang" in command


#: Every trainer that any test has seen: one whose executor died has another parent, and must be gone all the same.
_seen: set[Trainer] = set()


def trainers() -> list[Trainer]:
    """The living trainer processes of this test's sessions."""
    found = []
    for entry in Path("/proc").iterdir():
        pid = int(entry.name) if entry.name.isdigit() else 0
        if pid and _is_trainer(pid) and _is_ours(pid):
            status = _status(pid)
            if status is not None and status[1] != "Z":
                found.append(Trainer(pid, status[0]))
    _seen.update(found)
    return sorted(found, key=lambda trainer: trainer.pid)


def listening_ports(pid: int) -> set[int]:
    """TCP ports the process listens on."""
    inodes = set()
    try:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            target = os.readlink(link)
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    except OSError:
        return set()
    ports = set()
    for table in ("tcp", "tcp6"):
        listed = Path(f"/proc/{pid}/net/{table}")
        # Without IPv6 in the kernel there is no table of it.
        for line in listed.read_text().splitlines()[1:] if listed.exists() else []:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                ports.add(int(fields[1].rsplit(":", 1)[1], 16))
    return ports


def refuses_connections(port: int) -> bool:
    """True where nobody listens on the loopback port."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def environment_of(pid: int) -> set[str]:
    """Names of the variables in a process's environment."""
    entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return {entry.split(b"=", 1)[0].decode() for entry in entries if entry}


class Lines(io.TextIOBase):
    """Stands in for stdout: passes text on and lets a test wait for a line."""

    def __init__(self, onward: Any) -> None:
        self._onward = onward
        self._text = ""
        self._lock = threading.Lock()

    def write(self, text: str) -> int:
        with self._lock:
            self._text += text
        return int(self._onward.write(text))

    def flush(self) -> None:
        self._onward.flush()

    def has(self, part: str) -> bool:
        with self._lock:
            return part in self._text

    @property
    def text(self) -> str:
        with self._lock:
            return self._text


@contextmanager
def captured_lines() -> Iterator[Lines]:
    """Lets a test see progress lines as they come."""
    before = sys.stdout
    lines = Lines(before)
    sys.stdout = lines
    try:
        yield lines
    finally:
        sys.stdout = before


class Background:
    """Runs a function in a thread and keeps its result or exception."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.result: Any = None
        self.error: BaseException | None = None

        def body() -> None:
            try:
                self.result = function()
            except BaseException as error:
                self.error = error

        self._thread = threading.Thread(target=body, daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """True once the function has returned or raised."""
        return not self._thread.is_alive()

    def join(self) -> Background:
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive(), f"still running after {DEADLINE:g} s"
        return self

    def message(self) -> str:
        """The text of the exception; the function must have failed."""
        self.join()
        assert self.error is not None, f"no exception, result {self.result!r}"
        return str(self.error)


def blobs(spark: SparkSession, rows: int = 600, width: int = 6, classes: int = 3) -> DataFrame:
    """A small, learnable classification set made by arithmetic only: the same rows everywhere."""
    data = []
    for i in range(rows):
        label = i % classes
        values = [
            ((i * (31 + 7 * j) + 13 * j) % 101) / 101.0 + (1.5 if j % classes == label else 0.0) for j in range(width)
        ]
        data.append((Vectors.dense(values), float(label)))
    return spark.createDataFrame(data, ["features", "label"])


#: weightsHash of `classifier()` fitted on `blobs`: the same on every machine and cluster. A change of the engine's
#: arithmetic, of row identity, order or random numbers changes it, and belongs into the changelog.
BLOBS_HASH = "69363e7fbcfd7dceded5b0a0e0ae2b63"


def small_net(classes: int = 3) -> Any:
    """Two layers with dropout, so that random numbers count too."""
    return nn.Sequential(nn.Linear(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(classes))


def classifier(**params: Any) -> NeuralClassifier:
    """A classifier for `blobs` that trains in well under a second."""
    settings: dict[str, Any] = dict(
        network=small_net(), epochs=3, batchSize=64, optimizer=optim.AdamW(lr=1e-2), seed=7, numTrainers=2
    )
    return NeuralClassifier(**{**settings, **params})


def kill(pid: int) -> None:
    """SIGKILL: no handler runs, nothing is cleaned up by the victim."""
    os.kill(pid, signal.SIGKILL)


def no_trainer_left() -> None:
    """The promise after every fit, however it ended."""
    wait_for("the end of all trainers", lambda: not trainers() and not any(map(alive, _seen)))


class Gate(Callback):
    """Holds a fit at the end of its first epoch until it is let go on."""

    def __init__(self) -> None:
        self.reached, self.goes_on = threading.Event(), threading.Event()
        self.thread: str | None = None
        self.ended: list[Any] = []

    def on_epoch_end(self, epoch: EpochRecord) -> bool:
        """Waits."""
        self.thread = threading.current_thread().name
        self.reached.set()
        assert self.goes_on.wait(5 * DEADLINE)
        return False

    def on_fit_end(self, model: Any, fit: FitInfo) -> None:
        """The model is there."""
        self.ended.append(model)

    def on_exception(self, error: BaseException, fit: FitInfo) -> None:
        """It has failed."""
        self.ended.append(error)
