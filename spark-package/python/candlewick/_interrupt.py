"""Ctrl-C while the JVM works."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any


class DeferredInterrupt:
    """While it is open, Ctrl-C waits for a moment in which no call to the JVM is under way.

    PySpark's handler of SIGINT calls the JVM itself, by the connection that the interrupted call still holds: each then takes
    the other's answer, and what ends the program is an error of the gateway instead of KeyboardInterrupt. Here the signal is
    noted only, and whoever handled it before is called by :meth:`deliver`, or at the end. Outside of the main thread, which
    gets no signals, it does nothing. The user's own code, in callbacks, stands in :meth:`lifted`.
    """

    def __init__(self) -> None:
        self._arrived: tuple[int, FrameType | None] | None = None
        self._before: Any = None

    def __enter__(self) -> DeferredInterrupt:
        if threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            # One that is ignored, or handled by no code of Python, stays as it is.
            if callable(before):
                self._before = before
                signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._arrived = (number, frame)

    def deliver(self) -> None:
        """Calls the handler where a signal has arrived; to be called where no call to the JVM is under way."""
        if self._arrived is not None:
            arrived, self._arrived = self._arrived, None
            self._before(*arrived)

    def forget(self) -> None:
        """Takes no notice of a signal that has arrived: an error ends the block, which tells enough."""
        self._arrived = None

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """While code of the user runs, which may take as long as it likes: Ctrl-C reaches it as ever."""
        self.deliver()
        if self._before is None:
            yield
            return
        signal.signal(signal.SIGINT, self._before)
        try:
            # One may have come since.
            self.deliver()
            yield
        finally:
            signal.signal(signal.SIGINT, self._note)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        # An error that ends the block tells enough.
        if kind is None:
            self.deliver()
