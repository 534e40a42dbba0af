"""`transform` next to `predict_batch_udf` with PyTorch, and next to what the engine's products alone would allow.

    python benchmarks/transform.py --bench PROGRAM [--rounds 5] [--rows 60000] [--narrow-rows 2000000]

Run by a Python that has PyTorch and PySpark (`make bench-transform`). All are measured in one session on `local[2]`, in turn: a
round has one pass of each. PROGRAM is model/benches/forward.rs: the forward pass of rows that are in memory, on two threads.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from common import CLASSES, HIDDEN, WIDTH, below, digits_like, report, timed
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType

import candlewick
from candlewick import NeuralClassifier, nn

NARROW = (20, 32, 32, 2)
WIDE = (WIDTH, *HIDDEN, CLASSES)
THREADS = 2
#: Rows of an Arrow batch, and rows of a call of PyTorch: the fastest pair is the peer.
SIZES = ((256, 256), (1_024, 1_024), (4_096, 1_024), (10_000, 1_024), (10_000, 10_000))
ARROW = "spark.sql.execution.arrow.maxRecordsPerBatch"
OURS, PEER, LIMIT = "transform, prediction", "predict_batch_udf, prediction", "forward alone"


def network(widths: Sequence[int]) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers = [layer for width in widths[1:-1] for layer in (nn.Linear(width), nn.ReLU())]
    return nn.Sequential(*layers, nn.Linear(widths[-1]))


def torch_udf(widths: Sequence[int], batch: int) -> Any:
    """The same network in PyTorch, one thread a task."""

    def load() -> Callable[[np.ndarray], np.ndarray]:
        import torch

        torch.set_num_threads(1)
        pairs = list(zip(widths, widths[1:], strict=False))
        layers: Iterator[Any] = (part for a, b in pairs for part in (torch.nn.Linear(a, b), torch.nn.ReLU()))
        net = torch.nn.Sequential(*list(layers)[:-1]).eval()

        def predict(features: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                found: np.ndarray = net(torch.from_numpy(features)).argmax(dim=1).double().numpy()
                return found

        return predict

    return predict_batch_udf(load, return_type=DoubleType(), batch_size=batch, input_tensor_shapes=[[widths[0]]])


def narrow_rows(spark: SparkSession, rows: int) -> DataFrame:
    """Rows of 20 floats, cached."""
    value = [((F.col("id") * (7 + at)) % 1_000 / 500.0 - 1).cast("float") for at in range(NARROW[0])]
    frame = (
        spark.range(0, rows, 1, 4).select(F.array(*value).alias("features"), (F.col("id") % 2).alias("label")).cache()
    )
    frame.count()
    return frame


def write(frame: DataFrame) -> None:
    """Writes every column of every row to nowhere."""
    frame.write.format("noop").mode("overwrite").save()


def processor_seconds() -> float:
    """What this process and all below it used: Spark's JVM and Python's workers. Tells more than the clock on a machine that is shared."""
    # user, system, and those of children that ended
    return sum(sum(map(int, fields[11:15])) for fields in below().values()) / os.sysconf("SC_CLK_TCK")


def of_spark(action: Callable[[], Any]) -> tuple[float, float]:
    """Seconds by the clock, and of processors."""
    before = processor_seconds()
    seconds, _ = timed(action)
    return seconds, processor_seconds() - before


def limit(program: str, widths: Sequence[int], rows: int, threads: int = THREADS) -> tuple[float, float]:
    """Seconds of a forward pass over so many rows in memory, and of processors."""
    command = [program, "-".join(map(str, widths)), str(rows), str(threads), "1"]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = json.loads(told.split("RESULT ")[1])
    return found["seconds"][0], found["processor"][0]


def best_peer(
    spark: SparkSession, df: DataFrame, widths: Sequence[int]
) -> tuple[tuple[int, int], Callable[[], DataFrame]]:
    """The fastest sizes of the peer, each tried twice, and its frame."""

    def frame(sizes: tuple[int, int]) -> DataFrame:
        spark.conf.set(ARROW, str(sizes[0]))
        return df.withColumn("prediction", torch_udf(widths, sizes[1])("features"))

    def seconds(sizes: tuple[int, int]) -> float:
        return timed(lambda: write(frame(sizes).select("prediction")))[0]

    tried = {sizes: min(seconds(sizes) for _ in range(2)) for sizes in SIZES}
    best = min(tried, key=lambda sizes: tried[sizes])
    return best, lambda: frame(best)


def spread(rows: int, times: list[tuple[float, float]]) -> str:
    """Rows a second, median and range; microseconds of processors for a row, median."""
    values = sorted(rows / clock for clock, _ in times)
    used = statistics.median(used for _, used in times) / rows * 1e6
    return f"{statistics.median(values):,.0f} ({values[0]:,.0f}-{values[-1]:,.0f}), {used:.3g}"


def measure(options: Any, spark: SparkSession, df: DataFrame, widths: Sequence[int]) -> dict[str, Any]:
    """All passes of one network, in turn."""
    rows = df.count()
    model = NeuralClassifier(network=network(widths), epochs=0, numTrainers=1).fit(df.limit(1_000))
    passes: dict[str, Callable[[], tuple[float, float]]] = {
        OURS: lambda: of_spark(lambda: write(model.transform(df).select("prediction"))),
        "transform, prediction and label": lambda: of_spark(
            lambda: write(model.transform(df).select("label", "prediction"))
        ),
        "transform, all columns": lambda: of_spark(lambda: write(model.transform(df))),
        "rows alone": lambda: of_spark(lambda: write(df)),
        LIMIT: lambda: limit(options.bench, widths, rows),
    }
    sizes = None
    if not options.alone:
        sizes, peer = best_peer(spark, df, widths)
        passes[PEER] = lambda: of_spark(lambda: write(peer().select("prediction")))
    for one in passes.values():
        # Compiled code, and Python workers that have loaded the model.
        one(), one()
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in passes}
    for turn in range(options.rounds):
        # What comes right after Python's workers is slower: it is another pass in each turn.
        for name in random.Random(turn).sample(list(passes), len(passes)):
            taken[name].append(passes[name]())
    middle = {name: rows / statistics.median(clock for clock, _ in times) for name, times in taken.items()}
    found: dict[str, Any] = {name: spread(rows, times) for name, times in taken.items()}
    found["of forward alone"] = round(middle[OURS] / middle[LIMIT], 2)
    if sizes:
        found["times predict_batch_udf"] = round(middle[OURS] / middle[PEER], 2)
        found["Arrow rows, PyTorch rows"] = sizes
    return {"-".join(map(str, widths)): {"rows": rows, **found}}


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--bench", required=True, help="the program of model/benches/forward.rs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--narrow-rows", type=int, default=2_000_000)
    parser.add_argument("--alone", action="store_true", help="without PyTorch")
    options = parser.parse_args()
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    spark = candlewick.session(
        **{
            "spark.master": f"local[{THREADS}]",
            "spark.driver.memory": "6g",
            "spark.ui.enabled": "false",
            "spark.log.level": "ERROR",
        }
    )
    found: dict[str, Any] = {}
    if options.rows:
        df = digits_like(spark, options.rows)
        found.update(measure(options, spark, df, WIDE))
        df.unpersist()
    if options.narrow_rows:
        found.update(measure(options, spark, narrow_rows(spark, options.narrow_rows), NARROW))
    for name, numbers in found.items():
        print(name)
        for key, value in numbers.items():
            print(f"  {key:40} {value}")
    report(found)
    spark.stop()


if __name__ == "__main__":
    main()
