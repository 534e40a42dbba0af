"""The feed of a fit in `local[2]` with two trainers: f32 bytes a second, the fixed part, and other kinds of columns.

`--peers PYTHON`, an interpreter with what feed_peers.py imports, adds how others hand the same rows over.
`--bench PROGRAM` (flight-server/benches/feed.rs) gives what the rates are compared with, memcpy and DoPut of arrow-flight
alone, before and after the session in the same run. Medians with their range; a fit of no epochs feeds and does no more.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from common import argument, digits_like, report
from pyspark.ml.feature import HashingTF
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import candlewick
from candlewick import NeuralRegressor, nn


def spread(values: list[float], digits: int = 3) -> str:
    """Median and range."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def native(program: str, part: str) -> dict[str, float]:
    """GB/s that the benchmark without Spark prints, by name."""
    text = subprocess.run([program, part], check=True, capture_output=True, text=True).stdout
    return {name: float(rate) for name, rate in re.findall(r"^(\S.*): ([\d.]+) GB/s", text, re.MULTILINE)}


def compared(program: str | None) -> dict[str, float]:
    """What a feed is compared with."""
    return {} if program is None else native(program, "memcpy") | native(program, "raw")


def others(rows: int, rounds: int) -> dict[str, Any]:
    """Seconds in which others hand the rows over, each in processes of its own, and those of them in which Spark wrote."""
    found: dict[str, Any] = {}
    if "--peers" not in sys.argv:
        return found
    for peer in ("parquet", "mds"):
        script = str(Path(__file__).with_name("feed_peers.py"))
        command = [sys.argv[sys.argv.index("--peers") + 1], script, "--peer", peer]
        ran = subprocess.run(
            [*command, "--rounds", str(rounds), "--rows", str(rows)], check=False, capture_output=True, text=True
        )
        results = re.findall(r"^RESULT (.*)$", ran.stdout, re.MULTILINE)
        if not results:
            raise SystemExit(f"{peer} gave no result:\n{ran.stdout[-2000:]}\n{ran.stderr[-4000:]}")
        result = json.loads(results[0])
        whole = result["seconds"][1:]
        found[peer] = {
            "seconds": spread(whole),
            "written_s": spread(result["written"][1:]),
            "gb_per_s": spread([result["bytes"] / second / 1e9 for second in whole], 2),
        }
    return found


def feeds(df: DataFrame, rounds: int, **params: Any) -> tuple[list[float], int]:
    """Seconds of the feed of some fits, the first one too, and the bytes that one feeds."""
    estimator = NeuralRegressor(
        network=nn.Sequential(nn.Flatten(), nn.Linear(1)), epochs=0, seed=1, numTrainers=2, **params
    )
    summaries = [estimator.fit(df).summary for _ in range(rounds + 1)]
    return [summary.phases["feed"] for summary in summaries], summaries[0].ledger["featureBytes"]


def kept(df: DataFrame) -> DataFrame:
    """The same, cached."""
    df = df.cache()
    df.count()
    return df


def pixel(divisor: int) -> Any:
    """A value of a picture, by row and column."""
    return lambda j: F.pmod(F.hash(F.col("id"), j), F.lit(divisor))


def kinds(spark: SparkSession) -> dict[str, tuple[DataFrame, dict[str, Any]]]:
    """Columns of other kinds, and many partitions."""
    label = (F.col("id") % 10).cast("double").alias("label")
    columns = [(F.hash("id", F.lit(at)) / 2e9).cast("double").alias(f"c{at}") for at in range(20)]
    words = F.transform(F.sequence(F.lit(1), F.lit(60)), lambda j: F.hash("id", j).cast("string")).alias("words")
    texts = HashingTF(inputCol="words", outputCol="features", numFeatures=4096)
    line = F.transform(F.sequence(F.lit(0), F.lit(27)), lambda j: (pixel(255)(j) / 255.0).cast("float"))
    image = F.unhex(F.concat_ws("", F.transform(F.sequence(F.lit(0), F.lit(97)), lambda j: F.md5(F.concat("id", j)))))
    few = F.array(*columns[:4]).alias("features")
    named = {"featuresCols": [f"c{at}" for at in range(20)]}
    return {
        "20 columns, 500,000 rows": (spark.range(0, 500_000, 1, 4).select(*columns, label), named),
        "sparse 4,096, 60 non-zeros, 20,000 rows": (
            texts.transform(spark.range(0, 20_000, 1, 4).select(words, label)).select("features", "label"),
            {},
        ),
        "array<array<float>> 28 x 28, 60,000 rows": (
            spark.range(0, 60_000, 1, 4).select(F.array_repeat(line, 28).alias("features"), label),
            {},
        ),
        "binary 1,568 with scale, 60,000 rows": (
            spark.range(0, 60_000, 1, 4).select(image.alias("features"), label),
            {"inputShape": [1568], "scale": 1 / 255},
        ),
        "2,000 partitions of 20 rows": (spark.range(0, 40_000, 1, 2_000).select(few, label), {}),
        "10,000 partitions of 2 rows": (spark.range(0, 20_000, 1, 10_000).select(few, label), {}),
    }


def main() -> None:
    """Prints the numbers."""
    program = sys.argv[sys.argv.index("--bench") + 1] if "--bench" in sys.argv else None
    before = compared(program)
    spark = candlewick.session(
        **{
            "spark.master": "local[2]",
            "spark.driver.memory": "6g",
            "spark.ui.enabled": "false",
            "spark.log.level": "ERROR",
        }
    )
    rows, rounds = argument("rows", 60_000), argument("rounds", 5)
    df = digits_like(spark, rows)
    seconds, size = feeds(df, rounds)
    warm = statistics.median(seconds[1:])
    unshuffled, _ = feeds(df, rounds, dataShuffle="none")
    encrypted, _ = feeds(df, rounds, transportSecurity="tls")
    fixed, _ = feeds(kept(df.limit(1_000).repartition(4)), rounds)
    numbers: dict[str, Any] = {
        "rows": rows,
        "first_gb_per_s": round(size / seconds[0] / 1e9, 2),
        "warm_gb_per_s": spread([size / second / 1e9 for second in seconds[1:]], 2),
        "warm_unshuffled_gb_per_s": spread([size / second / 1e9 for second in unshuffled[1:]], 2),
        "warm_encrypted_gb_per_s": spread([size / second / 1e9 for second in encrypted[1:]], 2),
        "fixed_s": spread(fixed[1:]),
    }
    if "--dense" not in sys.argv:
        for name, (frame, params) in kinds(spark).items():
            frame = kept(frame)
            seconds, size = feeds(frame, min(rounds, 2) if "partitions" in name else rounds, **params)
            rates = [size / second / 1e9 for second in seconds[1:]]
            numbers[name] = {"seconds": spread(seconds[1:]), "gb_per_s": spread(rates, 2)}
            frame.unpersist()
    spark.stop()
    numbers["peers"] = others(rows, rounds)
    for peer in numbers["peers"].values():
        peer["of_ours"] = round(float(peer["seconds"].split()[0]) / warm, 1)
    numbers["compared_before"], numbers["compared_after"] = before, compared(program)
    report(numbers)


if __name__ == "__main__":
    main()
