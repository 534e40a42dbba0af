"""Layers that are called again, and masks of padding, through Spark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from candlewick import NeuralClassifier, NeuralRegressionModel, NeuralRegressor, nn, optim
from candlewick.errors import InvalidParameterError

from .test_graph import linear


@pytest.fixture(scope="module")
def shop(local2: SparkSession) -> DataFrame:
    """Two arrays; the label depends on one of them."""
    rows = []
    for i in range(400):
        item = [((i * (5 + j) + 2 * j) % 13) / 13.0 for j in range(3)]
        user = [((i * (3 + 2 * j) + j) % 17) / 17.0 for j in range(4)]
        rows.append((user, item, item[0] - item[1]))
    return local2.createDataFrame(rows, ["user", "item", "label"]).cache()


def test_two_towers_share_their_weights(shop: DataFrame, tmp_path: Path) -> None:
    pairs = shop.withColumn("other", F.col("item"))
    left, right = nn.Input("item", [3]), nn.Input("other", [3])

    def network(right_tower: nn.Module, left_tower: nn.Module) -> nn.Graph:
        both = nn.Concat()(left_tower(left, name="tower"), right_tower(right, name="twin"))
        return nn.Graph([left, right], {"score": nn.Linear(1)(both)})

    def fit(net: nn.Graph, **arguments: Any) -> Any:
        return NeuralRegressor(network=net, epochs=4, batchSize=32, seed=3, **arguments).fit(pairs)

    tower = nn.Sequential(nn.Linear(8), nn.Tanh(), nn.Linear(4))
    model = fit(network(tower, tower), numTrainers=1)
    assert {name.split(".")[0] for name in model.weights()} == {"tower", "score"}
    assert fit(network(tower, tower), numTrainers=2).weightsHash == model.weightsHash
    # Towers of their own are another network.
    own = fit(network(nn.Sequential(nn.Linear(8), nn.Tanh(), nn.Linear(4)), tower), numTrainers=1)
    assert {name.split(".")[0] for name in own.weights()} == {"tower", "twin", "score"}
    weights, scored = model.weights(), model.transform(pairs).collect()
    x = np.array([row["item"] for row in scored], dtype=np.float32)
    code = linear(weights, "tower.2", np.tanh(linear(weights, "tower.0", x)))
    wanted = linear(weights, "score", np.concatenate([code, code], axis=1))[:, 0]
    assert np.allclose([row.prediction for row in scored], wanted, atol=1e-5)
    path = str(tmp_path / "towers")
    model.save(path)
    loaded = NeuralRegressionModel.load(path)
    assert loaded.weightsHash == model.weightsHash
    assert [row.prediction for row in loaded.transform(pairs).collect()] == [row.prediction for row in scored]
    assert fit(model.network, numTrainers=1, initialModel=model) is not None


def test_a_shared_layer_that_does_not_fit_is_named(shop: DataFrame) -> None:
    user, item = nn.Input("user", [4]), nn.Input("item", [3])
    tower = nn.Linear(2)
    net = nn.Graph([user, item], {"score": nn.Linear(1)(nn.Add()(tower(user), tower(item)))})
    with pytest.raises(InvalidParameterError, match=r"nodes.linear_2 \(Linear\): "):
        NeuralRegressor(network=net).fit(shop)


def test_words_that_are_filled_up_are_read_to_their_end(local2: SparkSession) -> None:
    # The class is the first word; what fills up comes after it.
    def text(i: int, length: int, filler: int) -> list[float]:
        words = [1 + i % 2, *(3 + (i * 7 + at) % 4 for at in range(length - 1))]
        return [float(word) for word in words] + [float(filler)] * (8 - length)

    def data(filler: int) -> DataFrame:
        rows = [(text(i, 2 + i % 5, filler), float(i % 2)) for i in range(240)]
        return local2.createDataFrame(rows, ["words", "label"])

    words = nn.Input("words", shape=[8])
    code = nn.Embedding(9, 6)(words)
    padding = nn.Eq(0)(words)
    last = nn.LSTM(8, output="last")(code, padding_mask=padding)
    attended = nn.TransformerEncoderLayer(6, 2, 8, dropout=0.0)(code, src_key_padding_mask=padding)
    summed = nn.GRU(4, output="last")(attended, padding)
    net = nn.Graph([words], {"class": nn.Linear(2)(nn.Concat()(last, summed))})

    def fit(trainers: int) -> Any:
        return NeuralClassifier(
            network=net, epochs=8, batchSize=24, optimizer=optim.Adam(lr=2e-2), seed=5, numTrainers=trainers
        ).fit(data(0))

    model = fit(1)
    assert fit(2).weightsHash == model.weightsHash
    scored = model.transform(data(0))
    assert scored.where("prediction = label").count() > 220
    with pytest.raises(InvalidParameterError, match="padding mask has no counterpart in ONNX"):
        model.toOnnx()


def test_a_mask_has_the_name_of_its_layer() -> None:
    words = nn.Input("words", shape=[4])
    with pytest.raises(TypeError, match="'key_padding_mask', which it does not take; its mask is padding_mask"):
        nn.LSTM(3)(words, key_padding_mask=words)
    with pytest.raises(TypeError, match=r"Linear is called with 'padding_mask', which it does not take$"):
        nn.Linear(3)(words, padding_mask=words)
