"""A user's program is clean for type checkers: mypy, and Pyright as basedpyright ships it, each as strict as it is by default."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tools.architecture import ROOT

PROGRAM = ROOT / "tests" / "typing" / "program.py"
PACKAGE = ROOT / "spark-package" / "python"


def pyright(folder: Path, program: str) -> list[str]:
    """What Pyright finds wrong with a program."""
    (folder / "program.py").write_text(program)
    settings = {"include": ["program.py"], "extraPaths": [str(PACKAGE)], "typeCheckingMode": "standard"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["summary"]["filesAnalyzed"] == 1, done.stdout
    return [f"{each['range']['start']['line'] + 1}: {each['message']}" for each in told["generalDiagnostics"]]


def mypy(folder: Path, program: str) -> list[str]:
    """What mypy finds wrong with a program."""
    (folder / "program.py").write_text(program)
    # Of other libraries users have stubs, or have none; the package's own modules are checked elsewhere.
    (folder / "mypy.ini").write_text(
        f"[mypy]\nmypy_path = {PACKAGE}\nignore_missing_imports = true\ndisable_error_code = import-untyped\n"
        "[mypy-candlewick.*]\nfollow_imports = silent\n"
    )
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--cache-dir", str(folder), "program.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if ": error: " in line]


def test_pyright_is_content_and_sees_mistakes(tmp_path: Path) -> None:
    text = PROGRAM.read_text()
    assert pyright(tmp_path, text) == []
    found = pyright(tmp_path, text + "NeuralClassifier(epoch=3)\nmodel.summary.histroy\n")
    assert [part in message for part, message in zip(("epoch", "histroy"), found, strict=True)] == [True, True]


def test_mypy_is_content_and_sees_mistakes(tmp_path: Path) -> None:
    text = PROGRAM.read_text()
    assert mypy(tmp_path, text) == []
    found = mypy(tmp_path, text + "NeuralClassifier(epoch=3)\nmodel.summary.histroy\n")
    assert [part in message for part, message in zip(("epoch", "histroy"), found, strict=True)] == [True, True]
