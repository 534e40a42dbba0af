"""A real server of Spark Connect in a process of its own, and clients in others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools import dist

from .conftest import COMMON
from .standalone import Daemon

#: Longest run of a client's tests, seconds; only a failing one comes near it.
DEADLINE = 400


@contextmanager
def server(folder: Path, *arguments: str) -> Iterator[str]:
    """Starts a server as `start-connect-server.sh` does; yields its name for clients.

    Args:
        folder: For its log.
        *arguments: More of spark-submit, such as `--jars`.
    """
    # What the server says of itself is at INFO.
    settings = {**COMMON, "spark.log.level": "INFO", "spark.connect.grpc.binding.address": "127.0.0.1"}
    settings = {**settings, "spark.connect.grpc.binding.port": "0"}
    options = [option for name, value in settings.items() for option in ("--conf", f"{name}={value}")]
    kind = "org.apache.spark.sql.connect.service.SparkConnectServer"
    command = ["spark-submit", "--class", kind, "--master", "local[3]", *options, *arguments]
    daemon = Daemon.of("connect", folder, command)
    try:
        port = daemon.await_line(r"Spark Connect server started at: \S*?:(\d+)")
        yield f"sc://127.0.0.1:{port}"
    finally:
        daemon.kill()


def client(tests: str, environment: dict[str, str], select: Sequence[str] = ()) -> str:
    """Runs tests of a module in a process of its own; returns what pytest said, and fails where one of them did."""
    paths = os.pathsep.join([str(dist.PYTHON), str(dist.ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", tests, *select],
        cwd=dist.ROOT,
        env={**os.environ, "PYTHONPATH": paths, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-20000:]}\n{done.stderr[-4000:]}"
    return done.stdout
