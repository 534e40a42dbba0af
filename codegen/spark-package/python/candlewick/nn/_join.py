# Written by candlewick-codegen (`make generate`); do not edit.
"""Joins and residual connections."""

from __future__ import annotations

from candlewick._document import Container, Module
from candlewick._domains import Domain, whole


class Residual(Container):
    """Adds its input to the output of its layers (He et al. 2016, arXiv:1512.03385).

    Args:
        *layers: The layers, one after another; their output has the shape of the input. (list of objects)
    """

    def __init__(self, *layers: Module) -> None:
        super().__init__(*layers)


class Add(Container):
    """Sum of inputs of one shape, element by element.

    Args:
        *layers: The branches, each of which reads the layer's input. Without them the layer joins the
            inputs it has in a graph. (list of objects; or none)
    """

    def __init__(self, *layers: Module) -> None:
        super().__init__(*layers)


class Multiply(Container):
    """Product of inputs of one shape, element by element.

    Args:
        *layers: The branches, each of which reads the layer's input. Without them the layer joins the
            inputs it has in a graph. (list of objects; or none)
    """

    def __init__(self, *layers: Module) -> None:
        super().__init__(*layers)


class Concat(Container):
    """Puts its inputs one after another.

    Args:
        *layers: The branches, each of which reads the layer's input. Without them the layer joins the
            inputs it has in a graph. (list of objects; or none)
        dim: Dimension along which the inputs are put one after another; 0 is the batch, -1 the last. (whole
            number from -64 to 64)
    """

    _domains = {
        "dim": Domain(whole(-64, 64), "a whole number from -64 to 64"),
    }

    def __init__(self, *layers: Module, dim: int = -1) -> None:
        super().__init__(*layers, dim=dim)


__all__ = [
    "Add",
    "Concat",
    "Multiply",
    "Residual",
]
