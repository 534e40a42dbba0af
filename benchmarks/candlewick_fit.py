"""Candlewick: fit on 60k x 784 in local[2] with two trainers, transform, and a fit on 1,000 rows in the warm session."""

from __future__ import annotations

import statistics

from common import BATCH, CLASSES, HIDDEN, LEARNING_RATE, WIDTH, argument, digits_like, report, timed
from pyspark.ml.linalg import Vectors
from pyspark.sql import functions as F

import candlewick
from candlewick import NeuralClassifier, nn, optim


def main() -> None:
    spark = candlewick.session(
        **{
            "spark.master": "local[2]",
            "spark.driver.memory": "6g",
            "spark.ui.enabled": "false",
            "spark.log.level": "ERROR",
        }
    )
    rows, epochs = argument("rows", 60_000), argument("epochs", 5)
    df = digits_like(spark, rows)
    layers = [layer for width in HIDDEN for layer in (nn.Linear(width), nn.ReLU())] + [nn.Linear(CLASSES)]
    estimator = NeuralClassifier(
        network=nn.Sequential(*layers),
        epochs=epochs,
        batchSize=BATCH,
        optimizer=optim.AdamW(lr=LEARNING_RATE),
        seed=1,
        numTrainers=2,
    )
    seconds, model = timed(lambda: estimator.fit(df))
    summary = model.summary
    feed_bytes = summary.ledger["featureBytes"]

    def score() -> int:
        return int(model.transform(df).select(F.sum("prediction")).first()[0])

    first, _ = timed(score)
    steady = [timed(score)[0] for _ in range(5)]
    accuracy = model.transform(df).where("prediction = label").count() / rows

    tiny_rows = [(Vectors.dense([float((i * j) % 7) for j in range(20)]), float(i % 2)) for i in range(1_000)]
    tiny = spark.createDataFrame(tiny_rows, ["features", "label"]).cache()
    tiny.count()
    small = NeuralClassifier(
        network=nn.Sequential(nn.Linear(32), nn.ReLU(), nn.Linear(2)), epochs=5, seed=1, numTrainers=2
    )
    small_fits = [timed(lambda: small.fit(tiny))[0] for _ in range(4)]
    second_fit, _ = timed(lambda: estimator.fit(df))
    only_feed = estimator.copy({estimator.epochs: 0})
    feeds = [only_feed.fit(df).summary.phases["feed"] for _ in range(7)]

    report(
        {
            "engine": "candlewick",
            "rows": rows,
            "epochs": epochs,
            "fit_s": round(seconds, 3),
            "fit_warm_s": round(second_fit, 3),
            "phases": summary.phases,
            "epoch_s": [round(record["seconds"], 3) for record in summary.history],
            "final_loss": summary.objectiveHistory[-1],
            "feed_rows_per_s": round(rows / summary.phases["feed"]),
            "feed_mb_per_s": round(feed_bytes / summary.phases["feed"] / 1e6),
            "feed_warm_mb_per_s": round(feed_bytes / statistics.median(feeds) / 1e6),
            "transform_first_rows_per_s": round(rows / first),
            "transform_steady_rows_per_s": round(rows / statistics.median(steady)),
            "accuracy": accuracy,
            "fit_1000_rows_s": [round(value, 3) for value in small_fits],
            "weights_hash": summary.weightsHash,
        }
    )
    assert WIDTH * 4 * rows == feed_bytes
    spark.stop()


if __name__ == "__main__":
    main()
