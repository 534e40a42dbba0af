"""Networks of models and of PyTorch trained further, and what is told before anything starts."""

from __future__ import annotations

import importlib.util
import pickle
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from candlewick import NeuralClassificationModel, NeuralClassifier, NeuralRegressor, nn, optim, tabular
from candlewick.errors import InvalidDataError, InvalidParameterError

from .support import blobs, classifier, trainers

RECORDED = Path(__file__).parents[2] / "spark-package" / "python" / "tests" / "recorded_torch.py"


@pytest.fixture(scope="module")
def data(local2: SparkSession) -> DataFrame:
    return blobs(local2).cache()


@pytest.fixture(scope="module")
def model(data: DataFrame) -> NeuralClassificationModel:
    return classifier().fit(data)


def test_the_network_of_a_model_gets_another_end(data: DataFrame, model: NeuralClassificationModel) -> None:
    network = model.network
    assert isinstance(network, nn.Sequential) and network[0] == nn.Linear(6, 16)
    again = nn.Sequential(*network[:-1], nn.Linear(5))
    tuned = classifier(network=again, initialModel=model, strictWeights=False, epochs=0).fit(data)
    assert tuned.numClasses == 5
    assert np.array_equal(tuned.weights()["0.weight"], model.weights()["0.weight"])
    body = nn.Sequential(network[:-1], nn.Linear(3))
    names = set(classifier(network=body, epochs=0).fit(data).weights())
    assert names == {"0.0.weight", "0.0.bias", "1.weight", "1.bias"}


def test_a_loaded_estimator_gives_its_network_and_optimizer(tmp_path: Path) -> None:
    estimator = classifier()
    estimator.write().save(str(tmp_path / "estimator"))
    loaded = NeuralClassifier.load(str(tmp_path / "estimator"))
    assert loaded.getNetwork() == estimator.getNetwork() and isinstance(loaded.getNetwork(), nn.Sequential)
    assert loaded.getOptimizer() == optim.AdamW(lr=1e-2)
    assert repr(loaded) == repr(estimator) and "epochs=3" in repr(loaded)


def test_a_graph_of_a_model_is_one(data: DataFrame, local2: SparkSession) -> None:
    x = nn.Input("features", [6])
    network = nn.Graph(x, {"out": nn.Linear(3)(nn.ReLU()(nn.Linear(4)(x)))})
    fitted = classifier(network=network, epochs=1).fit(data)
    assert isinstance(fitted.network, nn.Graph) and "linear_1" in repr(fitted.network)
    assert classifier(network=fitted.network, epochs=1).fit(data).weightsHash == fitted.weightsHash
    places = [line.split()[0] for line in fitted.networkSummary.splitlines()]
    assert places[1:4] == ["linear_1", "relu_1", "out"]


def test_a_network_of_pytorch_computes_the_same(local2: SparkSession) -> None:
    spec = importlib.util.spec_from_file_location("recorded", RECORDED)
    assert spec is not None and spec.loader is not None
    recorded: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recorded)
    net, golden = recorded.computed(), recorded.GOLDEN["computed"]
    rows = local2.createDataFrame([(row, row[:2]) for row in golden["rows"]], ["features", "label"])
    estimator = NeuralRegressor(network=nn.from_torch(net), initialWeights=net, epochs=0)
    fitted = estimator.fit(rows)
    assert "numOutputs=2, numFeatures=6, numParameters=" in repr(fitted)
    scored = fitted.transform(rows).select("prediction").collect()
    assert np.allclose([row.prediction.toArray() for row in scored], golden["outputs"], atol=1e-6)


def test_how_a_model_shows_itself(model: NeuralClassificationModel) -> None:
    text = repr(model)
    assert text.startswith(
        f"NeuralClassificationModel: uid={model.uid}, numClasses=3, numFeatures=6, numParameters=163, "
    )
    assert f"weightsHash={model.weightsHash}, columns=[rawPrediction, probability, prediction]" in text
    page = model._repr_html_()
    assert "numParameters=163" in page and "Dropout" in page
    with pytest.raises(TypeError, match="a NeuralClassificationModel cannot be pickled"):
        pickle.dumps(model)


