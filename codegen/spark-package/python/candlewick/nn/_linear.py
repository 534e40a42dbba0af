# Written by candlewick-codegen (`make generate`); do not edit.
"""Linear layers."""

from __future__ import annotations

from typing import Any, overload

from candlewick._document import Module, bind
from candlewick._domains import Domain, maybe, truth, whole


class Linear(Module):
    """Affine map of the last dimension: y = x Wᵀ + b. Weights and bias start uniform in ±1/√in_features.
    Where all that reads the features are such layers over whole rows, sparse vectors with at most one value
    in 128 that is not zero train as such: only those values are computed.

    Args:
        in_features: Size of the last dimension of the input. (whole number of at least 1; may be left out)
        out_features: Size of the last dimension of the output. (whole number of at least 1)
        bias: Add a learned bias. (true or false)
    """

    _domains = {
        "in_features": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1"),
        "out_features": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "bias": Domain(truth, "true or false"),
    }
    _full = ("in_features", "out_features", "bias")
    _short = ("out_features",)
    _optional = {"bias": True}

    @overload
    def __init__(self, out_features: int, *, bias: bool = True) -> None: ...

    @overload
    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None: ...

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(bind(type(self), args, kwargs))


class Bilinear(Module):
    """Bilinear map of the last dimensions of two inputs of a graph: y = x₁ᵀ A x₂ + b, with a matrix A for
    every value of the output. Weights and bias start uniform in ±1/√in1_features.

    Args:
        in1_features: Size of the last dimension of the first input. (whole number of at least 1; may be
            left out)
        in2_features: Size of the last dimension of the second input. (whole number of at least 1; may be
            left out)
        out_features: Size of the last dimension of the output. (whole number of at least 1)
        bias: Add a learned bias. (true or false)
    """

    _domains = {
        "in1_features": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1"),
        "in2_features": Domain(maybe(whole(1, 2147483648)), "a whole number of at least 1"),
        "out_features": Domain(whole(1, 2147483648), "a whole number of at least 1"),
        "bias": Domain(truth, "true or false"),
    }
    _full = ("in1_features", "in2_features", "out_features", "bias")
    _short = ("out_features",)
    _optional = {"bias": True}

    @overload
    def __init__(self, out_features: int, *, bias: bool = True) -> None: ...

    @overload
    def __init__(self, in1_features: int, in2_features: int, out_features: int, bias: bool = True) -> None: ...

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(bind(type(self), args, kwargs))


__all__ = [
    "Bilinear",
    "Linear",
]
