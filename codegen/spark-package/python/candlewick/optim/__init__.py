# Written by candlewick-codegen (`make generate`); do not edit.
"""Optimisers by PyTorch's names, ``optim.AdamW(lr=1e-3)``, and ``optim.lr_scheduler``."""

from candlewick._document import Optimizer
from candlewick.optim import lr_scheduler
from candlewick.optim._adam import LAMB, Adam, Adamax, AdamW, NAdam, RAdam
from candlewick.optim._optimizer import LARS, SGD, Adadelta, Adagrad, Lion, RMSprop

__all__ = [
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "LAMB",
    "LARS",
    "Lion",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "SGD",
    "lr_scheduler",
]
