"""spark-submit as its user calls it: with the wheel that pip has installed, or with the jar, and with nothing of the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyspark

from tools import dist

from .support import DEADLINE

SCRIPT = Path(__file__).parent / "submitted.py"

#: Longest run of an application, seconds; only a failing one comes near it.
LONGEST = 2 * DEADLINE


def installed_wheel(folder: Path) -> Path:
    """A Python of its own, in which the wheel is installed, beside the PySpark of the tests. Its path."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    packages = folder / Path(sysconfig.get_path("purelib")).relative_to(sys.prefix)
    (packages / "tests.pth").write_text(sysconfig.get_path("purelib"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    wheel = dist.ROOT / "dist" / dist.wheel_name()
    subprocess.run([*pip, "install", "-q", "--no-index", "--no-deps", str(wheel)], check=True)
    return python


def jar_of(python: Path) -> str:
    """What the page of the installation says: `python -m candlewick jars`."""
    command = [str(python), "-m", "candlewick", "jars"]
    done = subprocess.run(command, env=outside(), capture_output=True, text=True, check=True)
    jar = done.stdout.strip()
    assert Path(jar).is_relative_to(python.parents[1]), f"{jar} is not that of the wheel"
    return jar


def helpers(folder: Path) -> Path:
    """An archive of what the script imports of these tests, for --py-files."""
    path = folder / "tests.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("tests/__init__.py", "tests/e2e/__init__.py", "tests/e2e/support.py"):
            archive.write(dist.ROOT / name, name)
    return path


def outside(**more: str) -> dict[str, str]:
    """This process's environment without what leads to the checkout."""
    checkout = {"CANDLEWICK_JAR", "PYTHONPATH", "SPARK_HOME"}
    return {**{name: value for name, value in os.environ.items() if name not in checkout}, **more}


@dataclass(frozen=True)
class Done:
    """An application that has ended."""

    status: int
    stdout: str
    stderr: str

    def found(self) -> dict[str, Any]:
        """What submitted.py tells in its last line."""
        assert self.status == 0, str(self)
        told: dict[str, Any] = json.loads(self.stdout.splitlines()[-1])
        return told

    def __str__(self) -> str:
        return f"ended with {self.status}\n{self.stdout[-4000:]}\n{self.stderr[-8000:]}"


def submit(arguments: Sequence[str], settings: dict[str, str], **environment: str) -> Done:
    """Runs spark-submit to its end. It is killed where that does not come."""
    conf = [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
    program = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    done = subprocess.run(
        [str(program), *conf, *arguments],
        env=outside(**environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)
