"""Estimators and models: thin companions of the classes in the JVM."""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from html import escape
from numbers import Integral
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from pyspark.ml.base import PredictionModel
from pyspark.ml.classification import ProbabilisticClassificationModel, ProbabilisticClassifier
from pyspark.ml.linalg import Vector
from pyspark.ml.param import Param
from pyspark.ml.regression import RegressionModel, Regressor
from pyspark.ml.util import HasTrainingSummary
from pyspark.ml.wrapper import JavaEstimator, JavaModel
from pyspark.sql import DataFrame

from candlewick import _html
from candlewick._callbacks import CallbackLike, Callbacks, FitInfo, checked
from candlewick._display import Display, display_for
from candlewick._document import Sequential
from candlewick._fitting import Watch, cancelled_by_errors, finished, planned
from candlewick._handle import FitHandle, Kept
from candlewick._interrupt import DeferredInterrupt
from candlewick._params import NeuralClassifierParams, NeuralModelParams, NeuralTrainingParams
from candlewick._params.classifier import NeuralClassifierBase
from candlewick._params.regressor import NeuralRegressorBase
from candlewick._persistence import Readable, Remembered, RestoredDefaults, Writable
from candlewick._plan import TrainingPlan
from candlewick._reading import from_json
from candlewick._remote import cancelled_with, classic_only, is_remote, refuse, release_dropped
from candlewick._row import Row, as_vector
from candlewick._session import require_jar, running_context
from candlewick._stage import Explained, NotPickled, Shown
from candlewick._summary import TrainingSummary
from candlewick._weights import parse_safetensors, received, to_weights
from candlewick.errors import InvalidParameterError, translated

if TYPE_CHECKING:
    from typing_extensions import Self

M = TypeVar("M", bound="NeuralModel")


