"""A step of two trainers next to a step of one on the same rows of a step: `make bench-trainers`.

The MLP 784-512-256-10 on 30,000 rows, `local[2]`, each trainer with one thread, AdamW. Fits with one trainer and with two take turns; of
each the median of its epochs but the first counts, and of all fits the median with the least and the most. With two trainers a
gradient goes through shared memory.
"""

from __future__ import annotations

import argparse
import statistics

import common
from pyspark.sql import DataFrame

import candlewick
from candlewick import NeuralClassifier, nn, optim

ROWS = 30_000


def step_ms(df: DataFrame, trainers: int, batch: int, epochs: int) -> tuple[float, str]:
    """Milliseconds of a step, and the hash of the weights."""
    hidden = [layer for width in common.HIDDEN for layer in (nn.Linear(width), nn.ReLU())]
    classifier = NeuralClassifier(
        network=nn.Sequential(*hidden, nn.Linear(common.CLASSES)),
        epochs=epochs,
        batchSize=batch,
        optimizer=optim.AdamW(lr=common.LEARNING_RATE),
        seed=1,
        numTrainers=trainers,
        threadsPerTrainer=1,
        verbose="false",
    )
    summary = classifier.fit(df).summary
    steps = summary.totalSteps / epochs
    seconds = [record["seconds"] for record in summary.history][1:]
    return statistics.median(seconds) / steps * 1e3, summary.weightsHash


def main() -> None:
    """Measures the batch sizes that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch", type=int, nargs="*", default=[256, 512, 2048])
    arguments = parser.parse_args()
    spark = candlewick.session(
        **{
            "spark.master": "local[2]",
            "spark.driver.memory": "4g",
            "spark.ui.enabled": "false",
            "spark.log.level": "ERROR",
        }
    )
    df = common.digits_like(spark, ROWS)
    print("| batch | one trainer, ms a step | two, ms a step | ratio |\n|---|---|---|---|", flush=True)
    for batch in arguments.batch:
        times: dict[int, list[float]] = {1: [], 2: []}
        hashes = set()
        for _ in range(arguments.rounds):
            for trainers, found in times.items():
                ms, weights = step_ms(df, trainers, batch, arguments.epochs)
                found.append(ms)
                hashes.add(weights)
        if len(hashes) != 1:
            raise SystemExit(f"one and two trainers gave different weights: {sorted(hashes)}")
        one, two = (
            f"{statistics.median(found):.2f} ({min(found):.2f}-{max(found):.2f})" for found in (times[1], times[2])
        )
        ratio = statistics.median(times[2]) / statistics.median(times[1])
        print(f"| {batch} | {one} | {two} | {ratio:.2f} |", flush=True)
    spark.stop()


if __name__ == "__main__":
    main()