def test_tables_as_the_guide_has_them(local2: SparkSession) -> None:
    rows = [(float(i % 7), i % 4, float(i % 4 == 1)) for i in range(200)]
    table = local2.createDataFrame(rows, ["age", "city", "label"])
    age, city = nn.Input("age"), nn.Input("city")
    embedded = nn.Embedding(4, 3)(city)

    def fit(joined: Any) -> NeuralClassificationModel:
        graph = nn.Graph([age, city], {"out": nn.Linear(2)(nn.ReLU()(nn.Linear(8)(joined)))})
        return classifier(network=graph, epochs=8, optimizer=optim.AdamW(lr=0.05)).fit(table)

    by_hand = fit(nn.Concat()(age, nn.Flatten()(embedded)))
    assert by_hand.evaluate(table)["accuracy"] > 0.95
    columns = tabular(["age"], {"city": 4}, {"city": 3})
    network = columns.head(nn.Linear(8), nn.ReLU(), nn.Linear(2))
    made = classifier(network=network, epochs=8, optimizer=optim.AdamW(lr=0.05)).fit(table)
    assert repr(columns) == "Tabular(age, city)" and made.evaluate(table)["accuracy"] > 0.95
    with pytest.raises(InvalidParameterError) as told:
        fit(nn.Concat()(age, embedded))
    assert "nodes.concat_1 (Concat): expects inputs that differ in dimension -1 only, got [1] and [1, 3]" in str(
        told.value
    )
    assert "with a Flatten behind the one of shape [1, 3] (an Embedding of single numbers" in str(told.value)


def test_a_shape_that_the_rows_do_not_have_is_told_before_anything_starts(data: DataFrame) -> None:
    arrays = data.select(vector_to_array(F.col("features")).alias("features"), "label")
    network = nn.Sequential(nn.Flatten(), nn.Linear(3))
    for rows in (arrays, data):
        with pytest.raises(InvalidParameterError) as told:
            classifier(network=network, inputShape=[2, 2]).fit(rows)
        assert "inputShape [2, 2] holds 4 values but featuresCol holds 6" in str(told.value)
        assert "whose product is 6" in str(told.value) and not trainers()
    assert classifier(network=network, inputShape=[2, 3], epochs=0).fit(arrays).numFeatures == 6
    # Where rows are skipped it is no mistake of the shape that the first one has another length.
    ragged = arrays.withColumn("features", F.expr("if(label = 0, slice(features, 1, 4), features)"))
    fitted = classifier(network=network, inputShape=[2, 3], epochs=0, handleInvalid="skip").fit(ragged)
    assert fitted.summary.ledger["rowsSkipped"] == 200


def test_a_layer_that_stands_twice_trains_as_one(data: DataFrame, tmp_path: Path) -> None:
    layer = nn.Linear(6)
    network = nn.Sequential(layer, nn.Tanh(), layer, nn.Linear(3))
    model = classifier(network=network, numTrainers=1).fit(data)
    assert classifier(network=network, numTrainers=2).fit(data).weightsHash == model.weightsHash
    apart = nn.Sequential(nn.Linear(6), nn.Tanh(), nn.Linear(6), nn.Linear(3))
    assert len(classifier(network=apart, epochs=0).fit(data).weights()) == 6
    weights = model.weights()
    assert set(weights) == {"0.weight", "0.bias", "3.weight", "3.bias"}
    row = model.transform(data).first()
    assert row is not None
    x = row.features.toArray()
    for name, squashed in (("0", True), ("0", False), ("3", False)):
        x = weights[f"{name}.weight"] @ x + weights[f"{name}.bias"]
        x = np.tanh(x) if squashed else x
    assert np.allclose(row.rawPrediction.toArray(), x, atol=1e-5)
    # It stays shared on every way back.
    model.save(str(tmp_path / "model"))
    loaded = NeuralClassificationModel.load(str(tmp_path / "model"))
    assert loaded.network.to_dict()["layers"][2] == {"shares": "0"}
    again = classifier(network=loaded.network, initialModel=loaded, epochs=0).fit(data)
    assert again.weightsHash == model.weightsHash
    assert len(model.toOnnx()) > 100 and "shared" in model.networkSummary


