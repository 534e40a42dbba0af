"""What a model of a Spark Connect server says of itself: the folder that it was saved to or loaded from has all of it."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from pyspark.ml.util import MLReadable
from pyspark.ml.wrapper import JavaWrapper

from candlewick._remote import drop, refuse, release_dropped
from candlewick._summary import TrainingSummary

#: Of a saved model; see docs/persistence.md.
_DOCUMENT, _WEIGHTS, _INDEX = "data/model.json", "data/weights.safetensors", "data/weights.safetensors.index.json"

_SAVE = (
    "save the model first, model.write().overwrite().save(path), or load a saved one: it is read from the folder then"
)


def escaped(path: str) -> str:
    """The pattern that means a path: Spark's readers take what they are given for patterns."""
    return re.sub(r"([\[\]{}*?\\])", r"\\\1", path)


def _session() -> Any:
    from pyspark.sql import SparkSession

    return SparkSession.active()


class Folder:
    """The folder of a saved model, read through the server.

    Args:
        path: Where it is, for the server.
        weights_hash: Hash of the model's weights.
    """

    def __init__(self, path: str, weights_hash: str) -> None:
        self._path, self._hash = path.rstrip("/"), weights_hash

    def document(self) -> dict[str, Any]:
        """What the model is beside its weights: network, data contract, summary.

        Raises:
            SetupError: Another model was saved there in the meantime.
        """
        row = _session().read.text(escaped(f"{self._path}/{_DOCUMENT}"), wholetext=True).first()
        document: dict[str, Any] = json.loads(row[0])
        saved = (document.get("summary") or {}).get("weightsHash", self._hash)
        if saved != self._hash:
            refuse(f"reading the model from {self._path}", f"another one is saved there now; {_SAVE}")
        return document

    def weights(self) -> bytes:
        """The safetensors file; of a model in several files it fails."""
        name = self.weights_path()
        if name.endswith(_INDEX):
            refuse("reading weights of more than 2 GiB", f"{name} lists their files")
        (content,) = _session().read.format("binaryFile").load(escaped(name)).select("content").first()
        return bytes(content)

    def weights_path(self) -> str:
        """Path of the file of weights, or of its index, for ``initialWeights``."""
        self.document()
        files = _session().read.format("binaryFile").load(escaped(f"{self._path}/data")).select("path").collect()
        names = {row[0].rsplit("/data/", 1)[-1] for row in files}
        return f"{self._path}/{_INDEX if _INDEX[5:] in names else _WEIGHTS}"


class SummaryOnServer(JavaWrapper):
    """The summary of a model that was just fitted over Spark Connect: what a server tells of it.

    `history` and all else of a `TrainingSummary` is there once the model is saved.
    """

    def __del__(self) -> None:
        drop(getattr(self, "_remote_model_obj", None))

    @property
    def objectiveHistory(self) -> list[float]:
        """Loss of every epoch."""
        return [float(value) for value in self._call_java("objectiveHistory")]

    @property
    def totalIterations(self) -> int:
        """Steps over all epochs."""
        return int(self._call_java("totalIterations"))

    @property
    def totalSteps(self) -> int:
        """The same by the name that `TrainingSummary` has for it."""
        return self.totalIterations

    def __getattr__(self, name: str) -> Any:
        if name in TrainingSummary.__dataclass_fields__ or name in vars(TrainingSummary):
            refuse(
                f"summary.{name}", f"of a model that is not saved, summary has objectiveHistory and totalSteps; {_SAVE}"
            )
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __repr__(self) -> str:
        return f"SummaryOnServer(epochs={len(self.objectiveHistory)}, totalSteps={self.totalSteps})"


def no_summary() -> NoReturn:
    """Fails: nothing tells of a fit whose model is not saved.

    Raises:
        SetupError: Always.
    """
    refuse("summary of a model that is not saved", f"Spark 4.0 tells a client nothing of it, Spark 4.1 does; {_SAVE}")


def reader(stage: type[MLReadable[Any]]) -> Any:
    """Loads stages that the server reads; a model remembers its folder."""
    from pyspark.ml.connect.readwrite import RemoteMLReader

    class Reader(RemoteMLReader[Any]):
        def load(self, path: str) -> Any:
            release_dropped()
            loaded = super().load(path)
            if hasattr(loaded, "_remember"):
                loaded._remember(path)
            return loaded

    remote: Any = stage
    return Reader(remote)


def writer(stage: Any) -> Any:
    """Saves stages on the server; a model remembers its folder."""
    from pyspark.ml.connect.readwrite import RemoteMLWriter

    class Writer(RemoteMLWriter):
        def save(self, path: str) -> None:
            super().save(path)
            if hasattr(stage, "_remember"):
                stage._remember(path)

    return Writer(stage)


def need(folder: Folder | None, what: str) -> Folder:
    """The folder of a model.

    Raises:
        SetupError: It has none.
    """
    return folder if folder is not None else refuse(what, _SAVE)
