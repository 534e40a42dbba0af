"""Parameters where they are set: what is legal, and what a wrong value is told. No JVM."""

from __future__ import annotations

import inspect
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.ml.tuning import ParamGridBuilder

from candlewick import EarlyStopping, NeuralClassificationModel, NeuralClassifier, _elsewhere, nn, optim
from candlewick._legal import keywords
from candlewick._params.classifier import NeuralClassifierBase
from candlewick._params.estimator import NeuralEstimatorBase
from candlewick._params.regressor import NeuralRegressorBase
from candlewick._stage import Explained
from candlewick.errors import InvalidParameterError


class Classifier(NeuralClassifierBase):
    """Without the companion in the JVM."""

    def _attach(self, given: dict[str, Any]) -> None:
        self._set(**{name: value for name, value in given.items() if value is not None})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("epochs", -1, "parameter epochs = -1 is not legal: expected a whole number from 0 to 1000000"),
        ("batchSize", 0, "parameter batchSize = 0 is not legal: expected a whole number from 1 to 16777216"),
        ("dataReplicas", 3, "parameter dataReplicas = 3 is not legal: expected a whole number from 1 to 2"),
        ("clipNorm", 0, "parameter clipNorm = 0.0 is not legal: expected a finite number above 0"),
        ("clipValue", math.inf, "parameter clipValue = Infinity is not legal: expected a finite number above 0"),
        ("scale", math.nan, "parameter scale = NaN is not legal: expected a finite number above 0"),
        (
            "emaDecay",
            1.0,
            "parameter emaDecay = 1.0 is not legal: expected a finite number of at least 0 and below 1",
        ),
        (
            "handleInvalid",
            "drop",
            'parameter handleInvalid = "drop" is not legal: expected "error" or "skip" or "keep"',
        ),
        (
            "inputShape",
            [-1, 6],
            "parameter inputShape = [-1, 6] is not legal: expected a list of at least one whole number, each of at least 1",
        ),
        (
            "thresholds",
            [0.5, -0.5],
            "parameter thresholds = [0.5, -0.5] is not legal: expected a list of at least one number, each of at least 0, "
            "at most one of them 0",
        ),
        (
            "thresholds",
            [0.0, 1.0, 0.0],
            "parameter thresholds = [0.0, 1.0, 0.0] is not legal: expected a list of at least one number, each of at "
            "least 0, at most one of them 0",
        ),
        ("metrics", [], "parameter metrics = [] is not legal: expected a list of at least one text"),
        *(
            (
                "classWeight",
                value,
                f'parameter classWeight = {text} is not legal: expected "balanced", or an object with a number for classes such '
                'as {"0": 1.0, "1": 12.0}, each of at least 0',
            )
            for value, text in (
                ("Balanced", '"Balanced"'),
                ({0: -1.0}, '{"0": -1.0}'),
                ({-1: 1.0}, '{"-1": 1.0}'),
                ({0.5: 1.0}, '{"0.5": 1.0}'),
                ({0: math.nan}, '{"0": NaN}'),
                ({0: "1"}, '{"0": "1"}'),
                ({}, "{}"),
                ("[1]", "[1]"),
            )
        ),
        (
            "failureTimeout",
            "soon",
            'parameter failureTimeout = "soon" is not legal: expected a duration such as "15s", "500ms" or "2min"; a bare '
            "number is seconds",
        ),
        *(
            (
                "spoolDir",
                value,
                f'parameter spoolDir = "{value}" is not legal: expected absolute paths of folders, without "file:" and with commas '
                'between, such as "/data/1,/data/2"',
            )
            for value in ("", ",", "spool", "/data,", "file:///data")
        ),
        ("feedMemory", "0m", 'parameter feedMemory = "0m" is not legal: expected a size such as "64m" or "1g"'),
    ],
)
def test_a_wrong_value_is_refused_at_once(name: str, value: Any, message: str) -> None:
    stage = Classifier()
    for give in (
        lambda: getattr(stage, f"set{name[0].upper()}{name[1:]}")(value),
        lambda: stage.setParams(**{name: value}),
        lambda: Classifier(**{name: value}),
        lambda: stage.copy({stage.getParam(name): value}),
        lambda: ParamGridBuilder().addGrid(stage.getParam(name), [value]).build(),
    ):
        with pytest.raises(InvalidParameterError) as told:
            give()
        assert str(told.value) == message
    assert not stage.isSet(name)


