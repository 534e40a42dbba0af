"""Graph networks over columns, and trainings that start from given weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.ml.linalg import Vectors
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import candlewick
from candlewick import NeuralClassifier, NeuralRegressionModel, NeuralRegressor, _weights, nn, optim
from candlewick.errors import InvalidDataError, InvalidParameterError, translated

from .support import blobs, classifier


@pytest.fixture(scope="module")
def shop(local2: SparkSession) -> DataFrame:
    """A Vector, an array and a number; the label depends on all of them."""
    rows = []
    for i in range(400):
        user = [((i * (3 + 2 * j) + j) % 17) / 17.0 for j in range(4)]
        item = [((i * (5 + j) + 2 * j) % 13) / 13.0 for j in range(3)]
        price = (i % 7) / 7.0
        label = float(user[0] + item[1] > 0.8 + 0.3 * price)
        rows.append((Vectors.dense(user), item, price, label, [sum(user), 2.0 * price]))
    return local2.createDataFrame(rows, ["user", "item", "price", "label", "targets"]).cache()


def wide_and_deep() -> nn.Graph:
    user, item, price = nn.Input("user", shape=[4]), nn.Input("item", shape=[3]), nn.Input("price")
    wide = nn.Concat()(user, item, price)
    deep = nn.ReLU()(nn.Linear(16)(wide, name="embed"))
    return nn.Graph(inputs=[user, item, price], outputs={"logit": nn.Linear(2)(nn.Concat()(nn.Linear(8)(deep), wide))})


def columns(data: DataFrame) -> dict[str, np.ndarray[Any, Any]]:
    rows = data.collect()
    return {
        "user": np.array([row.user.toArray() for row in rows], dtype=np.float32),
        "item": np.array([row["item"] for row in rows], dtype=np.float32),
        "price": np.array([[row.price] for row in rows], dtype=np.float32),
    }


def linear(weights: dict[str, np.ndarray[Any, Any]], name: str, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def test_wide_and_deep_from_several_columns(shop: DataFrame) -> None:
    def fit(trainers: int) -> Any:
        return NeuralClassifier(
            network=wide_and_deep(), epochs=30, batchSize=32, optimizer=optim.AdamW(lr=1e-2), numTrainers=trainers
        ).fit(shop)

    model = fit(1)
    assert fit(2).weightsHash == model.weightsHash
    scored = model.transform(shop)
    assert scored.where("prediction = label").count() > 380
    weights, x = model.weights(), columns(shop)
    assert set(weights) == {f"{name}.{part}" for name in ("embed", "linear_1", "logit") for part in ("weight", "bias")}
    wide = np.concatenate([x["user"], x["item"], x["price"]], axis=1)
    deep = linear(weights, "linear_1", np.maximum(linear(weights, "embed", wide), 0))
    logits = linear(weights, "logit", np.concatenate([deep, wide], axis=1))
    wanted = logits - logits.mean(axis=1, keepdims=True)
    got = np.array([row.rawPrediction.toArray() for row in scored.collect()])
    assert np.allclose(got, wanted, atol=1e-4)


def test_two_outputs_have_a_column_each(shop: DataFrame, tmp_path: Path) -> None:
    user, price = nn.Input("user", [4]), nn.Input("price")
    hidden = nn.Tanh()(nn.Linear(8)(nn.Concat()(user, price)))
    net = nn.Graph([user, price], {"total": nn.Linear(1)(hidden), "double": nn.Linear(1)(hidden)})

    def fit(trainers: int) -> Any:
        estimator = NeuralRegressor(
            network=net,
            labelCol="targets",
            epochs=40,
            batchSize=40,
            numTrainers=trainers,
            optimizer=optim.Adam(lr=0.02),
        )
        return estimator.fit(shop)

    model = fit(2)
    assert fit(1).weightsHash == model.weightsHash
    model.save(str(tmp_path / "model"))
    scored = NeuralRegressionModel.load(str(tmp_path / "model")).transform(shop)
    assert scored.columns[-3:] == ["prediction", "prediction_total", "prediction_double"]
    weights, x = model.weights(), columns(shop)
    hidden_values = np.tanh(linear(weights, "linear_1", np.concatenate([x["user"], x["price"]], axis=1)))
    rows = scored.collect()
    for at, name in enumerate(("total", "double")):
        wanted = linear(weights, name, hidden_values)[:, 0]
        assert np.allclose([row[f"prediction_{name}"] for row in rows], wanted, atol=1e-5)
        assert [row.prediction[at] for row in rows] == [row[f"prediction_{name}"] for row in rows]
    assert np.mean([(row.prediction_total - row.targets[0]) ** 2 for row in rows]) < 0.02


def test_autoencoder(shop: DataFrame) -> None:
    item = nn.Input("item", [3])
    code = nn.Linear(2)(item, name="code")
    net = nn.Graph(item, {"again": nn.Linear(3)(code), "compressed": code})
    data = shop.withColumn("both", F.expr("concat(item, array(0.0D, 0.0D))"))
    model = NeuralRegressor(network=net, labelCol="both", epochs=2, numTrainers=1).fit(data)
    row = model.transform(data).first()
    assert row is not None
    assert len(row.prediction_again) == 3 and len(row.prediction_compressed) == 2
    assert list(row.prediction) == [*row.prediction_again, *row.prediction_compressed]


def test_columns_that_do_not_fit_are_named(shop: DataFrame) -> None:
    estimator = NeuralClassifier(network=wide_and_deep(), epochs=1, numTrainers=1)
    with pytest.raises(InvalidParameterError, match="no column 'price'"):
        estimator.fit(shop.drop("price"))
    with pytest.raises(InvalidDataError, match=r"column 'item' has 2 values, expected 3"):
        estimator.fit(shop.withColumn("item", F.slice("item", 1, 2)))
    # Together the columns have as many values as the network wants.
    moved = shop.withColumn("item", F.slice("item", 1, 2)).withColumn("price", F.array("price", "price"))
    with pytest.raises(InvalidDataError, match="column 'item' has 2 values"):
        estimator.fit(moved)
    with pytest.raises(InvalidDataError, match="column 'user' is null"):
        estimator.fit(shop.withColumn("user", F.expr("if(price > 0.8, null, user)")))
    model = estimator.fit(shop)
    with pytest.raises(InvalidParameterError, match="no column 'user'"):
        model.transform(shop.drop("user"))
    renamed = estimator.copy().setFeaturesCols(["u", "item", "price"])
    model = renamed.fit(shop.withColumnRenamed("user", "u"))
    assert model.transform(shop.withColumnRenamed("user", "u")).count() == 400


def test_initial_weights_by_every_way(local2: SparkSession, tmp_path: Path) -> None:
    data = blobs(local2)
    first = classifier(epochs=2).fit(data)
    kept = classifier(epochs=0, seed=99)
    path = tmp_path / "weights.safetensors"
    path.write_bytes(first.weightsSafetensors)
    for given in (str(path), path.as_uri(), first.weightsSafetensors, first.weights(), first):
        model = kept.copy().setInitialWeights(given).fit(data)
        assert model.weightsHash == first.weightsHash
        assert model.summary.initialWeights == {"loaded": 4, "missing": [], "unexpected": [], "mismatched": []}
    continued = kept.copy().setInitialModel(first)
    continued.save(str(tmp_path / "estimator"))
    assert NeuralClassifier.load(str(tmp_path / "estimator")).fit(data).weightsHash == first.weightsHash
    hashes = {classifier(epochs=1, initialWeights=first, numTrainers=n).fit(data).weightsHash for n in (1, 2)}
    assert len(hashes) == 1 and first.weightsHash not in hashes
    assert classifier(epochs=0).fit(data).summary.initialWeights is None


def test_a_model_too_long_for_a_parameter_is_named_in_it(
    local2: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = blobs(local2)
    first = classifier(epochs=2).fit(data)
    named = type(first)
    monkeypatch.setattr(named, "_initial_text", lambda model: model._call_java("initialName", 0))
    estimator = classifier(epochs=0, seed=99, initialModel=first)
    assert estimator.getInitialWeights() == f"model:{first.uid}"
    for one in (estimator, estimator.copy(), classifier(epochs=0, initialWeights=first)):
        assert one.fit(data).weightsHash == first.weightsHash
    estimator.save(str(tmp_path / "estimator"))
    loaded = NeuralClassifier.load(str(tmp_path / "estimator"))
    with pytest.raises(InvalidParameterError, match=f"the model {first.uid} is not here"):
        loaded.fit(data)
    assert loaded.setInitialModel(first).fit(data).weightsHash == first.weightsHash


def test_weights_too_long_for_a_parameter_are_refused_as_scala_does(
    local2: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    java: Any = local2.sparkContext._jvm
    scala = java.candlewick.fit.InitialWeights
    assert scala.MaxInline() == _weights.MAX_INLINE
    with pytest.raises(InvalidParameterError) as expected, translated():
        scala.checkInline(_weights.MAX_INLINE + 1)
    with pytest.raises(InvalidParameterError) as found:
        _weights.check_inline(_weights.MAX_INLINE + 1)
    assert str(found.value) == str(expected.value)
    first = classifier(epochs=0).fit(blobs(local2))
    monkeypatch.setattr(_weights, "MAX_INLINE", 100)
    for given in (first.weightsSafetensors, first.weights()):
        with pytest.raises(InvalidParameterError, match="holds at most 100: write it to a file system"):
            classifier(initialWeights=given)


def test_initial_weights_that_do_not_fit(local2: SparkSession, tmp_path: Path) -> None:
    data = blobs(local2)
    state = {name: np.ones(shape, dtype=np.float64) for name, shape in {"0.weight": (16, 6), "9.bias": (2,)}.items()}
    estimator = classifier(epochs=0, initialWeights=state)
    with pytest.raises(InvalidParameterError, match=r"lacks 0.bias, 3.weight, 3.bias; the network has no 9.bias"):
        estimator.fit(data)
    model = estimator.setStrictWeights(False).fit(data)
    assert model.summary.initialWeights is not None
    assert model.summary.initialWeights["missing"] == ["0.bias", "3.weight", "3.bias"]
    assert (model.weights()["0.weight"] == 1).all()
    fresh = classifier(epochs=0).fit(data).weights()
    assert (model.weights()["3.weight"] == fresh["3.weight"]).all()
    with pytest.raises(InvalidParameterError, match="no such file"):
        estimator.setInitialWeights(str(tmp_path / "none")).fit(data)
    with pytest.raises(InvalidParameterError, match="it is a folder"):
        estimator.setInitialWeights(str(tmp_path)).fit(data)
    with pytest.raises(InvalidParameterError, match="not a safetensors file"):
        estimator.setInitialWeights(candlewick.to_safetensors(state)[:-5]).fit(data)


def test_executors_of_their_own_get_the_weights(cluster: SparkSession) -> None:
    data = blobs(cluster)
    first = classifier(epochs=1).fit(data)
    assert classifier(epochs=0, seed=99, initialWeights=first).fit(data).weightsHash == first.weightsHash
