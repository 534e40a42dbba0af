"""Looking after a fit that runs in the JVM: Ctrl-C, what is shown, callbacks."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from candlewick._callbacks import Callbacks
from candlewick._display import Display
from candlewick._interrupt import DeferredInterrupt

#: One look at the fit blocks the gateway this long at most, milliseconds: Ctrl-C waits for its end. The end of the fit and
#: what callbacks wait for end it earlier.
_LOOK_MS = 100
#: After a cancel, seconds to wait for the trainers to be gone.
_CANCEL_WAIT = 5.0


class Watch:
    """Passes on what a fit tells.

    Args:
        handle: The fit in the JVM.
        display: Shows it.
        callbacks: Look on, and decide where they do.
        decides: Whether trainers wait for them.
        interrupt: Keeps Ctrl-C away from calls to the JVM, and not from callbacks.
    """

    def __init__(
        self, handle: Any, display: Display, callbacks: Callbacks, decides: bool, interrupt: DeferredInterrupt
    ) -> None:
        self._handle, self._display, self._callbacks, self._decides = handle, display, callbacks, decides
        self._interrupt = interrupt

    def begin(self) -> None:
        """The fit begins."""
        with self._interrupt.lifted():
            self._callbacks.begin()

    def look(self) -> bool:
        """Waits for news, not for long, and passes them on. Whether the fit is over."""
        news = json.loads(self._handle.look(_LOOK_MS))
        for line in news["lines"]:
            self._display.line(line)
        for event in news["events"]:
            kind = event["event"]
            if kind == "step":
                self._display.step(event)
                with self._interrupt.lifted():
                    self._callbacks.step(event)
            elif kind == "epoch":
                self._epoch(event)
            elif kind == "line":
                self._display.line(event["text"])
        return bool(news["over"])

    def _epoch(self, event: dict[str, Any]) -> None:
        if not event.get("again", False):
            self._display.epoch(event)
        with self._interrupt.lifted():
            stopper = self._callbacks.epoch(event)
        done = event["record"]["epoch"] + 1
        if self._decides and stopper is None:
            self._handle.goOn(done)
        elif self._decides:
            self._handle.stopAfter(done, stopper)


def finished(handle: Any, watch: Watch, interrupt: DeferredInterrupt) -> Any:
    """Waits for a fit and returns its Java model; whatever interrupts the wait cancels the fit."""
    with cancelled_by_errors(handle):
        watch.begin()
        while not watch.look():
            interrupt.deliver()
    return handle.result()


def planned(handle: Any, interrupt: DeferredInterrupt) -> Any:
    """Waits for a plan and returns Java's; whatever interrupts the wait cancels it."""
    with cancelled_by_errors(handle):
        while not handle.awaitTermination(_LOOK_MS):
            interrupt.deliver()
    return handle.result()


@contextmanager
def cancelled_by_errors(handle: Any) -> Iterator[None]:
    """Cancels what runs in the JVM where the wait for it ends with an error, such as Ctrl-C.

    One long call into the JVM would not do: Ctrl-C during it cancels nothing and leaves the training running.
    """
    try:
        yield
    except BaseException as error:
        handle.cancel(f"interrupted in Python by {type(error).__name__}")
        end = time.monotonic() + _CANCEL_WAIT
        while not handle.awaitTermination(_LOOK_MS) and time.monotonic() < end:
            pass
        raise
