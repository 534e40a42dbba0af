"""A million sparse rows end to end, 2^18 features of which 60 are not zero, two trainers on `local[2]`; and the set that a peer publishes.

`make bench-sparse`. Spark makes the rows: 60 words of 200,000, by hashes of row and place, so they are the same everywhere, hashed
by HashingTF. The class is whether most of a row's words are odd ones, which a linear layer can learn. They are written as Parquet
first, so that a fit reads what a user's fit reads. Memory is that of the trainers' accounts at their peaks, and what Linux says that
their processes had at most; both against the 8 bytes of each value that is not zero.

`--bag 1` has an EmbeddingBag of counts in place of the first Linear; `--permille 10` has its table start with a deviation of 0.01.

The other set is 3,000 rows of 50,000 values, a fifth of them not zero: seconds of its way into the trainers (feature_types.py).
"""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Any

from common import argument, below, report, timed
from feature_types import filled, measured
from pyspark.ml.feature import HashingTF
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

import candlewick
from candlewick import NeuralClassifier, nn, optim

WIDTH, WORDS, KNOWN, SEED = 1 << 18, 60, 200_000, 7


class Peaks(threading.Thread):
    """The most memory that each trainer had in use, by its process."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.bytes: dict[int, int] = {}
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.2):
            for process in below():
                folder = Path(f"/proc/{process}")
                try:
                    if b"candlewick-trainer" in (folder / "cmdline").read_bytes():
                        lines = (folder / "status").read_text().splitlines()
                        most = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024
                        self.bytes[process] = most
                except (OSError, StopIteration):
                    continue


def write(spark: SparkSession, rows: int, folder: str) -> None:
    """The rows, on disk."""
    places = F.sequence(F.lit(1), F.lit(WORDS))
    words = F.transform(places, lambda at: F.pmod(F.hash(F.lit(SEED), "id", at), F.lit(KNOWN))).alias("words")
    odd = F.aggregate("words", F.lit(0), lambda sum, word: sum + F.pmod(F.hash(word), F.lit(2)))
    hashed = HashingTF(inputCol="words", outputCol="features", numFeatures=WIDTH)
    named = spark.range(0, rows, 1, 16).select(words).withColumn("label", (odd > WORDS // 2).cast("double"))
    hashed.transform(named).select("features", "label").write.parquet(folder)


def network(bag: bool, deviation: float) -> nn.Module:
    """A layer over the rows and one over that, with a table that starts with this deviation where it has one."""
    if not bag:
        return nn.Sequential(nn.Linear(16), nn.ReLU(), nn.Linear(2))
    table = nn.EmbeddingBag(WIDTH, 16, mode="sum", input="counts")
    return nn.Sequential(table, nn.ReLU(), nn.Linear(2)).with_init({"0.weight": nn.init.normal_(std=deviation)})


def fitted(spark: SparkSession, rows: int, epochs: int, folder: str, of: nn.Module) -> dict[str, Any]:
    """What a fit of a network over the rows in a folder needs."""
    frame = spark.read.parquet(folder)
    estimator = NeuralClassifier(
        network=of,
        optimizer=optim.Adagrad(lr=0.05),
        epochs=epochs,
        batchSize=1024,
        numTrainers=2,
        threadsPerTrainer=1,
        seed=1,
        verbose=False,
    )
    plan = estimator.plan(frame, rows=rows)
    peaks = Peaks()
    peaks.start()
    seconds, model = timed(lambda: estimator.fit(frame))
    peaks.over.set()
    summary = model.summary
    accounts = [one["accounts"] for one in summary.memory]
    sent = summary.ledger["featureBytes"]
    held = sum(one["rows"] + one["index"] for one in accounts)
    return {
        "rows": rows,
        "bytes_of_nonzeros": sent,
        "rows_and_index_of_nonzeros": round(held / sent, 2),
        "all_accounts_of_nonzeros": round(sum(sum(one.values()) for one in accounts) / sent, 2),
        "processes_of_nonzeros": round(sum(peaks.bytes.values()) / sent, 2),
        "accounts_mb": [{name: round(value / 1e6, 1) for name, value in one.items() if value} for one in accounts],
        "fit_seconds": round(seconds, 1),
        "step_ms": round(1e3 * summary.phases["train"] / summary.totalSteps, 2),
        "phases": {name: round(value, 2) for name, value in summary.phases.items()},
        "planned": {name: round(plan.seconds[name], 1) for name in ("feed", "epoch", "total")},
        "loss": [round(value, 4) for value in summary.objectiveHistory],
    }


def main() -> None:
    """Prints the numbers."""
    rows, epochs, rounds = argument("rows", 1_000_000), argument("epochs", 2), argument("rounds", 5)
    settings = {"spark.master": "local[2]", "spark.driver.memory": "4g"}
    spark = candlewick.session(**settings, **{"spark.ui.enabled": "false", "spark.log.level": "ERROR"})
    numbers: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/rows"
        written, _ = timed(lambda: write(spark, rows, path))
        of = network(argument("bag", 0) > 0, argument("permille", 1_000) / 1_000)
        numbers = {"written_seconds": round(written, 1), **fitted(spark, rows, epochs, path, of)}
    if argument("filled", 3_000) > 0:
        numbers["50,000 values, a fifth not zero"] = measured(filled(spark, argument("filled", 3_000)), rounds)
    spark.stop()
    for name, value in numbers.items():
        print(f"{name:36} {value}")
    report(numbers)


if __name__ == "__main__":
    main()
