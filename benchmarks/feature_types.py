"""What rows of each type of features take in the trainers, and how long their feed lasts: `local[2]`, two trainers, no epochs.

Pictures of 784 bytes as `array<float>` and as binary; sparse vectors of 2^18 values of which 60 are not zero, against the 8
bytes of each of these; and the set that a peer publishes, 3,000 rows of 50,000 values of which a fifth is not zero. Medians
with their range.
"""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np
from common import argument, report
from pyspark.ml.feature import HashingTF
from pyspark.ml.linalg import SparseVector, Vectors, VectorUDT
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import candlewick
from candlewick import NeuralRegressor, nn

PEER_WIDTH = 50_000


def pictures(spark: SparkSession, rows: int) -> dict[str, DataFrame]:
    """Random bytes in both types."""
    pixel = F.transform(
        F.sequence(F.lit(0), F.lit(783)), lambda j: F.pmod(F.hash(F.col("id"), j), F.lit(256)).cast("float")
    )
    text = F.concat_ws("", F.transform(F.sequence(F.lit(0), F.lit(48)), lambda j: F.md5(F.concat("id", j))))
    label = (F.col("id") % 10).cast("double").alias("label")
    base = spark.range(0, rows, 1, 4)
    return {
        "array<float>": base.select(pixel.alias("features"), label),
        "binary": base.select(F.unhex(text).alias("features"), label),
    }


def texts(spark: SparkSession, rows: int) -> DataFrame:
    """Vectors of 2^18 values, 60 of them not zero but where words fall together."""
    words = F.transform(F.sequence(F.lit(1), F.lit(60)), lambda j: F.hash("id", j).cast("string")).alias("words")
    hashed = HashingTF(inputCol="words", outputCol="features", numFeatures=1 << 18)
    label = (F.col("id") % 10).cast("double").alias("label")
    return hashed.transform(spark.range(0, rows, 1, 4).select(words, label)).select("features", "label")


def filled(spark: SparkSession, rows: int) -> DataFrame:
    """Vectors of 50,000 values, a fifth of them not zero."""

    def vector(row: int) -> SparseVector:
        random = np.random.default_rng(row)
        indices = np.flatnonzero(random.random(PEER_WIDTH) < 0.2)
        return Vectors.sparse(PEER_WIDTH, indices, random.random(len(indices)) + 0.5)

    label = (F.col("id") % 10).cast("double").alias("label")
    return spark.range(0, rows, 1, 4).select(F.udf(vector, VectorUDT())("id").alias("features"), label)


def measured(frame: DataFrame, rounds: int, **params: Any) -> dict[str, Any]:
    """Feed some fits; the first one warms up."""
    frame = frame.cache()
    rows = frame.count()
    network = nn.Sequential(nn.Flatten(), nn.Linear(1)) if params else nn.Sequential(nn.Linear(1))
    estimator = NeuralRegressor(network=network, epochs=0, seed=1, numTrainers=2, batchSize=32, **params)
    summaries = [estimator.fit(frame).summary for _ in range(rounds + 1)]
    frame.unpersist()
    seconds = [summary.phases["feed"] for summary in summaries[1:]]
    accounts = [one["accounts"] for one in summaries[-1].memory]
    held = sum(one["rows"] + one["index"] for one in accounts)
    sent = summaries[-1].ledger["featureBytes"]
    return {
        "rows": rows,
        "sent_bytes_per_row": round(sent / rows, 1),
        "held_bytes_per_row": round(held / rows, 1),
        "seconds": f"{statistics.median(seconds):.2f} ({min(seconds):.2f}-{max(seconds):.2f})",
    }


def main() -> None:
    """Prints the numbers."""
    rounds = argument("rounds", 5)
    spark = candlewick.session(
        **{
            "spark.master": "local[2]",
            "spark.driver.memory": "6g",
            "spark.ui.enabled": "false",
            "spark.log.level": "ERROR",
        }
    )
    numbers: dict[str, Any] = {}
    for name, frame in pictures(spark, argument("pictures", 60_000)).items():
        numbers[f"784 bytes as {name}"] = measured(frame, rounds, inputShape=[784], scale=1 / 255)
    sparse = measured(texts(spark, argument("texts", 200_000)), rounds)
    sparse["held_of_nonzeros"] = round(sparse["held_bytes_per_row"] / sparse["sent_bytes_per_row"], 2)
    numbers["2^18 values, 60 not zero"] = sparse
    numbers["50,000 values, a fifth not zero"] = measured(filled(spark, argument("filled", 3_000)), rounds)
    spark.stop()
    report(numbers)


if __name__ == "__main__":
    main()
