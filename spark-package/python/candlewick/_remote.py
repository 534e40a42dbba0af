"""Spark Connect: stages whose other half is on a server, which tells and takes less than a JVM next door."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from uuid import uuid4

from pyspark.sql.utils import is_remote as session_is_remote

from candlewick._requirements import PYSPARK, minor
from candlewick.errors import CandlewickError, SetupError, of_classes

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

F = TypeVar("F", bound=Callable[..., Any])

#: Names the page that says what works.
_PAGE = "docs/connect.md says what works there"

#: Says that PySpark's function was replaced by ours.
_MARK = "_asks_candlewick"


def is_remote() -> bool:
    """True where PySpark's stages talk to a server of Spark Connect; the same question that PySpark asks."""
    return bool(session_is_remote()) and "PYSPARK_NO_NAMESPACE_SHARE" not in os.environ


def is_session(spark: object) -> bool:
    """True for a session of Spark Connect, which PySpark gives another class than a classic one."""
    if not is_remote():
        return False
    from pyspark.sql.connect.session import SparkSession

    return isinstance(spark, SparkSession)


def refuse(what: str, instead: str) -> NoReturn:
    """Fails: it needs the JVM of a classic session.

    Args:
        what: What was asked for.
        instead: What to do instead over Spark Connect.

    Raises:
        SetupError: Always.
    """
    raise SetupError(f"{what} does not work over Spark Connect: {instead}. {_classic()} ({_PAGE})")


def _classic() -> str:
    if _on_databricks():
        return (
            "On Databricks, compute in dedicated access mode gives notebooks and jobs a classic session, where it works"
        )
    return "In a classic session, with a master such as local[*], yarn or spark://..., it works"


def _on_databricks() -> bool:
    return "DATABRICKS_RUNTIME_VERSION" in os.environ or "databricks.connect" in sys.modules


def require_spark_4() -> None:
    """Fails where PySpark is older than its Spark ML over Spark Connect: it asserts that there is a JVM, and does not say why.

    Raises:
        SetupError: It is; with what to do instead.
    """
    if minor(PYSPARK) < (4, 0):
        raise SetupError(
            "Spark ML over Spark Connect needs Spark 4, on the client and on the server, and this is PySpark "
            f"{PYSPARK}: take Spark 4 for both. {_classic()} ({_PAGE})"
        )


def classic_only(instead: str) -> Callable[[F], F]:
    """Marks what needs the JVM of a classic session.

    Args:
        instead: What to do instead over Spark Connect.
    """

    def marked(function: F) -> F:
        @functools.wraps(function)
        def asked(self: Any, *args: Any, **kwargs: Any) -> Any:
            if is_remote():
                refuse(f"{type(self).__name__}.{function.__name__}", instead)
            return function(self, *args, **kwargs)

        return asked  # type: ignore[return-value]

    return marked


#: Models that nobody refers to any more; the server still has them.
_dropped: deque[Any] = deque()


def drop(model: Any) -> bool:
    """Notes that a model of a server is no longer referred to, for `release_dropped`; false where it is none.

    PySpark would tell the server at once. But this may be the garbage collector, in the middle of anything: where the client
    is just handing over its own work, under a lock, telling the server waits for that lock for ever.
    """
    # By its class: an object of a JVM has whatever attribute it is asked for. Not by an import, which may fail while Python ends.
    if type(model).__name__ != "RemoteModelRef":
        return False
    _dropped.append(model)
    return True


def release_dropped() -> None:
    """Takes those models off the server, from where a call to it may be made."""
    with suppress(IndexError):
        while True:
            _dropped.popleft().release_ref()


def server_lacks_jar(name: str) -> SetupError:
    """The error where a server does not know a class of ours, with the way to the jar."""
    if _on_databricks():
        way = (
            "On Databricks choose compute in dedicated access mode and install the jar as a library there: standard access "
            "mode and serverless compute do not run native code of libraries"
        )
    else:
        way = (
            "candlewick.attach(spark) sends this package's jar to the server for this session; for all sessions start the "
            "server with it: start-connect-server.sh --jars $(python -m candlewick jars)"
        )
    return SetupError(
        f"the Spark Connect server does not know {name}: it has no candlewick-spark jar, or one of another version. {way} "
        f"({_PAGE})"
    )


def _found(info: Any, message: str, response: Any) -> CandlewickError | None:
    """The exception of ours for what a server tells of an error: its classes and message, then those of its causes."""
    told: list[tuple[list[str], str]] = []
    if response is not None and response.HasField("root_error_idx"):
        at, errors = response.root_error_idx, response.errors
        while len(told) <= len(errors):
            told.append((list(errors[at].error_type_hierarchy), errors[at].message))
            if not errors[at].HasField("cause_idx"):
                break
            at = errors[at].cause_idx
    else:
        classes = info.metadata.get("classes")
        told.append((json.loads(classes) if classes else [], message))
    for classes, text in told:
        ours = of_classes(classes, text)
        if ours is not None:
            return ours
        if any(name.endswith("MlUnsupportedException") for name in classes) and "candlewick." in text:
            return server_lacks_jar("candlewick." + text.partition("candlewick.")[2].split()[0].strip(".,;'\""))
    return None


def install() -> None:
    """Lets Candlewick's exceptions arrive from any call to a Spark Connect server, such as ``model.transform(df).collect()``.

    PySpark's client asks `convert_exception` what to raise; all others stay as they are.
    """
    from pyspark.sql.connect.client import core

    original: Any = vars(core).get("convert_exception")
    # A client that has no such function raises what it raises.
    if original is None or hasattr(original, _MARK):
        return

    @functools.wraps(original)
    def convert(info: Any, truncated_message: str, resp: Any, *more: Any, **named: Any) -> Any:
        spark = original(info, truncated_message, resp, *more, **named)
        ours = _found(info, truncated_message, resp)
        if ours is None:
            return spark
        ours.java_exception = spark
        return ours

    setattr(convert, _MARK, True)
    # Not by its name: to type checkers a function is nothing to assign to.
    vars(core)["convert_exception"] = convert


def server_has_jar(session: Any) -> bool:
    """Whether the server knows our classes in this session: it is asked to load one from where there is nothing."""
    from pyspark.ml.connect.readwrite import RemoteMLReader

    from candlewick import NeuralClassifier

    install()
    kind: Any = NeuralClassifier
    try:
        RemoteMLReader.loadInstance(kind, "/candlewick/nothing/is/here", session)
    except SetupError:
        return False
    except CandlewickError:
        return True
    return True


def send_jar(session: Any, jar: str) -> None:
    """Gives the server the jar for one session."""
    session.addArtifact(jar)


@contextmanager
def cancelled_with(dataset: DataFrame) -> Iterator[None]:
    """Ends on the server what this block runs there, where the block is interrupted: leaving it alone would not."""
    session: Any = dataset.sparkSession
    tag = f"candlewick-{uuid4().hex}"
    session.addTag(tag)
    try:
        yield
    except Exception:
        raise
    except BaseException:
        with suppress(Exception):
            session.interruptTag(tag)
        raise
    finally:
        session.removeTag(tag)
