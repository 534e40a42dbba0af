"""The first fit of a session and later ones, 1,000 rows of 20 values on `local[2]`, beside what Spark itself takes.

`make bench-startup`: each round starts two sessions, each in a JVM of its own. In one the first thing after the rows are
cached is a write to Spark's `noop` sink, which is the floor: what Spark's first query costs whoever asks it. In the other it
is a fit. Medians and ranges of the rounds.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from typing import Any

from common import argument, report, timed
from pyspark.ml.linalg import Vectors
from pyspark.sql import DataFrame

import candlewick
from candlewick import NeuralClassifier, nn

#: Fits after the first one, of which the median counts.
LATER = 5


def rows() -> DataFrame:
    """A session, and rows that it holds in memory."""
    spark = candlewick.session(
        **{"spark.master": "local[2]", "spark.ui.enabled": "false", "spark.log.level": "ERROR"},
    )
    made = [(Vectors.dense([float((i * j) % 7) for j in range(20)]), float(i % 2)) for i in range(1_000)]
    frame = spark.createDataFrame(made, ["features", "label"]).cache()
    frame.count()
    return frame


def write(frame: DataFrame) -> None:
    """Spark's own way through all rows."""
    frame.write.format("noop").mode("overwrite").save()


def floor() -> dict[str, Any]:
    """Spark alone."""
    frame = rows()
    seconds = [timed(lambda: write(frame))[0] for _ in range(LATER + 1)]
    return {"first": seconds[0], "later": statistics.median(seconds[1:])}


def fits() -> dict[str, Any]:
    """Fits, and what their phases take."""
    frame = rows()
    network = nn.Sequential(nn.Linear(32), nn.ReLU(), nn.Linear(2))
    estimator = NeuralClassifier(network=network, epochs=5, seed=1, numTrainers=2)
    results = [timed(lambda: estimator.fit(frame)) for _ in range(LATER + 1)]
    phases = [model.summary.phases for _, model in results]
    return {
        "first": results[0][0],
        "later": statistics.median(seconds for seconds, _ in results[1:]),
        "firstPhases": phases[0],
        "laterPhases": {name: statistics.median(one[name] for one in phases[1:]) for name in phases[0]},
    }


def spread(values: list[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def child(part: str) -> dict[str, Any]:
    """One session in a process of its own."""
    done = subprocess.run([sys.executable, __file__, part], check=True, capture_output=True, text=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    numbers: dict[str, Any] = json.loads(line.removeprefix("RESULT "))
    return numbers


def main() -> None:
    """Prints the numbers."""
    parts = {"floor": floor, "fits": fits}
    if sys.argv[1:] and sys.argv[1] in parts:
        report(parts[sys.argv[1]]())
        return
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in parts}
    for _ in range(argument("rounds", 5)):
        for name, numbers in found.items():
            numbers.append(child(name))
    for name, numbers in found.items():
        for which in ("first", "later"):
            print(f"{name}, {which}: {spread([one[which] for one in numbers])} s")
    for which in ("firstPhases", "laterPhases"):
        parts_of = {name: spread([one[which][name] for one in found["fits"]]) for name in found["fits"][0][which]}
        print(which, parts_of)
    report(found)


if __name__ == "__main__":
    main()
