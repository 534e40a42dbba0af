"""The pages that tell of the move from another library: our code in them runs, theirs is Python."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.ml.classification import MultilayerPerceptronClassifier
from pyspark.ml.linalg import Vectors
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from candlewick import NeuralClassifier, nn
from candlewick.errors import InvalidParameterError
from candlewick.optim import lr_scheduler
from tools import dist

from .support import blobs, classifier

PAGES = sorted((dist.ROOT / "docs" / "migrating").glob("*.md"))
PIXELS = 784


def blocks(page: Path) -> list[str]:
    """The blocks of Python of a page."""
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def ours(block: str) -> bool:
    return "from candlewick import" in block


def pictures(spark: SparkSession) -> DataFrame:
    """A hundred pictures of ten classes: as bytes of an array and as a Vector, and small ones in three colours."""
    rows = []
    for i in range(100):
        image = [(i * 7 + 13 * j + 29 * (i % 10)) % 256 for j in range(PIXELS)]
        rows.append((image, Vectors.dense([value / 255 for value in image]), float(i % 10)))
    return spark.createDataFrame(rows, ["image", "features", "label"]).withColumn("pixels", F.slice("image", 1, 192))


def test_there_is_a_page_for_each() -> None:
    assert [page.stem for page in PAGES] == [
        "bigdl", "horovod", "spark-deep-learning", "synapseml", "tensorflowonspark", "torchdistributor"
    ]  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.stem))
def test_what_was_and_what_is_are_python(page: Path) -> None:
    found = blocks(page)
    assert [ours(block) for block in found[:2]] == [False, True]
    for block in found:
        ast.parse(block)


def drawn(seed: int, **shapes: tuple[int, ...]) -> dict[str, Any]:
    """Arrays of random numbers by name."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


#: Weights of Keras that the pages speak of: of two Dense layers, and of a Conv2D with a Dense behind its Flatten.
DENSE = {"kernel1": (PIXELS, 20), "bias1": (20,), "kernel2": (20, 10), "bias2": (10,)}
CONVOLVED = {"conv_kernel": (3, 3, 3, 4), "conv_bias": (4,), "dense_kernel": (36, 10), "dense_bias": (10,)}
#: A state_dict of PyTorch, and what MLlib's perceptron has as weights.
STATE = {"0.weight": (64, PIXELS), "0.bias": (64,), "3.weight": (10, 64), "3.bias": (10,)}


@pytest.fixture(scope="module")
def data(local2: SparkSession) -> DataFrame:
    return pictures(local2).cache()


@pytest.fixture(scope="module")
def perceptron(data: DataFrame) -> Any:
    return MultilayerPerceptronClassifier(layers=[PIXELS, 64, 10], maxIter=3, seed=7).fit(data)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.stem))
def test_our_code_runs(
    page: Path, local2: SparkSession, data: DataFrame, perceptron: Any, tmp_path: Path
) -> None:  # fmt: skip
    given = {**drawn(1, **DENSE), **drawn(1, **CONVOLVED), "state": drawn(1, **STATE), "perceptron_model": perceptron}
    for block in filter(ours, blocks(page)):
        names = {"spark": local2, "train": data, "test": data, "path": str(tmp_path / "folder"), **given}
        exec(compile(block, page.name, "exec"), names)
        scored = names.get("scored")
        if isinstance(scored, DataFrame):
            assert scored.select("prediction", "probability").count() == data.count()


def made_by(stem: str, word: str, names: dict[str, Any]) -> dict[str, Any]:
    """What our block of a page that has the word makes of these names."""
    (page,) = [page for page in PAGES if page.stem == stem]
    (block,) = [block for block in blocks(page) if ours(block) and word in block]
    exec(compile(block, page.name, "exec"), names)
    return names


def test_weights_of_keras_give_what_keras_gives(data: DataFrame) -> None:
    given = drawn(2, **DENSE)
    names = made_by("spark-deep-learning", "kernel1", {"train": data, "test": data, **given})
    scored = names["scored"]
    assert isinstance(scored, DataFrame)
    for row in scored.select("features", "prediction").collect():
        hidden = np.maximum(row.features.toArray() @ given["kernel1"] + given["bias1"], 0)
        assert row.prediction == np.argmax(hidden @ given["kernel2"] + given["bias2"])


