"""Runs tests again and again, under load and on one core, and tells how often each failed.

`make flaky` runs every test that starts a process 20 times; `make flaky SUITE=rust FILTER=cancel N=5` runs what a filter
finds. Rounds take turns: in one, processes of our own keep every core busy; in the next, the tests have one core only. The
output of every run that failed is kept. Ends with status 0 where nothing failed, 1 where something did, 2 where nothing ran.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TRIPLE = f"{platform.machine()}-unknown-linux-gnu"
TARGET = f"{TRIPLE}.2.28"
OUT = ROOT / "target" / "flaky"
#: Longest run of one command of a round, seconds: a test that hangs is reported, not waited for.
DEADLINE = 1800.0
#: Sources that say one of these start a process.
STARTS = re.compile(r"CARGO_BIN_EXE|Command::new|ProcessBuilder|TrainerHost|\.fit\(|startFit|subprocess")
#: Keeps a core busy until its time is over or its parent is gone, whichever comes first.
SPIN = """
import os, sys, time
parent, end = os.getppid(), time.monotonic() + float(sys.argv[1])
while os.getppid() == parent and time.monotonic() < end:
    sum(range(100_000))
"""

Results = dict[str, str]


@dataclass(frozen=True)
class Job:
    """One command of a round. `read` gives the outcome of each test: "ok", or what else became of it."""

    name: str
    command: list[str]
    cwd: Path
    read: Callable[[str, int | None], Results]


@dataclass
class Tally:
    """How often each test ran, and each run that failed."""

    runs: Counter[str] = field(default_factory=Counter)
    failures: dict[str, list[dict[str, str]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, results: Results, mode: str, log: Path) -> None:
        """Counts one run of some tests."""
        for test, outcome in results.items():
            self.runs[test] += 1
            if outcome != "ok":
                self.failures[test].append({"outcome": outcome, "under": mode, "output": str(log)})

    def table(self) -> str:
        """What failed, for people."""
        lines = [f"{sum(self.runs.values())} runs of {len(self.runs)} tests, {len(self.failures)} tests failed"]
        for test, failed in sorted(self.failures.items(), key=lambda entry: (-len(entry[1]), entry[0])):
            under = ", ".join(f"{count} {mode}" for mode, count in Counter(one["under"] for one in failed).items())
            lines.append(f"  {len(failed):3} of {self.runs[test]:3}  {test}  ({under})")
            lines.append(f"              {failed[-1]['outcome']}: {failed[-1]['output']}")
        return "\n".join(lines)


@contextlib.contextmanager
def busy(cores: int, seconds: float) -> Iterator[None]:
    """Keeps that many cores busy while the block runs, never longer than `seconds`."""
    spinners = [subprocess.Popen([sys.executable, "-c", SPIN, str(seconds)]) for _ in range(cores)]
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Everything that the block starts runs on the first core that this process may use."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def run(job: Job, mode: str, log: Path, deadline: float) -> Results:
    """Runs one command in its own process group, which is killed at the deadline."""
    log.parent.mkdir(parents=True, exist_ok=True)
    surroundings = busy(len(os.sched_getaffinity(0)), deadline) if mode == "load" else one_core()
    with surroundings, log.open("w") as output:
        child = subprocess.Popen(
            job.command, cwd=job.cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        status: int | None = None
        try:
            status = child.wait(deadline)
        except subprocess.TimeoutExpired:
            output.write(f"\nflaky: killed after {deadline:g} s\n")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    return job.read(log.read_text(errors="replace"), status)


# Rust: the test programs are built once and then run as cargo runs them.


def read_libtest(name: str, expected: list[str], text: str, status: int | None) -> Results:
    """The outcomes that a test program of Rust printed; a test without one hung or took the program with it."""
    results: Results = {}
    # With --nocapture or from threads, a test's own output may stand between its name and its outcome.
    for test, outcome in re.findall(r"^test (\S+)(?: - should panic)? \.\.\. (?:.*?)(ok|FAILED|ignored)$", text, re.M):
        if outcome != "ignored":
            results[f"{name}::{test}"] = "ok" if outcome == "ok" else "failed"
    rest = "hung" if status is None else f"program ended with {status} before it"
    if not expected:
        results[name] = "ok" if status == 0 else "hung" if status is None else f"ended with {status}"
    for test in expected:
        results.setdefault(f"{name}::{test}", rest)
    return results


def rust_jobs(chosen: str) -> Iterator[Job]:
    """One job for each test program that has a test of that name, or that starts a process where no name is given."""
    build = ["cargo-zigbuild", "test", "--release", "--target", TARGET, "--workspace", "--lib", "--bins", "--tests"]
    done = subprocess.run(
        [*build, "--no-run", "--message-format=json"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    for line in done.stdout.splitlines():
        made = json.loads(line) if line.startswith("{") else {}
        if not made.get("executable") or not made.get("profile", {}).get("test"):
            continue
        source = Path(made["target"]["src_path"])
        program, folder = made["executable"], Path(made["manifest_path"]).parent
        name = f"{folder.name}/{made['target']['name']}"
        helpers = [*source.parent.glob("common/*.rs"), *source.parent.glob("support/*.rs"), source]
        starts = source.parent.name == "tests" and any(STARTS.search(path.read_text()) for path in helpers)
        if not chosen and not starts:
            continue
        listed = subprocess.run([program, "--list"], cwd=folder, capture_output=True, text=True, check=False).stdout
        tests = re.findall(r"^(\S+): test$", listed, re.M)
        found = [test for test in tests if chosen in test]
        if found or (not tests and chosen in name):
            arguments = [chosen] if chosen and tests else []
            ignored = subprocess.run(
                [program, "--list", "--ignored", *arguments], cwd=folder, capture_output=True, text=True, check=False
            )
            skipped = set(re.findall(r"^(\S+): test$", ignored.stdout, re.M)) if tests else set()
            expected = [test for test in found if test not in skipped]

            def read(text: str, status: int | None, name: str = name, expected: list[str] = expected) -> Results:
                return read_libtest(name, expected, text, status)

            yield Job(name.replace("/", "-"), [program, *arguments], folder, read)


# JVM and Python: both leave JUnit's XML.


def read_junit(folders: list[Path], name: str, text: str, status: int | None, expected: Sequence[str] = ()) -> Results:
    """The outcomes in reports of JUnit's form, which are removed: the next round must not find them.

    An expected class without an outcome failed: where one of them cannot be loaded, ScalaTest runs none.
    """
    results: Results = {}
    for path in [file for folder in folders for file in sorted(folder.glob("*.xml"))]:
        with contextlib.suppress(ElementTree.ParseError):
            for case in ElementTree.parse(path).iter("testcase"):
                test = f"{case.get('classname')}.{case.get('name')}"
                bad = [kind for kind in ("failure", "error") if case.find(kind) is not None]
                if bad:
                    results[test] = bad[0]
                elif case.find("skipped") is None:
                    results.setdefault(test, "ok")
        path.unlink()
    for missing in expected:
        if not any(test.startswith(missing + ".") for test in results):
            results[missing] = "hung" if status is None else "none of its tests ran"
    if status is None:
        results[name] = "hung"
    elif status != 0 and all(outcome == "ok" for outcome in results.values()):
        results[name] = f"ended with {status}"
    return results


def jvm_classes(chosen: str) -> dict[str, list[str]]:
    """The classes of tests, by language, whose name or text holds the filter, or that start a process without one."""
    classes: dict[str, list[str]] = {"java": [], "scala": []}
    for path in sorted(ROOT.glob("*/src/test/**/*.*")):
        kind = path.suffix[1:]
        if kind in classes and path.stem.endswith(("Test", "Suite")):
            text = path.read_text()
            # A trait or an abstract class is what suites are made of.
            if re.search(rf"^(public |final )*class {path.stem}\b", text, re.M) is None:
                continue
            if (chosen in path.stem or chosen in text) if chosen else STARTS.search(text):
                package = re.search(r"^package ([\w.]+)", text, re.M)
                classes[kind].append(f"{package[1]}.{path.stem}" if package else path.stem)
    return classes


def jvm_jobs(chosen: str) -> Iterator[Job]:
    """One job for all classes of tests of the JVM."""
    classes = jvm_classes(chosen)
    suites = classes["scala"]
    if not classes["java"] and not suites:
        return
    modules = [module for module, found in (("jvm-bridge", classes["java"]), ("spark-package", suites)) if found]
    command = ["mvn", "-B", "-ntp", "-Dstyle.color=never", f"-Dcandlewick.native.dir={native()}", "test"]
    command += ["-pl", ",".join(modules), "-am", "-Dmaven.test.failure.ignore=true", "-DtestFailureIgnore=true"]
    command += [f"-Dtest={','.join(classes['java']) or 'None'}", "-Dsurefire.failIfNoSpecifiedTests=false"]
    command += [f"-Dsuites={','.join(suites)}"] if suites else []
    folders = [ROOT / "jvm-bridge/target/surefire-reports", ROOT / "spark-package/target/scalatest-reports"]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    expected = [*classes["java"], *suites]
    yield Job("jvm", command, ROOT, lambda text, status: read_junit(folders, "jvm", text, status, expected))


def python_jobs(chosen: str) -> Iterator[Job]:
    """One job of pytest: the tests that the filter (pytest's -k) finds, or the end-to-end tests and the examples."""
    folder = OUT / "pytest"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={folder}/python.xml", "-p", "no:cacheprovider"]
    command += ["-k", chosen] if chosen else ["tests/e2e", "tests/test_examples.py"]

    def read(text: str, status: int | None) -> Results:
        # 5: pytest found no test.
        return read_junit([folder], "python", text, 0 if status == 5 else status)

    yield Job("python", command, ROOT, read)


def native() -> Path:
    """Folder of the native files that `make native` built."""
    return ROOT / "target" / TRIPLE / "release"


SUITES = {"rust": rust_jobs, "jvm": jvm_jobs, "python": python_jobs}


def rounds(jobs: list[Job], count: int, folder: Path, deadline: float) -> Tally:
    """Runs all jobs that many times; outputs of runs in which nothing failed are not kept."""
    tally = Tally()
    for number in range(1, count + 1):
        mode = ("load", "one core")[(number - 1) % 2]
        for job in jobs:
            log = folder / f"round-{number:02}-{mode.replace(' ', '-')}" / f"{job.name}.log"
            began = time.monotonic()
            results = run(job, mode, log, deadline)
            tally.add(results, mode, log)
            bad = sorted(test for test, outcome in results.items() if outcome != "ok")
            took = time.monotonic() - began
            print(
                f"round {number:2}, {mode:8}  {job.name:30} {len(results):4} tests  {took:6.1f} s  {bad or 'ok'}",
                flush=True,
            )
            if not bad:
                log.unlink()
        with contextlib.suppress(OSError):
            (folder / f"round-{number:02}-{mode.replace(' ', '-')}").rmdir()
    return tally


def main(given: list[str] | None = None) -> int:
    """Runs the rounds and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", choices=[*SUITES, "all"], default="all")
    parser.add_argument("--filter", default="", help="part of a test's name; without it, tests that start a process")
    parser.add_argument("--rounds", "-n", type=int, default=20)
    parser.add_argument("--deadline", type=float, default=DEADLINE, help="longest run of one command, seconds")
    options = parser.parse_args(given)
    chosen = list(SUITES) if options.suite == "all" else [options.suite]
    jobs = [job for suite in chosen for job in SUITES[suite](options.filter)]
    folder = OUT / time.strftime("%Y%m%d-%H%M%S")
    tally = rounds(jobs, options.rounds, folder, options.deadline)
    print(tally.table())
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "latest.json").write_text(
        json.dumps({"rounds": options.rounds, "runs": tally.runs, "failures": tally.failures}, indent=1)
    )
    if not tally.runs:
        print(f"flaky: no test of {', '.join(chosen)} has {options.filter!r} in its name", file=sys.stderr)
        return 2
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
