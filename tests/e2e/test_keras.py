"""Networks of Keras compute here what they compute there: by NumPy, and by Keras itself where it is installed.

`pip install keras torch`, and KERAS_BACKEND=torch, beside what the other tests need.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from candlewick import NeuralRegressor, nn

TESTS = Path(__file__).parents[2] / "spark-package" / "python" / "tests"


def computed(spark: SparkSession, model: Any, rows: Any, logits: bool = False) -> Any:
    """What our network of a model puts out for rows."""
    network = nn.from_keras(model, logits=logits)
    outputs = np.zeros(int(np.prod(model.output_shape[1:])) if hasattr(model, "output_shape") else 3).tolist()
    data = spark.createDataFrame([(row.tolist(), outputs) for row in rows], ["features", "label"])
    fitted = NeuralRegressor(network=network, initialWeights=model, epochs=0).fit(data)
    return np.array([row.prediction.toArray() for row in fitted.transform(data).collect()])


@pytest.mark.filterwarnings("ignore:from_keras")
def test_a_network_of_pictures_computes_the_same(local2: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(TESTS)])
    model, rows, logits = importlib.import_module("standin_keras").cnn()
    assert np.allclose(computed(local2, model, rows, logits=True), logits, rtol=1e-5, atol=1e-5)


#: Layers of models, each with its input.
MODELS: dict[str, Any] = {
    "mlp": lambda given, layers, nested: [
        given((6,)),
        layers.Dense(8, "gelu"),
        layers.BatchNormalization(),
        layers.LayerNormalization(),
        layers.Dense(3),
    ],
    "cnn": lambda given, layers, nested: [
        given((9, 8, 2)),
        layers.Conv2D(4, 3, padding="same", activation="relu"),
        layers.BatchNormalization(),
        layers.MaxPooling2D(2),
        layers.Conv2D(6, (2, 3), activation="tanh"),
        layers.Dropout(0.2),
        layers.Flatten(),
        layers.ReLU(max_value=6),
        layers.Dense(5, activation="selu"),
        layers.Dense(3, activation="softmax"),
    ],
    "strided": lambda given, layers, nested: [
        given((9, 8, 2)),
        layers.Conv2D(4, 3, strides=2, padding="same", activation="silu"),
        layers.Conv2D(4, 4, padding="same"),
        layers.MaxPooling2D(2, padding="same"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(2),
    ],
    "sequence": lambda given, layers, nested: [
        given((7, 3)),
        layers.Conv1D(4, 3, padding="causal", dilation_rate=2),
        layers.LeakyReLU(),
        layers.AveragePooling1D(3, strides=1, padding="same"),
        layers.BatchNormalization(),
        layers.Dense(4),
        layers.GlobalMaxPooling1D(),
        layers.Dense(2),
    ],
    "words": lambda given, layers, nested: [
        given((5,)),
        layers.Embedding(9, 4),
        layers.Conv1D(3, 2),
        layers.Flatten(),
        layers.BatchNormalization(),
        layers.Dense(2),
    ],
    "picture": lambda given, layers, nested: [
        given((9, 8, 2)),
        layers.ZeroPadding2D(((1, 0), (2, 1))),
        layers.SpatialDropout2D(0.2),
        layers.Conv2D(3, 3, activation="softmax"),
        layers.Flatten(),
    ],
    "groups": lambda given, layers, nested: [
        given((6, 6, 4)),
        layers.Conv2D(8, 3, groups=2, use_bias=False),
        layers.BatchNormalization(center=False),
        layers.Permute((3, 1, 2)),
        layers.Reshape((8, 16)),
        layers.LayerNormalization(center=False, scale=False),
        layers.Flatten(),
        layers.Dense(2),
    ],
    "nested": lambda given, layers, nested: [
        given((6,)),
        nested([layers.Dense(4, "elu"), layers.Dense(4)]),
        layers.Activation("softplus"),
        layers.Dense(2),
    ],
    "pools": lambda given, layers, nested: [
        given((7, 7, 1)),
        layers.AveragePooling2D(3, strides=2, padding="same"),
        layers.AveragePooling2D(2, strides=3, padding="same"),
        layers.Flatten(),
        layers.Dense(2),
    ],
}


@pytest.mark.parametrize("name", MODELS)
def test_models_of_keras_compute_the_same(name: str, local2: SparkSession) -> None:
    keras = pytest.importorskip("keras")
    rng = np.random.default_rng(1)
    model = keras.Sequential(MODELS[name](keras.Input, keras.layers, keras.Sequential))
    for weight in model.weights:
        value = rng.normal(size=weight.shape) * 0.3
        weight.assign(np.abs(value) + 0.5 if "variance" in weight.path else value)
    shape = (5, *model.input_shape[1:])
    rows = (rng.integers(0, 9, size=shape) if name == "words" else rng.normal(size=shape)).astype("float32")
    expected = np.asarray(model.predict(rows, verbose=0)).reshape(5, -1)
    assert np.allclose(computed(local2, model, rows), expected, rtol=1e-5, atol=1e-5)
