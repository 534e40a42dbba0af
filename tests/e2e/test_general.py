"""NeuralEstimator: several tasks at once, autoencoders, two towers, quantiles, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from unittest import TestCase

import numpy as np
import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.ml.functions import vector_to_array
from pyspark.ml.linalg import Vectors
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.testing.mlutils import check_params
from sklearn import metrics

import candlewick
from candlewick import NeuralEstimator, NeuralEstimatorModel, nn, optim
from candlewick.errors import InvalidDataError, InvalidParameterError
from tools import dist

#: What sums may differ by: they add the same numbers in another order.
ROUNDING = 1e-9


@pytest.fixture(scope="module")
def things(local2: SparkSession) -> DataFrame:
    """Points of three kinds, with a size that depends on them and two values besides."""
    rows = []
    for i in range(360):
        kind = i % 3
        x = [((i * (7 + 3 * j) + j) % 31) / 31.0 + (1.0 if j == kind else 0.0) for j in range(4)]
        rows.append((Vectors.dense(x), kind, sum(x), [x[0] - x[1], x[2] * 2.0], float(i)))
    made = local2.createDataFrame(rows, ["features", "kind", "size", "pair", "id"])
    return made.withColumn("kind", F.col("kind").cast("int")).cache()


def two_tasks() -> nn.Graph:
    features = nn.Input("features", 4)
    hidden = nn.Tanh()(nn.Linear(16)(features), name="hidden")
    return nn.Graph(
        features, {"kind": nn.Linear(3)(hidden), "size": nn.Linear(1)(hidden), "both": nn.Linear(2)(hidden)}
    )


LOSSES: dict[str, Any] = {
    "kind": nn.CrossEntropyLoss(),
    "size": nn.LossTerm(nn.MSELoss(), weight=0.5),
    "both": nn.LossTerm(nn.HuberLoss(), label="pair"),
}


def estimator(**params: Any) -> NeuralEstimator:
    settings: dict[str, Any] = dict(
        network=two_tasks(), loss=LOSSES, labelCols=["kind", "size", "pair"], epochs=20, batchSize=30, seed=3
    )
    return NeuralEstimator(**{**settings, "optimizer": optim.Adam(lr=0.02), **params})


@pytest.fixture(scope="module")
def model(things: DataFrame) -> NeuralEstimatorModel:
    return estimator(numTrainers=1).fit(things)


def linear(weights: dict[str, Any], name: str, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def test_a_class_a_value_and_values(things: DataFrame, model: NeuralEstimatorModel) -> None:
    assert estimator(numTrainers=2).fit(things).weightsHash == model.weightsHash
    scored = model.transform(things)
    assert scored.columns[-3:] == ["prediction_kind", "prediction_size", "prediction_both"]
    assert estimator().getLoss().to_dict()["losses"][1]["output"] == "size"
    rows = scored.collect()
    weights = model.weights()
    x = np.array([row.features.toArray() for row in rows], dtype=np.float32)
    hidden = np.tanh(linear(weights, "linear_1", x))
    kinds = linear(weights, "kind", hidden).argmax(axis=1)
    assert [row.prediction_kind for row in rows] == kinds.tolist()
    assert np.mean(kinds == np.array([row.kind for row in rows])) > 0.95
    assert np.allclose([row.prediction_size for row in rows], linear(weights, "size", hidden)[:, 0], atol=1e-5)
    both = np.array([row.prediction_both.toArray() for row in rows])
    assert np.allclose(both, linear(weights, "both", hidden), atol=1e-5)
    assert np.mean([(row.prediction_size - row["size"]) ** 2 for row in rows]) < 0.05
    assert model.summary.history[-1]["loss"] < model.summary.history[0]["loss"] / 4
    for record in model.summary.history:
        parts = [record[f"loss_{name}"] for name in ("kind", "size", "both")]
        assert sum(parts) == pytest.approx(record["loss"], abs=ROUNDING)


def test_the_parts_of_the_loss_are_in_the_history_and_stop_the_training(things: DataFrame) -> None:
    stopping = candlewick.EarlyStopping(metric="val_loss_size", patience=1)

    def fit(trainers: int) -> Any:
        return estimator(validationFraction=0.2, earlyStopping=stopping, epochs=60, numTrainers=trainers).fit(things)

    model = fit(1)
    last = model.summary.history[-1]
    parts = [last[f"val_loss_{name}"] for name in ("kind", "size", "both")]
    assert sum(parts) == pytest.approx(last["val_loss"], abs=ROUNDING)
    several = fit(2)
    assert several.weightsHash == model.weightsHash
    assert [record["val_loss_size"] for record in several.summary.history] == [
        record["val_loss_size"] for record in model.summary.history
    ]
    with pytest.raises(InvalidParameterError, match='there will be no "val_loss_sise" in the history'):
        estimator(validationFraction=0.2, earlyStopping=candlewick.EarlyStopping(metric="val_loss_sise")).fit(things)


def test_one_row_is_what_transform_gives(things: DataFrame, model: NeuralEstimatorModel) -> None:
    for row in model.transform(things).limit(5).collect():
        told = model.predict(row.features)
        assert told == {"kind": row.prediction_kind, "size": row.prediction_size, "both": row.prediction_both}
    assert model.predict([0.5, 0.5, 0.5, 0.5]).keys() == {"kind", "size", "both"}
    with pytest.raises(InvalidParameterError, match="the features have 1 values, but the model was trained on 4"):
        model.predict([1.0])


def test_columns_are_chosen(things: DataFrame, model: NeuralEstimatorModel) -> None:
    asked = {"kind": "guess", "kind.probability": "sure", "kind.rawPrediction": "logits", "hidden": "code", "size": "s"}
    scored = model.copy().setOutputCols(asked).transform(things)
    assert scored.columns[-5:] == ["guess", "sure", "logits", "code", "s"]
    assert scored.schema["guess"].metadata["ml_attr"]["num_vals"] == 3
    row = scored.first()
    assert row is not None
    exp = np.exp(row.logits.toArray() - row.logits.toArray().max())
    assert np.allclose(row.sure.toArray(), exp / exp.sum(), atol=1e-12)
    assert row.guess == row.sure.toArray().argmax() and len(row.code) == 16
    assert estimator(outputCols=asked).fit(things.limit(40)).transform(things).columns[-5:] == scored.columns[-5:]
    with pytest.raises(InvalidParameterError, match="the loss of the output size does not tell classes apart"):
        model.copy().setOutputCols({"size.probability": "p"}).transform(things)
    with pytest.raises(InvalidParameterError, match="outputCols: the DataFrame already has a column 'id'"):
        model.copy().setOutputCols({"kind": "id"}).transform(things)
    with pytest.raises(InvalidParameterError, match="no layer or node"):
        model.copy().setOutputCols({"hiden": "code"}).transform(things)


def test_evaluate_has_the_metrics_of_every_output(things: DataFrame, model: NeuralEstimatorModel) -> None:
    found = model.evaluate(things)
    rows = model.transform(things).collect()
    truth, guess = [row.kind for row in rows], [row.prediction_kind for row in rows]
    sizes = [row["size"] for row in rows], [row.prediction_size for row in rows]
    pairs = [row.pair for row in rows], [row.prediction_both.toArray() for row in rows]
    wanted = {
        "kind_accuracy": metrics.accuracy_score(truth, guess),
        "kind_f1": metrics.f1_score(truth, guess, average="weighted"),
        "size_mse": metrics.mean_squared_error(*sizes),
        "size_r2": metrics.r2_score(*sizes),
        "both_mae": metrics.mean_absolute_error(*pairs),
    }
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, abs=ROUNDING), name
    assert {"kind_roc_auc", "size_rmse", "both_mape"} <= set(found)


def test_saved_piped_searched_and_in_sql(things: DataFrame, model: NeuralEstimatorModel, tmp_path: Path) -> None:
    model.write().overwrite().save(str(tmp_path / "model"))
    loaded = NeuralEstimatorModel.load(str(tmp_path / "model"))
    expected = model.transform(things).drop("features", "pair").collect()
    assert loaded.transform(things).drop("features", "pair").collect() == expected
    assert [label["name"] for label in loaded.dataContract["labels"]] == ["kind", "size", "pair"]
    assert loaded.evaluate(things) == pytest.approx(model.evaluate(things), abs=ROUNDING)
    assert "linear_1" in loaded.networkSummary and len(loaded.toOnnx()) > 100
    quick = estimator(epochs=1)
    piped = Pipeline(stages=[quick]).fit(things)
    piped.write().overwrite().save(str(tmp_path / "piped"))
    again = PipelineModel.load(str(tmp_path / "piped"))
    assert isinstance(again.stages[0], NeuralEstimatorModel)
    judge = MulticlassClassificationEvaluator(labelCol="kind", predictionCol="prediction_kind")
    grid = ParamGridBuilder().addGrid(quick.epochs, [0, 8]).build()
    chosen = CrossValidator(estimator=quick, estimatorParamMaps=grid, evaluator=judge, numFolds=2, seed=1)
    best: Any = chosen.fit(things.withColumn("kind", F.col("kind").cast("double"))).bestModel
    assert best.getEpochs() == 8
    candlewick.register(things.sparkSession, "things", model)
    things.createOrReplaceTempView("things")
    query = (
        "SELECT id, candlewick_predict('things', features, 'kind') k, candlewick_predict('things', features, 'size') s"
    )
    told = {row.id: (row.k, row.s) for row in things.sparkSession.sql(f"{query} FROM things").collect()}
    assert told == {row.id: (row.prediction_kind, row.prediction_size) for row in expected}
    with pytest.raises(Exception, match="the model has the outputs kind, size, both: name one"):
        things.sparkSession.sql("SELECT candlewick_predict('things', features) FROM things").collect()


def test_an_autoencoder_has_its_features_as_label(things: DataFrame) -> None:
    point = nn.Input("features", 4)
    code = nn.Tanh()(nn.Linear(3)(point), name="code")
    net = nn.Graph(point, {"again": nn.Linear(4)(code)})

    def fit(trainers: int) -> Any:
        return NeuralEstimator(
            network=net, labelCols=["features"], loss=nn.MSELoss(), epochs=30, batchSize=30, numTrainers=trainers,
            optimizer=optim.Adam(lr=0.02), outputCols={"again": "reconstruction", "code": "code"},
        ).fit(things)  # fmt: skip

    model = fit(1)
    assert fit(2).weightsHash == model.weightsHash
    scored = model.transform(things)
    assert scored.columns[-2:] == ["reconstruction", "code"]
    rows = scored.collect()
    x = np.array([row.features.toArray() for row in rows])
    again = np.array([row.reconstruction.toArray() for row in rows])
    assert np.mean((x - again) ** 2) < 0.05 and len(rows[0].code) == 3
    assert model.evaluate(things)["mse"] == pytest.approx(np.mean((x - again) ** 2), abs=ROUNDING)
    # A chain, and the label by labelCol.
    chain = NeuralEstimator(
        network=nn.Sequential(nn.Linear(2), nn.Linear(4)), labelCol="features", loss="mseloss", epochs=1
    )
    first = chain.fit(things).transform(things).first()
    assert first is not None and len(first.prediction) == 4


def test_arrays_of_arrays_as_labels_and_as_inputs(things: DataFrame) -> None:
    flat = things.select("id", vector_to_array(F.col("features"), "float32").alias("x"), "pair", "kind")
    square = F.array(F.slice("x", 1, 2), F.slice("x", 3, 2))
    data = flat.withColumn("image", square.cast("array<array<float>>")).withColumn("other", F.array("pair")).cache()

    def fit(network: Any, **params: Any) -> Any:
        return NeuralEstimator(
            network=network, loss=nn.MSELoss(), epochs=5, batchSize=30, optimizer=optim.Adam(lr=0.02), **params
        ).fit(data)

    # An image again, and the same from flat values.
    image = nn.Input("image", [2, 2])
    net = nn.Graph(image, {"again": nn.Linear(4)(nn.Tanh()(nn.Linear(3)(nn.Flatten()(image))))})
    model = fit(net, labelCols=["image"], numTrainers=1)
    assert fit(net, labelCols=["image"], numTrainers=2).weightsHash == model.weightsHash
    assert fit(net, featuresCols=["x"], labelCols=["x"]).weightsHash == model.weightsHash
    assert model.dataContract["labels"][0]["type"] == "array<array<float>>"
    rows = model.transform(data).collect()
    x, again = np.array([row.x for row in rows]), np.array([row.prediction.toArray() for row in rows])
    assert model.evaluate(data)["mse"] == pytest.approx(np.mean((x - again) ** 2), abs=1e-6)
    chain = fit(nn.Sequential(nn.Flatten(), nn.Linear(4)), featuresCol="image", labelCol="image")
    assert chain.transform(data).first().prediction.size == 4
    # A regressor has such a label too.
    regressor = candlewick.NeuralRegressor(
        network=nn.Sequential(nn.Linear(4)), featuresCol="x", labelCol="image", epochs=1
    ).fit(data)
    assert regressor.evaluate(data)["mse"] > 0
    # Several inputs, each with its shape.
    other = nn.Input("other", [1, 2])
    both = nn.Graph([image, other], {"kind": nn.Linear(2)(nn.Concat()(nn.Flatten()(image), nn.Flatten()(other)))})
    told = fit(both, labelCol="pair")
    flat_columns = data.withColumn("image", F.col("x")).withColumn("other", F.col("pair")).drop("x")
    assert told.transform(data).select("id", "prediction").orderBy("id").collect() == (
        told.transform(flat_columns).select("id", "prediction").orderBy("id").collect()
    )
    turned = data.withColumn("other", F.array(F.slice("pair", 1, 1), F.slice("pair", 2, 1)))
    shape = r"column 'other' has the shape \[2, 1\], expected \[1, 2\]"
    with pytest.raises(InvalidDataError, match=shape):
        told.transform(turned).collect()
    data, whole = turned, data
    with pytest.raises(InvalidDataError, match=shape):
        fit(both, labelCol="pair")
    ragged = F.when(F.col("id") == 7, F.array(F.slice("x", 1, 2), F.slice("x", 3, 1))).otherwise(square)
    data = whole.withColumn("label", ragged)
    with pytest.raises(InvalidDataError, match=r"column 'label' is ragged: it has 1 values at \[1\] and 2 at \[0\]"):
        fit(net, labelCols=["label"])


def test_two_towers_meet_in_a_product(local2: SparkSession) -> None:
    rows = []
    for i in range(240):
        left, right = [((i * (3 + j)) % 11) / 11.0 for j in range(3)], [((i * (5 + j)) % 7) / 7.0 for j in range(2)]
        rows.append((left, Vectors.dense(right), int(left[0] + right[0] > 0.9)))
    data = local2.createDataFrame(rows, ["user", "item", "clicked"]).cache()
    user, item = nn.Input("user", 3), nn.Input("item", 2)
    one = nn.Sequential(nn.Linear(8), nn.Tanh(), nn.Linear(4))(user, name="u")
    other = nn.Sequential(nn.Linear(8), nn.Tanh(), nn.Linear(4))(item, name="i")
    net = nn.Graph([user, item], {"click": nn.Linear(1)(nn.Multiply()(one, other))})

    def fit(trainers: int) -> Any:
        return NeuralEstimator(
            network=net, labelCol="clicked", loss=nn.BCEWithLogitsLoss(), epochs=40, batchSize=24, numTrainers=trainers,
            optimizer=optim.Adam(lr=0.02),
        ).fit(data)  # fmt: skip

    model = fit(2)
    assert fit(1).weightsHash == model.weightsHash
    scored = model.transform(data)
    assert scored.columns[-1] == "prediction" and scored.where("prediction = clicked").count() > 220
    towers = model.setOutputCols({"u": "user_vector", "i": "item_vector", "probability": "p"}).transform(data).first()
    assert len(towers.user_vector) == len(towers.item_vector) == 4
    assert sum(towers.p) == pytest.approx(1.0)
    assert model.evaluate(data)["roc_auc"] > 0.9


def test_quantiles_as_three_outputs(things: DataFrame) -> None:
    features = nn.Input("features", 4)
    hidden = nn.Tanh()(nn.Linear(16)(features))
    levels = {"low": 0.1, "median": 0.5, "high": 0.9}
    net = nn.Graph(features, {name: nn.Linear(1)(hidden) for name in levels})
    loss = {name: nn.QuantileLoss([level]) for name, level in levels.items()}
    data = things.withColumn("noisy", F.col("size") + (F.col("id") * 7 % 13) / 13.0)

    def fit(trainers: int) -> Any:
        return NeuralEstimator(
            network=net, labelCol="noisy", loss=loss, epochs=40, batchSize=30, numTrainers=trainers,
            optimizer=optim.Adam(lr=0.02),
        ).fit(data)  # fmt: skip

    model = fit(1)
    assert fit(2).weightsHash == model.weightsHash
    rows = model.transform(data).collect()
    below = {name: np.mean([row.noisy < row[f"prediction_{name}"] for row in rows]) for name in levels}
    assert below["low"] < 0.25 < below["median"] < 0.75 < below["high"]


def test_what_is_wrong_is_told_before_anything_starts(things: DataFrame) -> None:
    def refused(match: str, **params: Any) -> None:
        with pytest.raises(InvalidParameterError, match=match):
            estimator(**params).fit(things)

    refused("parameter loss is not set: a NeuralEstimator has no loss of its own", loss=None)
    refused("no output \"kinds\"; its outputs are kind, size, both; did you mean 'kind'", loss={"kinds": nn.MSELoss()})
    refused("no loss reads the label column 'pair'", loss={name: LOSSES[name] for name in ("kind", "size")})
    refused("no label column 'pairs'", loss={**LOSSES, "both": nn.LossTerm(nn.MSELoss(), label="pairs")})
    refused("it is not said which of them the loss is for", loss=nn.MSELoss())
    refused("labelCols: there is no column 'sise'", labelCols=["kind", "sise", "pair"])
    refused("labelCols: the column 'kind' is named twice", labelCols=["kind", "kind"])
    refused("labelCol and labelCols are both set", labelCol="kind")
    refused("is of one output, but the loss is made of several", metrics=["accuracy"])
    apart = nn.LossTerm(nn.MSELoss(), output=["kind", "both"], label="pair")
    refused("the outputs kind, both do not stand one after another", loss=nn.MultiLoss([apart]))
    with pytest.raises(InvalidParameterError, match="is a LossTerm over the output 'size'"):
        NeuralEstimator(loss={"kind": nn.LossTerm(nn.MSELoss(), output="size")})
    with pytest.raises(InvalidParameterError, match="is a MultiLoss"):
        NeuralEstimator(loss={"kind": nn.MultiLoss([nn.MSELoss()])})
    with pytest.raises(TypeError, match="call it: add"):
        NeuralEstimator(loss={"kind": nn.MSELoss})
    with pytest.raises(InvalidParameterError, match="labelCols: column 'kind' is a string"):
        estimator().fit(things.withColumn("kind", F.lit("a")))


def test_a_label_that_is_no_class_is_a_wrong_row(things: DataFrame) -> None:
    wrong = things.withColumn("kind", F.when(F.col("id") == 7, 5).otherwise(F.col("kind")))
    with pytest.raises(
        InvalidDataError, match=r"column 'kind' \(the label\) is 5: the labels of an output with 3 classes"
    ):
        estimator(epochs=1).fit(wrong)
    skipped = estimator(epochs=1, handleInvalid="skip").fit(wrong)
    assert skipped.summary.ledger["rowsSkipped"] == 1
    short = things.withColumn("pair", F.when(F.col("id") == 9, F.array(F.lit(1.0))).otherwise(F.col("pair")))
    with pytest.raises(
        InvalidDataError, match=r"column 'pair' \(the label\) has 1 values, expected 2, as in other rows"
    ):
        estimator(epochs=1).fit(short)


def test_weights_and_marks_stand_behind_the_labels(things: DataFrame, model: NeuralEstimatorModel) -> None:
    more = things.withColumn("one", F.lit(1.0)).withColumn("held", F.col("id") % 4 == 0)
    assert estimator(weightCol="one", numTrainers=1).fit(more).weightsHash == model.weightsHash
    marked = estimator(weightCol="one", validationIndicatorCol="held", epochs=1).fit(more)
    kept = estimator(epochs=1).fit(things.where("id % 4 != 0"))
    assert marked.weightsHash == kept.weightsHash and "val_loss_kind" in marked.summary.history[0]


def test_rows_that_are_not_valid_are_kept_with_null(things: DataFrame, model: NeuralEstimatorModel) -> None:
    broken = things.withColumn("features", F.when(F.col("id") != 3, F.col("features")))
    rows = model.copy().setHandleInvalid("keep").transform(broken).orderBy("id").collect()
    names = ("prediction_kind", "prediction_size", "prediction_both")
    assert [rows[3][name] for name in names] == [None] * 3 and None not in [rows[4][name] for name in names]


def test_a_loss_without_a_label(things: DataFrame) -> None:
    net = nn.Sequential(nn.Linear(6))
    made = NeuralEstimator(network=net, loss=nn.TripletMarginLoss(), labelCol="", epochs=1).fit(things)
    assert made.dataContract["labels"] == []
    with pytest.raises(InvalidParameterError, match="compares nothing one by one"):
        made.evaluate(things)
    with pytest.raises(InvalidParameterError, match="no loss reads the label column 'size'"):
        NeuralEstimator(network=net, loss=nn.TripletMarginLoss(), labelCol="size", epochs=1).fit(things)


def test_sparks_own_check_of_parameters(local2: SparkSession, model: NeuralEstimatorModel) -> None:
    test: Any = TestCase()
    test.sc = local2.sparkContext
    for stage in (NeuralEstimator(), model.copy()):
        check_params(test, stage)


def evaluates_tags(names: dict[str, Any]) -> None:
    """What evaluate says of several classes of a row at once is scikit-learn's."""
    posts = names["posts"].withColumn("w", F.rand(3) + 0.5).cache()
    tagger = names["tagger"].fit(posts).setWeightCol("w")
    scored = tagger.transform(posts).select("tags", "chances", "w").collect()
    tags, chances = np.array([row.tags for row in scored]), np.array([row.chances.toArray() for row in scored])
    given: dict[str, Any] = dict(sample_weight=np.array([row.w for row in scored]))
    guess = (chances > 0.5).astype(float)
    wanted = {"accuracy": metrics.accuracy_score(tags, guess, **given)}
    wanted["hamming_loss"] = metrics.hamming_loss(tags, guess, **given)
    wanted["roc_auc"] = metrics.roc_auc_score(tags, chances, **given)
    wanted["pr_auc"] = metrics.average_precision_score(tags, chances, **given)
    for average in ("macro", "micro"):
        for name in ("precision", "recall", "f1"):
            score = getattr(metrics, f"{name}_score")
            wanted[f"{name}_{average}"] = score(tags, guess, average=average, zero_division=0, **given)
    told = tagger.evaluate(posts)
    assert {name: told[f"tags_{name}"] for name in wanted} == pytest.approx(wanted, abs=1e-9)
    # A regressor with that loss says the same of its outputs; labels that are no tags have no such metrics.
    regressor = names["regressor"].copy().setParams(epochs=1).fit(posts)
    assert {"hamming_loss", "f1_micro", "roc_auc", "mae"} <= set(regressor.evaluate(posts))
    soft = posts.withColumn("tags", F.transform("tags", lambda tag: tag * 0.9))
    assert "f1_micro" not in regressor.evaluate(soft)


