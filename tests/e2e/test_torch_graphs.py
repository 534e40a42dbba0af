"""Modules of PyTorch with a forward of their own compute here what they compute there."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import SparkSession

from candlewick import NeuralRegressor, nn
from candlewick._torch import forward, torch_state

TESTS = Path(__file__).parents[2] / "spark-package" / "python" / "tests"


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What stands for PyTorch, which the tests do not have."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(TESTS)])
    monkeypatch.setattr(forward, "trace", lambda module: module.calls)
    return importlib.import_module("recorded_torch")


#: The shapes of inputs that no Linear tells, and those of chains, which are graphs by that.
INPUTS: dict[str, Any] = {"ResNet": [2, 8, 8], "Attentive": 5, "Words": 5}


@pytest.mark.parametrize(
    "name",
    ["Net", "ResNet", "Towers", "Siamese", "Words", "Sentence", "Attentive", "Named", "Functions", "Sequential"],
)
def test_a_forward_computes_the_same(name: str, recorded: Any, local2: SparkSession) -> None:
    entry, module = recorded.GRAPHS["networks"][name], recorded.network(name)
    network = nn.from_torch(module, inputs=INPUTS.get(name))
    outputs = np.concatenate([np.reshape(one, (len(one), -1)) for one in entry["outputs"].values()], axis=1)
    columns = [one["name"] for one in network.to_dict().get("inputs", [{"name": "features"}])]
    rows = local2.createDataFrame(
        [(*row, [0.0] * outputs.shape[1]) for row in zip(*entry["inputs"], strict=True)], [*columns, "label"]
    )
    if outputs.shape[1] == 1:
        rows = rows.selectExpr(*columns, "label[0] AS label")
    fitted = NeuralRegressor(network=network, initialWeights=module, epochs=0).fit(rows)
    found = [
        np.atleast_1d(getattr(row.prediction, "values", row.prediction)) for row in fitted.transform(rows).collect()
    ]
    assert np.allclose(found, outputs, rtol=1e-5, atol=1e-5)
    # Names and shapes were those of the network, all of them.
    assert set(fitted.weights()) == set(torch_state(module))
