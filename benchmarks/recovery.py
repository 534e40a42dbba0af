"""What a lost trainer costs: `make bench-recovery`.

Fits on `local-cluster[2,2,2048]` with two trainers. In each a trainer is killed, or frozen, once the second epoch is over; the parts of
the recovery are those of `summary.recoveryLog`, the feed to compare with is the fit's own first one. Medians and spans.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common import CLASSES, WIDTH, argument, digits_like
from pyspark.sql import DataFrame, SparkSession

import candlewick
from candlewick import NeuralClassifier, nn, optim

FREEZE_TIMEOUT = 2.0


def trainers() -> list[int]:
    """Process ids of the trainers on this machine."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            continue
        if folder.name.isdigit() and words[0].endswith(b"candlewick-trainer") and b"gang" in words:
            found.append(int(folder.name))
    return sorted(found)


def estimator(**params: Any) -> NeuralClassifier:
    """An MLP whose epoch takes a good part of a second."""
    network = nn.Sequential(nn.Linear(512), nn.ReLU(), nn.Linear(256), nn.ReLU(), nn.Linear(CLASSES))
    settings: dict[str, Any] = dict(
        network=network,
        inputShape=[WIDTH],
        epochs=8,
        batchSize=256,
        optimizer=optim.AdamW(lr=1e-3),
        seed=1,
        numTrainers=2,
    )
    return NeuralClassifier(**{**settings, **params})


def struck(df: DataFrame, how: signal.Signals, **params: Any) -> Any:
    """A fit of which one trainer is struck after the second epoch; its model."""
    models: list[Any] = []
    lines = io.StringIO()
    with contextlib.redirect_stdout(lines):
        fit = threading.Thread(target=lambda: models.append(estimator(verbose=True, **params).fit(df)))
        fit.start()
        while fit.is_alive() and "epoch 2/" not in lines.getvalue():
            time.sleep(0.005)
        os.kill(trainers()[0], how)
        fit.join()
    return models[0]


def measure(df: DataFrame, how: signal.Signals, rounds: int, expected: str, **params: Any) -> None:
    """Prints the medians of the parts of a recovery."""
    parts: dict[str, list[float]] = {}
    for _ in range(rounds):
        model = struck(df, how, **params)
        assert model.weightsHash == expected, "not the bits of the undisturbed fit"
        (recovery,) = model.summary.recoveryLog
        seconds = recovery["seconds"]
        measured = {**seconds, "all but feed": sum(seconds.values()) - seconds["feed"]}
        measured |= {"first feed": model.summary.phases["feed"], "stepsRedone": recovery["stepsRedone"]}
        measured["share of rows fed again"] = recovery["rowsRefed"] / model.summary.ledger["rowsRead"]
        for name, value in measured.items():
            parts.setdefault(name, []).append(value)
    print(f"{how.name}, {rounds} rounds")
    for name, values in parts.items():
        print(f"  {name:24} {statistics.median(values):7.3f}   {min(values):7.3f} to {max(values):7.3f}")


@contextlib.contextmanager
def two_executors() -> Iterator[SparkSession]:
    """A session on two executors of two cores; a benchmark that hangs is killed."""
    conf = {
        "spark.master": "local-cluster[2,2,2048]",
        "spark.executor.memory": "1g",
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.log.level": "ERROR",
    }
    spark = candlewick.session(conf)
    watchdog = threading.Timer(900, lambda: os.kill(os.getpid(), signal.SIGKILL))
    watchdog.daemon = True
    watchdog.start()
    try:
        yield spark
    finally:
        spark.stop()


def main() -> None:
    """Kills, then freezes."""
    rows, rounds = argument("rows", 20_000), argument("rounds", 7)
    with two_executors() as spark:
        df = digits_like(spark, rows)
        expected = estimator().fit(df).weightsHash
        measure(df, signal.SIGKILL, rounds, expected)
        measure(df, signal.SIGSTOP, rounds, expected, failureTimeout=f"{FREEZE_TIMEOUT:g}s")


if __name__ == "__main__":
    main()
