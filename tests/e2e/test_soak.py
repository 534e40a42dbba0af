"""Fits give back what they take: the short form of `make soak`."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

from . import soak

ROOT = Path(__file__).resolve().parents[2]
#: Each road of a session twice.
FITS = 2 * len(soak.ROADS)


def test_a_session_holds_after_many_fits_what_it_held_when_it_was_warm() -> None:
    """In a process of its own, whose temporary files are all in one folder."""
    command = [sys.executable, "-m", "tests.e2e.soak", "--fits", str(FITS)]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ}, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert f"nothing grew over {FITS} fits" in done.stdout


def test_what_grows_is_told() -> None:
    warm = soak.Measure(0, 0.0, 100, 10, 50, 3, 0, 900, 1 << 26, 1 << 28)
    after = dataclasses.replace(warm, fits=300, handles=400, files=4, heap=(1 << 26) + 150 * (soak.HEAP_PER_FIT + 1))
    half = dataclasses.replace(warm, fits=150)
    told = soak.grown([warm, half, after])
    assert [line.split(":")[0] for line in told] == ["handles", "files", "heap"], told
    assert soak.grown([warm, half, dataclasses.replace(warm, fits=300)]) == []
