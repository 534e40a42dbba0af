"""tools/flaky.py catches tests that fail now and then, that hang, and that take their program with them."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from tools import flaky

#: Stands in for a test program of Rust: `never` fails on one core, `dies` ends the program in round 3.
PROGRAM = """
import os, sys, pathlib
rounds = pathlib.Path("rounds")
number = int(rounds.read_text()) + 1 if rounds.exists() else 1
rounds.write_text(str(number))
print("test always ... ok")
print("test never ...", "FAILED" if len(os.sched_getaffinity(0)) == 1 else "ok")
sys.stdout.flush()
if number == 3:
    os._exit(9)
print("test dies ... ok")
"""


def job(folder: Path, program: str, tests: list[str]) -> flaky.Job:
    return flaky.Job(
        "fake",
        [sys.executable, "-c", program],
        folder,
        lambda text, status: flaky.read_libtest("fake", tests, text, status),
    )


def lives(mark: str) -> bool:
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark.encode() in command.read_bytes():
                return True
        except OSError:
            continue  # it ended while we looked
    return False


def test_a_flaky_test_is_caught_and_its_output_kept(tmp_path: Path) -> None:
    tests = ["always", "never", "dies"]
    tally = flaky.rounds([job(tmp_path, PROGRAM, tests)], 4, tmp_path / "out", deadline=120)
    assert tally.runs == {f"fake::{test}": 4 for test in tests}
    failed = {test: [(one["outcome"], one["under"]) for one in found] for test, found in tally.failures.items()}
    assert failed["fake::dies"] == [("program ended with 9 before it", "load")]
    on_one = [entry for entry in failed["fake::never"] if entry[1] == "one core"]
    assert on_one == [("failed", "one core")] * 2
    assert "fake::always" not in failed
    kept = Path(tally.failures["fake::dies"][0]["output"]).read_text()
    assert "test always ... ok" in kept
    assert (
        f"  1 of   4  fake::dies  (1 load)\n              program ended with 9 before it: {tmp_path}" in tally.table()
    )


def test_a_test_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(3600)', 'MARK'])"
    tally = flaky.rounds(
        [job(tmp_path, child.replace("MARK", str(tmp_path)), ["waits"])], 1, tmp_path / "out", deadline=2
    )
    assert tally.failures["fake::waits"][0]["outcome"] == "hung"
    assert "killed after 2 s" in Path(tally.failures["fake::waits"][0]["output"]).read_text()
    end = time.monotonic() + 60
    while lives(str(tmp_path)):
        assert time.monotonic() < end, "what the test started lives on"


def test_output_of_rounds_without_failure_is_not_kept(tmp_path: Path) -> None:
    tally = flaky.rounds([job(tmp_path, "print('test a ... ok')", ["a"])], 2, tmp_path / "out", deadline=60)
    assert not tally.failures and not list((tmp_path / "out").iterdir())


def test_a_program_without_a_harness_counts_as_one_test() -> None:
    assert flaky.read_libtest("memory", [], "", 0) == {"memory": "ok"}
    assert flaky.read_libtest("memory", [], "", 1) == {"memory": "ended with 1"}


def test_outcomes_are_read_from_junit_once(tmp_path: Path) -> None:
    cases = '<testcase classname="A" name="good"/><testcase classname="A" name="bad"><failure/></testcase>'
    (tmp_path / "a.xml").write_text(
        f"<testsuite>{cases}<testcase classname='A' name='not'><skipped/></testcase></testsuite>"
    )
    assert flaky.read_junit([tmp_path], "jvm", "", 1) == {"A.good": "ok", "A.bad": "failure"}
    assert flaky.read_junit([tmp_path], "jvm", "", 1) == {"jvm": "ended with 1"}
    assert flaky.read_junit([tmp_path], "jvm", "", None) == {"jvm": "hung"}


def test_a_class_of_which_no_test_ran_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("<testsuite><testcase classname='a.A' name='good'/></testsuite>")
    found = flaky.read_junit([tmp_path], "jvm", "", 0, ["a.A", "a.B"])
    assert found == {"a.A.good": "ok", "a.B": "none of its tests ran"}


def test_suites_of_the_jvm_are_those_that_can_be_run() -> None:
    suites = flaky.jvm_classes("")["scala"]
    assert "candlewick.CancelSuite" in suites and "candlewick.fit.LaunchSuite" in suites
    assert not {"candlewick.SparkSuite", "candlewick.ClusterSuite"} & set(suites), (
        "traits, of which ScalaTest runs none"
    )


def test_the_load_ends_with_the_block() -> None:
    listed = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    others = set(listed.read_text().split())  # Spark of a test before this one, for example
    with flaky.busy(1, seconds=600):
        spinners = set(listed.read_text().split()) - others
        assert spinners
    assert not any(Path(f"/proc/{spinner}").exists() for spinner in spinners)


def test_a_filter_that_finds_nothing_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(flaky, "OUT", tmp_path)
    monkeypatch.setattr(flaky, "SUITES", {"rust": lambda chosen: iter([])})
    assert flaky.main(["--suite", "rust", "--filter", "nothing", "-n", "1"]) == 2
    assert "no test of rust has 'nothing' in its name" in capsys.readouterr().err
