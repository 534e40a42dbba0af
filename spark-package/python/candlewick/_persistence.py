"""Loading of estimators and models: errors that say what to do."""

from __future__ import annotations

from typing import Any, TypeVar

from pyspark import SparkContext
from pyspark.ml.common import _java2py
from pyspark.ml.util import JavaMLReadable, JavaMLReader, MLReadable
from pyspark.ml.wrapper import JavaParams

from candlewick._session import require_jar
from candlewick.errors import translated

T = TypeVar("T", bound=MLReadable[Any])


class RestoredDefaults(JavaParams):
    """A stage whose defaults are those that it was saved with, as in the JVM, when those of a later version are others."""

    def _transfer_params_from_java(self) -> None:
        super()._transfer_params_from_java()
        java: Any = self._java_obj
        context: Any = SparkContext._active_spark_context
        for param in self.params:
            default = java.getDefault(java.getParam(param.name))
            if default.isDefined():
                self._setDefault(**{param.name: _java2py(context, default.get())})


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
