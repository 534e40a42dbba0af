"""What `verbose` shows."""

from __future__ import annotations

import io
import logging
import re
import sys
from collections.abc import Callable
from typing import Any

import pytest

from candlewick import _display
from candlewick._convert import to_switch
from candlewick._display import Display, Guarded, Lines, Notebook, Terminal, display_for


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def epoch(index: int, epochs: int = 10, label: str = "") -> dict[str, Any]:
    text = f"{label}epoch {index + 1}/{epochs}  loss 0.5000  100 rows/s  9 s left"
    return {"event": "epoch", "text": text, "epochs": epochs, "record": {"epoch": index}}


def step(number: int, label: str = "") -> dict[str, Any]:
    text = f"{label}epoch 1/10  step {number}/50"
    return {"event": "step", "text": text, "epochs": 10, "epoch": 0, "step": number, "stepsPerEpoch": 50}


def shown(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_every_epoch_has_a_line_where_that_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    lines = Lines(0.0, clock)
    lines.step(step(1))
    for index in range(3):
        lines.epoch(epoch(index))
    clock.now = 9.0
    lines.step(step(2))
    assert shown(capsys) == [epoch(index)["text"] for index in range(3)]
    clock.now = 10.5
    lines.step(step(3))
    lines.step(step(4))
    assert shown(capsys) == [step(3)["text"]], "a long epoch shows a sign of life"


def test_a_line_every_two_seconds_and_the_last_one(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    lines = Lines(_display.SPARING, clock)
    for index in range(6):
        clock.now = float(index)
        lines.epoch(epoch(index))
    assert shown(capsys) == [epoch(index)["text"] for index in (0, 2, 4)]
    # It ended early: what was left out comes, before what is said about it.
    lines.line("stopped after epoch 6/10")
    lines.close()
    assert shown(capsys) == [epoch(5)["text"], "stopped after epoch 6/10"]
    lines.epoch(epoch(9))
    lines.close()
    assert shown(capsys) == [epoch(9)["text"]], "the last epoch has a line, and one"


def test_in_a_terminal_a_line_moves(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    terminal = Terminal(_display.SPARING, clock)
    terminal.step(step(1))
    terminal.epoch(epoch(0))
    clock.now = 1.0
    terminal.epoch(epoch(1))
    terminal.line("a warning")
    terminal.close()
    clear = "\r\x1b[K"
    assert capsys.readouterr().out == (
        f"{clear}{step(1)['text']}{clear}{epoch(0)['text']}\n{clear}{epoch(1)['text']}"
        f"{clear}{epoch(1)['text']}\n{clear}a warning\n{clear}"
    )
    terminal.epoch(epoch(2))
    terminal.close()
    assert capsys.readouterr().out == f"{clear}{epoch(2)['text']}{clear}{epoch(2)['text']}\n", "the last epoch stays"
    # Several fits do not write over each other.
    terminal.step(step(1, label="fit 3: "))
    assert capsys.readouterr().out == ""


class Shown:
    """What IPython's display gives."""

    def __init__(self, shown: Any) -> None:
        self.updates = [(repr(shown), shown._repr_html_())]

    def update(self, shown: Any) -> None:
        self.updates.append((repr(shown), shown._repr_html_()))


def test_in_a_notebook_a_bar_moves_in_its_place() -> None:
    clock, handles = Clock(), []

    def display(shown: Any, display_id: bool) -> Shown:
        assert display_id
        handles.append(Shown(shown))
        return handles[0]

    bar = Notebook(display, clock)
    bar.step(step(5))
    assert len(handles[0].updates) == 1, "not more often than can be seen"
    clock.now = 0.3
    bar.epoch(epoch(4))
    text, markup = handles[0].updates[-1]
    assert text == f"[##########..........] {epoch(4)['text']}"
    assert '<progress max="1" value="0.5000"' in markup and "loss 0.5000" in markup
    clock.now = 0.6
    bar.step(step(260))
    assert handles[0].updates[-1][0].endswith("(before: epoch 5/10  loss 0.5000)")
    bar.line("loss < 1 & more")
    assert "<div>loss &lt; 1 &amp; more</div>" in handles[0].updates[-1][1]
    bar.close()


def test_what_verbose_means_follows_from_where_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stream:
        def __init__(self, terminal: bool) -> None:
            self.isatty = lambda: terminal

    monkeypatch.setattr(_display, "_notebook", lambda: None)
    monkeypatch.setattr(sys, "stdout", Stream(False))
    kinds = [type(chosen(verbose)) for verbose in ("false", "true", "auto")]
    assert kinds == [Display, Lines, Lines]
    monkeypatch.setattr(sys, "stdout", Stream(True))
    assert type(chosen("auto")) is Terminal
    monkeypatch.setattr(_display, "_notebook", lambda: lambda shown, display_id: Shown(shown))
    assert type(chosen("auto")) is Notebook


def chosen(verbose: str) -> Display:
    display = display_for(verbose)
    assert isinstance(display, Guarded)
    return display.inner


class Broken(io.StringIO):
    """A stdout that takes so many writes and then none."""

    def __init__(self, error: Exception, takes: int = 0) -> None:
        super().__init__()
        self.error, self.takes, self.tries = error, takes, 0

    def write(self, text: str) -> int:
        # print writes the end of a line too, where it is empty.
        self.tries += bool(text)
        if self.tries > self.takes:
            raise self.error
        return super().write(text)


def whole_fit(display: Display) -> None:
    """Everything that a fit calls."""
    display.step(step(1))
    for index in range(3):
        display.epoch(epoch(index))
    display.line("a warning")
    display.close()


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    assert {(record.name, record.levelno) for record in caplog.records} <= {("candlewick", logging.WARNING)}
    return [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize("kind", [Lines, Terminal])
@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), BrokenPipeError(32, "Broken pipe"), ValueError("closed file")]
)
@pytest.mark.parametrize("takes", [0, 1])
def test_a_stdout_that_fails_ends_the_display_and_not_the_fit(
    kind: Callable[[float], Display],
    error: Exception,
    takes: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stream = Broken(error, takes)
    monkeypatch.setattr(sys, "stdout", stream)
    whole_fit(Guarded(lambda: kind(0.0)))
    assert stream.tries == takes + 1, "what failed is not tried again"
    (message,) = told(caplog)
    assert f"{type(error).__name__}: {error}" in message and "the fit itself is not affected" in message


def test_the_last_line_that_fails_hides_no_error_of_the_fit(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "stdout", Broken(OSError(5, "Input/output error"), takes=1))
    display = Guarded(lambda: Lines(_display.SPARING, Clock()))
    display.epoch(epoch(0))
    display.epoch(epoch(1))
    assert told(caplog) == []
    display.close()
    assert len(told(caplog)) == 1


def test_a_stdout_that_is_closed_already_shows_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(_display, "_notebook", lambda: None)
    monkeypatch.setattr(sys, "stdout", closed)
    whole_fit(display_for("auto"))
    assert len(told(caplog)) == 1


@pytest.mark.parametrize("kind", [Lines, Terminal])
@pytest.mark.parametrize(
    ("encoding", "name", "shown"),
    [
        ("ascii", "größe m² 量", "gr??e m? ?"),
        # Its errors name the codec "charmap", which is latin-1.
        ("cp1252", "größe m² 量", "größe m² ?"),
        ("utf-8", "a\ud800b", "a?b"),
    ],
)
def test_what_stdout_cannot_encode_is_a_question_mark(
    kind: Callable[[float], Display],
    encoding: str,
    name: str,
    shown: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    content = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(content, encoding=encoding))
    display = Guarded(lambda: kind(0.0))
    display.line(f"{name} 1")
    display.line("2")
    assert re.findall(r"[^\r\n\x1b]+(?=\n)", content.getvalue().decode(encoding).replace("\x1b[K", "")) == [
        f"{shown} 1",
        "2",
    ]
    assert told(caplog) == [], "the display goes on"


@pytest.mark.parametrize("fails", ["display", "update"])
def test_a_notebook_that_shows_nothing_ends_no_fit(fails: str, caplog: pytest.LogCaptureFixture) -> None:
    tries = []

    def fail(*_: Any, **__: Any) -> None:
        tries.append(fails)
        raise RuntimeError("the kernel has no frontend")

    class Gone(Shown):
        update = fail

    def display(shown: Any, display_id: bool) -> Shown:
        return Gone(shown)

    whole_fit(Guarded(lambda: Notebook(fail if fails == "display" else display, Clock())))
    assert tries == [fails]
    (message,) = told(caplog)
    assert "RuntimeError: the kernel has no frontend" in message


def test_ctrl_c_while_it_shows_is_ctrl_c() -> None:
    class Interrupted(Display):
        def step(self, event: Any) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Guarded(Interrupted).step(step(1))


def test_a_truth_value_is_a_text() -> None:
    assert [to_switch(value) for value in (True, False, "auto")] == ["true", "false", "auto"]
    with pytest.raises(TypeError):
        to_switch(1)
