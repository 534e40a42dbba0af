"""Exceptions of Candlewick; those of the JVM arrive as one of these, with the Java exception kept."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any


class CandlewickError(Exception):
    """Base of all exceptions of Candlewick."""

    #: The Java exception that this one stands for, where there is one; over Spark Connect what PySpark would have raised.
    java_exception: Any = None


class InvalidParameterError(CandlewickError, ValueError):
    """A parameter, the network or the schema is wrong: told before anything is started where that can be known.

    What only the rows show (a loss that is not finite, a schedule longer than the training) is told while training.
    """


class InvalidDataError(CandlewickError, ValueError):
    """A row is wrong: null, NaN, another length, a label out of range."""


class RetryableError(CandlewickError):
    """A process, connection or deadline was lost; the same call may succeed later."""


class JobFailedError(CandlewickError):
    """The job failed for the cause that the message names."""


class CancelledError(CandlewickError):
    """The user or Spark cancelled the work."""


class CallbackError(JobFailedError):
    """A callback raised, which ended the fit; ``__cause__`` is what it raised."""


class UnauthenticatedError(CandlewickError):
    """The other side of a connection did not prove that it knows the job's secret."""


class NativePanicError(CandlewickError):
    """A defect of Candlewick: native code panicked."""


class SetupError(CandlewickError):
    """The session lacks something that Candlewick needs; the message says what to do."""


_CLASSES: dict[str, type[CandlewickError]] = {
    "candlewick.jni.InvalidParameterException": InvalidParameterError,
    "candlewick.jni.InvalidDataException": InvalidDataError,
    "candlewick.jni.RetryableException": RetryableError,
    "candlewick.jni.JobFailedException": JobFailedError,
    "candlewick.jni.CancelledException": CancelledError,
    "candlewick.jni.NativePanicException": NativePanicError,
    "candlewick.jni.UnauthenticatedException": UnauthenticatedError,
    "candlewick.jni.CandlewickException": CandlewickError,
}


_REMEDY = (
    "start the session with candlewick.session(), or give Spark the jar: "
    "spark-submit --jars $(python -c 'import candlewick; print(candlewick.jars())')"
)

#: Begins the way to the jar where a session runs.
OF_A_SESSION = "candlewick.attach(spark) gives it to a session that runs; else"

#: What the JVM throws for a class that is not there.
_NOT_FOUND = ("java.lang.ClassNotFoundException", "java.lang.NoClassDefFoundError")

#: What ends a stream keeps its own type, which says which query it was and where it stood; its message has ours.
_OF_A_STREAM = "org.apache.spark.sql.streaming.StreamingQueryException"

#: Says that PySpark's function was replaced by ours.
_MARK = "_asks_candlewick"


def jar_is_missing(more: str) -> str:
    """The message where the jar is missing, with the way to it on this platform."""
    if "DATABRICKS_RUNTIME_VERSION" in os.environ:
        way = (
            "on Databricks open Compute, this compute, Libraries, Install new, and choose the jar in a volume "
            "(`python -m candlewick jars` prints where the wheel has it); then detach and attach the notebook again"
        )
    else:
        way = (
            "restart the Python process or the notebook's kernel and call candlewick.session() before any other; where the "
            "platform starts the session, name the jar in its settings (spark.jars; with Livy in a cell %%configure)"
        )
    return f"Candlewick's jar is not on the class path of this Spark session: {_REMEDY}. {more}: {way}"


def _causes(java: Any) -> Iterator[Any]:
    """A Java exception and its causes; there may be a circle."""
    depth = 0
    while java is not None and depth < 20:
        yield java
        java, depth = java.getCause(), depth + 1


def from_java(java: Any) -> CandlewickError | None:
    """The exception of this module for a Java one, by the first of its causes that is Candlewick's."""
    for cause in _causes(java):
        name = cause.getClass().getName()
        found = _CLASSES.get(name)
        if found is not None:
            return _standing_for(java, found(str(cause.getMessage())))
        # Spark's own readers of Pipeline and CrossValidator look for the classes of their stages.
        if name in _NOT_FOUND and str(cause.getMessage()).startswith("candlewick."):
            return _standing_for(java, SetupError(jar_is_missing(OF_A_SESSION)))
    return None


def of_classes(classes: Sequence[str], message: str) -> CandlewickError | None:
    """The exception of this module for a Java one that is told by the names of its class and of those above it."""
    for name in classes:
        if name in _CLASSES:
            return _CLASSES[name](message)
    return None


def _standing_for(java: Any, error: CandlewickError) -> CandlewickError:
    error.java_exception = java
    return error


@contextmanager
def translated() -> Iterator[None]:
    """Turns Java exceptions that pass through into those of this module.

    Candlewick's own become what they are; whatever else makes a Spark job of ours fail, such as a source that cannot be
    read, becomes a JobFailedError with its first cause. PySpark's own exceptions stay.
    """
    try:
        yield
    except Exception as error:
        if not _is_java(error):
            raise
        java: Any = getattr(error, "java_exception", None)
        converted = from_java(java)
        if converted is None:
            *_, first = _causes(java)
            converted = _standing_for(java, JobFailedError(f"a Spark job of this call failed: {first.toString()}"))
        # Without the Java stack trace, which says less than the message; java_exception has it.
        raise converted from None


def _is_java(error: Exception) -> bool:
    """Whether it is py4j's for a Java exception; py4j is not there where PySpark is only a client of Spark Connect."""
    protocol = sys.modules.get("py4j.protocol")
    return protocol is not None and isinstance(error, protocol.Py4JJavaError)


def install() -> None:
    """Lets Candlewick's exceptions arrive from any call into the JVM, such as ``model.transform(df).collect()``.

    PySpark asks its `convert_exception` what to raise for a Java exception; all others stay as they are.
    """
    try:
        from pyspark.errors.exceptions import captured
    except ImportError:
        # A client of Spark Connect, without py4j.
        return
    original = captured.convert_exception
    if hasattr(original, _MARK):
        return

    @functools.wraps(original)
    def convert(java: Any) -> Any:
        if java.getClass().getName() == _OF_A_STREAM:
            return original(java)
        return from_java(java) or original(java)

    setattr(convert, _MARK, True)
    # Not by its name: to type checkers a function is nothing to assign to.
    vars(captured)["convert_exception"] = convert