class _NeuralEstimator(NotPickled, Shown, RestoredDefaults, JavaEstimator[M]):
    """What all estimators share: starting a fit in the JVM and looking after it."""

    #: The value of initialWeights that came from a model, and that model in the JVM: a parameter holds weights and no more.
    _initial: tuple[str, Any] = "", None
    #: Who looks on; no parameter: nothing of them is saved or pickled. Copies have them too.
    _callbacks: tuple[CallbackLike, ...] = ()
    #: Defaults that the half in the JVM has, by name; none where that is not known.
    _defaults_there: dict[str, Any] | None = None

    def _attach(self, given: dict[str, Any]) -> None:
        require_jar()
        self._java_obj = self._new_java_obj(f"candlewick.{self._class_name()}", self.uid)
        # Both halves are generated with the same ones.
        self._defaults_there = self._defaults()
        self._set(**{name: value for name, value in given.items() if value is not None})

    @abstractmethod
    def _class_name(self) -> str:
        """Name of the JVM class."""

    def setInitialModel(self, model: NeuralModel | None) -> Self:
        """Starts training from the weights of a trained model, see initialWeights; None unsets those.

        With ``resumeOptimizer=True`` it goes on where the training of the model ended. A saved estimator has the weights of the
        model, unless they are more than 1 GiB: then set the model again after loading.

        Raises:
            TypeError: It is no model of Candlewick.
        """
        self._set(initialModel=model)
        return self

    def setCallbacks(self, callbacks: Sequence[CallbackLike]) -> Self:
        """Sets who looks on while it trains, in place of those before: on the driver, and they may end the training.

        Copies of this estimator have them too, those that CrossValidator makes for example; a saved one has none.

        Args:
            callbacks: Objects of `candlewick.Callback`, or functions of an epoch's record; true ends the training there.

        Example:
            >>> clf.setCallbacks([lambda epoch: epoch.loss < 0.01])  # doctest: +SKIP
        """
        self._callbacks = checked(callbacks)
        return self

    def getCallbacks(self) -> list[CallbackLike]:
        """Who looks on while it trains."""
        return list(self._callbacks)

    def _set(self, **kwargs: Any) -> Any:
        if "callbacks" in kwargs:
            self.setCallbacks(kwargs.pop("callbacks"))
        if "initialModel" in kwargs:
            model = kwargs.pop("initialModel")
            weights = kwargs.get("initialWeights")
            kwargs["initialWeights"] = weights if model is None else _initial(model, weights)
        result = super()._set(**kwargs)
        weights = kwargs.get("initialWeights", "")
        if isinstance(weights, NeuralModel):
            # The model itself: its JVM object is let go a second after nobody holds it here.
            self._initial = self.getOrDefault("initialWeights"), weights
        elif weights is None:
            self._initial = "", None
        return result

    def _fit(self, dataset: DataFrame) -> M:
        _require_dataframe("fit", dataset)
        if is_remote():
            return self._fit_on_server(dataset)
        with DeferredInterrupt() as interrupt:
            handle = self._start(dataset)
            return self._followed(handle, lambda: display_for(self.getOrDefault("verbose")), interrupt)

    @classic_only("run fit in a thread: each has a call of its own")
    def startFit(self, dataset: DataFrame, params: dict[Param[Any], Any] | None = None) -> FitHandle[M]:
        """Starts a fit in the background.

        Parameters that are set from now on are those of later fits. Callbacks are called from a thread of its own.

        Args:
            dataset: What `fit` would get.
            params: Parameters of this fit alone, as `fit` takes them.

        Returns:
            Its handle: to wait, to read progress, to cancel.

        Example:
            >>> handle = clf.startFit(train)  # doctest: +SKIP
            >>> handle.listenProgress(print)  # doctest: +SKIP
            >>> model = handle.result()  # doctest: +SKIP
        """
        _require_dataframe("startFit", dataset)
        frozen = self.copy(params)
        with DeferredInterrupt():
            handle = frozen._start(dataset)

        def follow(kept: Kept) -> M:
            with DeferredInterrupt() as interrupt:
                return frozen._followed(handle, lambda: kept, interrupt)

        return FitHandle(handle, follow, frozen.getOrDefault("verbose"))

    def _followed(self, handle: Any, display_of: Callable[[], Display], interrupt: DeferredInterrupt) -> M:
        """Looks after a fit that was started; its model."""
        with cancelled_by_errors(handle), translated():
            fit = FitInfo(handle.id(), handle.number(), self.uid, self.getOrDefault("epochs"), _params(self))
            callbacks, display = Callbacks(self._callbacks, fit), display_of()
        try:
            with translated():
                watch = Watch(handle, display, callbacks, bool(self._callbacks), interrupt)
                model = self._copyValues(self._create_model(finished(handle, watch, interrupt)))
                # The JVM's own fit has copied them.
                model._untold = False
            with interrupt.lifted():
                callbacks.end(model)
        except BaseException as error:
            # A signal that is still noted would end it before any callback knows.
            interrupt.forget()
            with interrupt.lifted():
                callbacks.exception(error)
            raise
        finally:
            display.close()
        return model

    def _fit_on_server(self, dataset: DataFrame) -> M:
        """The fit over Spark Connect: one call that returns when the model is there."""
        if self._callbacks:
            refuse("setCallbacks", "use earlyStopping, which ends a fit on the server")
        if self.getOrDefault("resumeOptimizer"):
            refuse("resumeOptimizer", "set checkpointDir, from which a fit that was ended goes on")
        require_jar()
        release_dropped()
        with cancelled_with(dataset):
            return super()._fit(dataset)

    @classic_only("make the plan where the driver is, or fit and look at model.summary.memory")
    def plan(self, dataset: DataFrame, rows: int | None = None) -> TrainingPlan:
        """What a fit on this DataFrame will need and take, without making it.

        It says steps, bytes on the network, memory against its limits, seconds, what bounds it and what to set. It checks
        everything that a fit checks before it starts, tries a few steps in the driver over rows that are made up, and reads for
        a moment from one partition.

        Args:
            dataset: What a fit would get.
            rows: How many rows there are. Not given: as Spark knows, or else they are counted, which reads them all.

        Example:
            >>> plan = clf.plan(train, rows=1_000_000)  # doctest: +SKIP
            >>> plan.seconds["total"], plan.bound  # doctest: +SKIP
            (41.8, 'compute')
        """
        _require_dataframe("plan", dataset)
        _require_rows(rows)
        with DeferredInterrupt() as interrupt, translated():
            self._hand_over()
            java: Any = self._java_obj
            handle = java.startPlan(dataset._jdf, 0 if rows is None else int(rows))
            return TrainingPlan.from_json(planned(handle, interrupt).json())

    def _start(self, dataset: DataFrame) -> Any:
        """Starts the fit in the JVM; where callbacks look on, trainers wait for them."""
        with translated():
            self._hand_over()
            java: Any = self._java_obj
            return java.startWatchedFit(dataset._jdf, bool(self._callbacks))

    def _defaults(self) -> dict[str, Any]:
        return {param.name: value for param, value in self._defaultParamMap.items()}

    def _transfer_params_to_java(self) -> None:
        """As PySpark does, but for defaults that the JVM has: each would be two calls more of every fit."""
        defaults = self._defaults()
        if defaults != self._defaults_there:
            super()._transfer_params_to_java()
            self._defaults_there = defaults
            return
        java: Any = self._java_obj
        for param in self.params:
            if self.isSet(param):
                java.set(self._make_java_param_pair(param, self._paramMap[param]))

    def _hand_over(self) -> None:
        """Gives the parameters to the JVM."""
        self._transfer_params_to_java()
        java: Any = self._java_obj
        text, initial = self._initial
        same = self.isSet("initialWeights") and self.getOrDefault("initialWeights") == text
        java.rememberModel(initial._java_obj if same and initial is not None else None)


