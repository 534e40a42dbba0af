"""The oldest Spark end to end, with the jar that the wheel has for it; `make matrix` takes all. The newest has tests/e2e."""

from __future__ import annotations

import subprocess
import venv
from pathlib import Path

import pytest

from tests.e2e.support import BLOBS_HASH
from tools import dist, matrix
from tools.dist import LINES

SPARK = matrix.BY_NAME["3.5"]

#: A session with the jar that is named on the command line, started without Candlewick's help.
OF_ANOTHER_LINE = """
import sys
from pyspark.sql import SparkSession
builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").config("spark.driver.host", "127.0.0.1")
spark = builder.config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.extraClassPath", sys.argv[1]).getOrCreate()
import candlewick
try:
    candlewick.NeuralClassifier()
except candlewick.errors.SetupError as error:
    print(error)
finally:
    spark.stop()
"""


@pytest.fixture(scope="module")
def package() -> Path:
    """The wheel, unpacked."""
    return matrix.wheel()


def test_spark_3_5_end_to_end(package: Path) -> None:
    found = matrix.run(SPARK, package)
    assert found["hashes"]["classifier"] == BLOBS_HASH


def test_a_session_with_the_jar_of_another_line_is_told_which_to_take(package: Path) -> None:
    jar = dist.ROOT / "dist" / dist.jar_name(LINES[0])
    done = subprocess.run(
        [str(SPARK.python), "-c", OF_ANOTHER_LINE, str(jar)],
        env=matrix.environment_of(SPARK, package),
        capture_output=True,
        text=True,
        timeout=matrix.PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    start = f"the jar of Candlewick in this session (jar:file:{jar}) is for Spark 4 with Scala 2.13, and this is "
    assert done.stdout.startswith(
        start + "Spark 3.5 with Scala 2.12: start the session with candlewick-spark-3.5_2.12-"
    )


def test_an_unfinished_environment_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "HOME", tmp_path)
    spark = matrix.BY_NAME["4.0"]
    venv.create(spark.folder, with_pip=False)
    installed = []
    run = matrix._run

    def without_installs(command: list[str], environment: dict[str, str] | None = None) -> str:
        if "install" in command:
            installed.append(command)
            return ""
        return run(command, environment)

    monkeypatch.setattr(matrix, "_run", without_installs)
    matrix.install(spark)
    assert len(installed) == 1
    assert "pip" in run([str(spark.python), "-m", "pip", "--version"])
