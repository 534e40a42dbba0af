"""candlewick.attach: a session that plain PySpark has started, without the jar, gets it while it runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tools import dist

from .support import BLOBS_HASH

#: Longest run of the notebook, seconds; only a failing one comes near it.
DEADLINE = 200


def notebook(*arguments: str) -> dict[str, Any]:
    """What the notebook found: its JVM is its own, since that of the tests has the jar."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(dist.PYTHON), str(dist.ROOT)])}
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.attached", *arguments],
        cwd=dist.ROOT,
        env={**environment, "SPARK_LOCAL_IP": "127.0.0.1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-6000:]}"
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(("master", "way"), [("local-cluster[2,1,1024]", "attach"), ("local[2]", "session")])
def test_a_session_that_runs_gets_the_jar(master: str, way: str) -> None:
    found = notebook(master, way)
    assert "candlewick.attach(spark) gives it to a session that runs" in found["before"]
    assert "The class loader of its driver takes no jar any more: restart the Python process" in found["refused"]
    assert (found["hash"], found["trainers"]) == (BLOBS_HASH, 2), "the model of any other session"
    assert found["scored"] > 500
    assert found["again"] == BLOBS_HASH, "the executors of the next session have the jar too"
    assert found["elsewhere"] == 600, "threads that were started later see the classes too"
