"""What the arguments of the builders may be: types, ranges and words come from the Rust catalogue."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from candlewick._legal import Range
from candlewick.errors import InvalidParameterError

Check = Callable[[Any], bool]

#: Characters of a value that a message shows.
_SHOWN = 80


class Domain:
    """The legal values of one argument.

    Args:
        legal: Whether a value is legal; it gets what JSON knows: lists for tuples, dictionaries for builders' objects.
        expected: What is legal, in words.
    """

    def __init__(self, legal: Check, expected: str) -> None:
        self._legal, self._expected = legal, expected

    def check(self, owner: str, name: str, value: Any) -> None:
        """Refuses a value that is not legal.

        Args:
            owner: Name of the layer, loss, optimiser or schedule.
            name: Name of the argument.
            value: Its value.

        Raises:
            InvalidParameterError: It is of another type or out of range.
        """
        if not self._legal(value):
            raise InvalidParameterError(f"{owner}: {name} = {_shown(value)} is not legal: expected {self._expected}")


def _shown(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def whole(least: float = -math.inf, most: float = math.inf) -> Check:
    """Whole numbers between bounds; JSON's true and false are none."""
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def real(least: float = -math.inf, most: float = math.inf, **bounds: float) -> Check:
    """Finite numbers between bounds; see `Range`."""
    legal = Range(least, most, **bounds)

    def check(value: Any) -> bool:
        plain = isinstance(value, (int, float)) and not isinstance(value, bool)
        return plain and math.isfinite(value) and legal(value)

    return check


def truth(value: Any) -> bool:
    """True or False."""
    return isinstance(value, bool)


def one_truth(only: bool) -> Check:
    """The one of True and False that is legal."""
    return lambda value: value is only


def any_text(value: Any) -> bool:
    """A text."""
    return isinstance(value, str)


def one_of(*texts: str) -> Check:
    """One of these texts."""
    return lambda value: isinstance(value, str) and value in texts


def mapping(value: Any) -> bool:
    """The dictionary of a builder's object, or of an optimiser's group; no number in it is NaN or infinite."""
    return isinstance(value, Mapping) and _finite(value)


def _finite(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(map(_finite, value.values()))
    if isinstance(value, list):
        return all(map(_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def maybe(legal: Check) -> Check:
    """A legal value or None."""
    return lambda value: value is None or legal(value)


def list_of(legal: Check) -> Check:
    """A list with at least one item, all of them legal."""
    return lambda value: isinstance(value, list) and bool(value) and all(map(legal, value))


def one_or_more(legal: Check) -> Check:
    """A legal value, or a list with at least one, all of them legal."""
    each = list_of(legal)
    return lambda value: each(value) if isinstance(value, list) else legal(value)


def pair_of(legal: Check) -> Check:
    """A list of two legal items."""
    both = list_of(legal)
    return lambda value: both(value) and len(value) == 2


def size(count: int, legal: Check) -> Check:
    """A legal number, or a list with one for each of ``count`` dimensions, of any number where that is 0."""
    each = list_of(legal)
    return lambda value: (each(value) and count in (0, len(value))) if isinstance(value, list) else legal(value)


def open_size(count: int, legal: Check) -> Check:
    """As `size`, but in a list None stands for the size of the input."""
    each = list_of(maybe(legal))
    return lambda value: (each(value) and len(value) == count) if isinstance(value, list) else legal(value)


def size_or_word(count: int, legal: Check) -> Check:
    """As `size`, or PyTorch's words for the padding of a convolution."""
    sizes = size(count, legal)
    return lambda value: value in ("same", "valid") if isinstance(value, str) else sizes(value)
