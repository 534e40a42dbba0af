# Written by candlewick-codegen (`make generate`); do not edit.
"""Softmax and others."""

from __future__ import annotations

from candlewick._document import Module
from candlewick._domains import Domain, real, whole


class Softmax(Module):
    """exp(x) / Σ exp(x) along a dimension. Not for the end of a classifier: CrossEntropyLoss applies it
    itself.

    Args:
        dim: Dimension along which the results add up to 1; 0 is the batch, which is not legal, -1 the last.
            (whole number from -64 to 64)
    """

    _domains = {
        "dim": Domain(whole(-64, 64), "a whole number from -64 to 64"),
    }

    def __init__(self, dim: int = -1) -> None:
        super().__init__({"dim": dim})


class LogSoftmax(Module):
    """Logarithm of the softmax along a dimension: x - log Σ exp(x).

    Args:
        dim: Dimension along which the results add up to 1; 0 is the batch, which is not legal, -1 the last.
            (whole number from -64 to 64)
    """

    _domains = {
        "dim": Domain(whole(-64, 64), "a whole number from -64 to 64"),
    }

    def __init__(self, dim: int = -1) -> None:
        super().__init__({"dim": dim})


class Softmin(Module):
    """Softmax of -x: exp(-x) / Σ exp(-x) along a dimension.

    Args:
        dim: Dimension along which the results add up to 1; 0 is the batch, which is not legal, -1 the last.
            (whole number from -64 to 64)
    """

    _domains = {
        "dim": Domain(whole(-64, 64), "a whole number from -64 to 64"),
    }

    def __init__(self, dim: int = -1) -> None:
        super().__init__({"dim": dim})


class GLU(Module):
    """Gated linear unit (Dauphin et al. 2017, arXiv:1612.08083): the first half of a dimension times the
    logistic function of the second.

    Args:
        dim: Dimension that is halved; 0 is the batch, which is not legal, -1 the last. (whole number from
            -64 to 64)
    """

    _domains = {
        "dim": Domain(whole(-64, 64), "a whole number from -64 to 64"),
    }

    def __init__(self, dim: int = -1) -> None:
        super().__init__({"dim": dim})


class PReLU(Module):
    """x where x is positive, else a learned slope times x (He et al. 2015, arXiv:1502.01852).

    Args:
        num_parameters: Slopes that are learned: 1 for all, or one for every channel, the first dimension
            after the batch. (whole number of at least 1)
        init: What the slopes start at. (number)
    """

    _domains = {
        "num_parameters": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "init": Domain(real(), "a finite number"),
    }

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        super().__init__({"num_parameters": num_parameters, "init": init})


__all__ = [
    "GLU",
    "LogSoftmax",
    "PReLU",
    "Softmax",
    "Softmin",
]
