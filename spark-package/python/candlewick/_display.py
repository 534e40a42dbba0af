"""What `verbose` shows while a fit trains: lines, a line that moves, or a bar in a notebook."""

from __future__ import annotations

import html
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_log = logging.getLogger("candlewick")

#: Seconds between two lines, where `verbose` is "auto" and nobody asked for each of them.
SPARING = 2.0
#: Seconds without a line after which a long epoch gets one.
QUIET = 10.0
#: Start of lines of one fit among several.
_LABEL = "fit "


class Display:
    """Shows nothing."""

    def step(self, event: Mapping[str, Any]) -> None:
        """A step was made."""

    def epoch(self, event: Mapping[str, Any]) -> None:
        """An epoch is over."""

    def line(self, text: str) -> None:
        """Something that the user should see: a warning, an early end."""

    def close(self) -> None:
        """The fit is over, however it ended."""


class Guarded(Display):
    """Another display for as long as it works: neither a full disk nor a terminal that is gone ends a fit.

    Args:
        make: Makes the other one.
    """

    def __init__(self, make: Callable[[], Display]) -> None:
        #: Shows nothing once it has failed.
        self.inner = Display()
        with self._off_where_it_fails():
            self.inner = make()

    @contextmanager
    def _off_where_it_fails(self) -> Iterator[None]:
        try:
            yield
        # Streams raise OSError, closed ones ValueError; a notebook's, and those that users put there, anything.
        except Exception as error:
            self.inner = Display()
            _log.warning(
                f"progress is no longer shown ({type(error).__name__}: {error}); the fit itself is not affected"
            )

    def step(self, event: Mapping[str, Any]) -> None:
        """As the other."""
        with self._off_where_it_fails():
            self.inner.step(event)

    def epoch(self, event: Mapping[str, Any]) -> None:
        """As the other."""
        with self._off_where_it_fails():
            self.inner.epoch(event)

    def line(self, text: str) -> None:
        """As the other."""
        with self._off_where_it_fails():
            self.inner.line(text)

    def close(self) -> None:
        """As the other."""
        with self._off_where_it_fails():
            self.inner.close()


def _write(text: str) -> None:
    """Writes to stdout, with ``?`` for what it cannot encode: outputs and metrics may have any name."""
    try:
        print(text, end="", flush=True)
    except UnicodeEncodeError:
        # The error names no codec that could be used: all of Windows' are "charmap" there.
        codec = getattr(sys.stdout, "encoding", None) or "ascii"
        print(text.encode(codec, "replace").decode(codec), end="", flush=True)


class Lines(Display):
    """Lines at the ends of epochs, and now and then within a long one.

    Args:
        seconds: Least time between two lines; the last epoch has one anyway.
        clock: Gives the seconds.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._last: float | None = None
        self._began = clock()
        self._due: str | None = None

    def _print(self, text: str) -> None:
        _write(f"{text}\n")

    def _tell(self, text: str) -> None:
        self._print(text)
        self._last, self._due = self._clock(), None

    def step(self, event: Mapping[str, Any]) -> None:
        """A line, where none came for long."""
        if self._clock() - (self._began if self._last is None else self._last) >= QUIET:
            self._tell(event["text"])

    def epoch(self, event: Mapping[str, Any]) -> None:
        """A line, unless one came just now: then at the end, where it is the last epoch's."""
        if self._last is None or self._clock() - self._last >= self._seconds:
            self._tell(event["text"])
        else:
            self._due = event["text"]

    def line(self, text: str) -> None:
        """A line."""
        if self._due is not None:
            self._tell(self._due)
        self._print(text)

    def close(self) -> None:
        """The line of the last epoch, where it was left out."""
        if self._due is not None:
            self._tell(self._due)


class Terminal(Lines):
    """As lines, with one below them that moves."""

    def _print(self, text: str) -> None:
        _write(f"\r\x1b[K{text}\n")

    def _move(self, text: str) -> None:
        # Lines of several fits would write over each other.
        if not text.startswith(_LABEL):
            _write(f"\r\x1b[K{text}")

    def step(self, event: Mapping[str, Any]) -> None:
        """The line moves."""
        self._move(event["text"])

    def epoch(self, event: Mapping[str, Any]) -> None:
        """The line moves, or stays and a new one begins."""
        super().epoch(event)
        if self._due is not None:
            self._move(event["text"])

    def close(self) -> None:
        """The line of the last epoch stays."""
        if self._due is not None:
            super().close()
        else:
            _write("\r\x1b[K")


class Bar:
    """A bar of the epochs with the last words on it, as notebooks show it."""

    def __init__(self) -> None:
        self.share = 0.0
        self.text = "the fit begins"
        self.lines: list[str] = []

    def __repr__(self) -> str:
        full = round(20 * self.share)
        return "\n".join([f"[{'#' * full}{'.' * (20 - full)}] {self.text}", *self.lines])

    def _repr_html_(self) -> str:
        lines = "".join(f"<div>{html.escape(line)}</div>" for line in self.lines)
        return (
            f'<div style="font-family:monospace"><progress max="1" value="{self.share:.4f}" style="width:20em"></progress> '
            f"{html.escape(self.text)}{lines}</div>"
        )


class Notebook(Display):
    """A bar that moves in its place.

    Args:
        display: IPython's function ``display``.
    """

    #: Lines kept below the bar, and least seconds between two moves.
    _MOST, _EACH = 20, 0.2

    def __init__(self, display: Callable[..., Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._bar, self._clock = Bar(), clock
        self._handle = display(self._bar, display_id=True)
        self._moved = clock()
        self._epoch = ""

    def _move(self, text: str, share: float, now: bool) -> None:
        self._bar.text, self._bar.share = text, min(max(share, 0.0), 1.0)
        if now or self._clock() - self._moved >= self._EACH:
            self._show()

    def _show(self) -> None:
        self._moved = self._clock()
        if self._handle is not None:
            self._handle.update(self._bar)

    def step(self, event: Mapping[str, Any]) -> None:
        """The bar moves."""
        steps = event["epochs"] * event["stepsPerEpoch"]
        text = f"{event['text']}  (before: {self._epoch})" if self._epoch else event["text"]
        self._move(text, event["step"] / max(steps, 1), now=False)

    def epoch(self, event: Mapping[str, Any]) -> None:
        """The bar moves."""
        epoch = event["record"]["epoch"] + 1
        # The numbers of an epoch, without what is left to do.
        self._epoch = "  ".join(event["text"].split("  ")[:-2])
        self._move(event["text"], epoch / max(event["epochs"], 1), now=epoch >= event["epochs"])

    def line(self, text: str) -> None:
        """A line below the bar."""
        self._bar.lines = [*self._bar.lines, text][-self._MOST :]
        self._show()

    def close(self) -> None:
        """The bar stays as it is."""
        self._show()


def _notebook() -> Callable[..., Any] | None:
    """IPython's function that displays, where this runs in a notebook."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    # The shell of a terminal has none.
    if shell is None or getattr(shell, "kernel", None) is None:
        return None
    from IPython.display import display  # type: ignore[import-not-found,unused-ignore]

    show: Callable[..., Any] = display
    return show


def display_for(verbose: str) -> Display:
    """What shows a fit with this `verbose`: "auto", "true" or "false"."""
    return Guarded(lambda: _chosen(verbose))


def _chosen(verbose: str) -> Display:
    if verbose == "false":
        return Display()
    if verbose == "true":
        return Lines(0.0)
    show = _notebook()
    if show is not None:
        return Notebook(show)
    if sys.stdout is not None and sys.stdout.isatty():
        return Terminal(SPARING)
    return Lines(SPARING)
