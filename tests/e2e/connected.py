"""A client of Spark Connect: tests of a process of its own, which has a server and no JVM.

Run by test_connect.py with pytest, and with the name of the server in `CANDLEWICK_TEST_SERVER`.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.ml.linalg import Vectors
from pyspark.ml.tuning import CrossValidator, CrossValidatorModel, ParamGridBuilder
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import candlewick
from candlewick import (
    NeuralClassificationModel,
    NeuralClassifier,
    NeuralEstimator,
    NeuralEstimatorModel,
    NeuralRegressionModel,
    NeuralRegressor,
    nn,
    optim,
)
from candlewick.errors import InvalidDataError, InvalidParameterError, SetupError

from .support import BLOBS_HASH, blobs, classifier, small_net

HERE = Path(os.environ.get("CANDLEWICK_TEST_FOLDER", "."))


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    server = os.environ["CANDLEWICK_TEST_SERVER"]
    if "CANDLEWICK_TEST_BARE" in os.environ:
        session = SparkSession.builder.remote(server).getOrCreate()
    else:
        session = candlewick.session(spark_remote=server)
    yield session
    session.stop()


@pytest.fixture(scope="session")
def data(spark: SparkSession) -> DataFrame:
    return blobs(spark)


@pytest.fixture(scope="session")
def model(data: DataFrame) -> NeuralClassificationModel:
    return classifier().fit(data)


def test_a_server_without_the_jar_is_told_how_to_get_it(spark: SparkSession) -> None:
    if "CANDLEWICK_TEST_BARE" not in os.environ:
        assert candlewick.session() is spark, "the server has the jar: nothing is sent"
        return
    with pytest.raises(
        SetupError, match=r"does not know candlewick\.NeuralClassifier: it has no candlewick-spark jar"
    ) as told:
        classifier().fit(blobs(spark))
    assert "candlewick.attach(spark) sends" in str(told.value)
    assert "start-connect-server.sh --jars $(python -m candlewick jars)" in str(told.value)
    with pytest.raises(SetupError, match=r"does not know candlewick\.NeuralRegressionModel"):
        NeuralRegressionModel.load("/nowhere")
    candlewick.attach(spark)


def test_the_model_is_that_of_any_other_session(model: NeuralClassificationModel, data: DataFrame) -> None:
    assert model.weightsHash == BLOBS_HASH
    scored = model.transform(data).select("rawPrediction", "probability", "prediction").collect()
    rows = [[row[0].toArray().tolist(), row[1].toArray().tolist(), row[2]] for row in scored]
    (HERE / "scored.json").write_text(json.dumps(rows))
    model.write().overwrite().save(str(HERE / "model"))
    first = data.first()
    assert first is not None
    features = first["features"]
    assert model.predict(features) == rows[0][2]
    assert model.predictProbability(features).toArray().tolist() == rows[0][1]
    assert model.predictRaw(list(features.toArray())).toArray().tolist() == rows[0][0]
    # There are no GPUs: the server was told of the parameter.
    anywhere = model.copy().setScoreDevice("auto").transform(data).select("rawPrediction", "prediction").collect()
    assert [[row[0].toArray().tolist(), row[1]] for row in anywhere] == [[row[0], row[2]] for row in rows]
    with pytest.raises(InvalidParameterError, match='scoreDevice="cuda": Spark gives'):
        model.copy().setScoreDevice("cuda").transform(data).collect()


def test_evaluate_is_that_of_any_other_session(data: DataFrame, model: NeuralClassificationModel) -> None:
    # The test that started the server compares them.
    (HERE / "evaluated.json").write_text(json.dumps(model.evaluate(data)))
    weighted = model.copy().setWeightCol("heavy").setOutputCols({"0": "inner"})
    judged = weighted.evaluate(data.withColumn("heavy", F.when(F.col("label") == 0, 0.0).otherwise(1.0)))
    right = model.transform(data.where("label != 0")).where("label = prediction").count()
    assert judged["accuracy"] == pytest.approx(right / data.where("label != 0").count())
    with pytest.raises(InvalidParameterError, match="labelCol: there is no column 'lable'"):
        model.copy().setLabelCol("lable").evaluate(data)


def test_what_a_server_tells_of_a_model(data: DataFrame, model: NeuralClassificationModel) -> None:
    assert repr(model).startswith("NeuralClassificationModel: uid=") and "numClasses=3" in repr(model)
    assert (model.numClasses, model.numFeatures, model.hasSummary) == (3, 6, True)
    assert model.getEpochs() == 3 and model.getFeaturesCol() == "features"
    fresh = classifier(epochs=2).fit(data)
    losses = fresh.summary.objectiveHistory
    assert len(losses) == 2 and losses[1] < losses[0]
    assert fresh.summary.totalIterations == fresh.summary.totalSteps == 20
    with pytest.raises(SetupError, match=r"summary\.history does not work over Spark Connect.*save the model first"):
        _ = fresh.summary.history
    with pytest.raises(SetupError, match=r"NeuralClassificationModel\.weightsSafetensors.*save the model first"):
        fresh.weights()
    # As it is where PySpark is 4.0, which was tried by hand.
    summary = vars(fresh).pop("_summary")
    with pytest.raises(SetupError, match=r"summary of a model that is not saved does not work .*Spark 4\.0 tells"):
        _ = fresh.summary
    fresh._summary = summary  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="no attribute 'hstory'"):
        _ = fresh.summary.hstory  # type: ignore[attr-defined]


def test_a_saved_model_tells_everything_from_its_folder(
    model: NeuralClassificationModel, data: DataFrame, tmp_path: Path
) -> None:
    path = str(tmp_path / "model")
    model.save(path)
    loaded = NeuralClassificationModel.load(path)
    assert loaded.transform(data).collect() == model.transform(data).collect()
    for one in (model, loaded):
        assert [record["epoch"] for record in one.summary.history] == [0, 1, 2]
        assert one.summary.weightsHash == one.weightsHash == BLOBS_HASH
        assert one.weights()["0.weight"].shape == (16, 6)
        assert "(2): Dropout(p=0.2)" in repr(one.network)
        assert one.dataContract["label"]["name"] == "label"
    assert (loaded.uid, loaded.getEpochs(), loaded.getSeed()) == (model.uid, 3, 7)
    # A grown network starts from it, by the path.
    again = classifier(epochs=0, initialModel=loaded).fit(data)
    assert again.weightsHash == BLOBS_HASH
    classifier(epochs=0, seed=8).fit(data).write().overwrite().save(path)
    with pytest.raises(SetupError, match="another one is saved there now"):
        _ = loaded.summary


def test_an_estimator_is_saved_and_loaded(tmp_path: Path) -> None:
    whole = classifier(
        featuresCols=["a", "b"],
        inputShape=[2, 3],
        thresholds=[0.25, 0.5, 0.25],
        classWeight={0: 2.0, 1: 0.5},
        outputCols={"0": "inner"},
        metrics=["accuracy"],
        lrScheduler=optim.lr_scheduler.StepLR(step_size=2),
        earlyStopping=candlewick.EarlyStopping(),
        strictWeights=False,
        scale=0.5,
        verbose=True,
        launchTimeout="50s",
    )
    whole.save(str(tmp_path / "estimator"))
    loaded = NeuralClassifier.load(str(tmp_path / "estimator"))
    assert {p.name: v for p, v in loaded._paramMap.items()} == {p.name: v for p, v in whole._paramMap.items()}
    assert loaded.uid == whole.uid
    loaded.clear(loaded.epochs)
    assert loaded.getEpochs() == 10
    assert "epochs: Passes over the data" in loaded.explainParams()


def test_parameters_reach_the_server(data: DataFrame) -> None:
    wide = classifier(classWeight={0: 2.0}, outputCols={"0": "inner"}, metrics=["accuracy"], validationFraction=0.2)
    fitted = wide.fit(data)
    row = fitted.setPredictionCol("guess").transform(data).first()
    assert row is not None and len(row["inner"]) == 16 and "guess" in row and "prediction" not in row
    assert fitted.weightsHash != BLOBS_HASH


def test_a_regressor(spark: SparkSession, tmp_path: Path) -> None:
    rows = [(Vectors.dense([i / 50, 1.0]), [i / 25, -i / 50]) for i in range(50)]
    data = spark.createDataFrame(rows, ["features", "label"])
    net = nn.Sequential(nn.Linear(8), nn.ReLU(), nn.Linear(2))
    model = NeuralRegressor(network=net, epochs=30, batchSize=10, optimizer=optim.AdamW(lr=0.05), seed=1).fit(data)
    assert model.numOutputs == 2 and model.summary.objectiveHistory[-1] < 0.05
    with pytest.raises(SetupError, match="predictRaw does not work over Spark Connect: predict gives"):
        model.predictRaw([0.5, 1.0])
    with pytest.raises(InvalidParameterError, match="this model has 2 outputs"):
        model.predict([0.5, 1.0])
    model.save(str(tmp_path / "regressor"))
    assert NeuralRegressionModel.load(str(tmp_path / "regressor")).numOutputs == 2


def test_a_network_of_several_outputs(data: DataFrame, tmp_path: Path) -> None:
    features = nn.Input("features", 6)
    hidden = nn.ReLU()(nn.Linear(8)(features))
    network = nn.Graph(features, {"kind": nn.Linear(3)(hidden), "again": nn.Linear(6)(hidden)})
    loss = {
        "kind": nn.LossTerm(nn.CrossEntropyLoss(), label="label"),
        "again": nn.LossTerm(nn.MSELoss(), label="features"),
    }
    estimator = NeuralEstimator(network=network, labelCols=["label", "features"], loss=loss, epochs=2, numTrainers=2)
    fitted = estimator.fit(data)
    assert (fitted.numFeatures, fitted.numOutputs) == (6, 9) and len(fitted.summary.objectiveHistory) == 2
    with pytest.raises(SetupError, match=r"predict does not work over Spark Connect.*transform says"):
        fitted.predict([0.0] * 6)
    scored = fitted.transform(data).select("prediction_kind", "prediction_again").collect()
    fitted.save(str(tmp_path / "general"))
    loaded = NeuralEstimatorModel.load(str(tmp_path / "general"))
    assert {"kind_accuracy", "again_mse"} <= set(loaded.evaluate(data)) == set(fitted.evaluate(data))
    assert loaded.transform(data).select("prediction_kind", "prediction_again").collect() == scored


def test_wrong_input_is_told_as_in_any_other_session(
    spark: SparkSession, data: DataFrame, model: NeuralClassificationModel
) -> None:
    with pytest.raises(InvalidParameterError, match="featuresCol: there is no column 'pixels'"):
        classifier(featuresCol="pixels").fit(data)
    with pytest.raises(InvalidParameterError, match="The model was trained on features"):
        model.transform(data.drop("features")).collect()
    with pytest.raises(InvalidParameterError, match=r"Linear"):
        classifier(network=nn.Sequential(nn.Linear(5, 3))).fit(data)
    with pytest.raises(InvalidParameterError, match=r"epochs = -1 is not legal"):
        classifier(epochs=-1)
    holes = data.unionByName(spark.createDataFrame([(None, 1.0)], data.schema))
    with pytest.raises(InvalidDataError, match=r"features.*null"):
        classifier().fit(holes)
    with pytest.raises(InvalidDataError, match=r"features.*null"):
        model.transform(holes).collect()
    assert classifier(handleInvalid="skip").fit(holes).weightsHash == BLOBS_HASH
    assert model.copy().setHandleInvalid("skip").transform(holes).count() == 600
    with pytest.raises(InvalidParameterError, match="/candlewick/nothing"):
        NeuralClassificationModel.load("/candlewick/nothing")


def test_a_pipeline_and_a_search(spark: SparkSession, data: DataFrame, tmp_path: Path) -> None:
    pipeline = Pipeline(stages=[classifier()])
    fitted = pipeline.fit(data)
    assert fitted.stages[0].weightsHash == BLOBS_HASH  # type: ignore[attr-defined]
    fitted.write().overwrite().save(str(tmp_path / "pipeline"))
    loaded = PipelineModel.load(str(tmp_path / "pipeline"))
    assert loaded.transform(data).collect() == fitted.transform(data).collect()
    assert loaded.stages[0].summary.totalSteps == 30  # type: ignore[attr-defined]
    pipeline.save(str(tmp_path / "unfitted"))
    assert Pipeline.load(str(tmp_path / "unfitted")).getStages()[0].getOrDefault("epochs") == 3
    estimator = classifier(numTrainers=1)
    grid = ParamGridBuilder().addGrid(estimator.epochs, [0, 3]).build()
    judge = MulticlassClassificationEvaluator(metricName="accuracy")
    search = CrossValidator(
        estimator=estimator, estimatorParamMaps=grid, evaluator=judge, numFolds=2, parallelism=2, seed=1
    ).fit(data)
    assert search.bestModel.getEpochs() == 3 and search.avgMetrics[1] > 0.9 > search.avgMetrics[0]  # type: ignore[attr-defined]
    assert judge.evaluate(search.transform(data)) > 0.9
    search.write().overwrite().save(str(tmp_path / "search"))
    assert CrossValidatorModel.load(str(tmp_path / "search")).bestModel.weightsHash == search.bestModel.weightsHash  # type: ignore[attr-defined]


def test_what_needs_a_jvm_says_so(spark: SparkSession, data: DataFrame, model: NeuralClassificationModel) -> None:
    way_out = r"does not work over Spark Connect: .*classic session.*docs/connect\.md"
    with pytest.raises(SetupError, match=f"setCallbacks {way_out}"):
        classifier(callbacks=[lambda epoch: True]).fit(data)
    with pytest.raises(SetupError, match=f"resumeOptimizer {way_out}"):
        classifier(resumeOptimizer=True).fit(data)
    with pytest.raises(SetupError, match=f"NeuralClassificationModel.toOnnx {way_out}"):
        model.toOnnx()
    with pytest.raises(SetupError, match=f"NeuralClassificationModel.networkSummary {way_out}"):
        _ = model.networkSummary
    with pytest.raises(SetupError, match=f"register {way_out}"):
        candlewick.register(spark, "digits", model)
    with pytest.raises(SetupError, match=f"summary of a network {way_out}"):
        small_net().summary(6)
    assert "NeuralClassificationModel" in model._repr_html_()


def test_on_databricks_the_way_out_is_dedicated_access_mode(
    data: DataFrame, model: NeuralClassificationModel, monkeypatch: Any
) -> None:
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "client.4.0")
    with pytest.raises(SetupError, match="On Databricks, compute in dedicated access mode"):
        model.toOnnx()


def test_a_model_that_is_dropped_leaves_the_server_at_the_next_call(spark: SparkSession, data: DataFrame) -> None:
    server: Any = spark
    fitted = classifier(epochs=0).fit(data)
    name = str(fitted._java_obj)
    assert name in str(server.client._get_ml_cache_info())
    # The collector may find it in the middle of anything: to call the server from there can wait for ever.
    del fitted
    gc.collect()
    assert name in str(server.client._get_ml_cache_info())
    classifier(epochs=0).fit(data)
    assert name not in str(server.client._get_ml_cache_info())


def test_ctrl_c_ends_the_fit_on_the_server(
    spark: SparkSession, data: DataFrame, tmp_path: Path, monkeypatch: Any
) -> None:
    server: Any = spark
    # The client of PySpark tells the server too, where it is interrupted while it waits; here the fit has to.
    monkeypatch.setattr(server.client, "interrupt_operation", lambda operation: None)
    folder = tmp_path / "checkpoints"
    endless = classifier(epochs=1_000_000, checkpointDir=str(folder), checkpointInterval=1)

    def interrupt() -> None:
        # The fit trains once its first checkpoint is there.
        while not list(folder.rglob("*.safetensors")):
            stop.wait(0.05)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    stop = threading.Event()
    watcher = threading.Thread(target=interrupt, daemon=True)
    watcher.start()
    with pytest.raises(KeyboardInterrupt):
        endless.fit(data)
    # Nothing runs there that nobody has interrupted.
    assert server.interruptAll() == []
    assert classifier().fit(data).weightsHash == BLOBS_HASH
