"""What changes of the gang cost: `make bench-elastic`.

Fits on `local-cluster[2,2,2048]` with two trainers of one thread. In the first part one trainer is slowed to half its speed, by stopping it
for every other 5 ms, while a step takes ten times as long; the ideal epoch is that of two trainers whose speeds add up to 1.5,
without any overhead. In the second part a fit begins with one trainer and another joins it. Medians and spans.
"""

from __future__ import annotations

import os
import signal
import statistics
import threading
import time
from typing import Any

from common import CLASSES, argument, digits_like
from pyspark.sql import DataFrame
from recovery import estimator, trainers, two_executors

from candlewick import nn

#: Half of this it runs, half of this it stands still, seconds.
PERIOD = 0.01
EPOCHS = 8


class Slowed:
    """Stops a process for every other half of a period, until it ends."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            while True:
                os.kill(self.pid, signal.SIGSTOP)
                time.sleep(PERIOD / 2)
                os.kill(self.pid, signal.SIGCONT)
                time.sleep(PERIOD / 2)
        except ProcessLookupError:
            return


def wide() -> Any:
    """A network whose step takes ten times as long as one stop."""
    return nn.Sequential(nn.Linear(1024), nn.ReLU(), nn.Linear(1024), nn.ReLU(), nn.Linear(CLASSES))


def fit(df: DataFrame, slow: bool, **params: Any) -> Any:
    """A fit of two trainers, one of them slowed from its start on; its model."""
    models: list[Any] = []
    settings: dict[str, Any] = dict(epochs=EPOCHS, threadsPerTrainer=1, network=wide(), batchSize=1024, **params)
    thread = threading.Thread(target=lambda: models.append(estimator(**settings).fit(df)))
    before = set(trainers())
    thread.start()
    while slow and thread.is_alive() and len(set(trainers()) - before) < 2:
        time.sleep(0.002)
    if slow:
        Slowed(sorted(set(trainers()) - before)[0])
    thread.join()
    return models[0]


def seconds(model: Any, first: int, last: int) -> float:
    """Median time of these epochs."""
    return statistics.median(record["seconds"] for record in model.summary.history[first:last])


def show(name: str, values: list[float]) -> None:
    """A line with median and span."""
    print(f"  {name:48} {statistics.median(values):7.3f}   {min(values):7.3f} to {max(values):7.3f}")


def uneven(df: DataFrame, rounds: int, shards: int) -> None:
    """A trainer at half speed."""
    ratios: dict[str, list[float]] = {}
    for _ in range(rounds):
        even = fit(df, slow=False, logicalShards=shards)
        model = fit(df, slow=True, logicalShards=shards)
        assert model.weightsHash == even.weightsHash, "not the bits of the undisturbed fit"
        ideal = seconds(even, 2, EPOCHS) * 2 / 1.5
        moved = model.summary.rescaleLog
        owned = [one["shards"] for one in model.summary.stragglerLog[-1]["trainers"]]
        values = {
            "first epoch, over the ideal": seconds(model, 0, 1) / ideal,
            "last half of the epochs, over the ideal": seconds(model, EPOCHS // 2, EPOCHS) / ideal,
            "moves": len(moved),
            "seconds of a move": moved[0]["seconds"] if moved else 0.0,
            "shards of the fewer": min(owned),
        }
        for name, value in values.items():
            ratios.setdefault(name, []).append(value)
    print(f"a trainer at half speed, logicalShards={shards}, {rounds} rounds")
    for name, found in ratios.items():
        show(name, found)


def joined(df: DataFrame, rounds: int) -> None:
    """A trainer that joins."""
    parts: dict[str, list[float]] = {}
    for _ in range(rounds):
        model = estimator(epochs=EPOCHS, numTrainers=1, maxTrainers=2, threadsPerTrainer=1).fit(df)
        (rescale,) = model.summary.rescaleLog
        parts.setdefault("seconds", []).append(rescale["seconds"])
        parts.setdefault("rows moved, of all", []).append(rescale["rowsMoved"] / model.summary.ledger["rowsRead"])
        parts.setdefault("first feed of all rows, seconds", []).append(model.summary.phases["feed"])
    print(f"a trainer joins, {rounds} rounds")
    for name, found in parts.items():
        show(name, found)


def main() -> None:
    """Slow machines, then a newcomer."""
    rows, rounds = argument("rows", 40_960), argument("rounds", 3)
    with two_executors() as spark:
        df = digits_like(spark, rows)
        for shards in (8, 16):
            uneven(df, rounds, shards)
        joined(df, rounds)


if __name__ == "__main__":
    main()
