"""Exceptions of Candlewick; those of the JVM arrive as one of these, with the Java exception kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class CandlewickError(Exception):
    """Base of all exceptions of Candlewick."""

    #: The Java exception that this one stands for, where there is one.
    java_exception: Any = None


class InvalidParameterError(CandlewickError, ValueError):
    """A parameter, the network or the schema is wrong; nothing was started."""


class InvalidDataError(CandlewickError, ValueError):
    """A row is wrong: null, NaN, another length, a label out of range."""


class RetryableError(CandlewickError):
    """A process, connection or deadline was lost; the same call may succeed later."""


class JobFailedError(CandlewickError):
    """The job failed for the cause that the message names."""


class CancelledError(CandlewickError):
    """The user or Spark cancelled the work."""


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


def from_java(error: BaseException) -> CandlewickError | None:
    """The exception of this module for a Java one, by the first of its causes that is Candlewick's."""
    java = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    cause, depth = java, 0
    while cause is not None and depth < 20:
        found = _CLASSES.get(cause.getClass().getName())
        if found is not None:
            converted = found(str(cause.getMessage()))
            converted.java_exception = java
            return converted
        cause, depth = cause.getCause(), depth + 1
    return None


@contextmanager
def translated() -> Iterator[None]:
    """Turns Java exceptions of Candlewick that pass through into those of this module."""
    try:
        yield
    except CandlewickError:
        raise
    except Exception as error:
        converted = from_java(error)
        if converted is None:
            raise
        raise converted from error
