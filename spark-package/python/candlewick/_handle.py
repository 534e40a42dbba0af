"""A fit that runs in the background."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from candlewick._display import Display
from candlewick.errors import translated

_log = logging.getLogger("candlewick")

M = TypeVar("M")

#: Lines that are kept until somebody takes them: the latest, as many as the JVM keeps.
_MOST = 10_000


class Kept(Display):
    """Keeps lines until somebody takes them, and passes them on to who listens.

    Args:
        epochs: Whether the epochs are among them.
    """

    def __init__(self, epochs: bool) -> None:
        self._epochs = epochs
        self._lock = threading.Lock()
        self._lines: deque[str] = deque(maxlen=_MOST)
        self._listeners: list[Callable[[str], object]] = []

    def epoch(self, event: Mapping[str, Any]) -> None:
        """A line, if they are asked for."""
        if self._epochs:
            self.line(event["text"])

    def line(self, text: str) -> None:
        """A line."""
        with self._lock:
            self._lines.append(text)
            listeners = list(self._listeners)
        for listener in listeners:
            try:
                listener(text)
            # The fit is not theirs to end.
            except Exception:
                _log.warning("a listener to the lines of a fit failed, and is not called again", exc_info=True)
                with self._lock:
                    self._listeners.remove(listener)

    def take(self) -> list[str]:
        """The lines since the last call."""
        with self._lock:
            taken = list(self._lines)
            self._lines.clear()
        return taken

    def listen(self, listener: Callable[[str], object]) -> None:
        """Calls it with every line from now on."""
        with self._lock:
            self._listeners.append(listener)


class FitHandle(Generic[M]):
    """A fit that runs in the background, made by ``startFit``.

    Example:
        >>> handle = clf.startFit(train)  # doctest: +SKIP
        >>> while not handle.awaitTermination(0.5):  # doctest: +SKIP
        ...     print(handle.progressLines())
        >>> model = handle.result()  # doctest: +SKIP
    """

    def __init__(self, java: Any, follow: Callable[[Kept], M], verbose: str) -> None:
        self._java = java
        #: Its id, as it stands in the log, in messages and in the tags of its Spark jobs.
        self.id: str = java.id()
        self._kept = Kept(verbose == "true")
        self._over = threading.Event()
        self._model: M | None = None
        self._error: BaseException | None = None
        watching = threading.Thread(target=self._watch, args=(follow,), name=f"candlewick-fit-{self.id}", daemon=True)
        watching.start()

    def _watch(self, follow: Callable[[Kept], M]) -> None:
        try:
            self._model = follow(self._kept)
        except BaseException as error:
            self._error = error
        finally:
            self._over.set()

    def awaitTermination(self, timeout: float | None = None) -> bool:
        """Waits until the fit is over.

        Args:
            timeout: Most seconds to wait; None: as long as it takes.

        Returns:
            Whether it is over.
        """
        return self._over.wait(timeout)

    def result(self) -> M:
        """The model. Waits until the fit is over.

        Raises:
            CandlewickError: What the fit failed by; of a cancelled one `candlewick.errors.CancelledError`.
        """
        self._over.wait()
        if self._error is not None:
            raise self._error
        assert self._model is not None
        return self._model

    def cancel(self, reason: str = "FitHandle.cancel") -> None:
        """Cancels the fit: its Spark jobs and its trainers end. No effect on one that is over.

        Args:
            reason: What the error says that `result` raises.
        """
        with translated():
            self._java.cancel(reason)

    def progressLines(self) -> list[str]:
        """The lines since the last call, the latest thousands: epochs with ``verbose=True``, warnings, what the fit waits for."""
        return self._kept.take()

    def listenProgress(self, listener: Callable[[str], object]) -> None:
        """Calls a function with every such line from now on, in the thread that looks after the fit.

        Raises:
            TypeError: It is no function.
        """
        if not callable(listener):
            raise TypeError(f"listenProgress takes a function of a line, such as print, not {listener!r}")
        self._kept.listen(listener)

    def __repr__(self) -> str:
        if not self._over.is_set():
            return f"FitHandle({self.id}, running)"
        return f"FitHandle({self.id}, {'finished' if self._error is None else f'failed: {self._error}'})"
