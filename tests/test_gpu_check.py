"""tools/gpu_check.py on the CPU trainer: the line of `make gpu-pack DEVICE=cpu` that needs no PyTorch, and its faults."""

from __future__ import annotations

import json
import lzma
import subprocess
import sys
from pathlib import Path
from typing import Any

from tools import dist

TRAINER = dist.NATIVE_DIR / "candlewick-trainer"


def check(folder: Path, program: bytes, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Status, table and output of a check with that program as the trainer."""
    (folder / "candlewick-trainer.xz").write_bytes(lzma.compress(program, preset=0))
    command = [sys.executable, str(dist.ROOT / "tools" / "gpu_check.py"), "--device", "cpu", "--pack", str(folder)]
    done = subprocess.run(
        [*command, "--out", str(folder / "out.json"), *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (folder / "out.json").is_file(), done.stdout + done.stderr
    return done.returncode, json.loads((folder / "out.json").read_text()), done.stdout


def test_a_pack_runs_and_leaves_a_table(tmp_path: Path) -> None:
    status, table, output = check(tmp_path, TRAINER.read_bytes(), "--only", "same bits, mlp")
    (row,) = table["rows"]
    assert status == 0 and row["outcome"] == "ok", output
    assert len(row["numbers"]["hash"]) == 32 and row["numbers"]["hash"] in output
    assert table["trainer"] == f"candlewick-trainer {dist.version()}"
    assert "1 of 1 checks are good" in output


def test_a_trainer_that_does_not_start_is_in_the_table(tmp_path: Path) -> None:
    script = '#!/bin/sh\n[ "$1" = --version ] && echo candlewick-trainer 0 && exit\necho no GPU here >&2; exit 2\n'
    status, table, output = check(tmp_path, script.encode(), "--only", "same bits")
    assert status == 1
    assert [row["outcome"] for row in table["rows"]] == ["FAILED", "FAILED"]
    assert "candlewick-trainer did not start: no GPU here" in table["rows"][0]["detail"], output


def test_a_pack_for_another_device_says_so(tmp_path: Path) -> None:
    (tmp_path / "candlewick-trainer.xz").write_bytes(lzma.compress(b"", preset=0))
    command = [sys.executable, str(dist.ROOT / "tools" / "gpu_check.py"), "--pack", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)
    assert done.returncode == 1 and "the pack has no candlewick-trainer-gpu" in done.stderr, done.stderr


def test_a_pack_for_gpus_is_rehearsed_on_the_cpu(tmp_path: Path) -> None:
    program = b"#!/bin/sh\necho candlewick-trainer of a GPU\n"
    (tmp_path / "candlewick-trainer-gpu.xz").write_bytes(lzma.compress(program, preset=0))
    status, table, _ = check(tmp_path, b"#!/bin/sh\necho the other one\n", "--budget", "0")
    assert status == 1 and table["trainer"] == "candlewick-trainer of a GPU"


def test_nothing_is_begun_when_the_time_is_over(tmp_path: Path) -> None:
    status, table, _ = check(tmp_path, b"#!/bin/sh\necho candlewick-trainer 0\n", "--budget", "0")
    assert status == 1 and {row["outcome"] for row in table["rows"]} == {"not run"} and len(table["rows"]) == 18
