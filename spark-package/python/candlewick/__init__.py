"""Candlewick: deep learning inside the Spark cluster that already holds the data.

>>> from candlewick import NeuralClassifier, nn, optim
>>> nn.Sequential(nn.Linear(16), nn.ReLU(), nn.Linear(3))
Sequential(
  (0): Linear(out_features=16, bias=True)
  (1): ReLU()
  (2): Linear(out_features=3, bias=True)
)
"""

import candlewick._requirements  # noqa: F401 - before what imports PySpark: its error says what to install
from candlewick import errors, nn, optim
from candlewick._callbacks import Callback, EpochRecord, FitInfo, StepRecord
from candlewick._estimators import (
    NeuralClassificationModel,
    NeuralClassifier,
    NeuralRegressionModel,
    NeuralRegressor,
)
from candlewick._general import NeuralEstimator, NeuralEstimatorModel
from candlewick._handle import FitHandle
from candlewick._plan import TrainingPlan
from candlewick._session import attach, jars, session
from candlewick._sql import register
from candlewick._stopping import EarlyStopping
from candlewick._summary import TrainingSummary
from candlewick._tabular import Tabular, tabular
from candlewick._version import __version__
from candlewick._weights import to_safetensors

errors.install()

__all__ = [
    "Callback",
    "EarlyStopping",
    "EpochRecord",
    "FitHandle",
    "FitInfo",
    "NeuralClassificationModel",
    "NeuralClassifier",
    "NeuralEstimator",
    "NeuralEstimatorModel",
    "NeuralRegressionModel",
    "NeuralRegressor",
    "StepRecord",
    "Tabular",
    "TrainingPlan",
    "TrainingSummary",
    "__version__",
    "attach",
    "errors",
    "jars",
    "nn",
    "optim",
    "register",
    "session",
    "tabular",
    "to_safetensors",
]