def _params(stage: Any) -> dict[str, Any]:
    """What was set, but for files of weights."""
    values = {param.name: stage.getOrDefault(param) for param in stage.params if stage.isSet(param)}
    return {name: value for name, value in values.items() if name != "initialWeights"}


def _initial(model: object, weights: object) -> NeuralModel:
    """The model, where it is one and nothing else is given to start from."""
    if not isinstance(model, NeuralModel):
        raise TypeError(
            f"initialModel must be a trained model, not {type(model).__name__}; NeuralClassificationModel.load(path) reads a "
            "saved one, and initialWeights takes a file of weights"
        )
    if weights is not None:
        raise InvalidParameterError("initialModel and initialWeights are both set; set one of them")
    return model


def _require_rows(rows: object) -> None:
    """Refuses what is no number of rows that the JVM takes, such as 1e9, in the words of the JVM."""
    whole = isinstance(rows, Integral) and not isinstance(rows, bool) and 1 <= int(rows) < 1 << 63
    if rows is not None and not whole:
        raise InvalidParameterError(f"rows = {rows} is not legal: expected a whole number of at least 1")


def _require_dataframe(method: str, dataset: object) -> None:
    if not isinstance(dataset, DataFrame):
        kind = type(dataset)
        way = "spark.createDataFrame(...) makes one of pandas, lists and NumPy arrays"
        if kind.__module__.startswith("pyspark.pandas"):
            way = f"to_spark() makes one of it: {method}(df.to_spark())"
        raise TypeError(f"{method} needs a DataFrame of Spark, not {kind.__module__}.{kind.__name__}; {way}")


