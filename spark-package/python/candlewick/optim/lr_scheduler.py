# Written by candlewick-codegen (`make generate`); do not edit.
"""Schedules of the learning rate by PyTorch's names."""

from __future__ import annotations

from candlewick._document import LRScheduler

__all__ = [
    "LRScheduler",
]
