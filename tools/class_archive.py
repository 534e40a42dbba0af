"""An archive of Spark's classes for the JVMs that tests start: `python -m tools.class_archive FILE`.

A JVM that maps its classes from an archive (class data sharing) has them at once, where it would find, read and verify ten thousand in
PySpark's jars; a test on local-cluster starts three of them. The archive is that of one small fit. A JVM with another class path or of
another version goes without it, and says nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pyspark

import candlewick

#: Options of JVMs that do not live long, on a busy machine: the quick compiler and the smallest collector start soonest. An archive
#: is for one collector.
SOON = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
#: Where tests look for it.
ARCHIVE = Path(__file__).parents[1] / "target" / "class-archive" / "spark.jsa"
#: Longest run, seconds; only a failing one comes near it.
DEADLINE = 300
FIT = Path(__file__).parents[1] / "tests" / "e2e" / "archived.py"


def options(archive: Path = ARCHIVE) -> str:
    """What JVMs of tests are started with: what starts soonest, with the archive where it is there."""
    mapped = (f"-XX:SharedArchiveFile={archive}", "-Xlog:cds=off", "-Xlog:cds+dynamic=off") if archive.is_file() else ()
    return " ".join([*SOON, *mapped])


def make(archive: Path) -> None:
    """Runs the fit, and leaves the classes that it loaded in the file."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        fresh = Path(folder) / archive.name
        environment = {
            **os.environ,
            "JDK_JAVA_OPTIONS": " ".join(SOON),
            "SPARK_SUBMIT_OPTS": f"-XX:ArchiveClassesAtExit={fresh} -Xlog:cds=off -Xlog:cds+dynamic=off",
            # A folder of settings that is there forbids an archive.
            "SPARK_CONF_DIR": str(Path(folder) / "none"),
            "SPARK_LOCAL_IP": "127.0.0.1",
        }
        program = Path(pyspark.__file__).parent / "bin" / "spark-submit"
        command = [str(program), "--master", "local[2]", "--jars", candlewick.jars(), str(FIT), folder]
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        if done.returncode != 0 or not fresh.is_file():
            raise SystemExit(f"{command} ended with {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-6000:]}")
        fresh.replace(archive)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
