# Written by candlewick-codegen (`make generate`); do not edit.
"""Activations."""

from __future__ import annotations

from candlewick._document import Module


class ReLU(Module):
    """Rectified linear unit: max(x, 0), element by element."""

    def __init__(self) -> None:
        super().__init__({})


class Tanh(Module):
    """Hyperbolic tangent, element by element."""

    def __init__(self) -> None:
        super().__init__({})


class Sigmoid(Module):
    """Logistic function 1 / (1 + exp(-x)), element by element."""

    def __init__(self) -> None:
        super().__init__({})


class GELU(Module):
    """Gaussian error linear unit: x Φ(x), element by element.

    Args:
        approximate: "none" for the exact function, "tanh" for the approximation by tanh. ("none" or "tanh")
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__({"approximate": approximate})


__all__ = [
    "GELU",
    "ReLU",
    "Sigmoid",
    "Tanh",
]