def test_a_value_of_another_type_is_pysparks_error() -> None:
    with pytest.raises(TypeError, match='Invalid param value given for param "epochs"'):
        Classifier(epochs="many")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r'Invalid param value given for param "classWeight".* is of type list'):
        Classifier(classWeight=[1.0, 2.0])  # type: ignore[arg-type]


def test_class_weights_are_a_word_or_numbers_by_class() -> None:
    stage = Classifier(classWeight={0: 1, 1.0: 12.5})
    assert stage.getClassWeight() == '{"0": 1.0, "1": 12.5}'
    assert stage.setClassWeight(stage.getClassWeight()).getClassWeight() == '{"0": 1.0, "1": 12.5}'
    assert stage.setClassWeight("balanced").getClassWeight() == "balanced"


def test_bounds_are_legal() -> None:
    stage = Classifier(epochs=0, batchSize=1 << 24, emaDecay=0.0, thresholds=[0, 7.5], launchTimeout=" 15 S ")
    assert (stage.getDataReplicas(), stage.setDataReplicas(2).getDataReplicas()) == (1, 2)
    assert (stage.getEpochs(), stage.getThresholds()) == (0, [0.0, 7.5])
    assert stage.copy({stage.epochs: 3}).getEpochs() == 3
    assert stage.getEpochs() == 0


def test_every_default_is_legal() -> None:
    stage = Classifier()
    for param in stage.params:
        if stage.hasDefault(param):
            stage.set(param, stage.getOrDefault(param))
    assert "(whole number from 0 to 1000000) (default: 10" in stage.explainParam("epochs")


class Told(Explained, Classifier):
    """One that explains its parameters as estimators do."""


def test_what_is_long_is_explained_in_short() -> None:
    network = nn.Sequential(*(nn.Linear(width) for width in range(1, 100)))
    stage = Told(network=network, initialWeights=bytes(10_000), loss=nn.CrossEntropyLoss(label_smoothing=0.1))
    assert "current: Sequential(" in stage.explainParam("network")
    assert "current: CrossEntropyLoss(weight=None, " in stage.explainParam(stage.loss)
    lines = stage.explainParams().split("\n")
    assert [line.split(":")[0] for line in lines] == [param.name for param in stage.params]
    for name in ("network", "initialWeights"):
        line = next(line for line in lines if line.startswith(f"{name}:"))
        assert line.endswith("...)") and len(line) < len(stage.getParam(name).doc) + 250


@pytest.mark.parametrize(
    ("name", "meant"), [("epoch", "epochs"), ("batch_size", "batchSize"), ("lr_scheduler", "lrScheduler")]
)
def test_an_unknown_name_is_told_what_it_may_have_been(name: str, meant: str) -> None:
    for give in (Classifier, Classifier().setParams):
        with pytest.raises(TypeError, match=rf"^Classifier has no parameter '{name}'; did you mean '{meant}'\?$"):
            give(**{name: 1})
    with pytest.raises(TypeError, match=r"^Classifier has no parameter 'colour'$"):
        Classifier(colour=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="takes its parameters by name"):
        Classifier(3)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("lr", "it is learningRate, or optimizer=optim.Adam(lr=...) here"),
        ("maxIter", "did you mean 'epochs'?"),
        ("max_iter", "did you mean 'epochs'?"),
        ("blockSize", "did you mean 'batchSize'?"),
        ("weight_decay", "it is optimizer=optim.AdamW(weight_decay=...) here"),
        ("random_state", "did you mean 'seed'?"),
        ("num_proc", "did you mean 'numTrainers'?"),
        ("label_cols", "did you mean 'labelCol'?"),
        ("validation", "it is validationFraction, or validationIndicatorCol for rows that a column marks here"),
        (
            "store",
            "there is nothing to set: rows go from Spark's tasks straight to the trainers, and no files are written before",
        ),
        ("use_gpu", 'it is device="cuda" here'),
        ("hidden_layer_sizes", "it is network=nn.Sequential(...) here"),
    ],
)
def test_a_name_of_another_library_is_told_what_it_is_here(name: str, hint: str) -> None:
    with pytest.raises(TypeError, match="^" + re.escape(f"Classifier has no parameter '{name}'; {hint}") + "$"):
        Classifier(**{name: 1})


