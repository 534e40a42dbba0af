"""Bad input: the message names what was wrong and what to change, and the next fit works."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pyspark.errors import AnalysisException, PySparkException, SparkRuntimeException
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.linalg import Vectors
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from candlewick import NeuralClassificationModel, NeuralClassifier, NeuralRegressionModel, NeuralRegressor, nn
from candlewick.errors import CandlewickError, InvalidDataError, InvalidParameterError, JobFailedError

from .support import blobs, classifier


@pytest.fixture(scope="module")
def data(local2: SparkSession) -> DataFrame:
    return blobs(local2, rows=60).cache()


@pytest.fixture(autouse=True)
def next_fit_works(data: DataFrame) -> Any:
    yield
    assert classifier(epochs=1).fit(data).summary.totalSteps == 1
    assert data.count() == 60


def message(df: DataFrame, **params: Any) -> str:
    with pytest.raises((CandlewickError, ValueError)) as caught:
        classifier(**params).fit(df)
    return str(caught.value)


def arrays(spark: SparkSession, bad: list[float | None] | None, label: float | None = 1.0) -> DataFrame:
    """59 good rows and, as row 40, the bad one."""
    rows = [([1.0, 2.0, float(i)], float(i % 3)) for i in range(60)]
    rows[40] = (bad, label)  # type: ignore[assignment]
    return spark.createDataFrame(rows, "features array<double>, label double").coalesce(1)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (None, ["features", "null", "row 40", "handleInvalid"]),
        ([1.0, None, 2.0], ["features", "null", "index 1", "row 40"]),
        ([1.0, math.nan, 2.0], ["features", "NaN", "index 1", "row 40"]),
        ([1.0, 2.0, math.inf], ["features", "inf", "index 2", "row 40"]),
        ([1.0, 2.0], ["features", "2", "3", "row 40"]),
        ([1.0, 2.0, 1e300], ["features", "index 2", "row 40"]),
    ],
)
def test_a_bad_feature_row_is_named(local2: SparkSession, bad: list[float | None] | None, words: list[str]) -> None:
    text = message(arrays(local2, bad))
    for word in words:
        assert word.lower() in text.lower(), text


@pytest.mark.parametrize(
    ("label", "words"),
    [
        (None, ["label", "null"]),
        (math.nan, ["label", "NaN"]),
        (math.inf, ["label", "inf"]),
        (3.5, ["label", "3.5", "whole"]),
        (-1.0, ["label", "-1"]),
        (3.0, ["label", "3", "0 to 2"]),
    ],
)
def test_a_bad_label_is_named(local2: SparkSession, label: float | None, words: list[str]) -> None:
    text = message(arrays(local2, [1.0, 2.0, 3.0], label))
    assert "row 40" in text
    for word in words:
        assert word.lower() in text.lower(), text


def test_skip_leaves_bad_rows_out_and_counts_them(local2: SparkSession) -> None:
    model = classifier(handleInvalid="skip").fit(arrays(local2, [1.0, math.nan, 2.0]))
    assert model.summary.ledger["rowsSkipped"] == 1
    assert model.summary.ledger["rowsSpooled"] == 59
    scored = model.transform(arrays(local2, [1.0, math.nan, 2.0]))
    assert scored.count() == 59


def test_a_vector_of_another_length(local2: SparkSession) -> None:
    rows = [(Vectors.dense([1.0, 2.0]), 0.0)] * 5 + [(Vectors.dense([1.0, 2.0, 3.0]), 1.0)]
    text = message(local2.createDataFrame(rows, ["features", "label"]).coalesce(1))
    assert "features" in text and "3" in text and "2" in text and "row 5" in text


def test_a_missing_column_lists_those_there(data: DataFrame) -> None:
    text = message(data, featuresCol="featurs")
    assert "featurs" in text and "features" in text and "label" in text


def test_a_string_column_says_what_to_do(data: DataFrame) -> None:
    text = message(data.withColumn("label", F.col("label").cast("string")))
    assert "label" in text and "string" in text


def test_an_empty_dataframe(data: DataFrame) -> None:
    assert "empty" in message(data.limit(0))
    assert "empty" in message(data.where("label > 100"))


def test_fewer_rows_than_trainers_and_empty_partitions_work(data: DataFrame) -> None:
    one = classifier(epochs=2, batchSize=4).fit(data.limit(1))
    assert one.summary.ledger["rowsSpooled"] == 1
    many = classifier(epochs=1).fit(data.limit(3).repartition(9))
    assert many.summary.ledger["rowsSpooled"] == 3
    assert many.summary.ledger["partitions"] >= 1


def test_shapes_that_do_not_fit_name_the_layer(data: DataFrame) -> None:
    text = message(data, network=nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(17, 3)))
    for word in ("2", "Linear", "16", "17"):
        assert word in text, text


def test_an_unknown_layer_lists_the_known(data: DataFrame) -> None:
    spec = {"format": "candlewick.network/1", "layers": [{"type": "Lineer", "out_features": 3}]}
    text = message(data, network=spec)
    assert "Lineer" in text and "Linear" in text


def test_a_label_of_a_class_that_the_network_lacks(data: DataFrame) -> None:
    text = message(data, network=nn.Sequential(nn.Linear(2)))
    assert "label" in text and "2" in text


def test_more_trainers_than_the_cluster_can_host(data: DataFrame) -> None:
    text = message(data, numTrainers=5, logicalShards=8)
    assert "5" in text and "2" in text and "numTrainers" in text


def test_more_trainers_than_shards(data: DataFrame) -> None:
    text = message(data, numTrainers=2, logicalShards=1)
    assert "logicalShards" in text and "numTrainers" in text


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"batchSize": 0}, ["batchSize", "0"]),
        ({"epochs": -1}, ["epochs", "-1"]),
        ({"handleInvalid": "keep"}, ["handleInvalid", "keep", "skip"]),
        ({"failureTimeout": "soon"}, ["failureTimeout", "soon"]),
        ({"inputShape": [4]}, ["features", "6", "4"]),
        ({"dataReplicas": 3}, ["dataReplicas", "3", "2"]),
        (
            {"dataReplicas": 2, "numTrainers": 0},
            ["dataReplicas", "only one trainer", "give the application a second executor"],
        ),
        ({"dataReplicas": 2, "numTrainers": 1}, ["dataReplicas", "only one trainer", "numTrainers to at least 2"]),
    ],
)
def test_a_parameter_out_of_range_is_named(data: DataFrame, params: dict[str, Any], words: list[str]) -> None:
    text = message(data, **params)
    for word in words:
        assert word in text, text


def test_no_network(data: DataFrame) -> None:
    with pytest.raises((CandlewickError, ValueError)) as caught:
        NeuralClassifier().fit(data)
    assert "network" in str(caught.value)


def test_a_regressor_of_another_width(data: DataFrame) -> None:
    with pytest.raises((CandlewickError, ValueError)) as caught:
        NeuralRegressor(network=nn.Sequential(nn.Linear(2)), numTrainers=1).fit(data)
    assert "2" in str(caught.value) and "1" in str(caught.value)


def test_transform_of_bad_rows_names_them(local2: SparkSession, data: DataFrame) -> None:
    model = classifier(epochs=1).fit(data)
    bad = local2.createDataFrame([(Vectors.dense([1.0] * 5 + [math.nan]), 1.0)], ["features", "label"])
    for action in (lambda df: df.collect(), lambda df: df.agg(F.sum("prediction")).first(), lambda df: df.toPandas()):
        with pytest.raises(InvalidDataError, match=r"^.*features.*NaN") as caught:
            action(model.transform(bad))
        assert len(str(caught.value)) < 400, "one message, not a stack of Java's"
        assert caught.value.java_exception.getClass().getName().startswith("org.apache.spark.")
    short = local2.createDataFrame([(Vectors.dense([1.0] * 5), 1.0)], ["features", "label"])
    with pytest.raises(InvalidDataError) as caught:
        model.transform(short).collect()
    assert "5" in str(caught.value) and "6" in str(caught.value)
    with pytest.raises(InvalidParameterError, match="no column 'features'"):
        model.transform(data.drop("features"))


def test_other_exceptions_of_spark_stay_as_they_are(data: DataFrame) -> None:
    with pytest.raises(AnalysisException):
        data.select("nothing")
    with pytest.raises(SparkRuntimeException):
        data.select(F.raise_error(F.lit("stop"))).collect()
    with pytest.raises(SparkRuntimeException, match="the sensor was off"):
        classifier().fit(data.withColumn("label", F.raise_error(F.lit("the sensor was off")).cast("double")))


def test_a_source_that_fails_is_told_by_its_cause(local2: SparkSession, data: DataFrame, tmp_path: Path) -> None:
    data.write.parquet(str(tmp_path / "rows"))
    source = local2.read.parquet(str(tmp_path / "rows"))
    for file in (tmp_path / "rows").glob("part-*"):
        file.unlink()
    with pytest.raises(JobFailedError, match=r"a Spark job of this call failed: .*part-") as caught:
        classifier().fit(source)
    assert len(str(caught.value)) < 2000 and caught.value.java_exception is not None

    @F.udf("double")
    def broken(label: float) -> float:
        raise RuntimeError(f"no label of {label}")

    with pytest.raises((JobFailedError, PySparkException), match="no label of"):
        classifier().fit(data.withColumn("label", broken("label")))


def test_what_is_no_dataframe_of_spark(data: DataFrame) -> None:
    model = classifier(epochs=1).fit(data)
    for call in (classifier().fit, model.transform):
        with pytest.raises(TypeError, match=r"needs a DataFrame of Spark, not pandas\..*createDataFrame"):
            call(data.limit(3).toPandas())


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        ("data/weights.safetensors", lambda old: old[:-2] + bytes([old[-2] ^ 1]) + old[-1:], "hash"),
        ("data/weights.safetensors", lambda old: old[:-7], "damaged"),
        ("data/model.json", lambda old: old[:-7], "damaged"),
        ("metadata/part-00000", lambda old: b"", "damaged"),
    ],
)
def test_a_broken_model_folder(data: DataFrame, tmp_path: Path, name: str, damage: Any, words: str) -> None:
    path = tmp_path / "model"
    Pipeline(stages=[classifier(epochs=1)]).fit(data).save(str(path))
    stage = next((path / "stages").iterdir())
    file = stage / name
    file.with_name(f".{file.name}.crc").unlink()
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(InvalidParameterError, match=words) as caught:
        NeuralClassificationModel.load(str(stage))
    assert name in str(caught.value) and str(stage) in str(caught.value)
    if not name.startswith("metadata/"):  # which Pipeline reads first, by itself
        with pytest.raises(InvalidParameterError, match=words):
            PipelineModel.load(str(path))


def test_a_folder_without_a_model(data: DataFrame, tmp_path: Path) -> None:
    for kind in (NeuralClassificationModel, NeuralRegressionModel, NeuralClassifier):
        with pytest.raises(InvalidParameterError, match="there is no saved Candlewick stage"):
            kind.load(str(tmp_path / "none"))
    classifier().save(str(tmp_path / "estimator"))
    with pytest.raises(InvalidParameterError, match=r"holds a candlewick\.NeuralClassifier"):
        NeuralClassificationModel.load(str(tmp_path / "estimator"))


def test_two_threads_use_one_model(data: DataFrame) -> None:
    model = classifier(epochs=1).fit(data)
    bad = data.withColumn("features", F.expr("if(label = 2, null, features)"))
    with ThreadPoolExecutor(4) as pool:
        good = [pool.submit(lambda: model.transform(data).select("prediction").collect()) for _ in range(4)]
        wrong = [pool.submit(lambda: model.transform(bad).agg(F.sum("prediction")).first()) for _ in range(4)]
    assert all(one.result() == good[0].result() for one in good)
    for one in wrong:
        with pytest.raises(InvalidDataError, match=r"features.*null"):
            one.result()


def test_none_unsets_a_parameter(data: DataFrame) -> None:
    stage = classifier(epochs=1, learningRate=0.5, clipNorm=1.0)
    expected = classifier(epochs=1, clipNorm=1.0).fit(data).weightsHash
    assert stage.copy({stage.learningRate: None}).fit(data).weightsHash == expected
    assert stage.fit(data, {stage.learningRate: None}).weightsHash == expected
    other = classifier()
    both = Pipeline(stages=[stage, other]).copy({stage.learningRate: None, other.epochs: None})
    first, second = both.getStages()
    assert not first.isSet("learningRate") and not second.isSet("epochs") and second.isSet("seed")
    stage.setLearningRate(None)  # type: ignore[arg-type]
    assert not stage.isSet("learningRate") and stage.fit(data).weightsHash == expected
    stage.setParams(clipNorm=None, seed=None, epochs=2)  # type: ignore[arg-type]
    assert not stage.isSet("clipNorm") and stage.getSeed() == 0 and stage.getEpochs() == 2
    model = stage.fit(data)
    model.setHandleInvalid("skip").setHandleInvalid(None)  # type: ignore[arg-type]
    assert model.getHandleInvalid() == "error" and model.transform(data).count() == data.count()


def test_none_takes_the_initial_model_away(data: DataFrame) -> None:
    stage = classifier(epochs=1)
    expected = stage.fit(data)
    for unset in (
        lambda: stage.setInitialModel(None),
        lambda: stage.setParams(initialModel=None),
        lambda: stage.setInitialWeights(None),
    ):
        stage.setInitialModel(expected)
        assert stage.isSet("initialWeights") and stage._initial[1] is not None
        unset()
        assert not stage.isSet("initialWeights") and stage._initial[1] is None, "the model is kept by nobody"
        assert stage.fit(data).weightsHash == expected.weightsHash
    stage.setParams(initialModel=None, initialWeights=expected.weightsSafetensors)
    assert stage.isSet("initialWeights") and stage.fit(data).weightsHash != expected.weightsHash


def test_a_first_row_of_another_length_is_skipped_like_any_other(local2: SparkSession) -> None:
    lengths = [5, *[3] * 60]
    rows = [([float(at % 5)] * length, float(at % 3)) for at, length in enumerate(lengths)]
    frame = local2.createDataFrame(rows, ["features", "label"]).coalesce(1)
    model = classifier(handleInvalid="skip").fit(frame)
    assert model.numFeatures == 3 and model.summary.ledger["rowsSkipped"] == 1
    with pytest.raises(
        InvalidDataError, match="as many as the first row of the DataFrame has: if that is the wrong one"
    ):
        classifier().fit(frame)
