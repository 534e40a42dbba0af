"""What estimators and models are to Python itself: shown, copied, and not pickled. No JVM."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
from typing import Any

import numpy as np
import pytest
from pyspark import cloudpickle
from pyspark.ml import Pipeline
from pyspark.ml.linalg import Vectors
from pyspark.sql import DataFrame, Row

from candlewick import (
    NeuralClassificationModel,
    NeuralEstimator,
    NeuralEstimatorModel,
    NeuralRegressionModel,
    nn,
    optim,
)
from candlewick._params.classifier import NeuralClassifierBase
from candlewick._row import as_vector
from candlewick._stage import NotPickled, Shown
from candlewick.errors import SetupError


class NeuralClassifier(NotPickled, Shown, NeuralClassifierBase):
    """The estimator without its companion in the JVM."""

    def _attach(self, given: dict[str, Any]) -> None:
        self._set(**given)


NET = nn.Sequential(nn.Linear(3), nn.ReLU())


def test_an_estimator_shows_what_differs_from_the_defaults() -> None:
    assert repr(NeuralClassifier()) == "NeuralClassifier()"
    assert (
        repr(NeuralClassifier(epochs=10, batchSize=512, labelCol="y"))
        == "NeuralClassifier(batchSize=512, labelCol='y')"
    )
    long = NeuralClassifier(network=NET, optimizer=optim.SGD(0.1), initialWeights=b"x" * 1000)
    assert repr(long).splitlines()[-6:] == [
        "  network=Sequential(",
        "    (0): Linear(out_features=3, bias=True)",
        "    (1): ReLU()",
        "  ),",
        f"  optimizer={optim.SGD(0.1)!r},",
        ")",
    ]
    assert "initialWeights='base64:eHh4" in repr(long) and max(map(len, repr(long).splitlines())) < 200


def test_a_document_that_is_not_legal_is_shown_by_what_it_says() -> None:
    wrong = {"format": "candlewick.network/1", "layers": [{"type": "Lineer"}]}
    assert "network=Sequential(Lineer())" in repr(NeuralClassifier(network=wrong))


def test_the_page_of_an_estimator() -> None:
    page = NeuralClassifier(network=NET, epochs=3, labelCol="<y>")._repr_html_()
    assert '<td style="text-align: left">epochs</td>' in page and "&lt;y&gt;" in page and "<y>" not in page
    assert "(0): Linear(out_features=3, bias=True)" in page


def test_the_page_of_a_network() -> None:
    page = nn.Sequential(nn.Residual(nn.Linear(3)), nn.ReLU()).with_init({"*": nn.init.zeros_()})._repr_html_()
    for cell in ("0", "0.0", "1", "Residual", "Linear", "out_features=3, bias=True"):
        assert f'left">{cell}</td>' in page
    assert "init &#x27;*&#x27;: zeros_()</pre>" in page
    x = nn.Input("x", [2])
    graph = nn.Graph(x, {"y": nn.Linear(1)(nn.Tanh()(x))})._repr_html_()
    assert 'left">tanh_1</td>' in graph and "Linear(out_features=1, bias=True) of tanh_1" in graph
    assert 'left">0</td>' in nn.Linear(3)._repr_html_()


@pytest.mark.parametrize(
    "stage", [NeuralClassifier(epochs=3), NeuralClassificationModel(), NeuralEstimatorModel(), NeuralRegressionModel()]
)
@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps])
def test_pickling_is_refused_with_the_way_out(stage: Any, dumps: Any) -> None:
    name = type(stage).__name__
    for value in (stage, [stage], Pipeline(stages=[stage]), lambda: stage):
        if value.__class__.__name__ == "function" and dumps is pickle.dumps:
            continue
        with pytest.raises(TypeError) as told:
            dumps(value)
        assert f"a {name} cannot be pickled" in str(told.value)
        assert f"write().overwrite().save(path) and load it with {name}.load(path)" in str(told.value)


def test_copies_work_as_spark_makes_them() -> None:
    stage = NeuralClassifier(epochs=3)
    for made in (copy.copy(stage), copy.deepcopy(stage), stage.copy(), stage.copy({stage.batchSize: 7})):
        assert type(made) is NeuralClassifier and made.uid == stage.uid and made.getEpochs() == 3
    for other in (stage.copy(), copy.deepcopy(stage)):
        other.setEpochs(5)
    assert stage.getEpochs() == 3


def test_a_value_in_place_of_a_parameter_is_refused() -> None:
    stage = NeuralClassifier(epochs=3)
    for made in (stage, stage.copy(), NeuralClassifier()):
        with pytest.raises(
            AttributeError, match=r"^NeuralClassifier\.epochs is a parameter: set it with setEpochs\(5\)$"
        ):
            made.epochs = 5  # type: ignore[assignment]
        assert made.getOrDefault("epochs") == made.getEpochs() and made.getEpochs() in (3, 10)
    model = object.__new__(NeuralClassificationModel)
    with pytest.raises(
        AttributeError, match=r"NeuralClassificationModel\.epochs is a parameter: what the model was trained"
    ):
        model.epochs = 5  # type: ignore[assignment]
    with pytest.raises(AttributeError, match=r"set it with setHandleInvalid\('skip'\)"):
        model.handleInvalid = "skip"  # type: ignore[assignment]
    with pytest.raises(AttributeError, match=r"set it with setCallbacks\(\[\]\)"):
        object.__new__(NeuralEstimator).callbacks = []  # type: ignore[attr-defined]


def test_a_model_whose_session_was_stopped_says_so() -> None:
    # As after spark.stop(): the tests without a JVM have no session.
    model = object.__new__(NeuralClassificationModel)
    for ask in (lambda: model.predict([1.0]), lambda: model.numFeatures):
        with pytest.raises(SetupError, match="there is no Spark session"):
            ask()


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "not NoneType"),
        ("0.5", "not str"),
        (b"12345678", "not bytes"),
        (["a"], "not list"),
        ({"a": 0.5}, "not dict; take the numbers out of it, in the order of the features"),
        (Row(features=Vectors.dense(0.5), label=1.0), "not a Row; take the features out of it: row.features, or row"),
        (np.ones((2, 4)), r"not an array of shape \(2, 4\); transform\(df\) takes many rows"),
        ([[0.5]], r"not an array of shape \(1, 1\)"),
    ],
)
def test_what_is_no_row_is_told_what_predict_takes(value: Any, told: str) -> None:
    takes = r"takes the features of one row, a Vector or numbers one after another such as \[0\.5, 1\.5\], "
    for ask in (NeuralClassificationModel.predict, NeuralClassificationModel.predictProbability):
        with pytest.raises(TypeError, match=rf"^NeuralClassificationModel\.{ask.__name__} {takes}{told}"):
            ask(object.__new__(NeuralClassificationModel), value)
    with pytest.raises(TypeError, match=r"^NeuralEstimatorModel\.predict takes"):
        object.__new__(NeuralEstimatorModel).predict(value)
    with pytest.raises(TypeError, match=r"not DataFrame; transform\(df\) takes all rows of a DataFrame$"):
        as_vector("predict", object.__new__(DataFrame))


def test_numbers_of_a_row_are_taken_however_they_are_held() -> None:
    for value in ([1, 2], (1.0, 2.0), range(1, 3), np.array([1, 2], np.uint8), Row(a=1.0, b=2), Vectors.dense(1, 2)):
        assert as_vector("predict", value) == Vectors.dense(1.0, 2.0)
    assert as_vector("predict", 3) == as_vector("predict", np.float32(3)) == Vectors.dense(3.0)
    sparse = Vectors.sparse(3, [1], [2.0])
    assert as_vector("predict", sparse) is sparse


def test_a_frame_of_pandas_on_spark_is_told_the_way() -> None:
    frame = type("DataFrame", (), {"__module__": "pyspark.pandas.frame"})()
    with pytest.raises(
        TypeError, match=r"not pyspark\.pandas\.frame\.DataFrame; to_spark\(\) .*: transform\(df\.to_spark"
    ):
        object.__new__(NeuralClassificationModel)._transform(frame)


def test_a_stage_that_was_refused_goes_without_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    # Over Spark Connect PySpark asks a stage that goes for its other half.
    monkeypatch.setenv("SPARK_CONNECT_MODE_ENABLED", "1")
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    with pytest.raises(TypeError, match="did you mean 'epochs'"):
        NeuralEstimator(epoch=1)  # type: ignore[call-arg]
    gc.collect()
    assert told == []


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("setClusterSize", "did you mean 'setNumTrainers'?"),
        ("setMaxEpoch", "did you mean 'setEpochs'?"),
        ("setEpoch", "did you mean 'setEpochs'?"),
        ("getMaxIter", "did you mean 'getEpochs'?"),
        ("setEndWhen", "it is epochs, or earlyStopping=EarlyStopping(...) here"),
        ("setLr", "it is learningRate, or optimizer=optim.Adam(lr=...) here"),
        ("set_num_proc", "did you mean 'setNumTrainers'?"),
        (
            "setGraceSecs",
            "there is nothing to set: a fit returns when its trainers have ended, and the session goes on",
        ),
    ],
)
def test_a_setter_of_another_library_is_told_what_it_is_here(name: str, told: str) -> None:
    with pytest.raises(AttributeError) as error:
        getattr(NeuralClassifier(), name)
    assert str(error.value) == f"'NeuralClassifier' object has no attribute '{name}'; {told}"


def test_an_attribute_that_is_like_no_other_is_told_in_pythons_words() -> None:
    stage = NeuralClassifier()
    for name in ("setXyz", "fits", "_repr_png_", "set", "settle"):
        if name == "set":
            assert callable(stage.set)
            continue
        with pytest.raises(AttributeError, match=rf"^'NeuralClassifier' object has no attribute '{name}'$") as error:
            getattr(stage, name)
        assert (error.value.name, error.value.obj) == (name, stage)
    assert not hasattr(stage, "setMaxEpoch") and copy.copy(stage) is not stage


def test_a_property_that_fails_says_why() -> None:
    class Failing(NeuralClassifier):
        @property
        def summary(self) -> Any:
            return getattr(self, "noth" + "ing")

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = Failing().summary
