"""Loss curves in bf16 next to those in f32, on three real sets of scikit-learn: `make bench-precision`.

Rows, seeds and networks are the same; the largest difference of an epoch's loss is relative to that of f32, and to the loss of the
first epoch: what is left of a loss after it has fallen to a thousandth differs by more than what it has fallen by.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from common import argument
from pyspark.sql import DataFrame, SparkSession
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits

import candlewick
from candlewick import NeuralClassifier, NeuralRegressor, nn

CONVOLUTIONS = nn.Sequential(
    nn.Unflatten(1, [1, 8, 8]), nn.Conv2d(32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(64, 3, padding=1),
    nn.ReLU(), nn.Flatten(), nn.Linear(64), nn.ReLU(), nn.Linear(10),
)  # fmt: skip
STEPS = nn.Sequential(nn.Unflatten(1, [8, 8]), nn.LSTM(64, output="last"), nn.Linear(10))
TOKENS = nn.Sequential(
    nn.Unflatten(1, [8, 8]),
    nn.Linear(32),
    nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0),
    nn.Flatten(),
    nn.Linear(10),
)
#: The precisions that are compared with f32.
SHORT = ("bf16", "bf16_amx")
#: Set, network, and what trains it.
CASES: dict[str, tuple[Any, Any, Any]] = {
    "digits, convolutions": (load_digits, CONVOLUTIONS, NeuralClassifier),
    "digits, LSTM": (load_digits, STEPS, NeuralClassifier),
    "digits, encoder": (load_digits, TOKENS, NeuralClassifier),
    "breast cancer, MLP": (load_breast_cancer, nn.Sequential(nn.Linear(64), nn.ReLU(), nn.Linear(2)), NeuralClassifier),
    "diabetes, MLP": (load_diabetes, nn.Sequential(nn.Linear(64), nn.Tanh(), nn.Linear(1)), NeuralRegressor),
}


def rows(spark: SparkSession, load: Any) -> DataFrame:
    """A set, every column with mean 0 and deviation 1."""
    bunch = load()
    x = np.asarray(bunch.data, dtype=np.float64)
    x = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-9)
    y = np.asarray(bunch.target, dtype=np.float64)
    if load is load_diabetes:
        y = (y - y.mean()) / y.std()
    pairs = [(list(map(float, features)), float(label)) for features, label in zip(x, y, strict=True)]
    return spark.createDataFrame(pairs, "features array<double>, label double").cache()


def main() -> None:
    """Prints a line for each case."""
    spark = candlewick.session(**{"spark.master": "local[2]", "spark.ui.enabled": "false", "spark.log.level": "ERROR"})
    epochs = argument("epochs", 20)
    for name, (load, network, kind) in CASES.items():
        df = rows(spark, load)
        curves = {}
        for precision in ("f32", *SHORT):
            made = kind(
                network=network, precision=precision, epochs=epochs, batchSize=64, seed=3, numTrainers=1, verbose=False
            )
            curves[precision] = np.array(made.fit(df).summary.objectiveHistory)
        first, last = curves["f32"][0], curves["f32"][-1]
        print(f"{name:24} f32 {first:.4f} -> {last:.4f}", flush=True)
        for precision in SHORT:
            differences = np.abs(curves[precision] - curves["f32"])
            apart = differences / curves["f32"]
            print(
                f"{'':24} {precision} -> {curves[precision][-1]:.4f}  largest difference {100 * apart.max():.2f} %"
                f" (epoch {int(apart.argmax()) + 1}), {100 * differences.max() / first:.2f} % of the first loss",
                flush=True,
            )
    spark.stop()


if __name__ == "__main__":
    main()
