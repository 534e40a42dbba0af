"""Lists of Python packages fit together."""

from __future__ import annotations

from fnmatch import fnmatch

import pytest

from tools.architecture import ROOT, files


def _constrained() -> list[tuple[str, str]]:
    """Lists that take their versions from another, with the path of that."""
    found = []
    for path in files(ROOT):
        if not fnmatch(path, "*requirements*.txt"):
            continue
        for line in (ROOT / path).read_text().splitlines():
            if line.startswith("-c "):
                found.append((path, line.removeprefix("-c ").strip()))
    return found


def test_some_lists_have_constraints() -> None:
    assert _constrained()


@pytest.mark.parametrize(("path", "constraints"), _constrained())
def test_constraints_are_what_pip_takes(path: str, constraints: str) -> None:
    lines = ((ROOT / path).parent / constraints).read_text().splitlines()
    # pip: "Constraints cannot have extras"
    assert [line for line in lines if "[" in line.partition("#")[0]] == []
