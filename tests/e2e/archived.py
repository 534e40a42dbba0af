"""What most tests do, once: tools/class_archive.py keeps the classes that it loads. The argument is a folder."""

from __future__ import annotations

import sys

from pyspark.ml.linalg import Vectors
from pyspark.sql import SparkSession

from candlewick import NeuralClassificationModel, NeuralClassifier, nn


def main(folder: str) -> None:
    spark = SparkSession.builder.config("spark.ui.enabled", "false").getOrCreate()
    rows = [(Vectors.dense([row / 100.0, 1.0]), float(row % 2)) for row in range(100)]
    spark.createDataFrame(rows, ["features", "label"]).write.parquet(f"{folder}/rows")
    df = spark.read.parquet(f"{folder}/rows").repartition(2)
    network = nn.Sequential(nn.Linear(4), nn.ReLU(), nn.Linear(2))
    model = NeuralClassifier(network=network, epochs=2, numTrainers=2).fit(df)
    model.save(f"{folder}/model")
    scored = NeuralClassificationModel.load(f"{folder}/model").transform(df)
    assert len(scored.groupBy("features").count().toPandas()) == 100
    # Executors are JVMs of this class.
    assert spark._jvm is not None
    spark._jvm.java.lang.Class.forName("org.apache.spark.executor.CoarseGrainedExecutorBackend$")
    spark.stop()


if __name__ == "__main__":
    main(sys.argv[1])
