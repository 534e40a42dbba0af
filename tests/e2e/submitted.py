"""An application for spark-submit: fits, saves, loads and scores, and tells what it found as JSON in its last line.

    spark-submit --py-files tests.zip submitted.py MODEL_FOLDER

`tests.zip` is that of submit.helpers; `candlewick` comes from the wheel.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import candlewick
from candlewick import NeuralClassificationModel
from tests.e2e.support import blobs, classifier


def jars_of(spark: Any) -> list[str]:
    """Where the executors get jars from."""
    urls: list[str] = str(spark.sparkContext._jsc.sc().listJars().mkString(" ")).split()
    return urls


def main() -> None:
    """Does what every user does."""
    folder = sys.argv[1]
    spark = candlewick.session()
    data = blobs(spark)
    model = classifier().fit(data)
    model.write().overwrite().save(folder)
    loaded = NeuralClassificationModel.load(folder)
    scored = loaded.transform(data)
    found = {
        "candlewick": candlewick.__file__,
        "master": spark.sparkContext.master,
        "hash": model.weightsHash,
        "loaded": loaded.weightsHash,
        "trainers": model.summary.numTrainers,
        "right": scored.where("prediction = label").count(),
        "rows": scored.count(),
        "jars": [url.rsplit("/", 1)[-1] for url in jars_of(spark)],
    }
    spark.stop()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
