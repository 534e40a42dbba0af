"""The estimators as a Spark user meets them: fit, transform, summary, persistence, Pipeline, CrossValidator, streaming."""

from __future__ import annotations

import copy
import gc
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark import SparkContext
from pyspark.errors import StreamingQueryException
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.evaluation import MulticlassClassificationEvaluator, RegressionEvaluator
from pyspark.ml.feature import StandardScaler, VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.ml.linalg import Vectors
from pyspark.ml.tuning import CrossValidator, ParamGridBuilder
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from candlewick import (
    NeuralClassificationModel,
    NeuralClassifier,
    NeuralRegressionModel,
    NeuralRegressor,
    nn,
    optim,
)
from candlewick.errors import InvalidParameterError

from .support import DEADLINE, blobs, classifier


@pytest.fixture(scope="module")
def data(local2: SparkSession) -> DataFrame:
    return blobs(local2).cache()


@pytest.fixture(scope="module")
def model(data: DataFrame) -> NeuralClassificationModel:
    return classifier(epochs=12).fit(data)


def test_it_learns_and_appends_the_three_columns(data: DataFrame, model: NeuralClassificationModel) -> None:
    scored = model.transform(data.withColumn("other", F.lit("kept")))
    assert scored.columns == ["features", "label", "other", "rawPrediction", "probability", "prediction"]
    rows = scored.collect()
    assert sum(row.prediction == row.label for row in rows) / len(rows) > 0.95
    for row in rows[:50]:
        assert row.other == "kept"
        assert math.isclose(sum(row.probability), 1.0, abs_tol=1e-9)
        exp = np.exp(np.array(row.rawPrediction) - max(row.rawPrediction))
        assert np.allclose(row.probability, exp / exp.sum(), atol=1e-6)
        assert row.prediction == int(np.argmax(row.rawPrediction))


def test_a_copy_that_is_refused_or_dropped_takes_nothing_along(
    data: DataFrame, model: NeuralClassificationModel
) -> None:
    estimator = classifier(epochs=1)

    def tried() -> None:
        with pytest.raises(InvalidParameterError):
            model.transform(data, {model.handleInvalid: "drop"})
        with pytest.raises(InvalidParameterError):
            estimator.fit(data, {estimator.epochs: -1})
        other = copy.copy(model)
        assert other.uid == model.uid and other.transform(data).columns == model.transform(data).columns
        assert other.setPredictionCol("mine") is other and model.getPredictionCol() == "prediction"

    # What went wrong is garbage once the function is left.
    tried()
    gc.collect()
    assert model.transform(data).count() == 600 and model.numFeatures == 6
    assert estimator.fit(data).numFeatures == 6


def test_a_row_is_predicted_with_what_is_set_now(data: DataFrame, model: NeuralClassificationModel) -> None:
    row = data.select("features").head()
    assert row is not None
    classes = [set(), set()]  # type: list[set[float]]
    for only in range(3):
        one = model.copy().setThresholds([1e-9 if at == only else 1.0 for at in range(3)])
        classes[0].add(one.predict(row.features))
        one.setThresholds([1e-9 if at == 2 - only else 1.0 for at in range(3)])
        assert one.predict(row.features) == 2 - only
    assert classes[0] == {0.0, 1.0, 2.0}


def test_metrics_are_numbers_however_large(local2: SparkSession) -> None:
    rows = [(Vectors.dense(0.0, 1.0), 1e200), (Vectors.dense(1.0, 0.0), 0.0)]
    large = local2.createDataFrame(rows, ["features", "label"])
    model = NeuralRegressor(network=nn.Sequential(nn.Linear(1)), epochs=0, verbose=False).fit(large)
    assert model.evaluate(large)["mse"] == math.inf


