"""Spark Connect without a server: what errors of one become, and what says no. tests/e2e/test_connect.py has a real one."""

from __future__ import annotations

import json
from typing import Any

import pyspark.sql.connect.proto as pb2
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from pyspark.sql.connect.client import core
from pyspark.sql.connect.session import SparkSession as ConnectSession

import candlewick
from candlewick import NeuralClassifier, _folder, _remote, nn
from candlewick.errors import InvalidDataError, InvalidParameterError, SetupError
from candlewick.mlflow import requirements

OURS = ["candlewick.jni.InvalidDataException", "candlewick.jni.CandlewickException", "java.lang.RuntimeException"]
SPARK = ["org.apache.spark.SparkException", "java.lang.Exception"]
UNSUPPORTED = ["org.apache.spark.sql.connect.ml.MlUnsupportedException", *SPARK]


def told(*errors: tuple[list[str], str], whole: bool = True) -> Any:
    """What a client raises for an error with its causes, of which an old or terse server tells the first alone."""
    _remote.install()
    response = pb2.FetchErrorDetailsResponse(root_error_idx=0)
    for at, (classes, message) in enumerate(errors):
        error = response.errors.add(error_type_hierarchy=classes, message=message)
        if at + 1 < len(errors):
            error.cause_idx = at + 1
    classes, message = errors[0]
    info = ErrorInfo(reason=classes[0], metadata={"classes": json.dumps(classes)})
    return vars(core)["convert_exception"](info, message, response if whole else None)


def test_errors_of_a_server_are_those_of_any_session() -> None:
    error = told((SPARK, "Job aborted"), (OURS, "row 3 holds null"))
    assert isinstance(error, InvalidDataError) and str(error) == "row 3 holds null"
    assert type(error.java_exception).__name__ == "SparkException", "PySpark's own is kept"
    assert isinstance(told((OURS, "row 3"), whole=False), InvalidDataError)
    assert type(told((SPARK, "no space left"))).__name__ == "SparkException"


def test_a_server_without_the_jar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABRICKS_RUNTIME_VERSION", raising=False)
    message = "Unsupported ML operator, found candlewick.NeuralClassifier"
    error = told((UNSUPPORTED, message))
    assert isinstance(error, SetupError) and "does not know candlewick.NeuralClassifier: it has no" in str(error)
    assert "candlewick.attach(spark) sends" in str(error) and "dedicated" not in str(error)
    assert not isinstance(told((UNSUPPORTED, message.replace("candlewick.", "acme."))), SetupError)
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "client.4.0")
    assert "choose compute in dedicated access mode" in str(told((UNSUPPORTED, message)))


def test_an_old_client_is_told_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_CONNECT_MODE_ENABLED", "1")
    monkeypatch.delenv("DATABRICKS_RUNTIME_VERSION", raising=False)
    monkeypatch.setattr(_remote, "PYSPARK", "3.5.8")
    told = r"needs Spark 4, on the client and on the server, and this is PySpark 3\.5\.8: .*classic session"
    with pytest.raises(SetupError, match=told):
        NeuralClassifier(epochs=3)
    with pytest.raises(SetupError, match=told):
        NeuralClassifier.load("/nowhere")
    # A session that was never connected: nothing is asked of it.
    session: Any = object.__new__(ConnectSession)
    with pytest.raises(SetupError, match=told):
        candlewick.attach(session)
    monkeypatch.setattr(_remote, "PYSPARK", "4.0.0")
    assert NeuralClassifier(epochs=3).getEpochs() == 3


def test_without_a_jvm_estimators_are_made_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARK_CONNECT_MODE_ENABLED", "1")
    made = NeuralClassifier(network=nn.Sequential(nn.Linear(3)), epochs=3)
    assert made.copy({made.epochs: 5}).getEpochs() == 5
    made.clear(made.epochs)
    assert made.getEpochs() == 10
    made.setParams(epochs=5, seed=None, network=None, callbacks=None)  # type: ignore[arg-type]
    assert made.isSet("epochs") and not made.isSet("network"), "None unsets, here too"
    with pytest.raises(InvalidParameterError, match="epochs"):
        made.setEpochs(-1)
    with pytest.raises(SetupError, match=r"summary of a network does not work over Spark Connect: .*classic session"):
        nn.Sequential(nn.Linear(3)).summary(4)
    assert requirements()


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("hdfs://host:9000/models/digits", "hdfs://host:9000/models/digits"),
        ("/models/run [3]", r"/models/run \[3\]"),
        (r"/a{b,c}*d?e\f", r"/a\{b,c\}\*d\?e\\f"),
    ],
)
def test_a_folder_is_read_by_its_name_and_not_as_a_pattern(path: str, pattern: str) -> None:
    assert _folder.escaped(path) == pattern


def test_all_that_is_read_of_a_folder_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Reader:
        def __getattr__(self, _name: str) -> Any:
            def call(*given: Any, **_: Any) -> Any:
                asked.append(str(given[0]))
                return self

            return call

        def first(self) -> Any:
            return [b"w" if "content" in asked else "{}"]

        def collect(self) -> Any:
            return [["file:/models/a%5B1%5D/data/weights.safetensors"]]

    class Session:
        read = Reader()

    monkeypatch.setattr(_folder, "_session", Session)
    folder = _folder.Folder("/models/a[1]", "0")
    assert folder.weights_path() == "/models/a[1]/data/weights.safetensors", "a name, not a pattern"
    monkeypatch.setattr(folder, "weights_path", lambda: "/models/a[1]/data/weights.safetensors")
    assert folder.weights() == b"w"
    assert [name for name in asked if "models" in name] == [
        r"/models/a\[1\]/data/model.json",
        r"/models/a\[1\]/data",
        r"/models/a\[1\]/data/weights.safetensors",
    ]
