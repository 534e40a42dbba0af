# Written by candlewick-codegen (`make generate`); do not edit.
"""Parameters of the estimators and models, a module for each group."""

from candlewick._params.columns import (
    ClassifierColumnParams,
    ColumnParams,
    EstimatorColumnParams,
    EstimatorColumnSetters,
    GeneralColumnParams,
)
from candlewick._params.durability import DurabilityParams, DurabilitySetters
from candlewick._params.exchange import ExchangeParams, ExchangeSetters
from candlewick._params.gang import GangParams, GangSetters
from candlewick._params.network import NetworkParams, NetworkSetters
from candlewick._params.training import (
    ClassifierTrainingParams,
    ClassifierTrainingSetters,
    TrainingParams,
    TrainingSetters,
)


class NeuralModelParams(ColumnParams):
    """Parameters that estimators and models share."""


class NeuralTrainingParams(
    EstimatorColumnParams, NetworkParams, TrainingParams, GangParams, ExchangeParams, DurabilityParams
):
    """What estimators are set to, and models were trained with."""


class NeuralEstimatorParams(
    NeuralModelParams,
    NeuralTrainingParams,
    EstimatorColumnSetters,
    NetworkSetters,
    TrainingSetters,
    GangSetters,
    ExchangeSetters,
    DurabilitySetters,
):
    """Parameters of every estimator."""


class NeuralClassifierParams(ClassifierColumnParams, ClassifierTrainingParams):
    """What a classifier and its model have beyond the others."""


class NeuralClassifierEstimatorParams(NeuralClassifierParams, ClassifierTrainingSetters):
    """What a classifier has beyond the other estimators."""


class NeuralGeneralParams(GeneralColumnParams):
    """What a NeuralEstimator and its model have beyond the others."""
