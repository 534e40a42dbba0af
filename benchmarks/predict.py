"""One row at a time: `model.predict(vector)` in the JVM and from Python, next to Spark's logistic regression and PyTorch.

    python benchmarks/predict.py --python .cache/bench-venv/bin/python

Loops run in the JVM where the JVM is measured, and PyTorch in a process of its own. Medians of rounds that take turns,
microseconds a row.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from common import CLASSES, HIDDEN, WIDTH, argument, digits_like, report
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.common import _py2java
from pyspark.ml.functions import array_to_vector
from pyspark.sql import SparkSession

#: A loop over one model and one row; the sum keeps it from being left out.
LOOP = """
public class Loop {
  public static double seconds(Object model, Object row, int calls) {
    org.apache.spark.ml.PredictionModel one = (org.apache.spark.ml.PredictionModel) model;
    double sum = 0;
    long start = System.nanoTime();
    for (int call = 0; call < calls; call++) sum += one.predict(row);
    long end = System.nanoTime();
    return sum < 0 ? -1 : (end - start) / 1e9;
  }
}
"""


def loop(spark: SparkSession) -> Callable[[Any, Any, int], float]:
    """The loop, compiled by Spark's own compiler."""
    gateway: Any = spark.sparkContext._gateway
    compiler = gateway.jvm.org.codehaus.janino.SimpleCompiler()
    compiler.setParentClassLoader(gateway.jvm.Thread.currentThread().getContextClassLoader())
    compiler.cook(LOOP)
    made = compiler.getClassLoader().loadClass("Loop")
    method = next(one for one in made.getMethods() if one.getName() == "seconds")

    def seconds(model: Any, row: Any, calls: int) -> float:
        given = gateway.new_array(gateway.jvm.Object, 3)
        given[0], given[1], given[2] = model, row, calls
        return float(method.invoke(None, given))

    return seconds


def in_python(call: Callable[[], Any], calls: int) -> float:
    """Seconds of so many calls."""
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return time.perf_counter() - start


def pytorch(calls: int) -> None:
    """PyTorch's side: the same networks, one row, one thread."""
    import torch

    torch.set_num_threads(1)
    linear, relu = torch.nn.Linear, torch.nn.ReLU
    first, second = HIDDEN
    networks = {
        "PyTorch 784-512-256-10": torch.nn.Sequential(
            linear(WIDTH, first), relu(), linear(first, second), relu(), linear(second, CLASSES)
        ),
        "PyTorch 784-10": linear(WIDTH, CLASSES),
    }
    row = torch.rand(1, WIDTH)
    with torch.inference_mode():
        for network in networks.values():
            in_python(lambda network=network: int(network(row).argmax()), calls)
        spent = {
            name: in_python(lambda network=network: int(network(row).argmax()), calls)
            for name, network in networks.items()
        }
    report(spent)


def of_pytorch(python: str, calls: int) -> dict[str, float]:
    """The same, in a process of another environment."""
    command = [python, __file__, "--pytorch", "--calls", str(calls)]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, float] = json.loads(told.split("RESULT ")[1])
    return found


def main(python: str, calls: int, rounds: int) -> None:
    import candlewick
    from candlewick import NeuralClassifier, nn

    spark = candlewick.session(**{"spark.master": "local[2]", "spark.ui.enabled": "false", "spark.log.level": "ERROR"})
    frame = digits_like(spark, 2000).select(array_to_vector("features").alias("features"), "label").cache()
    layers = [nn.Linear(HIDDEN[0]), nn.ReLU(), nn.Linear(HIDDEN[1]), nn.ReLU(), nn.Linear(CLASSES)]
    perceptron = NeuralClassifier(network=nn.Sequential(*layers), epochs=0).fit(frame)
    flat = NeuralClassifier(network=nn.Sequential(nn.Linear(CLASSES)), epochs=0).fit(frame)
    logistic = LogisticRegression(maxIter=2).fit(frame)
    first = frame.first()
    assert first is not None
    row = first.features
    jvm_row = _py2java(spark.sparkContext, row)
    seconds = loop(spark)
    few = max(1, calls // 10)
    measured: dict[str, Callable[[], float]] = {
        "candlewick 784-512-256-10, JVM": lambda: seconds(perceptron._java_obj, jvm_row, calls),
        "candlewick 784-10, JVM": lambda: seconds(flat._java_obj, jvm_row, calls),
        "LogisticRegressionModel 784-10, JVM": lambda: seconds(logistic._java_obj, jvm_row, calls),
        "candlewick 784-10, Python": lambda: in_python(lambda: flat.predict(row), few) * calls / few,
        "LogisticRegressionModel 784-10, Python": lambda: in_python(lambda: logistic.predict(row), few) * calls / few,
    }
    found: dict[str, list[float]] = {}
    for round_ in range(rounds + 1):
        spent = {name: measure() for name, measure in measured.items()}
        spent.update(of_pytorch(python, calls))
        # The first round warms up.
        for name, second in spent.items() if round_ else ():
            found.setdefault(name, []).append(second / calls * 1e6)
    for name, micros in found.items():
        print(f"{name:42} {statistics.median(micros):8.1f} µs ({min(micros):.1f}-{max(micros):.1f})")
    report({name: statistics.median(micros) for name, micros in found.items()})
    spark.stop()


if __name__ == "__main__":
    if "--pytorch" in sys.argv:
        pytorch(argument("calls", 2000))
    else:
        main(sys.argv[sys.argv.index("--python") + 1], argument("calls", 2000), argument("rounds", 7))