class NeuralModel(
    NotPickled,
    Explained,
    Remembered,
    RestoredDefaults,
    JavaModel,
    NeuralModelParams,
    NeuralTrainingParams,
    HasTrainingSummary[TrainingSummary],
    Writable,
):
    """What all models share."""

    def _create_params_from_java(self) -> None:
        """Nothing: Python has all parameters of the JVM's models, which PySpark would ask for with a call for each."""

    def _transform(self, dataset: DataFrame) -> DataFrame:
        _require_dataframe("transform", dataset)
        if is_remote():
            release_dropped()
        else:
            running_context()
        with translated():
            return super()._transform(dataset)

    #: Whether parameters were set of which the other half does not know.
    _untold = False

    def _set(self, **kwargs: Any) -> Self:
        self._untold = True
        return super()._set(**kwargs)

    def _transfer_params_to_java(self) -> None:
        super()._transfer_params_to_java()
        self._untold = False

    def _transfer_params_from_java(self) -> None:
        super()._transfer_params_from_java()
        self._untold = False

    def _call_java(self, name: str, *args: Any) -> Any:
        if not is_remote():
            # PySpark only asserts that there is a session.
            running_context()
            self._tell()
        return super()._call_java(name, *args)

    def _tell(self) -> None:
        """Gives the other half the parameters that it does not know."""
        if self._untold:
            self._transfer_params_to_java()

    def _of_row(self, method: str, value: Row) -> Any:
        vector = as_vector(f"{type(self).__name__}.{method.removesuffix('Json')}", value)
        with translated():
            return self._call_java(method, vector)

    def evaluate(self, dataset: DataFrame) -> dict[str, float]:
        """Scores rows whose label is known and compares: the metrics by the names and definitions of ``metrics``.

        Example:
            >>> round(model.evaluate(test)["roc_auc"], 1)
            1.0

        Args:
            dataset: Rows with the features and labels; they weigh what weightCol says, where it is set.

        Returns:
            Of a classifier accuracy, precision, recall, f1, log_loss, what ``metrics`` names besides (f1_macro,
            top_3_accuracy) and, up to 100 classes, roc_auc and pr_auc; of a regressor mae, mse, rmse, r2 and mape. Where
            a loss such as BCEWithLogitsLoss asks of each value whether the row has that class (multi-label), these and
            accuracy (all of a row are right), hamming_loss, precision, recall and f1 (each as _macro and _micro), roc_auc
            and pr_auc. A NeuralEstimator with several outputs has these of each, such as digit_accuracy. NaN where a
            metric is not defined.
        """
        _require_dataframe("evaluate", dataset)
        if is_remote():
            # What a server lets be asked of a model is transform: to this column it answers with the metrics alone.
            told = self.copy().setOutputCols({"candlewick.evaluate": "metrics"}).transform(dataset).head()
            values = json.loads(told["metrics"]) if told else {}
        else:
            with translated():
                values = json.loads(str(self._call_java("evaluateJson", dataset)))
        # What JSON has no number for comes as its name.
        return {name: math.nan if value is None else float(value) for name, value in values.items()}

    @property
    def network(self) -> Sequential | Any:
        """The network, complete with all sizes: an ``nn.Sequential`` or ``nn.Graph``, to be trained, cut and extended.

        Example:
            >>> from candlewick import nn
            >>> nn.Sequential(*model.network[:-1], nn.Linear(5))
            Sequential(
              (0): Linear(in_features=6, out_features=64, bias=True)
              (1): ReLU()
              (2): Linear(out_features=5, bias=True)
            )
        """
        return from_json(self.networkJson)

    def getNetwork(self) -> Sequential | Any:
        """The network, complete with all sizes, by the name of the estimator's getter."""
        return self.network

    @property
    def hasSummary(self) -> bool:
        """True where the model knows its training run."""
        with translated():
            return bool(self._call_java("hasSummary"))

    @property
    def summary(self) -> TrainingSummary:
        """Record of the training run: history, ledger, hash of the weights, seconds of the phases."""
        if not self.hasSummary:
            raise RuntimeError("this model has no training summary: it was not made by fit")
        if is_remote():
            return self._remote_summary()
        return TrainingSummary.from_json(self._call_java("summaryJson"))

    @property
    @classic_only("load the saved model in a classic session")
    def hasOptimizerState(self) -> bool:
        """True where the model keeps the state that its training ended with; in a classic session.

        It does where it was fitted with ``saveOptimizer=True``; a fit with ``resumeOptimizer=True`` can go on from it.
        """
        return bool(self._call_java("hasOptimizerState"))

    @property
    def numFeatures(self) -> int:
        """Values in a row's features."""
        return int(self._fact("numFeatures") if is_remote() else self._call_java("numFeatures"))

    @property
    def weightsHash(self) -> str:
        """Hash of the weights: equal for equal data, parameters and seed."""
        return str(self._fact("weightsHash") if is_remote() else self._call_java("weightsHash"))

    @property
    def dataContract(self) -> dict[str, Any]:
        """The rows that the model was trained on: names, types, lengths and nullability of the columns, and what a null means.

        Example:
            >>> model.dataContract["features"]  # doctest: +SKIP
            [{'name': 'features', 'type': 'vector', 'nullable': True, 'length': 4}]
        """
        if is_remote():
            return dict(self._saved("dataContract")["data"])
        contract: dict[str, Any] = json.loads(self._call_java("dataContract"))
        return contract

    @property
    def networkJson(self) -> str:
        """The network as JSON text, complete with all sizes; ``network=`` takes it."""
        if is_remote():
            return json.dumps(self._saved("networkJson")["network"])
        return str(self._call_java("networkJson"))

    def _repr_html_(self) -> str:
        known = repr(self).partition(": ")[2]
        layers = [] if is_remote() else [_html.preformatted(self.networkSummary)]
        return _html.titled(type(self).__name__, f"<p>{escape(known)}</p>", *layers)

    @property
    @classic_only("print(model.network) of a saved model shows its layers")
    def networkSummary(self) -> str:
        """A table of the layers with their shapes and parameters."""
        return str(self._call_java("networkSummary"))

    @property
    def weightsSafetensors(self) -> bytes:
        """The weights as a safetensors file with PyTorch's names and layouts."""
        if is_remote():
            return self._saved_folder("weightsSafetensors").weights()
        java: Any = self._java_obj
        return received(java.writeWeights)

    def _initial_text(self) -> str:
        """What the parameter initialWeights holds of this model: its weights, or its name where they are too long."""
        if is_remote():
            return self._saved_folder("initialModel").weights_path()
        return self._call_java("initialName") or to_weights(self.weightsSafetensors)

    @classic_only("load the saved model in a classic session")
    def toOnnx(self) -> bytes:
        """The network with its weights as an ONNX model file (operator set 17), for other runtimes.

        It takes batches of features as ``features`` (a graph network: its inputs by name), as ``transform`` reads them: ``scale``
        is in the file. It gives the network's outputs before softmax as ``output`` (a graph network: its outputs by name).

        Example:
            >>> from pathlib import Path
            >>> size = Path("model.onnx").write_bytes(model.toOnnx())
        """
        self._tell()
        java: Any = self._java_obj
        return received(java.writeOnnx)

    def weights(self) -> dict[str, np.ndarray[Any, Any]]:
        """The weights as NumPy arrays by PyTorch's names: "0.weight" of shape [out, in], "0.bias"."""
        return parse_safetensors(self.weightsSafetensors)