def test_arrays_of_arrays_are_tensors(data: DataFrame, tmp_path: Path) -> None:
    rows = data.coalesce(1).withColumn("id", F.monotonically_increasing_id())
    flat = rows.select("id", vector_to_array(F.col("features")).alias("features"), "label").cache()
    nested = flat.withColumn("features", F.array(F.slice("features", 1, 3), F.slice("features", 4, 3)))
    network = nn.Sequential(nn.Conv1d(2, 4, 2), nn.ReLU(), nn.Flatten(), nn.Linear(3))
    of_flat = classifier(network=network, inputShape=[2, 3]).fit(flat)
    model = classifier(network=network).fit(nested)
    assert model.weightsHash == of_flat.weightsHash
    assert classifier(network=network, numTrainers=2).fit(nested).weightsHash == of_flat.weightsHash
    # The same values once more, as what they are not.
    reshaped = nn.Sequential(nn.Flatten(), nn.Linear(3))
    assert classifier(network=reshaped, inputShape=[6], epochs=0).fit(nested).numFeatures == 6
    model.save(str(tmp_path / "model"))
    loaded = NeuralClassificationModel.load(str(tmp_path / "model"))
    wanted = {row.id: row.probability for row in of_flat.transform(flat).collect()}
    for scored in (model.transform(nested), loaded.transform(nested), model.transform(flat), of_flat.transform(nested)):
        assert {row.id: row.probability for row in scored.collect()} == wanted


def test_arrays_that_are_no_tensor_are_told(data: DataFrame) -> None:
    arrays = data.select(vector_to_array(F.col("features")).alias("f"), "label")
    square = "array(slice(f, 1, 3), slice(f, 4, 3))"
    network = nn.Sequential(nn.Conv1d(2, 4, 2), nn.Flatten(), nn.Linear(3))
    model = classifier(network=network, epochs=0).fit(arrays.withColumn("features", F.expr(square)))
    for wrong, told in (
        ("array(slice(f, 1, 3), slice(f, 4, 2))", r"'features' is ragged: it has 2 values at \[1\] and 3 at \[0\]"),
        ("array(slice(f, 1, 3), cast(null AS array<double>))", r"'features' is null at \[1\]"),
        ("array(slice(f, 1, 2), slice(f, 3, 2), slice(f, 5, 2))", r"has the shape \[3, 2\], expected \[2, 3\]"),
    ):
        rows = arrays.withColumn("features", F.expr(f"if(label = 1, {wrong}, {square})"))
        with pytest.raises(InvalidDataError, match=told):
            model.transform(rows).collect()
        with pytest.raises(InvalidDataError, match=told):
            classifier(network=network, inputShape=[2, 3]).fit(rows)
        fitted = classifier(network=network, inputShape=[2, 3], handleInvalid="skip", epochs=0).fit(rows)
        assert fitted.summary.ledger["rowsSkipped"] == 200
    texts = arrays.selectExpr("array(array('a')) AS features", "label")
    with pytest.raises(
        InvalidParameterError, match=r"is array<array<string>>; expected .*an array of numbers \(or of such"
    ):
        classifier().fit(texts)


def test_a_mistyped_column_is_a_short_story(data: DataFrame) -> None:
    with pytest.raises(InvalidParameterError, match="there is no column 'feature'") as told:
        classifier(featuresCol="feature").fit(data)
    lines = "".join(traceback.format_exception(told.value)).splitlines()
    assert len(lines) < 40 and not any("py4j" in line.lower() and "Error" in line for line in lines), "\n".join(lines)


def test_a_wrong_row_is_ours_at_the_action(data: DataFrame, model: NeuralClassificationModel) -> None:
    short = data.select(F.slice(vector_to_array(F.col("features")), 1, 3).alias("features"))
    with pytest.raises(InvalidDataError, match="has 3 values, expected 6"):
        model.transform(short).count() and model.transform(short).collect()
