"""Saved stages beyond save and load: without the jar, on the driver's own disk, of another version, and what a model knows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyspark
import pytest
from pyspark import SparkContext
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.ml.tuning import CrossValidator, CrossValidatorModel, ParamGridBuilder
from pyspark.sql import DataFrame, SparkSession

from candlewick import NeuralClassificationModel, NeuralClassifier
from candlewick.errors import InvalidParameterError

from .support import blobs, classifier


@pytest.fixture(scope="module")
def data(local2: SparkSession) -> DataFrame:
    return blobs(local2).cache()


@pytest.fixture(scope="module")
def model(data: DataFrame) -> NeuralClassificationModel:
    return classifier(epochs=1).fit(data)


#: Loads what is named on the command line in a session that does not have the jar, and prints what comes of it.
WITHOUT_JAR = """
import sys
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.tuning import CrossValidatorModel
from pyspark.sql import SparkSession
from candlewick import NeuralClassificationModel, NeuralClassifier

spark = (
    SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1").getOrCreate()
)
for kind, path in zip(sys.argv[1::2], sys.argv[2::2]):
    try:
        globals()[kind].load(path)
    except Exception as error:
        print(f"{kind}: {type(error).__name__}: {error}")
# As Spark's own readers do where a Pipeline was saved by Scala.
try:
    spark._jvm.org.apache.spark.ml.PipelineModel.load(sys.argv[-1])
except Exception as error:
    print(f"java: {type(error).__name__}: {error}")
"""


def test_without_the_jar(data: DataFrame, model: NeuralClassificationModel, tmp_path: Path) -> None:
    estimator = classifier(epochs=1)
    grid = ParamGridBuilder().addGrid(estimator.learningRate, [0.1, 0.01]).build()
    evaluator = MulticlassClassificationEvaluator()
    search = CrossValidator(estimator=estimator, estimatorParamMaps=grid, evaluator=evaluator, numFolds=2)
    saved: list[tuple[str, Any]] = [
        ("NeuralClassificationModel", model),
        ("NeuralClassifier", estimator),
        ("CrossValidatorModel", search.fit(data)),
        ("Pipeline", Pipeline(stages=[estimator])),
        ("PipelineModel", PipelineModel(stages=[model])),
    ]
    arguments = []
    for kind, stage in saved:
        stage.write().save(str(tmp_path / kind))
        arguments += [kind, str(tmp_path / kind)]
    assert isinstance(CrossValidatorModel.load(str(tmp_path / "CrossValidatorModel")), CrossValidatorModel)
    told = subprocess.run(
        [sys.executable, "-c", WITHOUT_JAR, *arguments], capture_output=True, text=True, check=True, timeout=120
    ).stdout.splitlines()
    assert len(told) == len(saved) + 1, told
    for line, (kind, _) in zip(told, [*saved, ("java", None)], strict=True):
        assert line.startswith(f"{kind}: SetupError: Candlewick's jar is not on the class path"), line


def test_the_contract_of_the_data(model: NeuralClassificationModel, data: DataFrame) -> None:
    contract = model.dataContract
    (feature,) = contract["features"]
    assert feature == {"name": "features", "type": "vector", "nullable": True, "length": 6}
    assert contract["label"]["name"] == "label" and contract["weight"] is None
    assert contract["inputShape"] == [6] and contract["handleInvalid"] == "error"
    with pytest.raises(InvalidParameterError, match="The model was trained on features: vector of 6"):
        model.transform(data.drop("features"))


def test_a_format_of_another_version(model: NeuralClassificationModel, tmp_path: Path) -> None:
    model.save(str(tmp_path / "model"))
    file = tmp_path / "model" / "data" / "model.json"
    document = json.loads(file.read_text())
    assert document["format"] == "candlewick.model/1"
    (tmp_path / "model" / "data" / ".model.json.crc").unlink()
    file.write_text(json.dumps(document | {"format": "candlewick.model/9", "candlewickVersion": "3.0.0"}))
    with pytest.raises(
        InvalidParameterError, match=r"candlewick\.model/9 .* load it with Candlewick 3\.0\.0 or a later one"
    ):
        NeuralClassificationModel.load(str(tmp_path / "model"))


@pytest.mark.skipif(pyspark.__version__ < "4.1", reason="pipelines have saveToLocal since Spark 4.1")
def test_a_pipeline_on_the_drivers_own_disk(
    data: DataFrame, model: NeuralClassificationModel, local2: SparkSession, tmp_path: Path
) -> None:
    context: Any = SparkContext._active_spark_context
    pipeline: Any = PipelineModel(stages=[model])._to_java()
    writer = pipeline.write()
    path = str(tmp_path / "pipeline")
    local2.conf.set("fs.defaultFS", "viewfs://nowhere")
    try:
        writer.saveToLocal(path)
        writer.overwrite().saveToLocal(path)
        loaded = PipelineModel._from_java(context._jvm.org.apache.spark.ml.PipelineModel.read().loadFromLocal(path))
    finally:
        local2.conf.unset("fs.defaultFS")
    (stage,) = loaded.stages
    assert isinstance(stage, NeuralClassificationModel) and stage.weightsHash == model.weightsHash
    estimator = str(tmp_path / "estimator")
    java: Any = classifier(epochs=77)._to_java()
    java.write().saveToLocal(estimator)
    assert NeuralClassifier.load(estimator).getEpochs() == 77
