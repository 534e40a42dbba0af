"""What every stage has to do, of all stages that the package has: one that is new is found by itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark import SparkContext
from pyspark.ml import Estimator, Model, Pipeline, PipelineModel
from pyspark.ml.common import _java2py
from pyspark.ml.evaluation import MulticlassClassificationEvaluator, RegressionEvaluator
from pyspark.ml.param import Param, Params
from pyspark.ml.tuning import CrossValidator, CrossValidatorModel, ParamGridBuilder, TrainValidationSplit
from pyspark.sql import DataFrame, SparkSession

import candlewick
from candlewick import NeuralClassifier, NeuralEstimator, NeuralRegressor, nn, optim

from .support import blobs

#: Estimators that fit in no time, and how their models are judged.
SUBJECTS: dict[str, Any] = {
    "NeuralClassifier": lambda: (NeuralClassifier(**settings(3)), MulticlassClassificationEvaluator()),
    "NeuralEstimator": lambda: (general(), MulticlassClassificationEvaluator(predictionCol="prediction_kind")),
    "NeuralRegressor": lambda: (
        NeuralRegressor(**settings(1), labelCol="id"),
        RegressionEvaluator(labelCol="id"),
    ),
}

#: Values of parameters; of a parameter, the first that is legal and that it has not.
VALUES: list[Any] = [
    3,
    2,
    1,
    0.25,
    1.5,
    True,
    False,
    "other",
    "skip",
    "none",
    "7s",
    "9m",
    "balanced",
    "bf16",
    "delayed",
    "cpu",
    "auto",
]
VALUES += ["/spool"]
VALUES += [nn.Sequential(nn.Linear(2)), nn.MSELoss(), optim.SGD(lr=0.5), optim.lr_scheduler.StepLR(step_size=2)]
VALUES += [candlewick.EarlyStopping(), {"0": "inner"}, ["a", "b"], [2, 2], [0.5, 0.25, 0.25]]

#: What a model has otherwise, or would only carry around.
ALONE = {"network", "initialWeights", "strictWeights"}


def settings(outputs: int) -> dict[str, Any]:
    net = nn.Sequential(nn.Linear(8), nn.ReLU(), nn.Linear(outputs))
    return dict(network=net, epochs=2, batchSize=32, optimizer=optim.AdamW(lr=0.05), seed=7)


def general() -> NeuralEstimator:
    """Two tasks, a class and what the features are."""
    features = nn.Input("features", 6)
    hidden = nn.ReLU()(nn.Linear(8)(features))
    net = nn.Graph(features, {"kind": nn.Linear(3)(hidden), "again": nn.Linear(6)(hidden)})
    loss = {
        "kind": nn.LossTerm(nn.CrossEntropyLoss(), label="label"),
        "again": nn.LossTerm(nn.MSELoss(), label="features"),
    }
    return NeuralEstimator(**{**settings(1), "network": net}, loss=loss, labelCols=["label", "features"])


@pytest.fixture(scope="module")
def data(local2: SparkSession) -> DataFrame:
    numbered = [(row.features, row.label, at / 120) for at, row in enumerate(blobs(local2, rows=120).collect())]
    return local2.createDataFrame(numbered, ["features", "label", "id"]).repartition(3).cache()


@pytest.fixture(scope="module", params=sorted(SUBJECTS))
def fitted(request: Any, data: DataFrame) -> Iterator[tuple[Any, Any, Any]]:
    estimator, judge = SUBJECTS[request.param]()
    yield estimator, estimator.fit(data), judge


def stages() -> dict[str, type]:
    named = {name: getattr(candlewick, name) for name in candlewick.__all__}
    kinds = {name: kind for name, kind in named.items() if inspect.isclass(kind)}
    return {name: kind for name, kind in kinds.items() if issubclass(kind, (Estimator, Model))}


def state(stage: Params) -> dict[str, Any]:
    """The id of a stage, and every parameter that is set or has a default."""
    values = {param.name: stage.getOrDefault(param) for param in stage.params if stage.isDefined(param)}
    return {**values, "uid": stage.uid}


def sample(stage: Params, param: Param[Any]) -> Any:
    """A legal value of a parameter that is not the one that it has, as it is kept."""
    now = stage.getOrDefault(param) if stage.isDefined(param) else None
    for value in VALUES:
        try:
            kept = param.typeConverter(value)
        except (TypeError, ValueError):
            continue
        if kept != now:
            return kept
    raise AssertionError(f"add a legal value of {param.name} to the values of this test")


def again(stage: Any, path: Path) -> Any:
    """Saved, and loaded by its class."""
    stage.write().overwrite().save(str(path))
    return type(stage).load(str(path))


def rows(frame: DataFrame) -> list[Any]:
    return frame.orderBy("id").collect()


def test_every_stage_has_its_subject_here(data: DataFrame) -> None:
    subjects = {name: make()[0] for name, make in SUBJECTS.items()}
    models = {type(estimator.setEpochs(0).fit(data)).__name__ for estimator in subjects.values()}
    assert set(stages()) == set(subjects) | models, "add a new estimator to the subjects of this test"


def test_every_parameter_has_a_getter_and_those_that_are_set_a_setter(fitted: tuple[Any, Any, Any]) -> None:
    estimator, model, _ = fitted
    for stage in (estimator.copy(), model.copy()):
        for param in stage.params:
            name = param.name[0].upper() + param.name[1:]
            get, put = getattr(stage, f"get{name}"), getattr(stage, f"set{name}", None)
            assert put is not None or isinstance(stage, Model), f"no set{name}"
            assert get.__doc__, f"get{name}"
            if put is None:
                continue
            value = sample(stage, param)
            assert put(value) is stage, f"set{name} gives the stage"
            assert stage.getOrDefault(param) == value and get() is not None and stage.isSet(param)
            stage.clear(param)
            assert not stage.isSet(param)


def test_a_constructor_takes_every_parameter_by_its_name(fitted: tuple[Any, Any, Any]) -> None:
    estimator, _, _ = fitted
    kind = type(estimator)
    for param in estimator.params:
        assert kind(**{param.name: sample(estimator, param)}).isSet(param.name)
        assert kind().setParams(**{param.name: sample(estimator, param)}).isSet(param.name)
        assert f"{param.name}:" in kind.__init__.__doc__


def test_explain_params_tells_every_parameter(fitted: tuple[Any, Any, Any]) -> None:
    for stage in fitted[:2]:
        lines = stage.explainParams().split("\n")
        assert [line.split(":")[0] for line in lines] == [param.name for param in stage.params]
        assert all(len(line) > 40 for line in lines)
        # As its builder writes it; models have a network and no parameter of it.
        network = [line.partition("current: ")[2] for line in lines if line.startswith("network:")]
        assert all(text.startswith(("Sequential(", "Graph(")) for text in network)


def test_a_copy_is_like_the_stage_and_what_it_is_given_changes_it_alone(fitted: tuple[Any, Any, Any]) -> None:
    for stage in fitted[:2]:
        before = state(stage)
        same = stage.copy()
        assert type(same) is type(stage) and same is not stage and state(same) == before
        for param in stage.params:
            value = sample(stage, param)
            other = stage.copy({param: value})
            assert other.getOrDefault(param.name) == value
            assert {**state(other), param.name: None} == {**before, param.name: None}
            assert state(stage) == before


def test_a_model_knows_what_it_was_trained_with(fitted: tuple[Any, Any, Any], data: DataFrame) -> None:
    estimator, model, _ = fitted
    assert {param.name for param in estimator.params} - {param.name for param in model.params} == ALONE
    wanted = {name: value for name, value in state(estimator).items() if name not in ALONE}
    assert state(model) == wanted
    more = estimator.fit(data, {estimator.epochs: 1})
    assert (more.getEpochs(), model.getEpochs(), estimator.getEpochs()) == (1, 2, 2)
    assert model.getOptimizer() == optim.AdamW(lr=0.05)
    assert "in_features" in model.getNetwork().to_json()
    for name in ("setEpochs", "setOptimizer", "setClassWeight"):
        assert not hasattr(model, name), "a model is not trained again"


def test_both_halves_of_a_stage_have_the_same_parameters_and_defaults(fitted: tuple[Any, Any, Any]) -> None:
    fresh = type(fitted[0])()
    context: Any = SparkContext._active_spark_context
    for stage in (fresh, fitted[1]):
        assert {param.name() for param in stage._java_obj.params()} == {param.name for param in stage.params}
    for param in fresh.params:
        there = fresh._java_obj.getDefault(fresh._java_obj.getParam(param.name))
        assert there.isDefined() == fresh.hasDefault(param), param.name
        if there.isDefined():
            assert _java2py(context, there.get()) == fresh._defaultParamMap[param]


def test_what_the_jvm_knows_is_not_handed_over_again(
    fitted: tuple[Any, Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    estimator = fitted[0].copy()
    handed: list[str] = []

    def pair(param: Param[Any], value: Any) -> Any:
        handed.append(param.name)
        return type(estimator)._make_java_param_pair(estimator, param, value)

    monkeypatch.setattr(estimator, "_make_java_param_pair", pair)
    estimator._hand_over()
    assert sorted(handed) == sorted(param.name for param in estimator.params if estimator.isSet(param))
    # A default that is another one goes there, where it was not set.
    estimator.clear(estimator.seed)
    for seed in (5, 6):
        estimator._setDefault(seed=seed)
        estimator._hand_over()
        assert estimator._java_obj.getSeed() == seed


def test_what_is_saved_and_loaded_is_what_it_was(fitted: tuple[Any, Any, Any], data: DataFrame, tmp_path: Path) -> None:
    estimator, model, _ = fitted
    assert state(again(estimator, tmp_path / "e")) == state(estimator)
    loaded = again(model, tmp_path / "m")
    assert state(loaded) == state(model)
    assert rows(loaded.transform(data)) == rows(model.transform(data))
    for stage in (estimator.copy(), model.copy()):
        for param in stage.params:
            stage.set(param, sample(stage, param))
        assert state(again(stage, tmp_path / "all")) == state(stage)


def test_in_a_pipeline_fitted_saved_and_loaded(fitted: tuple[Any, Any, Any], data: DataFrame, tmp_path: Path) -> None:
    estimator, model, _ = fitted
    pipeline = again(Pipeline(stages=[estimator]), tmp_path / "p")
    piped = again(pipeline.fit(data), tmp_path / "pm")
    assert isinstance(piped, PipelineModel)
    assert rows(piped.transform(data)) == rows(model.transform(data))


def test_in_cross_validator_and_train_validation_split(
    fitted: tuple[Any, Any, Any], data: DataFrame, tmp_path: Path
) -> None:
    estimator, _, judge = fitted
    grid = ParamGridBuilder().addGrid(estimator.epochs, [0, 4]).build()
    shared: dict[str, Any] = dict(
        estimator=estimator, estimatorParamMaps=grid, evaluator=judge, parallelism=2, collectSubModels=True, seed=5
    )
    crossed: Any = CrossValidator(numFolds=2, **shared).fit(data)
    assert [[model.getEpochs() for model in fold] for fold in crossed.subModels] == [[0, 4], [0, 4]]
    best: Any = crossed.bestModel
    assert (best.getEpochs(), best.getBatchSize(), best.getOptimizer()) == (4, 32, optim.AdamW(lr=0.05))
    assert [entry["lr"] for entry in best.summary.history] == [0.05] * 4
    loaded: Any = again(crossed, tmp_path / "cv")
    assert type(loaded) is CrossValidatorModel
    found: Any = loaded.bestModel
    assert found.getEpochs() == 4
    assert rows(loaded.transform(data)) == rows(crossed.transform(data))
    chosen: Any = TrainValidationSplit(**shared).fit(data)
    assert [model.getEpochs() for model in chosen.subModels] == [0, 4] and chosen.bestModel.getEpochs() == 4