def test_summary(data: DataFrame, model: NeuralClassificationModel) -> None:
    summary = model.summary
    assert [record["epoch"] for record in summary.history] == list(range(12))
    assert summary.objectiveHistory == [record["loss"] for record in summary.history]
    assert summary.objectiveHistory[-1] < summary.objectiveHistory[0]
    assert summary.totalSteps == 12 * math.ceil(600 / 64)
    assert summary.logicalShards == 8
    assert list(summary.phases) == ["prepare", "queue", "launch", "feed", "train", "total"]
    assert all(record["rows"] == 600 and record["lr"] == 1e-2 for record in summary.history)
    assert summary.ledger["rowsRead"] == 600
    assert len(summary.weightsHash) == 32
    assert summary.history_dict["loss"] == summary.objectiveHistory
    assert summary.to_pandas().loc[11, "loss"] == summary.objectiveHistory[11]
    assert [len(axes.lines) for axes in summary.plot().axes] == [1], "no validation, no metrics"
    assert repr(summary).startswith(f"TrainingSummary(epochs=12, totalSteps={summary.totalSteps}, numTrainers=")
    assert summary.recoveryLog == []


def test_scores_do_not_depend_on_the_batch(data: DataFrame, model: NeuralClassificationModel) -> None:
    together = model.transform(data.coalesce(1)).select("rawPrediction").collect()
    apart = model.transform(data.coalesce(1).limit(5)).select("rawPrediction").collect()
    assert [row.rawPrediction for row in together[:5]] == [row.rawPrediction for row in apart]


def test_a_stage_trains_by_the_defaults_that_it_was_saved_with(data: DataFrame, tmp_path: Path) -> None:
    pipeline = Pipeline(stages=[NeuralClassifier(network=nn.Sequential(nn.Linear(3)))])
    pipeline.save(str(tmp_path / "saved"))
    (metadata,) = (tmp_path / "saved" / "stages").glob("*/metadata/part-00000")
    text = metadata.read_text()
    assert '"epochs":10' in text
    metadata.write_text(text.replace('"epochs":10', '"epochs":2'))
    (metadata.parent / ".part-00000.crc").unlink()
    (stage,) = Pipeline.load(str(tmp_path / "saved")).getStages()
    assert isinstance(stage, NeuralClassifier)
    assert stage.getEpochs() == 2 and not stage.isSet("epochs")
    assert len(stage.fit(data).summary.history) == 2
    assert len(stage.copy({stage.epochs: 1}).fit(data).summary.history) == 1


def test_save_and_load(data: DataFrame, model: NeuralClassificationModel, tmp_path: Path) -> None:
    path = str(tmp_path / "model")
    model.save(path)
    with pytest.raises(Exception, match=r"overwrite|exists"):
        model.save(path)
    model.write().overwrite().save(path)
    loaded = NeuralClassificationModel.load(path)
    assert loaded.weightsHash == model.weightsHash
    assert loaded.numClasses == 3 and loaded.numFeatures == 6
    assert loaded.summary.objectiveHistory == model.summary.objectiveHistory
    before = model.transform(data).select("rawPrediction").collect()
    assert loaded.transform(data).select("rawPrediction").collect() == before
    estimator = classifier(epochs=2)
    estimator.save(str(tmp_path / "estimator"))
    again = NeuralClassifier.load(str(tmp_path / "estimator"))
    assert again.getEpochs() == 2
    assert again.fit(data).weightsHash == estimator.fit(data).weightsHash


