"""Two commands side by side, as one: `python -m tools.beside --log FILE --behind COMMAND... --before COMMAND...`.

The one before writes to the terminal, the one behind to the file, which follows on the terminal once the first has ended: what each
said stays in one piece. Both run to their end, so that one run of the tests tells of all that fails. The exit status is that of the
first of them that failed. The lines that name what failed in either come once more, last of all: of a long log often only the end is
kept.
"""

from __future__ import annotations

import itertools
import os
import re
import select
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: Seconds between looks at a log that may grow; its writer's end is heard of at once.
LOOK = 0.2
#: Lines that name what failed: those of ScalaTest, Maven, make, pytest and the guard.
FAILED = re.compile(rb"\*\*\* |\[ERROR\]|^(FAILED|ERROR) |^bench-guard: | of the committed ")
#: What pytest found instead of what it expected.
FOUND = re.compile(rb"^E  ")
#: What Maven says after every failure.
COMMON = re.compile(
    rb"^\[ERROR\] *$|re-run Maven|Re-run Maven|For more information about the errors|^\[ERROR\] \[Help 1\]"
)
#: A test of ScalaTest that failed: what it found stands in the lines below, set off by two blanks. So many are told of each.
SCALATEST = re.compile(rb"^- .* \*\*\* FAILED \*\*\*")
BELOW = 3
#: Characters of a line that are told.
WIDTH = 600
#: The most of each that are told: the first, since the later ones are often of the same cause.
TOLD = {FOUND: 6, FAILED: 16}
USAGE = "usage: python -m tools.beside --log FILE --behind COMMAND... --before COMMAND..."


@dataclass(frozen=True)
class Task:
    """What the command line asks for."""

    log: Path
    behind: list[str]
    before: list[str]

    @classmethod
    def of(cls, given: Sequence[str]) -> Task:
        """Reads the command line; a SystemExit says what it should be."""
        words = list(given)
        if len(words) < 6 or words[0] != "--log" or words[2] != "--behind" or "--before" not in words[3:]:
            raise SystemExit(USAGE)
        middle = words.index("--before", 3)
        behind, before = words[3:middle], words[middle + 1 :]
        if not behind or not before:
            raise SystemExit(USAGE)
        return cls(Path(words[1]), behind, before)


def show(log: Path, process: subprocess.Popen[bytes]) -> None:
    """Writes the log to standard output, and what is added to it until the process has ended."""
    with log.open("rb") as text:
        while True:
            over = process.poll() is not None
            while block := text.read(1 << 16):
                sys.stdout.buffer.write(block)
            sys.stdout.buffer.flush()
            if over:
                return
            with suppress(subprocess.TimeoutExpired):
                process.wait(LOOK)


class Failures:
    """The lines of an output that name what failed, and those that say what was found: the first TOLD of each."""

    def __init__(self) -> None:
        self.lines: dict[re.Pattern[bytes], list[str]] = {pattern: [] for pattern in TOLD}
        self.below = 0

    def read(self, line: bytes) -> None:
        """Takes the line if it is one of them."""
        if COMMON.search(line):
            return
        self.below = self.below - 1 if self.below and line.startswith(b"  ") else 0
        for pattern, kept in self.lines.items():
            found = pattern.search(line) or (pattern is FAILED and self.below)
            text = line.decode(errors="replace").rstrip()[:WIDTH]
            # ScalaTest tells of each failure twice.
            if found and len(kept) < TOLD[pattern] and text not in kept:
                kept.append(text)
        if SCALATEST.search(line):
            self.below = BELOW + 1

    def tell(self) -> None:
        """Writes them to standard output."""
        for line in itertools.chain.from_iterable(self.lines.values()):
            print(f"beside: {line}", flush=True)


def follow(command: Sequence[str]) -> tuple[int, Failures]:
    """Runs a command whose output goes to standard output as it comes. Its status, and what failed."""
    failures = Failures()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            for line in lines(process):
                failures.read(line)
        except BaseException:
            process.kill()
            raise
    return process.returncode, failures


def lines(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """The lines that a process writes, which go to standard output meanwhile: pytest writes a dot at a time.

    They end with the process, though one that it left behind may hold the pipe.
    """
    assert process.stdout is not None
    source, rest = process.stdout.fileno(), b""
    while True:
        over = process.poll() is not None
        ready, _, _ = select.select([source], [], [], 0 if over else LOOK)
        block = os.read(source, 1 << 16) if ready else b""
        if not block and (over or ready):
            break
        sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()
        *whole, rest = (rest + block).split(b"\n")
        yield from whole
    yield rest


def failures_of(log: Path) -> Failures:
    """What failed by a log."""
    failures = Failures()
    with log.open("rb") as text:
        for line in text:
            failures.read(line)
    return failures


def kill(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and all that it has started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def run(task: Task) -> int:
    """Runs both to their ends. The status of the first that failed; 0 where none did."""
    task.log.parent.mkdir(parents=True, exist_ok=True)
    with task.log.open("wb") as log:
        # A session of its own, so that an interrupted run can end all of it.
        behind = subprocess.Popen(
            task.behind, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        print(f"beside: {shlex.join(task.behind)} writes to {task.log}", flush=True)
        before, failures = follow(task.before)
        print(f"beside: {shlex.join(task.before)} ended with {before}; {task.log} follows", flush=True)
        show(task.log, behind)
        print(f"beside: {shlex.join(task.behind)} ended with {behind.returncode}", flush=True)
        if behind.returncode:
            failures_of(task.log).tell()
        if before:
            print(f"beside: {shlex.join(task.before)} ended with {before}", flush=True)
            failures.tell()
    finally:
        kill(behind)
    status = before or behind.returncode
    # A process that a signal ended has its number, below zero.
    return status if status >= 0 else 128 - status


def _ended(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def listen() -> None:
    """Has what asks for an end, and a terminal that is closed, end both commands too; under nohup the terminal may close."""
    signal.signal(signal.SIGTERM, _ended)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _ended)


def main() -> int:
    """The program."""
    listen()
    return run(Task.of(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
