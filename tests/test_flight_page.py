"""The example of docs/flight.md, run as its reader would run it, against a real trainer."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyarrow import flight

from tools import dist

#: Longest run, seconds; only a failing one comes near it.
DEADLINE = 120
PROGRAM = dist.NATIVE_DIR / "candlewick-trainer"


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """A trainer whose token lies in `folder`; its address."""
    token = folder / "token"
    token.touch(mode=0o600)
    token.write_text(secrets.token_hex(32) + "\n")
    command = [str(PROGRAM), "serve", "--token-file", str(token), "--threads", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()
            process.wait(timeout=DEADLINE)


def example() -> str:
    """The page's Python."""
    page = (dist.ROOT / "docs" / "flight.md").read_text()
    return re.findall(r"```python\n(.*?)```", page, re.S)[0]


def run(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs Python in `folder`."""
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": ""},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def test_the_example_runs(tmp_path: Path) -> None:
    with served(tmp_path) as address:
        done = run(example().replace("grpc://127.0.0.1:40123", address), tmp_path)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "{'rows': 1000, 'total': 1000}" in done.stdout
    assert "0.weight (16, 4)" in done.stdout
    assert (tmp_path / "weights.safetensors").is_file()


def test_python_runs_the_trainer_of_the_jar(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "candlewick", "serve", "--token-stdin", "--threads", "1"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        token = secrets.token_hex(32)
        process.stdin.write(token + "\n")
        process.stdin.flush()
        with flight.connect(process.stdout.readline().split()[-1]) as client:
            bearer = flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {token}".encode())])
            (status,) = client.do_action(flight.Action("status", b""), bearer)
        assert json.loads(status.body.to_pybytes())["state"] == "empty"
        process.terminate()
        process.wait(timeout=DEADLINE)
    assert not list(tmp_path.iterdir())


def test_rows_that_are_refused_raise_the_reason(tmp_path: Path) -> None:
    wrong = example().replace("y = x[:, :3].argmax(axis=1)", "y = x[:, :3].argmax(axis=1) + 3")
    assert wrong != example()
    with served(tmp_path) as address:
        done = run(wrong.replace("grpc://127.0.0.1:40123", address), tmp_path)
    assert done.returncode != 0
    assert "expected a whole number from 0 to 2" in done.stderr.splitlines()[-1], done.stderr[-4000:]