def convolved(pixels: Any, kernel: Any, bias: Any) -> Any:
    """Keras's Conv2D without padding: [height, width, channels] in and out."""
    height, width = pixels.shape[0] - kernel.shape[0] + 1, pixels.shape[1] - kernel.shape[1] + 1
    out = np.empty((height, width, kernel.shape[3]))
    for y in range(height):
        for x in range(width):
            window = pixels[y : y + kernel.shape[0], x : x + kernel.shape[1], :, None]
            out[y, x] = (window * kernel).sum(axis=(0, 1, 2)) + bias
    return out


def pooled(x: Any) -> Any:
    """Keras's MaxPooling2D()."""
    return x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2, -1).max(axis=(1, 3))


def raw(model: Any, df: DataFrame) -> Any:
    """The network's outputs, row by row."""
    return np.array([row.rawPrediction.toArray() for row in model.transform(df).collect()])


def test_weights_of_keras_with_convolutions_give_what_keras_gives(data: DataFrame) -> None:
    given = drawn(3, **CONVOLVED)
    names = made_by("spark-deep-learning", "conv_kernel", {"train": data, "test": data, **given})
    flat = []
    for row in data.select("pixels").collect():
        seen = np.maximum(convolved(np.reshape(row.pixels, (8, 8, 3)), given["conv_kernel"], given["conv_bias"]), 0)
        flat.append(pooled(seen).reshape(-1))
    keras = np.array(flat) @ given["dense_kernel"] + given["dense_bias"]
    near = {"rtol": 1e-5, "atol": 1e-5 * np.abs(keras).max()}
    np.testing.assert_allclose(raw(names["model"], data), keras, **near)
    # The other way that the page tells: turn what Flatten reads, not the rows.
    layers = names["model"].network[:-2]
    weights = {name: value for name, value in names["weights"].items() if name[0] != "5"}
    dense = {"weight": given["dense_kernel"].T, "bias": given["dense_bias"]}
    params: dict[str, Any] = dict(featuresCol="pixels", inputShape=[8, 8, 3], epochs=0)
    turned = NeuralClassifier(
        network=nn.Sequential(*layers, nn.Permute([0, 2, 3, 1]), nn.Flatten(), nn.Linear(10)),
        initialWeights={**weights, **{f"6.{name}": value for name, value in dense.items()}}, **params,
    ).fit(data)  # fmt: skip
    np.testing.assert_allclose(raw(turned, data), keras, **near)
    # Rows as they are: taken without a word, and wrong. A kernel that is not square is told.
    net = names["model"].network
    wrong = {**weights, **{f"5.{name}": value for name, value in dense.items()}}
    assert np.abs(raw(NeuralClassifier(network=net, initialWeights=wrong, **params).fit(data), data) - keras).max() > 1
    wrong["5.weight"] = given["dense_kernel"]
    with pytest.raises(InvalidParameterError, match=r"5.weight \[36, 10\] instead of \[10, 36\]; .* look transposed"):
        NeuralClassifier(network=net, initialWeights=wrong, **params).fit(data)


