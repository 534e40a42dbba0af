"""What the Makefile does with the machine that it finds: its variables, an unfinished environment, its JDK, its folders."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.architecture import ROOT

#: Whatever make has told its children is for another make.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "AT_ONCE"))}
#: Those of the environment that decide which Spark runs, where, and with which Python.
SPARK = ("SPARK_HOME", "SPARK_CONF_DIR", "SPARK_REMOTE", "MASTER", "PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON")
OF_A_USER = {name: f"/of-a-user/{name}" for name in SPARK}


def ran(*command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, env={**ENVIRONMENT, **environment}, capture_output=True, text=True, check=False
    )


def recipe(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs one line as a recipe of the Makefile."""
    return ran("make", "-s", "--eval", f"tried: ; @{line}", "tried", **environment)


def test_sparks_variables_of_a_user_reach_no_recipe() -> None:
    done = recipe("env", **OF_A_USER)
    assert done.returncode == 0, done.stderr
    assert "CANDLEWICK_JAR=" in done.stdout
    assert "/of-a-user/" not in done.stdout


def test_nor_tests_that_are_run_without_make() -> None:
    shown = "import os, tests.conftest; print([name for name, value in os.environ.items() if '/of-a-user/' in value])"
    package = f"{ROOT}{os.pathsep}{ROOT / 'spark-package' / 'python'}"
    done = ran(sys.executable, "-c", shown, PYTHONPATH=package, **OF_A_USER)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_an_unfinished_environment_is_made_anew(tmp_path: Path) -> None:
    folder = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (folder / "left").touch()
    done = recipe(f"$(call venv,{folder})")
    assert done.returncode == 0, done.stderr
    assert ran(folder / "bin" / "python", "-m", "pip", "--version").returncode == 0
    assert not (folder / "left").exists()
    # One that works is kept.
    (folder / "left").touch()
    assert recipe(f"$(call venv,{folder})").returncode == 0
    assert (folder / "left").exists()


def test_every_environment_of_the_makefile_is_made_so() -> None:
    text = (ROOT / "Makefile").read_text()
    assert text.count("-m venv") == 1
    assert text.count("-m pip install") == text.count("$(call venv,") > 3


def test_a_checkout_in_a_path_with_spaces_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "my code"
    folder.mkdir()
    done = ran("make", "-C", folder, "-f", ROOT / "Makefile", "help")
    assert done.returncode != 0
    assert f"{folder} has spaces" in done.stderr
    assert "move the checkout to a path without spaces" in done.stderr


def jdk(folder: Path, version: str) -> Path:
    """A home of Java whose programs say a version."""
    (folder / "bin").mkdir(parents=True)
    for name in ("java", "javac"):
        program = folder / "bin" / name
        program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
        program.chmod(0o755)
    return folder


@pytest.mark.parametrize(("version", "right"), [("11.0.2", False), ("17.0.1", True), ("21", True), ("25.0.3", False)])
def test_the_jdk_is_the_one_that_maven_takes(tmp_path: Path, version: str, right: bool) -> None:
    home = jdk(tmp_path / "jdk", version)
    done = ran("tools/need.sh", JAVA_HOME=str(home))
    assert (done.returncode == 0) == right, done.stderr
    if not right:
        assert f"make: {home}/bin/java is version {version.split('.')[0]}: JDK 17 or 21 is needed" in done.stderr


def test_a_java_home_without_java_is_named(tmp_path: Path) -> None:
    done = ran("tools/need.sh", JAVA_HOME=str(tmp_path))
    assert done.returncode == 1
    assert f"make: '{tmp_path}/bin/java' is missing" in done.stderr


def test_a_python_that_makes_no_environments_is_named(tmp_path: Path) -> None:
    program = tmp_path / "python3"
    # As Debian has it without python3-venv.
    program.write_text(
        f'#!/bin/sh\ncase "$2" in *ensurepip*) echo "No module named ensurepip" >&2; exit 1;; esac\n'
        f'exec {sys.executable} "$@"\n'
    )
    program.chmod(0o755)
    done = ran("tools/need.sh", PATH=f"{tmp_path}:{ENVIRONMENT['PATH']}")
    assert done.returncode == 1
    assert "apt-get install python3-venv" in done.stderr