class General(NeuralEstimatorBase):
    """Without the companion in the JVM."""

    def _attach(self, given: dict[str, Any]) -> None: ...


def names(*stages: type) -> set[str]:
    """The parameters of stages, and what their constructors take beside."""
    made = {param.name for stage in stages for param in stage().params}
    return made.union(*(inspect.signature(stage).parameters for stage in stages))


@pytest.mark.parametrize("name", _elsewhere._ELSEWHERE)
def test_every_name_of_another_library_leads_to_a_parameter(name: str) -> None:
    here = _elsewhere._ELSEWHERE[name]
    for stage in (Classifier, General):
        listed = [here] if isinstance(here, str) else here
        found = next(text for text in listed if re.split(r"\W", text)[0] in names(stage))
        with pytest.raises(TypeError, match=f"{re.escape(found)}('\\?| here)$"):
            stage(**{name: 1})


@pytest.mark.parametrize("name", _elsewhere._NOTHING)
def test_every_name_for_which_there_is_nothing_says_why(name: str) -> None:
    with pytest.raises(TypeError, match=rf"no parameter '{name}'; there is nothing to set: .*\w$"):
        Classifier(**{name: 1})


def test_every_parameter_that_hints_name_exists() -> None:
    texts = [*_elsewhere._NOTHING.values()]
    for here in _elsewhere._ELSEWHERE.values():
        texts += [here] if isinstance(here, str) else here
    known = {"withColumn", "minDelta", "setCallbacks", "setInitialModel", "toOnnx"} | names(Classifier, General)
    assert hasattr(NeuralClassifier, "setCallbacks") and hasattr(NeuralClassifier, "setInitialModel")
    assert hasattr(NeuralClassificationModel, "toOnnx") and "minDelta" in inspect.signature(EarlyStopping).parameters
    for text in texts:
        assert set(re.findall(r"\b[a-z]+[A-Z]\w*", text)) <= known, text
        for home, name in re.findall(r"\b(nn|optim)\.([A-Z]\w*)", text):
            assert hasattr({"nn": nn, "optim": optim}[home], name), text
    assert all(re.fullmatch(r"[a-z0-9]+", name) for name in {**_elsewhere._ELSEWHERE, **_elsewhere._NOTHING})
    assert not _elsewhere._ELSEWHERE.keys() & _elsewhere._NOTHING.keys()
    taken = {name.lower() for name in names(Classifier, General)}
    assert not taken & ({*_elsewhere._ELSEWHERE, *_elsewhere._NOTHING} - {"labelcols"})