def normalised(x: Any, gamma: Any, beta: Any, mean: Any, variance: Any) -> Any:
    """Keras's BatchNormalization as it scores."""
    return (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def lstm(steps: Any, kernel: Any, recurrent: Any, bias: Any) -> Any:
    """The last output of Keras's LSTM: gates i, f, c, o."""
    size = recurrent.shape[0]
    h, c = np.zeros(size), np.zeros(size)
    for x in steps:
        i, f, g, o = np.split(x @ kernel + h @ recurrent + bias, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    return h


def gru(steps: Any, kernel: Any, recurrent: Any, bias: Any) -> Any:
    """The last output of Keras's GRU (reset_after): gates z, r, h."""
    h = np.zeros(recurrent.shape[0])
    for x in steps:
        of_x, of_h = np.split(x @ kernel + bias[0], 3), np.split(h @ recurrent + bias[1], 3)
        z, r = sigmoid(of_x[0] + of_h[0]), sigmoid(of_x[1] + of_h[1])
        h = z * h + (1 - z) * np.tanh(of_x[2] + r * of_h[2])
    return h


def swapped(x: Any) -> Any:
    """The first two thirds of the last dimension change places."""
    z, r, h = np.split(x, 3, axis=-1)
    return np.concatenate([r, z, h], axis=-1)


def test_other_weights_of_keras_as_the_table_says(local2: SparkSession) -> None:
    words = np.random.default_rng(4).integers(0, 20, (12, 7))
    rows = [(line.tolist(), float(at % 5)) for at, line in enumerate(words)]
    df = local2.createDataFrame(rows, "features array<int>, label double").coalesce(1).cache()

    def scored(network: Any, weights: dict[str, Any]) -> Any:
        return raw(NeuralClassifier(network=network, initialWeights=weights, epochs=0).fit(df), df)

    table = drawn(5, table=(20, 6))["table"]
    k, r, b = drawn(6, k=(6, 20), r=(5, 20), b=(20,)).values()
    ours = {"0.weight": table, "1.weight_ih_l0": k.T, "1.weight_hh_l0": r.T, "1.bias_ih_l0": b}
    ours["1.bias_hh_l0"] = np.zeros_like(b)
    found = scored(nn.Sequential(nn.Embedding(20, 6), nn.LSTM(5, output="last")), ours)
    np.testing.assert_allclose(found, [lstm(table[line], k, r, b) for line in words], atol=1e-5)

    k, r, b = drawn(7, k=(6, 15), r=(5, 15), b=(2, 15)).values()
    ours = {"0.weight": table, "1.weight_ih_l0": swapped(k).T, "1.weight_hh_l0": swapped(r).T}
    ours |= {"1.bias_ih_l0": swapped(b)[0], "1.bias_hh_l0": swapped(b)[1]}
    found = scored(nn.Sequential(nn.Embedding(20, 6), nn.GRU(5, output="last")), ours)
    np.testing.assert_allclose(found, [gru(table[line], k, r, b) for line in words], atol=1e-5)

    gamma, beta, mean, variance = drawn(8, gamma=(4,), beta=(4,), mean=(4,), variance=(4,)).values()
    kernel, bias = drawn(9, kernel=(2, 1, 1, 4), bias=(4,)).values()
    dense = drawn(10, kernel=(24, 5))["kernel"]
    ours = {"1.weight": kernel.transpose(3, 2, 0, 1), "1.bias": bias, "2.weight": gamma, "2.bias": beta}
    ours |= {"2.running_mean": mean, "2.running_var": variance**2, "2.num_batches_tracked": np.zeros(())}
    ours |= {"4.weight": dense.reshape(6, 1, 4, -1).transpose(3, 2, 0, 1).reshape(-1, 24), "4.bias": np.zeros(5)}
    net = nn.Sequential(
        nn.Reshape([1, 7, 1]), nn.Conv2d(4, (2, 1)), nn.BatchNorm2d(eps=1e-3), nn.Flatten(), nn.Linear(5)
    )
    keras = [
        normalised(convolved(line.reshape(7, 1, 1), kernel, bias), gamma, beta, mean, variance**2).reshape(-1) @ dense
        for line in words
    ]
    np.testing.assert_allclose(scored(net, ours), keras, rtol=1e-4, atol=1e-3)


def test_weights_of_mllibs_perceptron_give_its_probabilities(data: DataFrame, perceptron: Any) -> None:
    names = made_by("synapseml", "perceptron_model", {"train": data, "test": data, "perceptron_model": perceptron})
    theirs = [row.probability.toArray() for row in perceptron.transform(data).collect()]
    ours = [row.probability.toArray() for row in names["scored"].collect()]
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_threshold_ends_the_training(local2: SparkSession) -> None:
    names = made_by("bigdl", "setCallbacks", {"train": blobs(local2)})
    assert names["model"].summary.stoppedEarly and "callback" in names["model"].summary.stopReason
    last = names["model"].summary.history[-1]
    assert last["loss"] < 0.1 or last["val_accuracy"] > 0.95


def test_a_warm_up_alone(local2: SparkSession) -> None:
    warm = lr_scheduler.ConstantLR(factor=1.0, warmup_steps=20)
    rates = [
        record["lr"] for record in classifier(lrScheduler=warm, epochs=4).fit(blobs(local2)).summary.history
    ]  # fmt: skip
    assert rates[0] < rates[1] < rates[2] == rates[3] == 1e-2
