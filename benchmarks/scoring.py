"""What the scoring operator costs: ns a row of a network that does next to nothing, the first row, count, and loading a model.

Every number but those of the first time is a median; what is compared alternates.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from common import argument, report, timed
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

import candlewick
from candlewick import NeuralRegressor, nn

WIDTH = 4
PARTITIONS = 4


def rounds(first: Callable[[], Any], second: Callable[[], Any], times: int) -> tuple[list[float], list[float]]:
    """Seconds of both, in turn, after one round that does not count."""
    pairs = [(timed(first)[0], timed(second)[0]) for _ in range(times + 1)][1:]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def spread(seconds: list[float], factor: float, digits: int) -> str:
    """Median and range."""
    values = sorted(value * factor for value in seconds)
    return f"{statistics.median(values):.{digits}f} ({values[0]:.{digits}f}-{values[-1]:.{digits}f})"


def read(frame: DataFrame, column: str) -> Any:
    """Reads a column of all rows."""
    return frame.select(F.sum(column)).first()


def main() -> None:
    """Prints the numbers."""
    spark = candlewick.session(
        **{
            "spark.master": "local[1]",
            "spark.driver.memory": "4g",
            "spark.ui.enabled": "false",
            "spark.log.level": "ERROR",
        }
    )
    rows, times = argument("rows", 4_000_000), argument("times", 9)
    features = F.array(*[(F.col("id") % (7 + at)).cast("float") for at in range(WIDTH)])
    df = spark.range(0, rows, 1, PARTITIONS).select("id", features.alias("features"), F.lit(1.0).alias("label")).cache()
    df.count()
    small = df.limit(1_000).cache()
    # No smaller network has a parameter.
    tiny = NeuralRegressor(network=nn.Linear(1), epochs=0, numTrainers=1).fit(small)
    scored = tiny.transform(df)
    first_row, _ = timed(lambda: scored.limit(1).collect())
    plain, through = rounds(
        lambda: read(df.selectExpr("id", "features[0] + features[3] AS prediction"), "prediction"),
        lambda: read(scored, "prediction"),
        times,
    )
    per_row = [(b - a) / rows for a, b in zip(plain, through, strict=True)]
    counts, scored_counts = rounds(df.count, scored.count, times)
    later_rows, _ = rounds(lambda: scored.limit(1).collect(), lambda: None, times)
    # 2.5 million parameters, 10 MB.
    large = NeuralRegressor(network=nn.Sequential(nn.Linear(420_000), nn.Linear(1)), epochs=0, numTrainers=1).fit(small)
    loaded, _ = timed(lambda: large.transform(df).limit(1).collect())
    again, _ = rounds(lambda: large.transform(df).limit(1).collect(), lambda: None, times)
    report(
        {
            "rows": rows,
            "projection_ns_per_row": spread([second / rows for second in plain], 1e9, 0),
            "operator_ns_per_row": spread(per_row, 1e9, 0),
            "first_row_first_ms": round(first_row * 1e3),
            "first_row_later_ms": spread(later_rows, 1e3, 0),
            "count_ms": spread(counts, 1e3, 0),
            "count_of_transform_ms": spread(scored_counts, 1e3, 0),
            "model_bytes": 4 * sum(value.size for value in large.weights().values()),
            "first_row_of_that_model_ms": round(loaded * 1e3),
            "first_row_of_that_model_later_ms": spread(again, 1e3, 0),
        }
    )


if __name__ == "__main__":
    main()
