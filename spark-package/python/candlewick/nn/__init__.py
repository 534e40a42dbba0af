# Written by candlewick-codegen (`make generate`); do not edit.
"""Layers and losses by PyTorch's names: ``nn.Sequential(nn.Linear(256), nn.ReLU(), nn.Linear(10))``.

Sizes of a layer's input may be left out; they are inferred from the layer before or the features.
"""

from candlewick._document import Loss, Module, Sequential
from candlewick._graph import Graph, Input, Tensor
from candlewick.nn._activation import GELU, ReLU, Sigmoid, Tanh
from candlewick.nn._join import Add, Concat, Multiply, Residual
from candlewick.nn._linear import Linear
from candlewick.nn._loss import BCEWithLogitsLoss, CrossEntropyLoss, MSELoss
from candlewick.nn._regularization import Dropout
from candlewick.nn._shape import Flatten

__all__ = [
    "Add",
    "BCEWithLogitsLoss",
    "Concat",
    "CrossEntropyLoss",
    "Dropout",
    "Flatten",
    "GELU",
    "Graph",
    "Input",
    "Linear",
    "Loss",
    "MSELoss",
    "Module",
    "Multiply",
    "ReLU",
    "Residual",
    "Sequential",
    "Sigmoid",
    "Tanh",
    "Tensor",
]
