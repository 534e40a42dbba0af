"""What `plan(df)` says next to what the fit then needs: steps, memory, seconds, over jobs of many kinds.

`make bench-plan`, or for a few of them `python benchmarks/plan.py --filter lstm`.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import candlewick
from candlewick import NeuralClassifier, nn, optim

#: Goals: how far memory and seconds may be off, as a part of what the fit needed.
MEMORY, SECONDS = 0.10, 0.25
#: What the plan foresees; what connections and the spool need for a moment is not in it.
ACCOUNTS = ("weights", "gradients", "optimizer", "states", "activations", "batches", "links", "rows", "index")


@dataclass(frozen=True)
class Job:
    """A network, its rows and how it is trained."""

    name: str
    layers: list[Any]
    shape: list[int]
    rows: int
    batch: int
    trainers: int = 1
    epochs: int = 2
    #: Features are indices below this.
    indices: int = 0
    optimizer: Any = None
    compression: str = "none"


def _mlp(*sizes: int) -> list[Any]:
    return [layer for size in sizes for layer in (nn.Linear(size), nn.ReLU())] + [nn.Linear(10)]


def _cnn(channels: int) -> list[Any]:
    return [
        nn.Conv2d(channels, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(2 * channels, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(10),
    ]


def jobs() -> list[Job]:
    """Twenty of them, wide and narrow, small and large batches, one trainer and two; and some that compress gradients."""
    bag = [nn.EmbeddingBag(100_000, 32), nn.Linear(64), nn.ReLU(), nn.Linear(10)]
    lstm = [nn.LSTM(64, output="last"), nn.Linear(10)]
    gru = [nn.GRU(64, output="last"), nn.Linear(10)]
    return [
        Job("mlp 784", _mlp(256, 128), [784], 20_000, 256),
        Job("mlp 784, 2 trainers", _mlp(256, 128), [784], 20_000, 256, 2),
        Job("mlp 784, batch 32", _mlp(256, 128), [784], 10_000, 32),
        Job("mlp 784, batch 4096", _mlp(256, 128), [784], 20_000, 4096),
        Job("mlp 784, batch 4096, 2 trainers", _mlp(256, 128), [784], 20_000, 4096, 2),
        Job("mlp wide", _mlp(2048, 2048), [784], 10_000, 256),
        Job("mlp wide, 2 trainers", _mlp(2048, 2048), [784], 10_000, 256, 2),
        Job("mlp deep", _mlp(*[256] * 8), [100], 20_000, 256),
        Job("mlp narrow", _mlp(16), [20], 100_000, 256),
        Job("mlp narrow, batch 4096", _mlp(16), [20], 100_000, 4096),
        Job("mlp narrow, 2 trainers", _mlp(16), [20], 100_000, 256, 2),
        Job("linear", [nn.Linear(10)], [1000], 20_000, 512),
        Job("mlp 784, SGD", _mlp(512), [784], 20_000, 256, optimizer=optim.SGD(lr=0.01)),
        Job("cnn 8", _cnn(8), [1, 28, 28], 8_000, 128),
        Job("cnn 8, 2 trainers", _cnn(8), [1, 28, 28], 8_000, 128, 2),
        Job("cnn 32", _cnn(32), [1, 28, 28], 3_000, 128),
        Job("lstm", lstm, [20, 16], 10_000, 128),
        Job("gru, 2 trainers", gru, [20, 16], 10_000, 128, 2),
        Job("embedding", bag, [10], 50_000, 256, indices=100_000),
        Job("embedding, 2 trainers", bag, [10], 50_000, 256, 2, indices=100_000),
        *(
            Job(f"compressed, {kind}, {trainers}", _mlp(256, 128), [784], 20_000, 256, trainers, compression=kind)
            for kind in ("bf16", "topk:0.01", "1bit", "powersgd:4")
            for trainers in (1, 2)
        ),
    ]


def rows_of(spark: SparkSession, job: Job) -> DataFrame:
    """Its rows, made up, in memory."""
    width = 1
    for size in job.shape:
        width *= size
    value = F.floor(F.rand(1) * job.indices).cast("float") if job.indices else F.rand(1).cast("float")
    features = F.transform(F.sequence(F.lit(1), F.lit(width)), lambda at: value + at * 0)
    made = spark.range(job.rows, numPartitions=4).select(features.alias("features"), (F.col("id") % 10).alias("label"))
    rows = made.cache()
    rows.count()
    return rows


def measure(spark: SparkSession, job: Job, rounds: int) -> dict[str, Any]:
    """The plan, and what fits after it needed."""
    rows = rows_of(spark, job)
    estimator = NeuralClassifier(
        network=nn.Sequential(*job.layers),
        batchSize=job.batch,
        epochs=job.epochs,
        numTrainers=job.trainers,
        inputShape=job.shape,
        optimizer=job.optimizer or optim.AdamW(lr=1e-3),
        gradientCompression=job.compression,
        verbose=False,
    )
    plan = estimator.plan(rows)
    summaries = [estimator.fit(rows).summary for _ in range(rounds)]
    rows.unpersist()
    needed = max(sum(one["accounts"].get(name, 0) for name in ACCOUNTS) for one in summaries[-1].memory)
    said = sum(plan.memory["accounts"][name] for name in ACCOUNTS)
    seconds = statistics.median(one.phases["total"] for one in summaries)
    train = statistics.median(one.phases["train"] for one in summaries)
    return {
        "job": job.name,
        "stepsAsPlanned": plan.totalSteps == summaries[-1].totalSteps,
        "memorySaid": said,
        "memory": needed,
        "memoryOff": said / needed - 1,
        "secondsSaid": plan.seconds["total"],
        "seconds": seconds,
        "secondsOff": plan.seconds["total"] / seconds - 1,
        "parts": {name: plan.seconds[name] for name in plan.seconds if name != "total"},
        "trainSaid": plan.seconds["epoch"] * job.epochs,
        "train": train,
        "phases": {
            name: statistics.median(one.phases.get(name, 0.0) for one in summaries) for name in summaries[0].phases
        },
        "bound": plan.bound,
    }


def main() -> None:
    """Runs them and prints a table; `--json` keeps the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--filter", default="")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    settings = {"spark.master": "local[2]", "spark.ui.enabled": "false", "spark.log.level": "ERROR"}
    spark = candlewick.session(**settings)
    found = []
    print(f"{'job':<34} {'memory MiB':>10} {'said':>8} {'off':>6} {'seconds':>8} {'said':>7} {'off':>6}  bound by")
    for job in jobs():
        if asked.filter in job.name:
            one = measure(spark, job, asked.rounds)
            found.append(one)
            print(
                f"{one['job']:<34} {one['memory'] / 2**20:>10.1f} {one['memorySaid'] / 2**20:>8.1f} {one['memoryOff']:>+6.0%}"
                f" {one['seconds']:>8.2f} {one['secondsSaid']:>7.2f} {one['secondsOff']:>+6.0%}  {one['bound']}",
                flush=True,
            )
    good = [
        sum(abs(one["memoryOff"]) <= MEMORY for one in found),
        sum(abs(one["secondsOff"]) <= SECONDS for one in found),
    ]
    print(
        f"memory within {MEMORY:.0%}: {good[0]} of {len(found)}; seconds within {SECONDS:.0%}: {good[1]} of {len(found)}"
    )
    if asked.json is not None:
        asked.json.write_text(json.dumps(found, indent=1))
    spark.stop()


if __name__ == "__main__":
    main()
