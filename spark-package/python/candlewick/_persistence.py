"""Loading of estimators and models: errors that say what to do."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypeVar

from pyspark.ml.common import _java2py
from pyspark.ml.util import JavaMLReadable, JavaMLReader, JavaMLWritable, JavaMLWriter, MLReadable
from pyspark.ml.wrapper import JavaParams

from candlewick import _folder
from candlewick._remote import drop, is_remote
from candlewick._session import require_jar, running_context
from candlewick._summary import TrainingSummary
from candlewick.errors import SetupError, translated

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

T = TypeVar("T", bound=MLReadable[Any])


class RestoredDefaults(JavaParams):
    """A stage whose defaults are those that it was saved with, as in the JVM, when those of a later version are others."""

    def _transfer_params_from_java(self) -> None:
        super()._transfer_params_from_java()
        from pyspark import SparkContext

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


class Writable(JavaMLWritable):
    """A stage that can be saved."""

    def write(self) -> JavaMLWriter:
        """The writer: ``model.write().overwrite().save(path)``."""
        if is_remote():
            return _folder.writer(self)
        running_context()
        return super().write()


class Remembered(JavaParams):
    """A model that, over Spark Connect, tells what its folder tells: a server tells no more than Spark's own models have."""

    _home: _folder.Folder | None = None

    def __del__(self) -> None:
        if not drop(getattr(self, "_java_obj", None)):
            super().__del__()

    def hasParam(self, paramName: str) -> bool:
        """Whether there is such a parameter; asked without computing what is a property of the same name."""
        return not isinstance(getattr(type(self), paramName, None), property) and super().hasParam(paramName)

    def _remember(self, path: str) -> None:
        """It was saved to this folder, or loaded from it."""
        self._home = _folder.Folder(path, self._fact("weightsHash"))

    def _saved_folder(self, name: str) -> _folder.Folder:
        return _folder.need(self._home, f"{type(self).__name__}.{name}")

    def _saved(self, name: str) -> dict[str, Any]:
        """The document of the saved model, for an attribute of this name."""
        return self._saved_folder(name).document()

    def _fact(self, name: str) -> str:
        """What the text of the model says of itself, which a server gives."""
        found = re.search(rf"\b{name}=(\S+?)(?:,|$)", repr(self))
        if found is None:
            raise SetupError(f"the server's model does not tell its {name}: {self!r}; its jar is of another version")
        return found.group(1)

    @property
    def _summaryCls(self) -> type:
        return _folder.SummaryOnServer

    def _summary_dataset(self, train_dataset: DataFrame) -> DataFrame:
        """What Spark makes a lost summary anew of: it asks no such thing of these models."""
        return train_dataset

    def _remote_summary(self) -> Any:
        if self._home is not None:
            return TrainingSummary.from_json(json.dumps(self._home.document()["summary"]))
        return vars(self).get("_summary") or _folder.no_summary()


class Readable(JavaMLReadable[T]):
    """A stage that can be loaded, by itself or as part of a pipeline."""

    @classmethod
    def read(cls) -> JavaMLReader[T]:
        """The reader; fails with the remedy where Spark does not have the jar."""
        require_jar()
        reader: Any = _folder.reader(cls) if is_remote() else _Reader(cls)
        return reader
