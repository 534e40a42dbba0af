# Written by candlewick-codegen (`make generate`); do not edit.
"""Dropout."""

from __future__ import annotations

from candlewick._document import Module
from candlewick._domains import Domain, real


class Dropout(Module):
    """While training, sets elements to zero with probability p and scales the others by 1 / (1 - p); the
    identity when scoring.

    Args:
        p: Probability that an element is set to zero. (number from 0 to 1)
        inplace: PyTorch's, without effect here.
    """

    _domains = {
        "p": Domain(real(0.0, 1.0), "a finite number from 0 to 1"),
    }

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__({"p": p})


class Dropout2d(Module):
    """While training, sets whole channels of inputs of shape [channels, height, width] to zero with
    probability p and scales the others by 1 / (1 - p); the identity when scoring.

    Args:
        p: Probability that a channel is set to zero. (number from 0 to 1)
        inplace: PyTorch's, without effect here.
    """

    _domains = {
        "p": Domain(real(0.0, 1.0), "a finite number from 0 to 1"),
    }

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__({"p": p})


__all__ = [
    "Dropout",
    "Dropout2d",
]
