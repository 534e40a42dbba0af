"""How a fit grows with rows, features, partitions and trainers: `make bench-growth`.

Each series changes one size in steps of ten (trainers: of two) and leaves the others as they are. Of each phase the median of several fits
in a warm session is taken, and fixed + factor * size^p is fitted to them by relative errors: p of 1 is growth in proportion.
`--plot FILE` draws them (matplotlib); `--again FILE` fits and draws the numbers of an earlier run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
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
#: A phase that takes less than so many times as long for the largest size as for the smallest does not grow.
GROWS = 2.5


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
    """The power p of fixed + factor * size^p that fits best by relative errors; None where the phase does not grow."""
    values = [point.seconds[phase] for point in points]
    if values[-1] < GROWS * values[0]:
        return None
    tried = (
        (_residual([point.size for point in points], values, power / 100), power / 100) for power in range(10, 201)
    )
    return min(tried)[1]


def _residual(sizes: list[int], values: list[float], power: float) -> float:
    """Sum of the squared relative errors of the best fixed + factor * size^power, neither below 0."""
    # Every equation is divided by its value: 1 = fixed / value + factor * size^power / value.
    ones = [1.0 / value for value in values]
    powers = [size**power / value for size, value in zip(sizes, values, strict=True)]
    aa, ab, bb = _dot(ones, ones), _dot(ones, powers), _dot(powers, powers)
    a, b = sum(ones), sum(powers)
    determinant = aa * bb - ab * ab
    fixed = (a * bb - b * ab) / determinant if determinant > 0 else 0.0
    factor = (b * aa - a * ab) / determinant if determinant > 0 else 0.0
    if fixed < 0 or factor < 0:
        fixed, factor = (0.0, b / bb) if fixed < 0 else (a / aa, 0.0)
    return sum((fixed * one + factor * other - 1.0) ** 2 for one, other in zip(ones, powers, strict=True))


def _dot(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


def plot(found: dict[str, list[Point]], file: Path) -> None:
    """The series side by side, both axes logarithmic."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    matplotlib.rcParams.update({"svg.hashsalt": "candlewick", "svg.fonttype": "none"})
    figure, axes = pyplot.subplots(1, len(found), figsize=(4 * len(found), 3.6), sharey=True)
    for axis, (name, points) in zip(axes, found.items(), strict=True):
        for phase in PHASES:
            power = exponent(points, phase)
            label = phase if power is None else f"{phase} ~ {name}^{power:.2f}"
            axis.loglog([p.size for p in points], [p.seconds[phase] for p in points], marker="o", label=label)
        axis.minorticks_off()
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
    parser.add_argument("--again", type=Path)
    arguments = parser.parse_args()
    found = {}
    if arguments.again:
        found = {
            name: [Point(**point) for point in points]
            for name, points in json.loads(arguments.again.read_text()).items()
        }
        for name, points in found.items():
            print(f"{name}: {powers(points)}")
    for name in [] if arguments.again else arguments.series:
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


def powers(points: list[Point]) -> str:
    """The exponents of the phases, for people."""
    found = {phase: exponent(points, phase) for phase in PHASES}
    return ", ".join(f"{phase} {'fixed' if power is None else f'{power:.2f}'}" for phase, power in found.items())


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
    print(f"  exponents: {powers(points)}")
    return points


if __name__ == "__main__":
    sys.exit(main())
