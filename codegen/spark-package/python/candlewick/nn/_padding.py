# Written by candlewick-codegen (`make generate`); do not edit.
"""Padding."""

from __future__ import annotations

from collections.abc import Sequence

from candlewick._document import Module
from candlewick._domains import Domain, real, size, whole


class ZeroPad1d(Module):
    """Puts zeros around inputs of shape [channels, length].

    Args:
        padding: Elements on both sides, or a list: left, right. (whole number, or a list with one for every
            dimension, of at least 0)
    """

    _domains = {
        "padding": Domain(
            size(2, whole(0, 2147483648)),
            "a whole number, or a list with one for every dimension, of at least 0",
        ),
    }

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__({"padding": padding})


class ZeroPad2d(Module):
    """Puts zeros around inputs of shape [channels, height, width].

    Args:
        padding: Elements on all sides, or a list: left, right, top, bottom. (whole number, or a list with
            one for every dimension, of at least 0)
    """

    _domains = {
        "padding": Domain(
            size(4, whole(0, 2147483648)),
            "a whole number, or a list with one for every dimension, of at least 0",
        ),
    }

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__({"padding": padding})


class ConstantPad1d(Module):
    """Puts a number around inputs of shape [channels, length].

    Args:
        padding: Elements on both sides, or a list: left, right. (whole number, or a list with one for every
            dimension, of at least 0)
        value: What is put around the input. (number)
    """

    _domains = {
        "padding": Domain(
            size(2, whole(0, 2147483648)),
            "a whole number, or a list with one for every dimension, of at least 0",
        ),
        "value": Domain(real(), "a finite number"),
    }

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__({"padding": padding, "value": value})


class ConstantPad2d(Module):
    """Puts a number around inputs of shape [channels, height, width].

    Args:
        padding: Elements on all sides, or a list: left, right, top, bottom. (whole number, or a list with
            one for every dimension, of at least 0)
        value: What is put around the input. (number)
    """

    _domains = {
        "padding": Domain(
            size(4, whole(0, 2147483648)),
            "a whole number, or a list with one for every dimension, of at least 0",
        ),
        "value": Domain(real(), "a finite number"),
    }

    def __init__(self, padding: int | Sequence[int], value: float) -> None:
        super().__init__({"padding": padding, "value": value})


class ReflectionPad1d(Module):
    """Puts around inputs of shape [channels, length] their reflection in the first and the last element.

    Args:
        padding: Elements on both sides, or a list: left, right; each less than the length of the input.
            (whole number, or a list with one for every dimension, of at least 0)
    """

    _domains = {
        "padding": Domain(
            size(2, whole(0, 2147483648)),
            "a whole number, or a list with one for every dimension, of at least 0",
        ),
    }

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__({"padding": padding})


class ReflectionPad2d(Module):
    """Puts around inputs of shape [channels, height, width] their reflection in the elements at the edge.

    Args:
        padding: Elements on all sides, or a list: left, right, top, bottom; each less than the size of the
            input there. (whole number, or a list with one for every dimension, of at least 0)
    """

    _domains = {
        "padding": Domain(
            size(4, whole(0, 2147483648)),
            "a whole number, or a list with one for every dimension, of at least 0",
        ),
    }

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__({"padding": padding})


class ReplicationPad1d(Module):
    """Puts around inputs of shape [channels, length] their first and last element again and again.

    Args:
        padding: Elements on both sides, or a list: left, right. (whole number, or a list with one for every
            dimension, of at least 0)
    """

    _domains = {
        "padding": Domain(
            size(2, whole(0, 2147483648)),
            "a whole number, or a list with one for every dimension, of at least 0",
        ),
    }

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__({"padding": padding})


class ReplicationPad2d(Module):
    """Puts around inputs of shape [channels, height, width] the elements at the edge again and again.

    Args:
        padding: Elements on all sides, or a list: left, right, top, bottom. (whole number, or a list with
            one for every dimension, of at least 0)
    """

    _domains = {
        "padding": Domain(
            size(4, whole(0, 2147483648)),
            "a whole number, or a list with one for every dimension, of at least 0",
        ),
    }

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__({"padding": padding})


class CircularPad1d(Module):
    """Puts around inputs of shape [channels, length] what the other end has, as if they were a circle.

    Args:
        padding: Elements on both sides, or a list: left, right; each at most the length of the input.
            (whole number, or a list with one for every dimension, of at least 0)
    """

    _domains = {
        "padding": Domain(
            size(2, whole(0, 2147483648)),
            "a whole number, or a list with one for every dimension, of at least 0",
        ),
    }

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__({"padding": padding})


class CircularPad2d(Module):
    """Puts around inputs of shape [channels, height, width] what the other end has, as if they were a
    torus.

    Args:
        padding: Elements on all sides, or a list: left, right, top, bottom; each at most the size of the
            input there. (whole number, or a list with one for every dimension, of at least 0)
    """

    _domains = {
        "padding": Domain(
            size(4, whole(0, 2147483648)),
            "a whole number, or a list with one for every dimension, of at least 0",
        ),
    }

    def __init__(self, padding: int | Sequence[int]) -> None:
        super().__init__({"padding": padding})


__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ZeroPad1d",
    "ZeroPad2d",
]
