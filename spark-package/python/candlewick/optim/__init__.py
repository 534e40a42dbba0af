# Written by candlewick-codegen (`make generate`); do not edit.
"""Optimisers by PyTorch's names, ``optim.AdamW(lr=1e-3)``, and ``optim.lr_scheduler``."""

from candlewick._document import Optimizer
from candlewick.optim import lr_scheduler
from candlewick.optim._optimizer import SGD, Adam, AdamW

__all__ = [
    "Adam",
    "AdamW",
    "Optimizer",
    "SGD",
    "lr_scheduler",
]
