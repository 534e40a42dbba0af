"""Tells handwritten digits apart: ETL in Spark, training by two trainer processes, scoring in Spark.

`make demo` runs it. By hand, with the package installed, from a checkout (it starts examples/data/export_digits.py):

    pip install scikit-learn matplotlib
    spark-submit --master 'local-cluster[2,1,1024]' --jars "$(python -m candlewick jars)" examples/python/digits.py --out digits-out

The driver writes the pictures into the folder of --out, and the executors read them there: it is for one machine, or for a cluster
in client mode whose hosts share that folder. Without matplotlib it draws no loss curve.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

import candlewick
from candlewick import NeuralClassificationModel, NeuralClassifier, TrainingSummary, nn, optim

PIXELS = 64
BRIGHTEST = 16.0


def read_digits(spark: SparkSession, folder: Path) -> DataFrame:
    """The pictures as rows of `features` (64 numbers in 0..1) and `label`."""
    csv = folder / "digits.csv"
    script = Path(__file__).resolve().parent.parent / "data" / "export_digits.py"
    subprocess.run([sys.executable, str(script), str(csv)], check=True)
    schema = ", ".join([*(f"p{i} INT" for i in range(PIXELS)), "label INT"])
    raw = spark.read.csv(csv.as_uri(), schema=schema, header=True).dropna()
    pixels: list[Column] = [F.col(f"p{i}") / BRIGHTEST for i in range(PIXELS)]
    return raw.select(F.array(*pixels).alias("features"), "label")


def confusion(scored: DataFrame) -> DataFrame:
    """Rows: what the digit is; columns: what the model says."""
    counts = scored.groupBy("label").pivot("prediction", [float(i) for i in range(10)]).count().na.fill(0)
    names = [F.col(f"`{float(i)}`").alias(str(i)) for i in range(10)]
    return counts.select(F.col("label").alias("digit"), *names).orderBy("digit")


def save_curve(summary: TrainingSummary, path: Path) -> str:
    """Draws the loss where matplotlib is installed; what to say of it."""
    try:
        summary.save_plot(path)
    except ImportError as error:
        return f"no loss curve: {error}"
    return f"loss curve saved in {path}"


def main() -> int:
    """Trains, scores, saves."""
    parser = argparse.ArgumentParser(description="Tells handwritten digits apart.")
    parser.add_argument(
        "--out", type=Path, default=Path("digits-out"), help="folder for the data, the model and the picture"
    )
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

    model.write().overwrite().save((out / "model").as_uri())
    summary = model.summary
    phases = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in summary.phases.items())
    print(f"{summary.totalSteps} steps by {summary.numTrainers} trainers: {phases}; weights {summary.weightsHash}")
    print(f"model saved in {out / 'model'}")
    print(save_curve(summary, out / "loss.png"))
    spark.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
