"""Tells handwritten digits apart: ETL in Spark, training by two trainer processes, scoring in Spark.

Run it with `make demo`, or on any cluster:

    spark-submit --master 'local-cluster[2,1,1024]' --jars candlewick-spark-4.0_2.13-*.jar digits.py --out digits-out
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

import candlewick
from candlewick import NeuralClassificationModel, NeuralClassifier, nn, optim

PIXELS = 64
BRIGHTEST = 16.0


def read_digits(spark: SparkSession, folder: Path) -> DataFrame:
    """The pictures as rows of `features` (64 numbers in 0..1) and `label`."""
    csv = folder / "digits.csv"
    script = Path(__file__).resolve().parent.parent / "data" / "export_digits.py"
    subprocess.run([sys.executable, str(script), str(csv)], check=True)
    schema = ", ".join([*(f"p{i} INT" for i in range(PIXELS)), "label INT"])
    raw = spark.read.csv(str(csv), schema=schema, header=True).dropna()
    pixels: list[Column] = [F.col(f"p{i}") / BRIGHTEST for i in range(PIXELS)]
    return raw.select(F.array(*pixels).alias("features"), "label")


def confusion(scored: DataFrame) -> DataFrame:
    """Rows: what the digit is; columns: what the model says."""
    counts = scored.groupBy("label").pivot("prediction", [float(i) for i in range(10)]).count().na.fill(0)
    names = [F.col(f"`{float(i)}`").alias(str(i)) for i in range(10)]
    return counts.select(F.col("label").alias("digit"), *names).orderBy("digit")


def main() -> int:
    """Trains, scores, saves."""
    parser = argparse.ArgumentParser(description="Tells handwritten digits apart.")
    parser.add_argument("--out", type=Path, default=Path("digits-out"), help="folder for the model and the picture")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--trainers", type=int, default=2)
    given = parser.parse_args()
    out: Path = given.out.resolve()

    spark = candlewick.session(spark_app_name="candlewick-digits")
    train, test = read_digits(spark, out).cache().randomSplit([0.8, 0.2], seed=11)

    classifier = NeuralClassifier(
        network=nn.Sequential(nn.Linear(128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64), nn.ReLU(), nn.Linear(10)),
        optimizer=optim.AdamW(lr=3e-3),
        epochs=given.epochs,
        batchSize=64,
        seed=7,
        numTrainers=given.trainers,
        verbose=True,
    )
    model: NeuralClassificationModel = classifier.fit(train)

    scored = model.transform(test).cache()
    right, total = scored.filter(F.col("label") == F.col("prediction")).count(), scored.count()
    print(f"\nconfusion matrix of {total} pictures that were not trained on (rows: digit, columns: prediction)")
    confusion(scored).show(truncate=False)
    print(f"accuracy {right / total:.4f} ({right} of {total})")

    model.write().overwrite().save(str(out / "model"))
    summary = model.summary
    phases = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in summary.phases.items())
    print(f"{summary.totalSteps} steps by {summary.numTrainers} trainers: {phases}; weights {summary.weightsHash}")
    print(f"model saved in {out / 'model'}")
    summary.save_plot(out / "loss.png")
    print(f"loss curve saved in {out / 'loss.png'}")
    spark.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
