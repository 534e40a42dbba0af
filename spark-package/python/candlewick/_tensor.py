"""Tensors of graph networks: what calling a layer returns. They stand for values and hold none."""

from __future__ import annotations

import itertools
import numbers
import re
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

_order = itertools.count()
#: What a name may not hold: it becomes part of parameters' names.
_ILLEGAL = re.compile(r'[./"\\\x00-\x1f\x7f]')


class Layer(Protocol):
    """What can be called with tensors: a module."""

    def _item(self, place: str, known: dict[int, str]) -> dict[str, Any]:
        """Its item in a network's document."""


def check_name(name: str) -> None:
    """Raises where a name cannot be part of parameters' names.

    Raises:
        ValueError: It is empty, too long, or holds a dot, a slash or a quote.
    """
    if not isinstance(name, str) or not name or _ILLEGAL.search(name) or len(name) > 200:
        raise ValueError(f"{name!r} cannot be the name of a node: it must be a text without dots, slashes and quotes")


def is_whole(value: object) -> bool:
    """Whether it is a whole number, NumPy's too."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


class Tensor:
    """What a node of a graph will return: the result of ``nn.Input`` and of calling a layer."""

    def __init__(self, layer: Layer | None, inputs: tuple[Tensor, ...], name: str | None) -> None:
        if name is not None:
            check_name(name)
        self._layer, self._inputs, self._name = layer, inputs, name
        self._at = next(_order)

    def __repr__(self) -> str:
        if self._layer is None:
            return f"Input({self._name!r})"
        what = f", name={self._name!r}" if self._name else ""
        return f"Tensor({type(self._layer).__name__}{what})"


class Input(Tensor):
    """An input of a graph, which is a column of the DataFrame.

    Args:
        name: Name of the column.
        shape: Shape of its values, without the batch: [1] for a number, [8] for a Vector or array of 8.
    """

    def __init__(self, name: str, shape: int | Sequence[int] = 1) -> None:
        if not isinstance(name, str):
            raise TypeError(f"nn.Input takes the name of a column first, not {name!r}")
        listed = list(shape) if isinstance(shape, Iterable) else [shape]
        sizes = [int(size) for size in listed if is_whole(size)]
        if not listed or len(sizes) < len(listed) or min(sizes) < 1:
            raise ValueError(f"nn.Input({name!r}): shape must be a list of whole numbers of at least 1, not {shape!r}")
        super().__init__(None, (), name)
        self.name, self.shape = name, sizes


def node(layer: Layer, inputs: tuple[Any, ...], name: str | None) -> Tensor:
    """The tensor that a layer returns which is called with `inputs`."""
    kind = type(layer).__name__
    given = tuple(inputs[0]) if len(inputs) == 1 and isinstance(inputs[0], (list, tuple)) else inputs
    if not given:
        raise TypeError(f"{kind} is called without a tensor; call it with nn.Input or another layer's result")
    for value in given:
        if not isinstance(value, Tensor):
            hint = "; call that layer first" if hasattr(value, "layer") else ""
            raise TypeError(
                f"{kind} is called with {value!r} of type {type(value).__name__}; a layer takes nn.Input(...) or what "
                f"another layer returned{hint}"
            )
    return Tensor(layer, given, name)
