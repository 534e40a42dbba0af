"""What the package says of Python's versions, and that its code is of the oldest."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import tomllib

from tools import dist
from tools.architecture import ROOT

PROJECT: dict[str, Any] = tomllib.loads((dist.PYTHON / "pyproject.toml").read_text())["project"]
MAJOR, MINOR = map(int, PROJECT["requires-python"].removeprefix(">=").split("."))


def test_linters_know_the_oldest_python() -> None:
    assert f'target-version = "py{MAJOR}{MINOR}"' in (ROOT / "pyproject.toml").read_text()
    from candlewick.doctor import OLDEST_PYTHON

    assert OLDEST_PYTHON == (MAJOR, MINOR)


def test_the_versions_that_are_told() -> None:
    told = [line for line in PROJECT["classifiers"] if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", line)]
    assert told == [f"Programming Language :: Python :: 3.{minor}" for minor in range(MINOR, 15)]


@pytest.mark.parametrize("path", sorted((dist.PYTHON / "candlewick").rglob("*.py")), ids=lambda path: path.name)
def test_code_is_of_the_oldest_python(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(MAJOR, MINOR))
