"""Predicts the course of a disease from ten measurements: a regression on scikit-learn's diabetes set.

spark-submit --jars candlewick-spark-4.0_2.13-*.jar diabetes.py
"""

from __future__ import annotations

import argparse
import sys

from pyspark.ml import Pipeline
from pyspark.ml.evaluation import RegressionEvaluator
from pyspark.ml.feature import StandardScaler, VectorAssembler
from pyspark.sql import functions as F
from sklearn.datasets import load_diabetes

import candlewick
from candlewick import NeuralRegressor, nn, optim


def main() -> int:
    """Trains and prints errors on rows that were not trained on."""
    parser = argparse.ArgumentParser(description="Regression on the diabetes set.")
    parser.add_argument("--epochs", type=int, default=60)
    given = parser.parse_args()

    spark = candlewick.session(spark_app_name="candlewick-diabetes")
    data = load_diabetes(scaled=False)
    names = [str(name) for name in data.feature_names]
    rows = [
        [*(float(value) for value in row), float(target)] for row, target in zip(data.data, data.target, strict=True)
    ]
    frame = spark.createDataFrame(rows, [*names, "progression"])
    # A network learns best where the label is of the order of one.
    train, test = frame.withColumn("label", F.col("progression") / 100.0).randomSplit([0.8, 0.2], seed=4)

    pipeline = Pipeline(
        stages=[
            VectorAssembler(inputCols=names, outputCol="raw"),
            StandardScaler(inputCol="raw", outputCol="features", withMean=True),
            NeuralRegressor(
                network=nn.Sequential(nn.Linear(32), nn.Tanh(), nn.Linear(1)),
                optimizer=optim.AdamW(lr=5e-3),
                epochs=given.epochs,
                batchSize=32,
                seed=3,
                verbose=True,
            ),
        ]
    )
    scored = pipeline.fit(train).transform(test).cache()
    scored.select("progression", (F.col("prediction") * 100.0).alias("predicted")).show(5)
    for metric in ("rmse", "r2"):
        print(f"{metric} {RegressionEvaluator(metricName=metric).evaluate(scored):.4f}")
    spark.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
