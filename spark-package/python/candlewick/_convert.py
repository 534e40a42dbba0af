"""Converters of parameters' values that are no documents."""

from __future__ import annotations

import json
import math
import numbers
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from pyspark.ml.param import TypeConverters


def to_int(value: Any) -> int:
    """A whole number that Java's Int holds; PySpark's converter lets larger ones through, and the JVM fails on them."""
    return _within(_whole(value), 31)


def to_long(value: Any) -> int:
    """A whole number that Java's Long holds."""
    return _within(_whole(value), 63)


def _whole(value: Any) -> int:
    # Of NumPy's whole numbers PySpark's converter knows those of 64 bits alone.
    return int(value) if isinstance(value, np.integer) else int(TypeConverters.toInt(value))


def _within(value: int, bits: int) -> int:
    if not -(1 << bits) <= value < 1 << bits:
        raise TypeError(f"{value} is outside of {-(1 << bits)} to {(1 << bits) - 1}")
    return value


def to_text(value: Any) -> str:
    """A text; of a path its text."""
    return os.fspath(value) if isinstance(value, os.PathLike) else str(TypeConverters.toString(value))


def to_duration(value: Any) -> str:
    """A text such as "15s"; a number is seconds."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return str(TypeConverters.toString(value))
    seconds = float(value)
    if not math.isfinite(seconds):
        raise TypeError(f"{value} is no duration")
    return str(int(seconds)) if seconds.is_integer() else f"{round(seconds * 1000)}ms"


def to_switch(value: object) -> str:
    """A text; of a truth value "true" or "false"."""
    return str(value).lower() if isinstance(value, bool) else TypeConverters.toString(value)


def to_text_map(value: object) -> str:
    """The JSON text of texts by names: of a dictionary, or of that text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise TypeError(f"expected a dictionary of names with texts; the text is not JSON: {error}") from error
    filled = isinstance(value, Mapping) and all(isinstance(one, str) and one for pair in value.items() for one in pair)
    if not value or not filled:
        raise TypeError(
            f'expected a dictionary of at least one name with a text, such as {{"embed": "embedding"}}, not {value!r}'
        )
    return json.dumps(value)
