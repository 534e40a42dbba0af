"""``python -m candlewick doctor``: what works on this machine, and what to do about the rest."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from candlewick._requirements import PYSPARK, minor
from candlewick._version import __version__

#: Longest wait for a program to answer, seconds.
_PATIENCE = 60
OLDEST_PYTHON = (3, 10)
#: Of Spark 4 and of Spark 3.5.
OLDEST_JAVA = 17 if minor(PYSPARK) >= (4, 0) else 8


@dataclass(frozen=True)
class Check:
    """One row of the table."""

    #: What was looked at.
    name: str
    #: "ok", "broken", or "none" for what is absent and not needed.
    status: str
    #: What was found.
    found: str
    #: What to do, where it is broken.
    fix: str = ""


def table(checks: Iterable[Check]) -> str:
    """The checks as text in columns; what to fix stands below its row."""
    rows = list(checks)
    width = max(len(check.name) for check in rows)
    lines = []
    for check in rows:
        lines.append(f"{check.name:<{width}}  {check.status:<6}  {check.found}".rstrip())
        if check.fix:
            lines.append(f"{'':<{width}}  {'':<6}  -> {check.fix}")
    return "\n".join(lines)


def check_python() -> Check:
    """The interpreter's version."""
    found = sys.version.split()[0]
    if sys.version_info[:2] >= OLDEST_PYTHON:
        return Check("Python", "ok", found)
    wanted = ".".join(map(str, OLDEST_PYTHON))
    return Check("Python", "broken", found, f"use Python {wanted} or newer")


def check_pyspark() -> Check:
    """PySpark's version, and that no other Spark is started; another one than this build is for ends the import already."""
    from candlewick._lines import check_home
    from candlewick.errors import SetupError

    try:
        check_home()
    except SetupError as error:
        return Check("PySpark", "broken", PYSPARK, str(error))
    return Check("PySpark", "ok", PYSPARK)


def java_program() -> str | None:
    """The java that PySpark would start."""
    home = os.environ.get("JAVA_HOME")
    return shutil.which(str(Path(home) / "bin" / "java")) if home else shutil.which("java")


def check_java() -> Check:
    """The version of the java that PySpark would start."""
    program = java_program()
    fix = f"install Java {OLDEST_JAVA} or newer (for example openjdk-17-jre-headless) and set JAVA_HOME"
    if program is None:
        return Check("Java", "broken", "not found by JAVA_HOME or PATH", fix)
    answer = _run([program, "-version"])
    # Java 8 calls itself 1.8.
    version = re.search(r'version "(?:1\.)?(\d+)([^"]*)"', answer.text)
    if version is None:
        return Check("Java", "broken", f"{program} answered: {answer.text.strip()[:100]}", fix)
    found = f"{version[1]}{version[2]} ({program})"
    return Check("Java", "ok", found) if int(version[1]) >= OLDEST_JAVA else Check("Java", "broken", found, fix)


def check_jar() -> Check:
    """The jar with the classes and the native files."""
    from candlewick._session import jars
    from candlewick.errors import SetupError

    try:
        path = Path(jars())
    except SetupError as error:
        return Check("Jar", "broken", "not found", str(error))
    return Check("Jar", "ok", f"{path} ({path.stat().st_size / 1e6:.1f} MB)")


def gpus_here() -> list[str]:
    """Names of the graphics cards that NVIDIA's tool lists."""
    program = shutil.which("nvidia-smi")
    answer = _run([program, "--query-gpu=name,memory.total", "--format=csv,noheader"]) if program else None
    return answer.text.strip().splitlines() if answer is not None and answer.status == 0 else []


def check_gpu(probe: Callable[[], str] | None = None) -> Check:
    """Graphics cards, and whether the trainer for them can train on the first one.

    Args:
        probe: Asks that trainer; none where it is not installed, or no JVM could be started.
    """
    gpus = gpus_here()
    cards = "; ".join(gpus) if gpus else "no NVIDIA device"
    if probe is None:
        fix = "pip install candlewick[cuda] to train on it (docs/gpu.md)" if gpus else ""
        return Check("GPU", "none", f"{cards}; training runs on the CPU", fix)
    try:
        told = json.loads(probe())
    except Exception as error:
        # Where there is no card, the driver program may still start fits on executors that have some.
        return Check("GPU", "broken" if gpus else "none", cards, _first_line(error))
    names = ", ".join(gpu["name"] for gpu in told["gpus"])
    return Check("GPU", "ok", f"{names}; CUDA {told['cuda']}, trainer {told['version']}")