def test_the_page_runs(local2: SparkSession, capsys: pytest.CaptureFixture[str]) -> None:
    page = (dist.ROOT / "docs" / "general-networks.md").read_text()
    found = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(found) >= 6

    def rows(**widths: int) -> DataFrame:
        made = [
            [Vectors.dense([((i * (at + 3)) % 17) / 17.0 for at in range(width)]) for width in widths.values()]
            + [float(i % 10), i % 7 / 7.0, i % 5 / 5.0, i % 2, float(i)]
            for i in range(60)
        ]
        names = [*widths, "digit", "width", "height", "clicked", "price"]
        return local2.createDataFrame(made, names).cache()

    pictures = rows(pixels=64)
    names: dict[str, Any] = {"train": pictures, "test": pictures, "points": rows(point=16), "houses": rows(features=8)}
    names["visits"] = rows(user=8, item=6)
    # Which of three features is large.
    large = F.transform(
        F.slice(vector_to_array(F.col("features")), 1, 3), lambda x: F.when(x > 0.5, 1.0).otherwise(0.0)
    )
    names["posts"] = rows(features=8).withColumn("tags", large)
    for block in found:
        exec(compile(block, "general-networks.md", "exec"), names)
    assert {"digit_accuracy", "size_rmse"} <= set(names["model"].evaluate(pictures))
    assert names["vectors"].columns[-2:] == ["vector", "sure"]
    # What scikit-learn's f1_score(average="samples") and the means are, of the rows themselves.
    pairs = [(np.array(row.tags) > 0, np.array(row.guess) > 0) for row in names["says"].collect()]
    scores = [2 * (is_ & said).sum() / max(is_.sum() + said.sum(), 1) for is_, said in pairs]
    assert names["f1"] == pytest.approx(np.mean(scores)) and names["f1"] > 0
    assert list(names["accuracies"]) == pytest.approx(np.mean([is_ == said for is_, said in pairs], axis=0))
    assert 0 <= names["f1_of_2"] <= 1
    evaluates_tags(names)
    assert all(0 < chance < 1 for row in names["chances"].collect() for chance in row.chances)
