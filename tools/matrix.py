"""Candlewick on every Spark that it is for: one script end to end, and what the jars refer to.

`python -m tools.matrix all` runs everything (`make matrix`), `install NAME` makes the environment of one Spark, and `run NAME`
runs the script there. Each has PySpark in an environment of its own in .cache/matrix; Spark 3.5 with Scala 2.13, of which there is
no PySpark, has the jars of Maven around PySpark's Python.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tools import dist
from tools.dist import LINES, ROOT, Line
from tools.links.check import problems

HOME = ROOT / ".cache" / "matrix"
#: Longest run of the script, seconds.
PATIENCE = 900
#: What PySpark 3.5 needs besides: it uses names that NumPy 2 does not have, and the module distutils, which Python 3.12 took out.
OLDEST_NEEDS = ["numpy==1.26.4", "setuptools<81"]
#: The newest Python that there is such a NumPy for.
OLDEST_PYTHON = (3, 12)


class MatrixError(Exception):
    """Something does not work; the message says what."""


@dataclass(frozen=True)
class Spark:
    """One Spark: the name of its folder, its version, and the line whose jar it takes."""

    name: str
    version: str
    line: Line

    @property
    def folder(self) -> Path:
        """Its environment."""
        return HOME / self.name

    @property
    def python(self) -> Path:
        """The Python that has it: for the version of our own environment that one."""
        if self.version == own_version():
            return Path(sys.executable)
        if self.line == LINES[2]:
            return BY_NAME["3.5"].python
        return self.folder / "bin" / "python"

    @property
    def home(self) -> Path:
        """SPARK_HOME."""
        if self.line == LINES[2]:
            return self.folder
        answer = _run([str(self.python), "-c", "import pyspark; print(pyspark.__path__[0])"])
        return Path(answer.strip())


def own_version() -> str:
    """The PySpark of .venv."""
    return re.findall(r"^pyspark==(\S+)$", (ROOT / "requirements-dev.txt").read_text(), re.MULTILINE)[0]


#: The newest patch of each that PyPI has; of Spark 3.5 with Scala 2.13 that Maven's repository has with all it depends on.
SPARKS = (
    Spark("3.5", "3.5.9", LINES[1]),
    Spark("3.5_2.13", "3.5.6", LINES[2]),
    Spark("4.0", "4.0.5", LINES[0]),
    Spark("4.1", "4.1.4", LINES[0]),
    Spark("4.2", "4.2.1", LINES[0]),
    Spark("4.3", own_version(), LINES[0]),
)
BY_NAME = {spark.name: spark for spark in SPARKS}
#: The first of each line, with which links are compared only.
OLDEST = {LINES[0]: "4.0.0", LINES[1]: "3.5.0", LINES[2]: "3.5.0"}


def install(spark: Spark) -> None:
    """Makes its environment, unless it is there."""
    if spark.line == LINES[2]:
        install(BY_NAME["3.5"])
        spark_of_maven(spark.folder, spark.line, spark.version)
        return
    if spark.version == own_version():
        return
    oldest = spark.name == "3.5"
    asked = [f"pyspark=={spark.version}", *(OLDEST_NEEDS if oldest else [_pinned("numpy")])]
    try:
        _run([str(spark.python), "-m", "pip", "--version"])
    except MatrixError:
        # There is none, or one whose making was ended.
        if oldest and sys.version_info[:2] > OLDEST_PYTHON:
            _run([_older_python(), "-m", "venv", "--clear", str(spark.folder)])
        else:
            venv.create(spark.folder, with_pip=True, clear=True)
    _run([str(spark.python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-compile", *asked])


def _older_python() -> str:
    """One of this machine that Spark 3.5 runs on."""
    names = [f"python3.{minor}" for minor in range(OLDEST_PYTHON[1], 9, -1)]
    for name in names:
        if found := shutil.which(name):
            return found
    raise MatrixError(
        f"Spark 3.5 needs NumPy 1.26, which Python {sys.version_info[0]}.{sys.version_info[1]} has none of: install one of "
        f"{', '.join(names)} beside it"
    )


def spark_of_maven(folder: Path, line: Line, version: str) -> None:
    """A SPARK_HOME of the jars in Maven's repository, with the programs of PySpark."""
    jars = folder / "jars"
    if not (jars / f"spark-core_{line.scala}-{version}.jar").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        jars.mkdir(parents=True)
        wanted = [f"-Dspark.version={version}", f"-Dscala.binary.version={line.scala}", f"-DoutputDirectory={jars}"]
        _run(["mvn", "-B", "-ntp", "-q", "-f", "tests/matrix/pom.xml", "dependency:copy-dependencies", *wanted])
    source = BY_NAME["3.5"].home
    for name in ("bin", "sbin"):
        if not (folder / name).exists() and (source / name).is_dir():
            shutil.copytree(source / name, folder / name)


