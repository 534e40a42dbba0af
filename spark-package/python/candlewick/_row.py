"""The features of one row, as models take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pyspark.ml.linalg import Vector, Vectors
from pyspark.sql import DataFrame
from pyspark.sql import Row as SparkRow

#: What stands for one row: numbers, however they are held.
Row = Vector | Sequence[float] | np.ndarray[Any, Any]


def as_vector(method: str, value: object) -> Vector:
    """The features of one row as a Vector.

    Raises:
        TypeError: They are no row of numbers.
    """
    if isinstance(value, Vector):
        return value
    try:
        # NumPy would read a text as a number, and None as NaN.
        numbers = None if isinstance(value, (str, bytes, DataFrame)) else np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError):
        numbers = None
    if numbers is not None and value is not None and numbers.ndim < 2:
        return Vectors.dense(np.atleast_1d(numbers))
    told, way = type(value).__name__, ""
    if numbers is not None and numbers.ndim > 1:
        told, way = (
            f"an array of shape {numbers.shape}",
            "; transform(df) takes many rows, and .ravel() is one after another",
        )
    elif isinstance(value, DataFrame):
        way = "; transform(df) takes all rows of a DataFrame"
    elif isinstance(value, SparkRow):
        told, way = "a Row", "; take the features out of it: row.features, or row[model.getFeaturesCol()]"
    elif isinstance(value, Mapping):
        way = "; take the numbers out of it, in the order of the features"
    raise TypeError(
        f"{method} takes the features of one row, a Vector or numbers one after another such as [0.5, 1.5], not {told}{way}"
    )