def check_in_spark() -> list[Check]:
    """What only a JVM can tell, from a small local session: library, trainer, and one tiny fit."""
    from candlewick._session import session

    try:
        spark = session(
            {
                "spark.master": "local[1]",
                "spark.app.name": "candlewick-doctor",
                "spark.ui.enabled": False,
                "spark.ui.showConsoleProgress": False,
                "spark.log.level": "OFF",
                "spark.driver.host": "127.0.0.1",
                "spark.driver.bindAddress": "127.0.0.1",
            }
        )
    except Exception as error:
        broken = Check("Spark session", "broken", _first_line(error), "see the message and the lines above")
        return [broken, check_gpu()]
    try:
        return [
            Check("Spark session", "ok", f"local[1], Spark {spark.version}"),
            *_native_checks(spark.sparkContext._jvm),
            _guarded("Training", lambda: _tiny_fit(spark), "see docs/troubleshooting.md"),
            check_gpu(_gpu_probe(spark.sparkContext._jvm)),
        ]
    finally:
        spark.stop()


def _native_checks(jvm: Any) -> list[Check]:
    def library() -> str:
        jvm.candlewick.jni.NativeLibrary.load()
        return str(jvm.candlewick.jni.Native.version())

    def trainer() -> str:
        path = str(jvm.candlewick.jni.NativeLibrary.trainerPath().toString())
        answer = _run([path, "--version"])
        if answer.status != 0:
            raise OSError(f"{path} --version ended with {answer.status}: {answer.text.strip()}")
        return f"{answer.text.strip()} ({path})"

    fix = "64-bit Linux with glibc 2.28 or newer, and a folder that may run programs: "
    fix += "-Dcandlewick.native.cacheDir=DIR in spark.driver.extraJavaOptions"
    return [_guarded("Native library", library, fix), _guarded("Trainer", trainer, fix)]


def _gpu_probe(jvm: Any) -> Callable[[], str] | None:
    """What asks the trainer for GPUs about the first GPU; none where it is not installed."""
    trainer = jvm.candlewick.jni.GpuTrainer
    if not trainer.isThere():
        return None
    return lambda: str(trainer.probe("0", jvm.java.util.Collections.singletonList(sys.executable)))


def _tiny_fit(spark: Any) -> str:
    from candlewick import NeuralClassifier, nn

    # Not createDataFrame: some versions of it start Python on executors, which Candlewick does not need.
    frame = spark.range(64).selectExpr("array(double(id % 2), 1.0D) AS features", "double(id % 2) AS label")
    stage = NeuralClassifier(network=nn.Sequential(nn.Linear(2)), epochs=1, batchSize=16, device="cpu", verbose=False)
    model = stage.fit(frame)
    # count() alone would need no prediction, and the optimiser would leave the model out.
    scored = len(model.transform(frame).select("prediction").collect())
    return f"{scored} rows in {model.summary.phases['total']:.1f} s, loss {model.summary.objectiveHistory[-1]:.3f}"


def _guarded(name: str, look: Callable[[], str], fix: str) -> Check:
    try:
        return Check(name, "ok", look())
    except Exception as error:
        return Check(name, "broken", _first_line(error), fix)


def _first_line(error: Exception) -> str:
    java = getattr(error, "java_exception", None)
    text = str(java.toString()) if java is not None else str(error)
    return (text.strip() or type(error).__name__).splitlines()[0][:300]


@dataclass(frozen=True)
class _Answer:
    status: int
    text: str


def _run(command: list[str]) -> _Answer:
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return _Answer(-1, str(error))
    return _Answer(done.returncode, done.stdout + done.stderr)


def examine() -> list[Check]:
    """All checks; those that need a JVM only where there can be one."""
    checks = [
        Check("Candlewick", "ok", __version__),
        check_python(),
        check_pyspark(),
        check_java(),
        check_jar(),
    ]
    if all(check.status == "ok" for check in checks):
        return checks + check_in_spark()
    return [*checks, check_gpu()]


def main(as_json: bool) -> int:
    """Prints the table; 0 where all that is needed works."""
    checks = examine()
    print(json.dumps([asdict(check) for check in checks], indent=2) if as_json else table(checks))
    return 1 if any(check.status == "broken" for check in checks) else 0
