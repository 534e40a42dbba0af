"""TensorBoard and MLflow: what is written is read back by their own readers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import mlflow.pyspark.ml
import pytest
from pyspark.ml import Pipeline
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame, SparkSession, functions
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import candlewick.mlflow
from candlewick import NeuralEstimator, nn
from candlewick._callbacks import EpochRecord, FitInfo
from candlewick.callbacks import MLflowCallback, TensorBoardCallback
from candlewick.errors import CancelledError, InvalidParameterError

from .support import blobs, classifier

PARAMS: dict[str, Any] = dict(epochs=3, validationFraction=0.2, metrics=["accuracy"], numTrainers=1)


@pytest.fixture(scope="module")
def data(local2: SparkSession) -> DataFrame:
    """The blobs."""
    return blobs(local2).repartition(2).cache()


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """MLflow's runs lie in a folder of the test."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "runs").as_uri())
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    yield tmp_path
    while mlflow.active_run() is not None:
        mlflow.end_run()


def test_tensorboard_reads_the_epochs(data: DataFrame, tmp_path: Path) -> None:
    estimator = classifier(**PARAMS).setCallbacks([TensorBoardCallback(tmp_path / "tb")])
    history = estimator.fit(data).summary.history
    (folder,) = (tmp_path / "tb").iterdir()
    assert folder.name.startswith(estimator.uid)
    events = EventAccumulator(str(folder))
    events.Reload()
    for name in ("loss", "val_loss", "accuracy", "val_accuracy", "lr"):
        found = [(event.step, event.tensor_proto.float_val[0]) for event in events.Tensors(name)]
        assert [step for step, _ in found] == [0, 1, 2]
        assert [value for _, value in found] == pytest.approx([record[name] for record in history], rel=1e-6)


