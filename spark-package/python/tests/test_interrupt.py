"""Ctrl-C is handled where no call to the JVM is under way."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from candlewick import FitInfo
from candlewick._callbacks import Callbacks
from candlewick._display import Display
from candlewick._fitting import Watch, finished, planned
from candlewick._interrupt import DeferredInterrupt


class Handle:
    """A fit that is interrupted within a call to it."""

    def __init__(self) -> None:
        self.busy = False
        self.looks = 0
        self.cancelled: str | None = None
        self.interrupted_busy: list[bool] = []

    def look(self, _: int) -> str:
        self.busy = True
        self.looks += 1
        if self.looks == 2:
            os.kill(os.getpid(), signal.SIGINT)
        # Signals are handled between two steps of the interpreter, at the latest here.
        sum(range(100))
        self.busy = False
        return json.dumps({"over": self.looks > 1000, "lines": [], "events": []})

    def awaitTermination(self, milliseconds: int) -> bool:
        """Over after a cancel; a wait without one is a look."""
        return self.cancelled is not None or json.loads(self.look(milliseconds))["over"]

    def cancel(self, why: str) -> None:
        self.cancelled = why

    def result(self) -> str:
        return "a model"


@pytest.fixture
def handle() -> Iterator[Handle]:
    """A fit, and a handler of SIGINT that does as PySpark's and notes whether a call was under way."""
    handle = Handle()
    before = signal.getsignal(signal.SIGINT)

    def interrupt(*_: object) -> None:
        handle.interrupted_busy.append(handle.busy)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    yield handle
    signal.signal(signal.SIGINT, before)


def test_a_fit_is_interrupted_between_two_calls(handle: Handle) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), DeferredInterrupt() as interrupt:
        callbacks = Callbacks([], FitInfo("a", 1, "uid", 1))
        watch = Watch(handle, Display(), callbacks, decides=False, interrupt=interrupt)
        finished(handle, watch, interrupt)
    assert handle.interrupted_busy == [False], "the handler ran while a call was under way"
    assert handle.cancelled == "interrupted in Python by KeyboardInterrupt"
    assert signal.getsignal(signal.SIGINT) is before


def test_so_is_a_plan(handle: Handle) -> None:
    with pytest.raises(KeyboardInterrupt), DeferredInterrupt() as interrupt:
        planned(handle, interrupt)
    assert handle.interrupted_busy == [False], "the handler ran while a call was under way"
    assert handle.cancelled == "interrupted in Python by KeyboardInterrupt"


def test_one_that_comes_at_the_end_is_not_lost(handle: Handle) -> None:
    with pytest.raises(KeyboardInterrupt), DeferredInterrupt():
        os.kill(os.getpid(), signal.SIGINT)
    assert handle.interrupted_busy == [False]


def test_code_of_the_user_is_interrupted_at_once(handle: Handle) -> None:
    began, went_on = [], []
    with pytest.raises(KeyboardInterrupt), DeferredInterrupt() as interrupt:
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt), interrupt.lifted():
            began.append("one that came before it begins does not wait for its end")
        with interrupt.lifted():
            began.append("it runs")
            os.kill(os.getpid(), signal.SIGINT)
            sum(range(100))
            went_on.append("it goes on")
    assert began == ["it runs"] and not went_on
    assert handle.interrupted_busy == [False, False]


def test_after_code_of_the_user_signals_wait_again(handle: Handle) -> None:
    with pytest.raises(KeyboardInterrupt), DeferredInterrupt() as interrupt:
        with interrupt.lifted():
            pass
        os.kill(os.getpid(), signal.SIGINT)
        sum(range(100))
        assert not handle.interrupted_busy, "a call to the JVM may be under way"
    assert handle.interrupted_busy == [False]


def test_other_threads_get_no_signals_and_change_nothing(handle: Handle) -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def body() -> None:
        with DeferredInterrupt() as interrupt:
            seen.append(signal.getsignal(signal.SIGINT))
            interrupt.deliver()

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert seen == [before] and not handle.interrupted_busy
