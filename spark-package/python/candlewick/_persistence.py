"""Loading of estimators and models: errors that say what to do."""

from __future__ import annotations

from typing import Any, TypeVar

from pyspark.ml.util import JavaMLReadable, JavaMLReader, MLReadable

from candlewick._session import require_jar
from candlewick.errors import translated

T = TypeVar("T", bound=MLReadable[Any])


class _Reader(JavaMLReader[T]):
    """Reads a saved stage by its class in the JVM."""

    def load(self, path: str) -> T:
        with translated():
            return super().load(path)


class Readable(JavaMLReadable[T]):
    """A stage that can be loaded, by itself or as part of a pipeline."""

    @classmethod
    def read(cls) -> JavaMLReader[T]:
        """The reader; fails with the remedy where Spark does not have the jar."""
        require_jar()
        reader: Any = _Reader(cls)
        return reader
