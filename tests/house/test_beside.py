"""tools/beside.py: two commands as one."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tools import beside

ROOT = Path(__file__).parents[2]
DEADLINE = 60


def python(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def beside_of(log: Path, behind: str, before: str) -> subprocess.Popen[str]:
    # As on a terminal, however the tests were started (nohup has them ignore SIGHUP).
    command = ["env", "--default-signal=HUP", sys.executable, "-m", "tools.beside", "--log", str(log)]
    command += ["--behind", *python(behind), "--before", *python(before)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_what_each_says_stays_in_one_piece_and_each_waits_for_the_other(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for name in (first, second):
        os.mkfifo(name)
    # Each needs the other to have begun, and the one behind ends last.
    behind = f"print('one', flush=True); open({str(first)!r}, 'w').close(); open({str(second)!r}).close(); print('two')"
    before = (
        f"print('three', flush=True); open({str(first)!r}).close(); open({str(second)!r}, 'w').close(); print('four')"
    )
    process = beside_of(tmp_path / "folder" / "log", behind, before)
    said, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0
    words = [line for line in said.splitlines() if not line.startswith("beside:")]
    assert words == ["three", "four", "one", "two"]
    assert (tmp_path / "folder" / "log").read_text() == "one\ntwo\n"


@pytest.mark.parametrize(
    ("behind", "before", "status"),
    [
        ("raise SystemExit(3)", "", 3),
        ("", "raise SystemExit(4)", 4),
        ("raise SystemExit(3)", "raise SystemExit(4)", 4),
        ("import os; os.kill(os.getpid(), 9)", "", 137),
        ("", "import os; os.kill(os.getpid(), 9)", 137),
    ],
)
def test_one_that_fails_fails_both_when_the_other_has_ended(
    tmp_path: Path, behind: str, before: str, status: int
) -> None:
    ends = [tmp_path / "behind", tmp_path / "before"]
    texts = [f"open({str(end)!r}, 'w').close(); {text}" for end, text in zip(ends, (behind, before), strict=True)]
    process = beside_of(tmp_path / "log", *texts)
    process.communicate(timeout=DEADLINE)
    assert process.returncode == status
    assert all(end.exists() for end in ends)


def test_what_failed_behind_is_told_once_more_at_the_end(tmp_path: Path) -> None:
    said = [
        "- holds what it was given (3 seconds)",
        "- gives it back *** FAILED ***",
        "  1 was not 2 (HoldSuite.scala:9)",
        "  The flight record is in f.json (HoldSuite.scala:9)",
        "- holds what comes after it",
        "  of which nothing is told",
        "- gives it back *** FAILED ***",
        "  1 was not 2 (HoldSuite.scala:9)",
        "[ERROR] There are test failures.",
        "[ERROR] ",
        "[ERROR] To see the full stack trace of the errors, re-run Maven with the -e switch.",
        "step                                  1,031,000 instructions   +3.10%",
        "bench-guard: step: +3.1% of the committed 1,000,000 instructions",
        "make[2]: *** [Makefile:1: run-jvm] Error 1",
        "FAILED tests/house/test_docs.py::test_links",
        "574 passed",
    ]
    process = beside_of(tmp_path / "log", f"print({chr(10).join(said)!r}); raise SystemExit(2)", "")
    told, _ = process.communicate(timeout=DEADLINE)
    after = told.splitlines()[-8:]
    assert after[0].startswith("beside: ") and after[0].endswith(" ended with 2")
    assert after[1:] == [f"beside: {said[line]}" for line in (1, 2, 3, 8, 12, 13, 14)]


def test_what_failed_before_is_told_last_of_all(tmp_path: Path) -> None:
    found = [f"E       assert {number} == 0" for number in range(20)]
    named = [f"FAILED tests/test_fit.py::test_fit[{number}] - assert {number} == 0" for number in range(20)]
    said = ["    def test_fit():", *found, "==== short test summary info ====", *named, "20 failed in 3.00s"]
    before = f"import sys; sys.stdout.write({chr(10).join(said)!r}); raise SystemExit(1)"
    process = beside_of(tmp_path / "log", "print('639 passed')", before)
    told, _ = process.communicate(timeout=DEADLINE)
    assert "\n".join(said) in told
    after = told.splitlines()[-23:]
    assert after[0].startswith("beside: ") and after[0].endswith(" ended with 1")
    assert after[1:] == [f"beside: {line}" for line in found[:6] + named[:16]]


def test_a_process_that_is_left_behind_is_not_waited_for(tmp_path: Path) -> None:
    held = tmp_path / "held"
    os.mkfifo(held)
    # It has the pipe as its output, and ends when the test lets it.
    child = f"open({str(held)!r}).read()"
    before = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}]); print('said')"
    process = beside_of(tmp_path / "log", "", before)
    try:
        assert process.stdout is not None
        words = [line.strip() for line in iter(process.stdout.readline, "")]
        assert process.wait(timeout=DEADLINE) == 0 and "said" in words
    finally:
        held.write_text("")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_ended_early_it_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    sleeping = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(1000)"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {sleeping!r}, {str(begun)!r}])"
    process = beside_of(
        tmp_path / "log", child, f"print(open({str(begun)!r}).read(), flush=True); import time; time.sleep(1000)"
    )
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    pid = next(int(line) for line in lines if line.strip().isdigit())
    waiting = os.pidfd_open(pid)
    process.send_signal(number)
    process.stdout.close()
    assert process.wait(timeout=DEADLINE) == 128 + number
    # Readable once the process has ended.
    assert select.select([waiting], [], [], DEADLINE)[0]


def test_what_nohup_has_it_ignore_does_not_end_it() -> None:
    kept = "import signal; from tools import beside; beside.listen(); print(signal.getsignal(signal.SIGHUP).name)"
    command = ["env", "--ignore-signal=HUP", *python(kept)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("SIG_IGN", 0), done.stderr


@pytest.mark.parametrize(
    "given", [[], ["--log", "file"], ["--log", "file", "--behind", "--before"], ["--log", "f", "--behind", "true"]]
)
def test_a_wrong_command_line_is_told_the_right_one(given: list[str]) -> None:
    with pytest.raises(SystemExit, match="usage"):
        beside.Task.of(given)