def wheel() -> Path:
    """The wheel, unpacked: Python finds it there with its jars."""
    folder = HOME / "wheel"
    shutil.rmtree(folder, ignore_errors=True)
    with zipfile.ZipFile(ROOT / "dist" / dist.wheel_name()) as archive:
        archive.extractall(folder)
    return folder


def environment_of(spark: Spark, package: Path) -> dict[str, str]:
    """The variables for a Python with this Spark and the package in a folder."""
    environment = {name: value for name, value in os.environ.items() if name not in ("CANDLEWICK_JAR", "SPARK_HOME")}
    environment |= {"PYTHONPATH": os.pathsep.join([str(package), str(ROOT)]), "SPARK_LOCAL_IP": "127.0.0.1"}
    environment |= {"PYSPARK_PYTHON": str(spark.python), "PYSPARK_DRIVER_PYTHON": str(spark.python)}
    if spark.line not in dist.IN_WHEEL:
        environment |= {"CANDLEWICK_JAR": str(ROOT / "dist" / dist.jar_name(spark.line))}
        environment |= {"SPARK_HOME": str(spark.home), "SPARK_SCALA_VERSION": spark.line.scala}
    return environment


def run(spark: Spark, package: Path) -> dict[str, Any]:
    """Runs the script; what it printed last."""
    text = _run([str(spark.python), "-m", "tests.matrix.smoke"], environment_of(spark, package))
    found: dict[str, Any] = json.loads(text.strip().splitlines()[-1])
    expected = {"spark": spark.version, "jar": dist.jar_name(spark.line)}
    if {name: found[name] for name in expected} != expected or not found["scala"].startswith(spark.line.scala):
        raise MatrixError(f"asked for {expected} and Scala {spark.line.scala}, the script ran with {found}")
    return found


def fits(line: Line, jars: Path) -> str:
    """Fails with what the jar of a line refers to and is not in a folder of Spark's jars."""
    wrong = problems(ROOT / "dist" / dist.jar_name(line), jars)
    if wrong:
        raise MatrixError("\n".join(wrong))
    return "all there"


def everything() -> None:
    """All of it, whatever fails; the models must be the same everywhere."""
    package = wheel()
    models: dict[str, str] = {}
    failed: list[str] = []

    def step(what: str, body: Callable[[], str]) -> None:
        try:
            print(f"{what}: {body()}", flush=True)
        except MatrixError as error:
            print(f"{what}: failed\n{error}", flush=True)
            failed.append(what)

    def script(spark: Spark) -> str:
        found = run(spark, package)
        models[spark.name] = json.dumps(found["hashes"], sort_keys=True)
        return f"Scala {found['scala']}, Java {found['java']}, Python {found['python']}, {found['hashes']}"

    for spark in SPARKS:
        install(spark)
        step(f"references, Spark {spark.version} {spark.line.name}", partial(fits, spark.line, spark.home / "jars"))
        step(f"script, Spark {spark.version} {spark.line.name}", partial(script, spark))
    for line, version in OLDEST.items():
        folder = HOME / f"{version}_{line.scala}"
        spark_of_maven(folder, line, version)
        step(f"references, Spark {version} {line.name}", partial(fits, line, folder / "jars"))
    if len(set(models.values())) != 1:
        failed.append(f"not the same models: {models}")
    if failed:
        raise MatrixError("; ".join(failed))


def _pinned(package: str) -> str:
    return re.findall(rf"^{package}==\S+$", (ROOT / "requirements-dev.txt").read_text(), re.MULTILINE)[0]


def _run(command: list[str], environment: dict[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    except FileNotFoundError as error:
        raise MatrixError(f"{error.filename} is not there; `python -m tools.matrix install NAME` makes one") from error
    except subprocess.TimeoutExpired as error:
        raise MatrixError(f"{' '.join(command)} has not ended after {PATIENCE} s:\n{error.stderr!r}") from error
    if done.returncode != 0:
        raise MatrixError(
            f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        )
    return done.stdout


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["all", "install", "run"])
    parser.add_argument("name", nargs="?", choices=list(BY_NAME), help="of install and run")
    given = parser.parse_args()
    if given.what != "all" and given.name is None:
        parser.error(f"{given.what} needs one of {', '.join(BY_NAME)}")
    try:
        if given.what == "all":
            everything()
        elif given.what == "install":
            install(BY_NAME[given.name])
        else:
            print(run(BY_NAME[given.name], wheel()))
    except MatrixError as error:
        print(f"matrix: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
