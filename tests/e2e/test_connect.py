"""Spark Connect: what a client does there is what a classic session does, to the bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

import candlewick
from candlewick import NeuralClassificationModel
from tools import dist

from . import connect
from .support import blobs

CLIENT = "tests/e2e/connected.py"


def test_fit_and_transform_of_a_client(local2: SparkSession, tmp_path: Path) -> None:
    with connect.server(tmp_path, "--jars", candlewick.jars()) as name:
        environment = {"CANDLEWICK_TEST_SERVER": name, "CANDLEWICK_TEST_FOLDER": str(tmp_path)}
        connect.client(CLIENT, environment)
    # What the server's model gave, and saved, a classic session has in the same bits.
    model = NeuralClassificationModel.load(str(tmp_path / "model"))
    columns = model.transform(blobs(local2)).select("rawPrediction", "probability", "prediction").collect()
    rows = [[row[0].toArray().tolist(), row[1].toArray().tolist(), row[2]] for row in columns]
    assert json.loads((tmp_path / "scored.json").read_text()) == rows
    evaluated = json.loads((tmp_path / "evaluated.json").read_text())
    assert evaluated == pytest.approx(model.evaluate(blobs(local2)), abs=1e-9)


def test_a_server_gets_the_jar_from_a_client(tmp_path: Path) -> None:
    # It also keeps no model in memory: each is read from its disk at each call.
    nothing = "spark.connect.session.connectML.mlCache.memoryControl.maxInMemorySize=1"
    with connect.server(tmp_path, "--conf", nothing) as name:
        environment = {"CANDLEWICK_TEST_SERVER": name, "CANDLEWICK_TEST_FOLDER": str(tmp_path)}
        chosen = ["-k", "jar or is_that_of or tells_of or pipeline"]
        connect.client(CLIENT, {**environment, "CANDLEWICK_TEST_BARE": "1"}, chosen)


#: PySpark's client of Spark Connect alone is a package of its own, without its core and without py4j.
_CLIENT_ONLY = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "py4j" or f"{name}.".startswith("pyspark.core."):
            raise ImportError(name)

sys.meta_path.insert(0, Missing())
from candlewick import NeuralClassifier, nn
import candlewick.mlflow, candlewick.doctor, candlewick.callbacks
made = NeuralClassifier(network=nn.Sequential(nn.Linear(3)), epochs=3)
made.clear(made.epochs)
print(made.getEpochs(), [name for name in sys.modules if name.startswith("py4j")])
"""


def test_without_py4j_the_package_is_there() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CLIENT_ONLY],
        env={**os.environ, "PYTHONPATH": str(dist.PYTHON)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("10 []\n", 0), done.stderr
