"""The estimator of the general case, and its model: any network, losses over its outputs and any label columns."""

from __future__ import annotations

import json
from typing import Any

from pyspark.ml.linalg import Vector, Vectors

from candlewick._estimators import NeuralModel, _NeuralEstimator
from candlewick._params import NeuralGeneralParams
from candlewick._params.estimator import NeuralEstimatorBase
from candlewick._persistence import Readable, Writable
from candlewick._remote import classic_only, is_remote
from candlewick._row import Row


class NeuralEstimatorModel(NeuralModel, NeuralGeneralParams, Readable["NeuralEstimatorModel"]):
    """A trained network of any outputs.

    ``transform`` appends a column for each output: the class where its loss tells classes apart, else its value, or a Vector
    of its values. ``outputCols`` chooses others.
    """

    # The JVM's class has the same name, by which persistence finds one for the other.
    __module__ = "candlewick"

    @classic_only("transform says the same of rows")
    def predict(self, value: Row) -> dict[str, float | Vector]:
        """What the network says of one row of features, without a Spark job.

        Args:
            value: Its features, one after another.

        Returns:
            By the names of the outputs ("prediction" where the only one has none): the class or the value, several values as
            a Vector.
        """
        told = json.loads(str(self._of_row("predictJson", value)))
        return {name: Vectors.dense(one) if isinstance(one, list) else float(one) for name, one in told.items()}

    @property
    def numOutputs(self) -> int:
        """Number of values that the network puts out of a row: those of all outputs."""
        if is_remote():
            return int(self._fact("numOutputs"))
        return int(self._call_java("numOutputs"))


class NeuralEstimator(
    NeuralEstimatorBase,
    _NeuralEstimator[NeuralEstimatorModel],
    Writable,
    Readable["NeuralEstimator"],
):
    """Trains any network by losses over its outputs and label columns: several tasks at once, autoencoders, two towers.

    Example:
        >>> from candlewick import NeuralEstimator, nn
        >>> features = nn.Input("features", 6)
        >>> hidden = nn.ReLU()(nn.Linear(16)(features))
        >>> net = nn.Graph(features, {"kind": nn.Linear(3)(hidden), "again": nn.Linear(6)(hidden)})
        >>> estimator = NeuralEstimator(
        ...     network=net, labelCols=["label", "features"], epochs=2, verbose=False,
        ...     loss={"kind": nn.LossTerm(nn.CrossEntropyLoss(), label="label"),
        ...           "again": nn.LossTerm(nn.MSELoss(), label="features", weight=0.5)})
        >>> estimator.fit(train).transform(test).columns[-2:]
        ['prediction_kind', 'prediction_again']
    """

    __module__ = "candlewick"

    def _class_name(self) -> str:
        return "NeuralEstimator"

    def _create_model(self, java_model: Any) -> NeuralEstimatorModel:
        return NeuralEstimatorModel(java_model)


__all__ = ["NeuralEstimator", "NeuralEstimatorModel"]