def test_fits_of_other_programs_have_tensorboard_folders_of_their_own(tmp_path: Path) -> None:
    """A loaded stage keeps its uid, and every JVM counts its fits from 1."""
    uids = ["NeuralClassifier_1", "NeuralClassifier_1", "../../up", "..", "/root/a", "a\\b", "größe\0"]
    fits = [FitInfo(f"{index}{'0' * 31}", 1, uid, 3) for index, uid in enumerate(uids)]
    for fit in fits:
        callback = TensorBoardCallback(tmp_path / "out" / "tb")
        callback.on_fit_begin(fit)
        callback.on_epoch_end(EpochRecord(fit, 0, 8, 0.5, 0.1, 64, 1.0, {}))
        callback.on_fit_end(None, fit)
    assert [path.name for path in tmp_path.iterdir() if path.name != "runs"] == ["out"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["tb"]
    folders = sorted(path.name for path in (tmp_path / "out" / "tb").iterdir())
    assert folders == sorted(
        [
            "NeuralClassifier_1-1-00000000",
            "NeuralClassifier_1-1-10000000",
            ".._.._up-1-20000000",
            "..-1-30000000",
            "_root_a-1-40000000",
            "a_b-1-50000000",
            "gr__e_-1-60000000",
        ]
    )
    for folder in folders:
        events = EventAccumulator(str(tmp_path / "out" / "tb" / folder))
        assert len(events.Reload().Tensors("loss")) == 1, "the curves of one fit"


def test_mlflow_has_parameters_and_metrics_in_the_active_run(data: DataFrame) -> None:
    with mlflow.start_run() as run:
        history = classifier(**PARAMS, callbacks=[MLflowCallback(prefix="nn_")]).fit(data).summary.history
        active = mlflow.active_run()
        assert active is not None and active.info.run_id == run.info.run_id, "the run is the user's to end"
    client = mlflow.MlflowClient()
    found = client.get_run(run.info.run_id)
    assert found.data.params["epochs"] == "3" and "initialWeights" not in found.data.params
    for name in ("loss", "val_accuracy"):
        metrics = client.get_metric_history(run.info.run_id, f"nn_{name}")
        assert [(metric.step, metric.value) for metric in metrics] == [
            (record["epoch"], record[name]) for record in history
        ]


def test_names_that_mlflow_does_not_take_are_logged_with_underscores(data: DataFrame) -> None:
    features = nn.Input("features", 6)
    graph = nn.Graph(features, {"P(buy)": nn.Linear(3)(features), "größe, m²": nn.Linear(1)(features)})
    estimator = NeuralEstimator(
        network=graph,
        loss={"P(buy)": nn.CrossEntropyLoss(), "größe, m²": nn.MSELoss()},
        labelCols=["label"],
        epochs=1,
        numTrainers=1,
    )
    with mlflow.start_run() as run:
        history = estimator.setCallbacks([MLflowCallback(prefix="a=1 ")]).fit(data).summary.history
    found = mlflow.MlflowClient().get_run(run.info.run_id).data.metrics
    record = {re.sub(r"[(),=]", "_", f"a=1 {name}"): value for name, value in history[0].items()}
    assert "a_1 loss_P_buy_" in found and found == {name: record[name] for name in found}, (found, history)


def _record(**numbers: float) -> EpochRecord:
    fit = FitInfo("a", 1, "u", 3)
    metrics = {name: value for name, value in numbers.items() if name != "loss"}
    return EpochRecord(fit, 0, 8, numbers["loss"], 0.1, 64, 1.0, metrics)


def test_outputs_whose_names_become_equal_keep_values_of_their_own() -> None:
    numbers = {"loss_P(a)": 1.0, "loss_P[a]": 2.0, "loss_P_a_": 3.0, "loss": 4.0, "loss_a//b": 5.0, "loss_a/../b/": 6.0}
    callback = MLflowCallback(prefix="nn/")
    with mlflow.start_run() as run:
        callback.on_fit_begin(_record(**numbers).fit)
        callback.on_epoch_end(_record(**numbers))
        # The same names in another epoch, where some come first.
        callback.on_epoch_end(_record(**dict(reversed([("val_loss", 7.0), *numbers.items()]))))
    found = mlflow.MlflowClient().get_run(run.info.run_id).data.metrics
    assert found == {
        "nn/loss": 4.0,
        "nn/lr": 0.1,
        "nn/loss_P_a_": 3.0,
        "nn/loss_P_a__2": 1.0,
        "nn/loss_P_a__3": 2.0,
        "nn/loss_a/b": 5.0,
        "nn/loss_a/b_2": 6.0,
        "nn/val_loss": 7.0,
    }


@pytest.mark.parametrize("prefix", ["/nn", "a//b", "../", "./", "..nn"])
def test_a_prefix_that_mlflow_takes_before_no_name_is_refused(prefix: str) -> None:
    with pytest.raises(InvalidParameterError, match=r"MLflowCallback: prefix = .* is not legal: expected"):
        MLflowCallback(prefix=prefix)


def test_a_fit_without_a_run_has_one_of_its_own(data: DataFrame) -> None:
    estimator = classifier(**PARAMS).setCallbacks([MLflowCallback()])
    estimator.fit(data)

    def broken(epoch: object) -> bool:
        raise ValueError("broken")

    with pytest.raises(Exception, match="broken"):
        estimator.setCallbacks([MLflowCallback(), broken]).fit(data)

    def cancels(epoch: object) -> bool:
        data.sparkSession.sparkContext.cancelAllJobs()
        return False

    with pytest.raises(CancelledError):
        classifier(**{**PARAMS, "epochs": 1_000_000}).setCallbacks([MLflowCallback(), cancels]).fit(data)
    runs = mlflow.MlflowClient().search_runs(["0"], order_by=["start_time"])
    assert [run.info.status for run in runs] == ["FINISHED", "FAILED", "KILLED"]
    assert all(run.info.run_name.startswith(estimator.uid) for run in runs[:2])
    assert mlflow.active_run() is None


def _rows(model: Any, data: DataFrame) -> list[Any]:
    return model.transform(data).select("features", "prediction", "probability").collect()


def test_a_logged_model_comes_back_for_spark_and_for_pandas(data: DataFrame, tmp_path: Path) -> None:
    model = Pipeline(stages=[classifier(**PARAMS)]).fit(data)
    with mlflow.start_run():
        info = candlewick.mlflow.log_model(
            model, "blobs", dfs_tmpdir=str(tmp_path / "spark"), extra_pip_requirements=["tensorboard"]
        )
    assert _rows(mlflow.spark.load_model(info.model_uri, dfs_tmpdir=str(tmp_path / "load")), data) == _rows(model, data)
    local = Path(mlflow.artifacts.download_artifacts(info.model_uri))
    lines = (local / "requirements.txt").read_text().splitlines()
    assert (
        f"candlewick=={candlewick.__version__}" in lines
        and "tensorboard" in lines
        and any(line.startswith("pyspark==") for line in lines)
    )
    some = data.limit(20)
    frame: Any = some.withColumn("features", vector_to_array(functions.col("features"))).select("features").toPandas()
    expected = [row.prediction for row in model.transform(some).select("prediction").collect()]
    assert list(mlflow.pyfunc.load_model(info.model_uri).predict(frame)) == expected
    # A process of its own.
    program = (
        "import sys, candlewick, mlflow, pandas\n"
        "spark = candlewick.session(**{'spark.master': 'local[1]', 'spark.ui.enabled': 'false'})\n"
        "frame = pandas.read_json(sys.argv[2], orient='records')\n"
        "print('predicted', list(mlflow.pyfunc.load_model(sys.argv[1]).predict(frame)))\n"
    )
    # A file: PySpark takes a program of -c for its own doctests.
    (tmp_path / "load.py").write_text(program)
    frame.to_json(tmp_path / "rows.json", orient="records", double_precision=15)
    child = subprocess.run(
        [sys.executable, str(tmp_path / "load.py"), str(local), str(tmp_path / "rows.json")],
        capture_output=True,
        text=True,
        env=dict(os.environ),
        check=False,
    )
    assert f"predicted {expected}" in child.stdout, child.stderr


def test_autologging_logs_the_model_and_the_callback_its_metrics(
    data: DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It would load the model in a process of its own, to see what that needs.
    monkeypatch.setenv("MLFLOW_REQUIREMENTS_INFERENCE_TIMEOUT", "1")
    path = candlewick.mlflow.write_allowlist(tmp_path / "allowlist.txt")
    names = Path(path).read_text().split()
    assert names == candlewick.mlflow.allowlist()
    assert "candlewick.NeuralClassificationModel" in names and "pyspark.ml.pipeline.PipelineModel" in names
    mlflow.pyspark.ml.autolog(log_model_allowlist=candlewick.mlflow.allowlist(), log_input_examples=False, silent=True)
    try:
        with mlflow.start_run() as run:
            classifier(**PARAMS, callbacks=[MLflowCallback()]).fit(data)
    finally:
        mlflow.pyspark.ml.autolog(disable=True, silent=True)
    client = mlflow.MlflowClient()
    assert "val_loss" in client.get_run(run.info.run_id).data.metrics
    logged = [artifact.path for artifact in client.list_artifacts(run.info.run_id)]
    assert "model" in logged, logged
