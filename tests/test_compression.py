"""The short form of `make bench-compression`: handwritten digits, trained with compressed gradients by a real trainer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tools import dist

#: Longest run, seconds; only a failing one comes near it.
DEADLINE = 240


@pytest.fixture(scope="module")
def results() -> Any:
    command = [
        sys.executable,
        str(dist.ROOT / "benchmarks" / "compression.py"),
        "--trainer",
        str(dist.NATIVE_DIR / "candlewick-trainer"),
        "--seeds",
        "1",
    ]
    env = {**os.environ, "PYTHONPATH": str(dist.ROOT / "spark-package" / "python")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    return json.loads(line.removeprefix("RESULT "))


@pytest.mark.parametrize("kind", ["bf16", "fp16"])
@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
def test_16_bits_have_the_loss_of_32_at_half_of_the_bytes(results: Any, kind: str, optimizer: str) -> None:
    plain, half = results["none"], results[kind]
    assert half[optimizer]["loss"] == pytest.approx(plain[optimizer]["loss"], rel=0.01)
    assert half["bytes"] * 2 == plain["bytes"]


@pytest.mark.parametrize(("kind", "times"), [("topk:0.1", 3), ("topk:0.01", 30), ("1bit", 3)])
def test_what_is_remembered_comes_in_the_end(results: Any, kind: str, times: int) -> None:
    plain, sent = results["none"], results[kind]
    assert sent["SGD"]["loss"] <= plain["SGD"]["loss"] * 1.01
    assert sent["SGD"]["accuracy"] >= plain["SGD"]["accuracy"] - 0.01
    assert sent["bytes"] * times <= plain["bytes"]