class RowModel(NeuralModel, PredictionModel[Any]):
    """A model with one prediction."""

    def predict(self, value: Row) -> float:
        """The prediction for one row of features, without a Spark job.

        Args:
            value: Its features, one after another.

        Returns:
            The class, or the value. A regressor with several outputs has `predictRaw`.
        """
        return float(self._of_row("predict", value))

    def predictRaw(self, value: Row) -> Vector:
        """The rawPrediction of one row of features, of a regressor its values, without a Spark job."""
        raw: Vector = self._of_row("predictRaw", value)
        return raw


class NeuralClassificationModel(
    RowModel,
    NeuralClassifierParams,
    ProbabilisticClassificationModel,
    Readable["NeuralClassificationModel"],
):
    """A trained classifier: ``transform`` appends rawPrediction, probability and prediction."""

    # The JVM's class has the same name, by which persistence finds one for the other.
    __module__ = "candlewick"

    @property
    def numClasses(self) -> int:
        """Number of classes."""
        return int(self._call_java("numClasses"))

    def predictProbability(self, value: Row) -> Vector:
        """The probability of each class for one row of features, without a Spark job."""
        probability: Vector = self._of_row("predictProbability", value)
        return probability


class NeuralRegressionModel(RowModel, RegressionModel[Any], Readable["NeuralRegressionModel"]):
    """A trained regressor: ``transform`` appends the prediction, a Vector where the network has several outputs."""

    __module__ = "candlewick"

    @classic_only("predict gives the value of a model with one output, transform those of all rows")
    def predictRaw(self, value: Row) -> Vector:
        """The values that the network gives of one row of features, without a Spark job."""
        return super().predictRaw(value)

    @property
    def numOutputs(self) -> int:
        """Number of values of a prediction."""
        if is_remote():
            return int(self._fact("numOutputs"))
        return int(self._call_java("numOutputs"))


class NeuralClassifier(
    NeuralClassifierBase,
    _NeuralEstimator[NeuralClassificationModel],
    ProbabilisticClassifier,
    Writable,
    Readable["NeuralClassifier"],
):
    """Trains a neural network that tells classes apart, inside the Spark cluster.

    Example:
        >>> from candlewick import NeuralClassifier, nn, optim
        >>> net = nn.Sequential(nn.Linear(64), nn.ReLU(), nn.Linear(3))
        >>> clf = NeuralClassifier(network=net, epochs=20, batchSize=64, optimizer=optim.AdamW(lr=1e-2), verbose=False)
        >>> model = clf.fit(train)
        >>> model.transform(test).select("label", "prediction").first()
        Row(label=0.0, prediction=0.0)
    """

    __module__ = "candlewick"

    def _class_name(self) -> str:
        return "NeuralClassifier"

    def _create_model(self, java_model: Any) -> NeuralClassificationModel:
        return NeuralClassificationModel(java_model)


class NeuralRegressor(
    NeuralRegressorBase,
    _NeuralEstimator[NeuralRegressionModel],
    Regressor[NeuralRegressionModel],
    Writable,
    Readable["NeuralRegressor"],
):
    """Trains a neural network that predicts a number, or several where the label is an array or a Vector."""

    __module__ = "candlewick"

    def _class_name(self) -> str:
        return "NeuralRegressor"

    def _create_model(self, java_model: Any) -> NeuralRegressionModel:
        return NeuralRegressionModel(java_model)


__all__ = [
    "NeuralClassificationModel",
    "NeuralClassifier",
    "NeuralRegressionModel",
    "NeuralRegressor",
]
