# Written by candlewick-codegen (`make generate`); do not edit.
"""Parameters of the estimators and models, a module for each group."""

from candlewick._params.columns import ClassifierColumnParams, ColumnParams, EstimatorColumnParams
from candlewick._params.durability import DurabilityParams
from candlewick._params.gang import GangParams
from candlewick._params.network import NetworkParams
from candlewick._params.training import TrainingParams


class NeuralModelParams(ColumnParams):
    """Parameters that estimators and models share."""


class NeuralEstimatorParams(
    NeuralModelParams, EstimatorColumnParams, NetworkParams, TrainingParams, GangParams, DurabilityParams
):
    """Parameters of every estimator."""


class NeuralClassifierParams(ClassifierColumnParams):
    """What a classifier and its model have beyond the others."""
