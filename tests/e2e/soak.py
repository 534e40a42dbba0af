"""What many fits in one session leave behind: `make soak`, and a short form of it in tests/e2e/test_soak.py.

Every fit of a session takes ports, threads, files and memory, and must give all of it back, also where it failed or was ended. A
measure is taken when the session is warm and again after more fits: what one fit in four leaves behind shows in counts, and what
each fit leaves in memory shows in the heap after a collection.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

import candlewick

from . import support

#: Fits that warm a session up: pools have their threads, classes are loaded, every road was gone at least twice.
WARM = 12
#: Of handles, sockets, threads and files, at most one fit in so many may leave one behind. A leak leaves one a fit.
FITS_PER_LEAK = 4
#: Counts that pools move up and down by themselves (idle threads end after a minute, the collector closes late).
SWING = 6
#: Objects of ours that the last fits leave until the next ones: about those of two models.
OBJECTS = 250
#: Threads of Spark's own pools, by the beginning of their names as Linux cuts them: each query adds some, up to 128 of a kind, and
#: they end when they were idle for a minute.
POOLS = (
    "ResultQueryStag",
    "QueryStageCreat",
    "shuffle-exchang",
    "block-manager-",
    "map-output-disp",
    "Executor task",
    "task-result-get",
)
#: Bytes of heap after a collection that a fit may leave behind: summaries of the fits that the driver keeps are smaller.
HEAP_PER_FIT = 64 * 1024
#: The same of the resident memory, where compiled code and the allocators' own caches count.
RESIDENT_PER_FIT = 128 * 1024
#: Fewer fits say nothing about memory.
FITS_FOR_MEMORY = 100


@dataclass(frozen=True)
class Measure:
    """What a session holds."""

    fits: int
    seconds: float
    handles: int
    sockets: int
    threads: int
    files: int
    trainers: int
    objects: int
    heap: int
    resident: int


class Session:
    """A session in a JVM of its own, whose temporary files are all in one folder."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        jvm: Any = spark._jvm
        self._jvm = jvm
        self._folder = folder
        self._home = str(jvm.java.lang.System.getProperty("java.home"))
        self.pid = int(jvm.java.lang.ProcessHandle.current().pid())
        self._began = time.monotonic()

    def _objects(self) -> int:
        """Instances of our classes that something refers to: a model that is kept has about a hundred."""
        command = [f"{self._home}/bin/jcmd", str(self.pid), "GC.class_histogram"]
        told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=support.DEADLINE).stdout
        lines = [line.split() for line in told.splitlines()]
        return sum(int(line[1]) for line in lines if len(line) >= 4 and line[3].startswith("candlewick."))

    def measure(self, fits: int) -> Measure:
        """What it holds now. Trainers have ended before: their end is waited for."""
        support.no_trainer_left()
        gc.collect()
        runtime = self._jvm.java.lang.Runtime.getRuntime()
        # What waits for its finalisation is freed by the second one.
        for _ in range(2):
            self._jvm.java.lang.System.gc()
        targets = list(map(_target, Path(f"/proc/{self.pid}/fd").iterdir()))
        return Measure(
            fits=fits,
            seconds=round(time.monotonic() - self._began, 1),
            handles=len(targets),
            sockets=sum(target.startswith("socket:") for target in targets),
            threads=sum(not name.startswith(POOLS) for name in map(_name, Path(f"/proc/{self.pid}/task").iterdir())),
            files=sum(
                path.is_file() and "candlewick" in str(path.relative_to(self._folder))
                for path in self._folder.rglob("*")
            ),
            trainers=len(support.trainers()),
            objects=self._objects(),
            heap=int(runtime.totalMemory() - runtime.freeMemory()),
            resident=_resident(self.pid),
        )


def _target(handle: Path) -> str:
    try:
        return os.readlink(handle)
    except OSError:
        return ""


def _name(thread: Path) -> str:
    try:
        return (thread / "comm").read_text()
    except OSError:
        # It has ended meanwhile: as if it were one of a pool.
        return POOLS[0]


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def good(df: DataFrame) -> None:
    """A fit of two trainers, and its model applied."""
    model = support.classifier(epochs=1, verbose="false").fit(df)
    assert model.transform(df).select("prediction").count() == df.count()


def refused(df: DataFrame) -> None:
    """A fit that ends at an invalid row, when trainers are up and rows on their way."""
    bad = df.selectExpr("features", "if(label = 2, 7.5, label) AS label")
    try:
        support.classifier(epochs=1, verbose="false").fit(bad)
    except candlewick.errors.InvalidDataError as error:
        assert "7.5" in str(error), error
    else:
        raise AssertionError("a label of 7.5 was taken")