def test_weights_come_by_a_file_that_is_gone_afterwards(
    model: NeuralClassificationModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    context: Any = SparkContext._active_spark_context
    monkeypatch.setattr(context, "_temp_dir", str(tmp_path))
    java: Any = model._java_obj
    assert model.weightsSafetensors == bytes(java.weightsSafetensors())
    assert model.toOnnx() == bytes(java.toOnnx())
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(type(java), "weightsSafetensors", None, raising=False)
    assert model.weightsSafetensors, "not through py4j, where 196 MB take 13 s"


def test_weights_are_torch_named(model: NeuralClassificationModel) -> None:
    weights = model.weights()
    assert {name: array.shape for name, array in weights.items()} == {
        "0.weight": (16, 6),
        "0.bias": (16,),
        "3.weight": (3, 16),
        "3.bias": (3,),
    }


def test_epochs_zero_holds_the_initial_weights(data: DataFrame) -> None:
    model = classifier(epochs=0).fit(data)
    assert model.summary.totalSteps == 0 and model.summary.history == []
    bound = 1 / math.sqrt(6)
    assert np.abs(model.weights()["0.weight"]).max() <= bound
    assert model.transform(data).count() == 600


def test_drop_last_and_exact_batches(data: DataFrame) -> None:
    assert classifier(epochs=1, batchSize=250, dropLast=True).fit(data).summary.totalSteps == 2
    assert classifier(epochs=1, batchSize=250).fit(data).summary.totalSteps == 3
    dropped = classifier(epochs=1, batchSize=250, dropLast=True).fit(data).summary
    assert dropped.history[0]["rows"] == 500


def test_two_classes_with_one_output(data: DataFrame) -> None:
    two = data.where("label < 2")
    model = classifier(network=nn.Sequential(nn.Linear(8), nn.Tanh(), nn.Linear(1)), epochs=15).fit(two)
    assert model.numClasses == 2
    row = model.transform(two).first()
    assert row is not None
    assert row.rawPrediction[0] == -row.rawPrediction[1]
    assert math.isclose(row.probability[1], 1 / (1 + math.exp(-row.rawPrediction[1])), abs_tol=1e-6)
    evaluator = MulticlassClassificationEvaluator(metricName="accuracy")
    assert evaluator.evaluate(model.transform(two)) > 0.95


def test_thresholds_move_the_decision(data: DataFrame, model: NeuralClassificationModel) -> None:
    moved = model.copy().setThresholds([1e-9, 1.0, 1.0])
    assert {row.prediction for row in moved.transform(data).select("prediction").collect()} == {0.0}


@pytest.mark.parametrize("optimizer", [optim.SGD(lr=0.1, momentum=0.9, nesterov=True), optim.Adam(lr=1e-2)])
def test_every_optimiser_lowers_the_loss(data: DataFrame, optimizer: object) -> None:
    history = classifier(optimizer=optimizer, epochs=5, clipNorm=1.0).fit(data).summary.objectiveHistory
    assert history[-1] < history[0]


def test_regression_one_and_two_outputs(local2: SparkSession, data: DataFrame, tmp_path: Path) -> None:
    rows = [([float(i % 7), float(i % 11)], float(2 * (i % 7) - (i % 11))) for i in range(400)]
    df = local2.createDataFrame(rows, "features array<double>, label double").cache()
    net = nn.Sequential(nn.Linear(32), nn.GELU(), nn.Linear(1))
    model = NeuralRegressor(network=net, epochs=40, batchSize=32, optimizer=optim.Adam(lr=1e-2), seed=1).fit(df)
    assert RegressionEvaluator(metricName="rmse").evaluate(model.transform(df)) < 1.0
    model.write().overwrite().save(str(tmp_path / "r"))
    assert NeuralRegressionModel.load(str(tmp_path / "r")).weightsHash == model.weightsHash
    both = df.withColumn("label", F.array("label", F.col("features")[0]))
    two = NeuralRegressor(network=nn.Sequential(nn.Linear(32), nn.Tanh(), nn.Linear(2)), epochs=2, seed=1).fit(both)
    prediction = two.transform(both).first().prediction  # type: ignore[union-attr]
    assert len(prediction) == 2


def test_pipeline_and_its_persistence(data: DataFrame, tmp_path: Path) -> None:
    wide = data.select(*[vector_to_array(F.col("features"))[i].alias(f"x{i}") for i in range(6)], "label")
    pipeline = Pipeline(
        stages=[
            VectorAssembler(inputCols=[f"x{i}" for i in range(6)], outputCol="assembled"),
            StandardScaler(inputCol="assembled", outputCol="scaled"),
            classifier(featuresCol="scaled", epochs=2),
        ]
    )
    pipeline.save(str(tmp_path / "pipeline"))
    fitted = Pipeline.load(str(tmp_path / "pipeline")).fit(wide)
    fitted.save(str(tmp_path / "fitted"))
    loaded = PipelineModel.load(str(tmp_path / "fitted"))
    assert isinstance(loaded.stages[-1], NeuralClassificationModel)
    assert (
        loaded.transform(wide).select("prediction").collect() == fitted.transform(wide).select("prediction").collect()
    )


def test_cross_validator_with_two_fits_at_once(data: DataFrame) -> None:
    estimator = classifier(epochs=2, numTrainers=1)
    grid = ParamGridBuilder().addGrid(estimator.batchSize, [32, 128]).build()
    validator = CrossValidator(
        estimator=estimator,
        estimatorParamMaps=grid,
        evaluator=MulticlassClassificationEvaluator(metricName="accuracy"),
        numFolds=2,
        parallelism=2,
        seed=1,
    )
    fitted = validator.fit(data)
    assert len(fitted.avgMetrics) == 2 and max(fitted.avgMetrics) > 0.4
    waiting = CrossValidator(
        estimator=estimator.copy({estimator.numTrainers: 2}),
        estimatorParamMaps=grid,
        evaluator=MulticlassClassificationEvaluator(metricName="accuracy"),
        numFolds=2,
        parallelism=2,
        seed=1,
    )
    assert waiting.fit(data).avgMetrics == fitted.avgMetrics, "the same bits with one trainer and with two"


def test_streaming_scores_as_batch_does(
    local2: SparkSession, data: DataFrame, model: NeuralClassificationModel, tmp_path: Path
) -> None:
    data.select("features", "label").write.parquet(str(tmp_path / "in"))
    stream = local2.readStream.schema(data.schema).parquet(str(tmp_path / "in"))
    query = model.transform(stream).writeStream.format("memory").queryName("scored").trigger(availableNow=True).start()
    assert query.awaitTermination(int(DEADLINE))
    streamed = local2.table("scored").groupBy("prediction").count().collect()
    assert sorted(streamed) == sorted(model.transform(data).groupBy("prediction").count().collect())


def test_a_stream_that_fails_says_so_as_streams_do(
    local2: SparkSession, data: DataFrame, model: NeuralClassificationModel, tmp_path: Path
) -> None:
    without = F.when(F.col("label") < 0, F.col("features"))
    invalid = data.limit(1).select(without.alias("features"), "label")
    invalid.write.parquet(str(tmp_path / "in"))
    stream = local2.readStream.schema(invalid.schema).parquet(str(tmp_path / "in"))
    query = model.transform(stream).writeStream.format("noop").trigger(availableNow=True).start()
    with pytest.raises(StreamingQueryException, match="column 'features'"):
        query.awaitTermination(int(DEADLINE))


def test_filters_joins_and_explain_after_transform(data: DataFrame, model: NeuralClassificationModel) -> None:
    scored = model.transform(data)
    per_class = {row["prediction"]: row["count"] for row in scored.groupBy("prediction").count().collect()}
    assert scored.where("prediction = 1").count() == per_class[1.0]
    left = scored.select("label", "prediction").distinct().alias("l")
    assert left.join(scored.select("prediction").distinct().alias("r"), "prediction").count() >= 3
    with pytest.raises(Exception, match="already has a column 'rawPrediction'"):
        model.transform(scored).count()


def test_a_network_shows_its_table_and_memory(local2: SparkSession) -> None:
    table = nn.Sequential(nn.Linear(5), nn.ReLU(), nn.Linear(2)).summary([4], batch_size=100)
    assert table.splitlines()[1].split() == ["0", "Linear", "[5]", "25", "0"]
    assert "37 parameters: 37 trained, 0 in buffers" in table
    assert "memory of a trainer with 100 rows a step" in table
    assert "optimiser 296 B" in table, "AdamW, the default, keeps two numbers a weight"
    sgd = optim.SGD(lr=0.1, groups=[{"params": "0.*", "frozen": True}], momentum=0.9)
    assert "optimiser 48 B" in nn.Sequential(nn.Linear(5), nn.ReLU(), nn.Linear(2)).summary([4], optimizer=sgd)
    assert nn.Linear(2).summary(4).splitlines()[1].split()[:2] == ["0", "Linear"]
    with pytest.raises(ValueError, match="expects 3 values in the last dimension"):
        nn.Linear(3, 2).summary(4)
