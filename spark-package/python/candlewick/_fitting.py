"""Looking after a fit that runs in the JVM: Ctrl-C, what is shown, callbacks."""

from __future__ import annotations

import json
import time
from typing import Any

from candlewick._callbacks import Callbacks
from candlewick._display import Display
from candlewick._interrupt import DeferredInterrupt

#: One look at the fit blocks the gateway this long, milliseconds: Ctrl-C waits for its end.
_LOOK_MS = 5
#: Pauses between looks, seconds. Where trainers wait for callbacks, no longer than the last.
_FIRST_PAUSE, _LONGEST_PAUSE, _LONGEST_OF_CALLBACKS = 0.005, 0.1, 0.02
#: A pause is this part of the time that the fit has taken: that is the most by which its end is noticed late.
_PART = 0.03
#: After a cancel, seconds to wait for the trainers to be gone.
_CANCEL_WAIT = 5.0


class Watch:
    """Passes on what a fit tells.

    Args:
        handle: The fit in the JVM.
        display: Shows it.
        callbacks: Look on, and decide where they do.
        decides: Whether trainers wait for them.
    """

    def __init__(self, handle: Any, display: Display, callbacks: Callbacks, decides: bool) -> None:
        self._handle, self._display, self._callbacks, self._decides = handle, display, callbacks, decides

    def begin(self) -> None:
        """The fit begins."""
        self._callbacks.begin()

    def look(self) -> None:
        """Takes what has come since the last look."""
        for line in self._handle.progressLines():
            self._display.line(line)
        for event in json.loads(self._handle.events()):
            kind = event["event"]
            if kind == "step":
                self._display.step(event)
                self._callbacks.step(event)
            elif kind == "epoch":
                self._epoch(event)
            elif kind == "line":
                self._display.line(event["text"])

    def _epoch(self, event: dict[str, Any]) -> None:
        if not event.get("again", False):
            self._display.epoch(event)
        stopper = self._callbacks.epoch(event)
        done = event["record"]["epoch"] + 1
        if self._decides and stopper is None:
            self._handle.goOn(done)
        elif self._decides:
            self._handle.stopAfter(done, stopper)


def finished(handle: Any, watch: Watch, interrupt: DeferredInterrupt, decides: bool) -> Any:
    """Waits for a fit and returns its Java model; whatever interrupts the wait cancels the fit.

    One long call into the JVM would not do: Ctrl-C during it cancels nothing and leaves the training running.
    """
    longest = _LONGEST_OF_CALLBACKS if decides else _LONGEST_PAUSE
    began = time.monotonic()
    try:
        watch.begin()
        while not handle.awaitTermination(_LOOK_MS):
            watch.look()
            time.sleep(min(longest, max(_FIRST_PAUSE, _PART * (time.monotonic() - began))))
            interrupt.deliver()
        watch.look()
    except BaseException as error:
        handle.cancel(f"interrupted in Python by {type(error).__name__}")
        end = time.monotonic() + _CANCEL_WAIT
        while not handle.awaitTermination(_LOOK_MS) and time.monotonic() < end:
            time.sleep(_FIRST_PAUSE)
        raise
    return handle.result()
