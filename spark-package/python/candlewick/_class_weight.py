"""The parameter ``classWeight``: what rows of a class weigh in the loss."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from numbers import Real
from typing import Any, Union

from candlewick.errors import InvalidParameterError

#: "balanced", or a weight for each class.
ClassWeightLike = Union[str, Mapping[int, float]]

_BALANCED = "balanced"


class ClassWeights:
    """The converter of the parameter: to "balanced", or to a JSON object of weights by classes.

    Args:
        expected: What is legal, in words.
    """

    def __init__(self, expected: str) -> None:
        self._expected = expected
        # PySpark tells by a converter's name whether a value is a list.
        self.__name__ = "toClassWeights"

    def __call__(self, value: object) -> str:
        """The text of the parameter.

        Raises:
            TypeError: It is no text and no mapping.
            InvalidParameterError: A class is no whole number from 0, or its weight no finite number of at least 0.
        """
        if isinstance(value, str):
            return value if value == _BALANCED else self._text(_parsed(value))
        if not isinstance(value, Mapping):
            raise TypeError(f"{value!r} is of type {type(value).__name__}; expected {self._expected}")
        return self._text(value)

    def _text(self, value: object) -> str:
        weights: dict[str, float] = {}
        for key, weight in value.items() if isinstance(value, Mapping) else ():
            name = _class(key)
            if name is None or name in weights or not _is_weight(weight):
                break
            weights[name] = float(weight)
        if not isinstance(value, Mapping) or not value or len(weights) < len(value):
            told = {str(key): weight for key, weight in value.items()} if isinstance(value, Mapping) else value
            text = json.dumps(told, ensure_ascii=False, default=str)
            raise InvalidParameterError(f"parameter classWeight = {text} is not legal: expected {self._expected}")
        return json.dumps(weights)


def _parsed(text: str) -> object:
    """What a JSON text stands for; one that is none stands for itself."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _class(key: Any) -> str | None:
    """A class as the parameter names it; labels may be floats, and in JSON they are texts."""
    if isinstance(key, str) and key.isascii() and key.isdigit() and str(int(key)) == key:
        return key
    if isinstance(key, Real) and not isinstance(key, bool) and float(key) >= 0 and float(key).is_integer():
        return str(int(float(key)))
    return None


def _is_weight(weight: Any) -> bool:
    return isinstance(weight, Real) and not isinstance(weight, bool) and 0 <= float(weight) < math.inf