#: Arguments of Horovod's, TensorFlowOnSpark's, BigDL's, XGBoost's, H2O's and SynapseML's estimators and of TorchDistributor.
PEERS = """
num_proc model backend store loss_weights sample_weight_col gradient_compression feature_cols label_cols continuous_cols
categorical_cols input_shapes label_shapes validation batch_size val_batch_size train_steps_per_epoch validation_steps_per_epoch
random_seed shuffle shuffle_buffer_size partitions_per_process run_id transformation_fn transformation_edit_fields
transformation_removed_fields train_reader_num_workers val_reader_num_workers reader_pool_type inmemory_cache_all use_gpu
mp_start_method backward_passes_per_step tensorflow_dataset_prefetch_buffer_size backend_env custom_objects checkpoint_callback
train_minibatch_fn num_gpus logger log_every_n_steps profiler terminate_on_nan loader_num_epochs debug_data_loader start_timeout
min_num_proc max_num_proc elastic_timeout reset_limit compress_sparse_cols loss_constructors data_module
cluster_size grace_secs input_mapping input_mode master_node model_dir num_ps driver_ps_nodes output_mapping protocol readers steps
tensorboard tfrecord_dir export_dir signature_def_key tag_set reservation_timeout feed_timeout log_dir
endWhen learningRateDecay maxEpoch optimMethod cachingSample checkpointPath checkpointTrigger dataCacheLevel samplePreprocessing
model_creator optimizer_creator scheduler_creator workers_per_node use_tqdm max_steps validation_data validation_freq sync_stats
steps_per_epoch initial_epoch batch_per_thread nworkers log_level
num_round num_workers nthread eval_set eval_metric early_stopping_rounds use_external_storage missing kill_spark_context xgb_model
hidden activation rate l2 stopping_rounds nfolds mini_batch_size reproducible splitRatio
numIterations numTasks numThreads isProvideTrainingMetric earlyStoppingRound useBarrierExecutionMode lossName imageCol
num_processes local_mode compression
"""


@pytest.mark.parametrize("name", PEERS.split())
def test_arguments_of_other_estimators_are_told_what_they_are(name: str) -> None:
    with pytest.raises(TypeError, match=rf"no parameter '{name}'; (it is|did you mean|there is nothing to set)"):
        Classifier(**{name: 1})


def test_a_name_that_is_like_no_other_is_not_taken_for_one() -> None:
    class Stage:
        """With two parameters."""

        @keywords
        def __init__(self, *, batchSize: int = 1, featuresCols: list[str] | None = None) -> None: ...

    with pytest.raises(TypeError, match="'batch'; did you mean 'batchSize'"):
        Stage(batch=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"^Stage has no parameter 'thresholds'$"):
        Stage(thresholds=[1.0])  # type: ignore[call-arg]


def test_a_regressor_has_no_parameters_of_classifiers() -> None:
    names = NeuralRegressorBase.__init__.__wrapped__.__kwdefaults__  # type: ignore[attr-defined]
    assert "epochs" in names and not {"thresholds", "classWeight"} & set(names)


def test_early_stopping_has_the_catalogues_defaults() -> None:
    assert repr(EarlyStopping()) == (
        "EarlyStopping(metric='val_loss', patience=3, minDelta=0.0, mode='auto', restoreBest=True)"
    )
    rule = EarlyStopping("val_accuracy", patience=5)
    assert repr(rule) == (
        "EarlyStopping(metric='val_accuracy', patience=5, minDelta=0.0, mode='auto', restoreBest=True)"
    )
    assert Classifier(earlyStopping=rule).getEarlyStopping() == rule
    assert Classifier(earlyStopping={"metric": "loss"}).getEarlyStopping() == EarlyStopping("loss")


def test_durations_may_be_numbers_and_folders_paths() -> None:
    stage = Classifier(progressTimeout=600, failureTimeout=0.5, checkpointDir=Path("/data/points"))  # type: ignore[arg-type]
    assert (stage.getProgressTimeout(), stage.getFailureTimeout()) == ("600", "500ms")
    assert stage.getCheckpointDir() == "/data/points"
    assert stage.setProgressTimeout(np.int64(7)).getProgressTimeout() == "7"  # type: ignore[arg-type]
    for wrong in (True, [1], math.inf, math.nan):
        with pytest.raises((TypeError, InvalidParameterError)):
            stage.setProgressTimeout(wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidParameterError, match="progressTimeout"):
        stage.setProgressTimeout(-1)
