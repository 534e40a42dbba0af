"""What every version has saved, in tests/fixtures/models, loads and gives what it gave; FixturesSuite does the same in Scala."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.ml import Transformer
from pyspark.ml.util import DefaultParamsReader
from pyspark.sql import SparkSession

FOLDER = Path(__file__).parents[1] / "fixtures" / "models"
FIXTURES = sorted(stage.parent for stage in FOLDER.glob("*/*/stage"))


def test_they_are_there() -> None:
    assert {fixture.name for fixture in FIXTURES} >= {
        "classifier",
        "regressor",
        "graph",
        "general",
        "pipeline",
        "estimator",
    }


@pytest.mark.parametrize("fixture", FIXTURES, ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_it_loads(local2: SparkSession, fixture: Path) -> None:
    stage: Any = DefaultParamsReader.loadParamsInstance(str(fixture / "stage"), local2)
    if not isinstance(stage, Transformer):
        (metadata,) = (fixture / "stage" / "metadata").glob("part-*")
        saved = json.loads(metadata.read_text())
        assert {param.name for param in stage.params if stage.isSet(param)} == set(saved["paramMap"])
        assert stage.getEpochs() == saved["paramMap"]["epochs"]
        return
    expected = json.loads((fixture / "expected.json").read_text())
    rows = local2.createDataFrame(expected["rows"])
    scored = stage.transform(rows).collect()
    assert len(scored) == len(expected["results"]) > 0
    for row, known in zip(scored, expected["results"], strict=True):
        for name, values in known.items():
            given = np.atleast_1d(np.array(row[name].toArray() if hasattr(row[name], "toArray") else row[name]))
            assert np.allclose(given, values, rtol=1e-5, atol=1e-5), name