def ended(df: DataFrame) -> None:
    """A fit that its caller ends after its first epoch."""
    model = support.classifier(epochs=50, verbose="false").setCallbacks([lambda epoch: True]).fit(df)
    assert len(model.summary.history) == 1, model.summary.history


def struck(df: DataFrame) -> None:
    """A fit that loses a trainer at the end of its first epoch, and goes on. Trainers wait there for the callback."""

    def strike(epoch: candlewick.EpochRecord) -> None:
        if epoch.epoch == 0:
            support.kill(support.trainers()[0].pid)

    model = support.classifier(epochs=3, verbose="false").setCallbacks([strike]).fit(df)
    assert len(model.summary.recoveryLog) == 1, model.summary.recoveryLog


#: What a session does, by turns.
ROADS: list[Callable[[DataFrame], None]] = [good, refused, ended, struck]


def run(spark: SparkSession, folder: Path, fits: int, tell: Callable[[Measure], None]) -> list[Measure]:
    """Warms a session up and makes so many fits more; the measures, the first one of the warm session."""
    df = support.blobs(spark).repartition(4).cache()
    session = Session(spark, folder)
    measures: list[Measure] = []
    for done in range(WARM + fits + 1):
        if done >= WARM and ((done - WARM) % max(fits // 6, 1) == 0 or done == WARM + fits):
            measures.append(session.measure(done - WARM))
            tell(measures[-1])
        if done < WARM + fits:
            ROADS[done % len(ROADS)](df)
    df.unpersist()
    # What the last fits still hold is given up in the background; what is kept for good is there at the deadline too.
    end = time.monotonic() + support.DEADLINE
    while grown(measures) and time.monotonic() < end:
        time.sleep(1)
        measures[-1] = session.measure(fits)
    tell(measures[-1])
    return measures


def grown(measures: list[Measure]) -> list[str]:
    """What has grown by more than it may.

    Counts are compared from the first measure to the last one, memory in the second half: compiled code, pools and the allocators'
    caches fill up over the first minutes.
    """
    counts = dict.fromkeys(
        ("handles", "sockets", "threads"), SWING + (measures[-1].fits - measures[0].fits) // FITS_PER_LEAK
    )
    found = _beyond(measures[0], measures[-1], {**counts, "files": 0, "trainers": 0, "objects": OBJECTS})
    half = measures[len(measures) // 2]
    fits = measures[-1].fits - half.fits
    if fits >= FITS_FOR_MEMORY:
        found += _beyond(half, measures[-1], {"heap": fits * HEAP_PER_FIT, "resident": fits * RESIDENT_PER_FIT})
    return found


def _beyond(first: Measure, last: Measure, may: dict[str, int]) -> list[str]:
    before, after = asdict(first), asdict(last)
    return [
        f"{name}: {before[name]} after {first.fits} fits, {after[name]} after {last.fits}; {most} more are expected at most"
        for name, most in may.items()
        if after[name] - before[name] > most
    ]


def main() -> int:
    """Runs the soak; 1 where something grew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--fits", type=int, default=600)
    arguments = parser.parse_args()
    fits = -(-arguments.fits // len(ROADS)) * len(ROADS)
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        from .conftest import start

        spark = start("local[2]", **conf(folder))
        measures = run(spark, folder, fits, lambda measure: print(json.dumps(asdict(measure)), flush=True))
        spark.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    found = grown(measures)
    print("\n".join(found) or f"nothing grew over {fits} fits")
    return 1 if found else 0


def conf(folder: Path) -> dict[str, str]:
    """All temporary files of the session's JVM in one folder; of jobs that are over Spark's own list keeps a few only."""
    few = (
        "spark.ui.retainedJobs",
        "spark.ui.retainedStages",
        "spark.sql.ui.retainedExecutions",
        "spark.ui.retainedDeadExecutors",
    )
    return {
        "spark.local.dir": str(folder),
        # A heap of one size, all of it resident from the beginning: what the process grows by is outside of it.
        "spark.driver.memory": "1g",
        "spark.driver.extraJavaOptions": f"-Djava.io.tmpdir={folder} -Xms1g -XX:+AlwaysPreTouch",
        "spark.ui.retainedTasks": "100",
        **dict.fromkeys(few, "10"),
    }


if __name__ == "__main__":
    sys.exit(main())
