"""The pages that tell of the move from another library: our code in them runs, theirs is Python."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from pyspark.ml.linalg import Vectors
from pyspark.sql import DataFrame, SparkSession

from tools import dist

PAGES = sorted((dist.ROOT / "docs" / "migrating").glob("*.md"))
PIXELS = 784


def blocks(page: Path) -> list[str]:
    """The blocks of Python of a page."""
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def ours(block: str) -> bool:
    return "from candlewick import" in block


def pictures(spark: SparkSession) -> DataFrame:
    """A hundred pictures of ten classes: as bytes of an array, and as a Vector."""
    rows = []
    for i in range(100):
        image = [(i * 7 + 13 * j + 29 * (i % 10)) % 256 for j in range(PIXELS)]
        rows.append((image, Vectors.dense([value / 255 for value in image]), float(i % 10)))
    return spark.createDataFrame(rows, ["image", "features", "label"])


def test_there_is_a_page_for_each() -> None:
    assert [page.stem for page in PAGES] == ["bigdl", "horovod", "spark-deep-learning", "tensorflowonspark"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.stem))
def test_what_was_and_what_is_are_python(page: Path) -> None:
    found = blocks(page)
    assert [ours(block) for block in found[:2]] == [False, True]
    for block in found:
        ast.parse(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.stem))
def test_our_code_runs(page: Path, local2: SparkSession, tmp_path: Path) -> None:
    data = pictures(local2).cache()
    rng = np.random.default_rng(1)
    dense = [(rng.normal(size=shape), rng.normal(size=shape[1:])) for shape in ((PIXELS, 20), (20, 10))]
    given = {"kernel1": dense[0][0], "bias1": dense[0][1], "kernel2": dense[1][0], "bias2": dense[1][1]}
    for block in filter(ours, blocks(page)):
        names = {"spark": local2, "train": data, "test": data, "path": str(tmp_path / "folder"), **given}
        exec(compile(block, page.name, "exec"), names)
        scored = names.get("scored")
        if isinstance(scored, DataFrame):
            assert scored.select("prediction", "probability").count() == data.count()


def test_weights_of_keras_give_what_keras_gives(local2: SparkSession) -> None:
    data = pictures(local2).cache()
    (page,) = [page for page in PAGES if page.stem == "spark-deep-learning"]
    (block,) = [block for block in blocks(page) if "kernel1" in block]
    rng = np.random.default_rng(2)
    kernel1, bias1 = rng.normal(size=(PIXELS, 20)), rng.normal(size=20)
    kernel2, bias2 = rng.normal(size=(20, 10)), rng.normal(size=10)
    names = {"train": data, "test": data, "kernel1": kernel1, "bias1": bias1, "kernel2": kernel2, "bias2": bias2}
    exec(compile(block, page.name, "exec"), names)
    scored = names["scored"]
    assert isinstance(scored, DataFrame)
    for row in scored.select("features", "prediction").collect():
        hidden = np.maximum(row.features.toArray() @ kernel1 + bias1, 0)
        assert row.prediction == np.argmax(hidden @ kernel2 + bias2)
