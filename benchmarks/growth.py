"""How a fit grows with rows, features, partitions and trainers: `make bench-growth`.

Each series changes one size in steps of ten (trainers: of two) and leaves the others as they are. Of each phase the median of several fits
in a warm session is taken; over the sizes where the phase takes more than its fixed part the exponent of a power of the size is fitted by
least squares in the logarithms: 1 is in proportion, below 1 something fixed is still in it. `--plot FILE` draws them (matplotlib).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import candlewick
from candlewick import NeuralRegressor, nn, optim

#: What every series begins from: it changes one of them.
BASE = {"rows": 10_000, "features": 20, "partitions": 4, "trainers": 2}
SERIES: dict[str, list[int]] = {
    "rows": [1_000, 10_000, 100_000, 1_000_000, 10_000_000],
    "features": [10, 100, 1_000, 10_000],
    "partitions": [1, 10, 100, 1_000],
    "trainers": [1, 2, 4, 8],
}
PHASES = ("launch", "feed", "train")
#: A phase counts for the exponent where it takes so many times its least value: below that it is its fixed part.
OVER_FIXED = 2.0


@dataclass(frozen=True)
class Point:
    """The medians of the fits of one size."""

    size: int
    seconds: dict[str, float]
    span: dict[str, tuple[float, float]]


def frame(spark: SparkSession, rows: int, features: int, partitions: int) -> DataFrame:
    """Rows of floats in 0..1 by arithmetic alone, cached: the source's cost is not ours."""
    value = F.transform(
        F.sequence(F.lit(1), F.lit(features)),
        lambda j: (F.pmod(F.col("id") * (j * 2 + 1), F.lit(1009)) / 1009.0).cast("float"),
    )
    label = (F.col("id") % 7).cast("double")
    made = spark.range(0, rows, 1, partitions).select(value.alias("features"), label.alias("label")).cache()
    made.count()
    return made


def estimator(trainers: int) -> NeuralRegressor:
    """A network of so little arithmetic that everything else shows."""
    network = nn.Sequential(nn.Linear(16), nn.ReLU(), nn.Linear(1))
    return NeuralRegressor(
        network=network,
        epochs=1,
        batchSize=1024,
        optimizer=optim.AdamW(lr=1e-3),
        seed=1,
        numTrainers=trainers,
        verbose="false",
    )


def measure(
    spark: SparkSession, sizes: dict[str, int], rounds: int
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Medians and spans of the phases."""
    df = frame(spark, sizes["rows"], sizes["features"], sizes["partitions"])
    fits = [estimator(sizes["trainers"]).fit(df).summary.phases for _ in range(rounds)]
    df.unpersist(blocking=True)
    of = {phase: [fit[phase] for fit in fits] for phase in (*PHASES, "total")}
    return (
        {phase: statistics.median(values) for phase, values in of.items()},
        {phase: (min(values), max(values)) for phase, values in of.items()},
    )


def exponent(points: list[Point], phase: str) -> float | None:
    """The power of the size that the phase grows with; None where it does not grow."""
    least = min(point.seconds[phase] for point in points)
    # From the last size of the fixed part on.
    grown = [at for at, point in enumerate(points) if point.seconds[phase] > OVER_FIXED * least]
    if not grown or len(points) - grown[0] + 1 < 2 or grown[0] == 0:
        return None
    used = points[grown[0] :] if len(points) - grown[0] >= 2 else points[grown[0] - 1 :]
    xs = [math.log(point.size) for point in used]
    ys = [math.log(point.seconds[phase]) for point in used]
    x, y = statistics.fmean(xs), statistics.fmean(ys)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)


def plot(found: dict[str, list[Point]], file: Path) -> None:
    """The series side by side, both axes logarithmic."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    matplotlib.rcParams["svg.hashsalt"] = "candlewick"
    figure, axes = pyplot.subplots(1, len(found), figsize=(4 * len(found), 3.6), sharey=True)
    for axis, (name, points) in zip(axes, found.items(), strict=True):
        for phase in PHASES:
            power = exponent(points, phase)
            label = phase if power is None else f"{phase} ~ {name}^{power:.2f}"
            axis.loglog([p.size for p in points], [p.seconds[phase] for p in points], marker="o", label=label)
        axis.set_xlabel(name)
        axis.grid(True, which="major", alpha=0.3)
        axis.legend(fontsize=8)
    axes[0].set_ylabel("seconds")
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})


def main() -> None:
    """Measures every series, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--series", nargs="*", default=list(SERIES), choices=list(SERIES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = {}
    for name in arguments.series:
        # A trainer takes a slot; there are more of them than cores then, for ours and for Spark's tasks.
        slots = max(SERIES["trainers"]) if name == "trainers" else 2
        with session(slots) as spark:
            measure(spark, BASE, 3)
            found[name] = series(spark, name, arguments.rounds)
    if arguments.json:
        document: dict[str, Any] = {name: [point.__dict__ for point in points] for name, points in found.items()}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    if arguments.plot:
        plot(found, arguments.plot)


@contextlib.contextmanager
def session(slots: int) -> Iterator[SparkSession]:
    """A warm session."""
    spark = candlewick.session(
        {
            "spark.master": f"local[{slots}]",
            "spark.driver.memory": "6g",
            "spark.driver.host": "127.0.0.1",
            "spark.ui.enabled": "false",
            "spark.log.level": "ERROR",
        }
    )
    try:
        yield spark
    finally:
        spark.stop()


def series(spark: SparkSession, name: str, rounds: int) -> list[Point]:
    """One series, told as it goes."""
    print(f"{name}, the others at { ({key: size for key, size in BASE.items() if key != name}) }")
    points = []
    for size in SERIES[name]:
        # Sizes that take minutes say the same with fewer rounds.
        seconds, span = measure(spark, {**BASE, name: size}, max(3, rounds) if size < 10_000_000 else 3)
        points.append(Point(size, seconds, span))
        told = "  ".join(
            f"{phase} {seconds[phase]:7.3f} ({span[phase][0]:.3f}-{span[phase][1]:.3f})" for phase in (*PHASES, "total")
        )
        print(f"  {size:>10}  {told}", flush=True)
    powers = {phase: exponent(points, phase) for phase in PHASES}
    print(
        "  exponents: "
        + ", ".join(f"{phase} {'fixed' if power is None else f'{power:.2f}'}" for phase, power in powers.items())
    )
    return points


if __name__ == "__main__":
    sys.exit(main())
