"""What a user does first, end to end, on the Spark that this Python finds; `make matrix` runs it on each that is supported.

Prints what came of it as JSON in its last line. It needs nothing but PySpark, NumPy and Candlewick.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.evaluation import MulticlassClassificationEvaluator, RegressionEvaluator
from pyspark.ml.feature import StandardScaler
from pyspark.ml.util import DefaultParamsReader
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import candlewick
from candlewick import NeuralClassificationModel, NeuralRegressor, nn, optim
from tests.e2e import support
from tests.e2e.support import BLOBS_HASH, blobs, classifier

FIXTURES = Path(__file__).parents[1] / "fixtures" / "models"
SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "4",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}


def session(master: str) -> SparkSession:
    """With the jar from the start; on a cluster it comes later, as to a notebook."""
    settings = {"spark.master": master, "spark.app.name": "candlewick-matrix", **SETTINGS}
    if master.startswith("local["):
        spark = candlewick.session(settings)
    else:
        builder = SparkSession.builder
        for name, value in settings.items():
            builder = builder.config(name, value)
        spark = builder.getOrCreate()
        candlewick.attach(spark)
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def same(one: DataFrame, other: DataFrame) -> None:
    columns = ["id", "prediction", "probability"]
    left, right = (sorted(map(str, frame.select(columns).collect())) for frame in (one, other))
    assert left == right and len(left) == 600, (left[:2], right[:2])


def classifies(data: DataFrame, folder: Path) -> dict[str, str]:
    """Fit, transform, evaluate, save and load, a Pipeline, SQL, a stream."""
    model = classifier().fit(data)
    assert model.weightsHash == BLOBS_HASH, model.weightsHash
    scored = model.transform(data).cache()
    accuracy = MulticlassClassificationEvaluator(metricName="accuracy").evaluate(scored)
    assert accuracy > 0.8 and abs(accuracy - model.evaluate(data)["accuracy"]) < 1e-9, accuracy
    assert model.summary.totalSteps == 30 and model.numFeatures == 6

    model.write().overwrite().save(str(folder / "model"))
    same(scored, NeuralClassificationModel.load(str(folder / "model")).transform(data))

    scaler = StandardScaler(inputCol="features", outputCol="scaled", withMean=True)
    stages = Pipeline(stages=[scaler, classifier(featuresCol="scaled", epochs=1)]).fit(data)
    stages.write().save(str(folder / "pipeline"))
    same(stages.transform(data), PipelineModel.load(str(folder / "pipeline")).transform(data))

    streams(model, data, scored, folder / "table")
    return {"classifier": model.weightsHash}


def streams(model: NeuralClassificationModel, data: DataFrame, scored: DataFrame, table: Path) -> None:
    """SQL and a stream give what transform gives, and Spark's optimiser sees through the operator."""
    spark = data.sparkSession
    candlewick.register(spark, "blobs", model)
    data.withColumn("part", F.col("id") % 2).write.partitionBy("part").parquet(str(table))
    saved = spark.read.parquet(str(table))
    saved.createOrReplaceTempView("blobs")
    by_sql = spark.sql("SELECT id, candlewick_predict('blobs', features) AS prediction FROM blobs")
    stream = spark.readStream.schema(saved.schema).option("maxFilesPerTrigger", "1").parquet(str(table))
    query = model.transform(stream).writeStream.format("memory").queryName("scores").start()
    try:
        query.processAllAvailable()
    finally:
        query.stop()
    wanted = sorted(scored.select("id", "prediction").collect())
    for found in (by_sql, spark.table("scores").select("id", "prediction")):
        assert sorted(found.collect()) == wanted
    plans: Callable[[DataFrame], str] = lambda frame: str(frame._jdf.queryExecution().executedPlan())  # noqa: E731
    filtered = plans(model.transform(saved).where("part = 1").select("id", "prediction"))
    assert "CandlewickScore" in filtered and "PartitionFilters: [isnotnull(part#" in filtered, filtered
    assert "CandlewickScore" not in plans(model.transform(saved).select("id"))


def loads(spark: SparkSession) -> None:
    """Models that other versions of Spark saved give what they gave."""
    folders = sorted(path.parent for path in FIXTURES.glob("*/*/stage") if (path.parent / "expected.json").exists())
    assert len(folders) > 4
    for folder in folders:
        # Before Spark 4 it takes the context.
        known_to = spark if spark.version >= "4" else spark.sparkContext
        stage: Any = DefaultParamsReader.loadParamsInstance(str(folder / "stage"), known_to)
        expected = json.loads((folder / "expected.json").read_text())
        scored = stage.transform(spark.createDataFrame(expected["rows"])).collect()
        for row, known in zip(scored, expected["results"], strict=True):
            for name, values in known.items():
                given = row[name].toArray() if hasattr(row[name], "toArray") else [row[name]]
                assert np.allclose(given, values, rtol=1e-5, atol=1e-5), (folder, name)


def regresses(data: DataFrame, folder: Path) -> dict[str, str]:
    net = nn.Sequential(nn.Linear(16), nn.ReLU(), nn.Linear(1))
    regressor = NeuralRegressor(network=net, epochs=20, batchSize=64, optimizer=optim.AdamW(lr=1e-2), seed=7)
    regressor.write().save(str(folder / "regressor"))
    model = NeuralRegressor.load(str(folder / "regressor")).fit(data)
    error = RegressionEvaluator(metricName="rmse").evaluate(model.transform(data))
    assert error < 0.5 and abs(error - model.evaluate(data)["rmse"]) < 1e-6, error
    return {"regressor": model.weightsHash}


def recovers(data: DataFrame) -> None:
    """A trainer on an executor is killed while it trains: the fit goes on, and its model is the same."""
    killed: list[support.Trainer] = []

    def strike(epoch: Any) -> bool:
        if not killed:
            killed.append(support.trainers()[0])
            support.kill(killed[0].pid)
        return False

    model = classifier().setCallbacks([strike]).fit(data)
    assert model.weightsHash == BLOBS_HASH, model.weightsHash
    (recovery,) = model.summary.recoveryLog
    assert f"pid {killed[0].pid}" in recovery["cause"], recovery
    assert model.transform(data).where("prediction = label").count() > 480


def main() -> None:
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    hashes: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        for master in ("local[2]", "local-cluster[2,1,1024]"):
            spark = session(master)
            data = blobs(spark).withColumn("id", F.monotonically_increasing_id()).repartition(4).cache()
            if master == "local[2]":
                loads(spark)
                hashes = {**classifies(data, Path(folder)), **regresses(data, Path(folder))}
            else:
                recovers(data)
            java: Any = spark.sparkContext._jvm
            found = {
                "spark": spark.version,
                "scala": str(java.scala.util.Properties.versionNumberString()),
                "java": str(java.java.lang.System.getProperty("java.version")),
                "python": sys.version.split()[0],
                "jar": Path(candlewick.jars()).name,
            }
            spark.stop()
            support.no_trainer_left()
    print(json.dumps({**found, "hashes": hashes}))


if __name__ == "__main__":
    main()
