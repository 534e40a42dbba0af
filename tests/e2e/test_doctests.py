"""The examples of the Python package's documentation run as they stand there."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

import candlewick
from candlewick import NeuralClassifier, nn, optim

from .support import blobs

#: Not imported: it would run.
MODULES = sorted(
    one.name for one in pkgutil.walk_packages(candlewick.__path__, "candlewick.") if not one.name.endswith("__main__")
)


@pytest.fixture(scope="module")
def names(local2: SparkSession) -> dict[str, Any]:
    """What the examples take as given: a session, rows, and a model of them."""
    rows = blobs(local2).cache()
    network = nn.Sequential(nn.Linear(64), nn.ReLU(), nn.Linear(3))
    estimator = NeuralClassifier(network=network, epochs=20, batchSize=64, optimizer=optim.AdamW(lr=1e-2))
    return {"spark": local2, "train": rows, "test": rows, "model": estimator.fit(rows)}


@pytest.mark.parametrize("name", ["candlewick", *MODULES])
def test_examples(name: str, names: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for example in doctest.DocTestFinder(exclude_empty=True).find(module, globs={**vars(module), **names}):
        runner.run(example, out=told.append, clear_globs=False)
    assert runner.failures == 0, "".join(told)


def test_there_are_examples() -> None:
    found = [
        example
        for name in ["candlewick", *MODULES]
        for one in doctest.DocTestFinder().find(importlib.import_module(name))
        for example in one.examples
    ]
    skipped = [one for one in found if one.options.get(doctest.SKIP)]
    assert len(found) > 25
    assert len(skipped) * 3 < len(found), "most examples run"
