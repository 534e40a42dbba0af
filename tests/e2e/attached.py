"""A notebook in a process of its own: plain PySpark has started its session, without the jar, and worked with it.

Run by test_attach.py; prints what came of it as JSON.
"""

from __future__ import annotations

import json
import sys
import threading

from pyspark.sql import SparkSession

import candlewick
from candlewick.errors import SetupError
from tests.e2e.conftest import COMMON
from tests.e2e.support import blobs, classifier


def started(master: str) -> SparkSession:
    """A session that has run jobs on every executor before anybody thought of Candlewick."""
    builder = SparkSession.builder.master(master)
    for name, value in COMMON.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    assert spark.range(1000).repartition(4).selectExpr("sum(id)").first() == (499500,)
    return spark


def refused(spark: SparkSession) -> str:
    """What a class loader says that takes no jars."""
    java = spark.sparkContext._jvm
    assert java is not None
    thread = java.java.lang.Thread.currentThread()
    before = thread.getContextClassLoader()
    thread.setContextClassLoader(java.java.lang.ClassLoader.getSystemClassLoader())
    try:
        candlewick.attach(spark)
    except SetupError as error:
        return str(error)
    finally:
        thread.setContextClassLoader(before)
    return ""


def estimator_without_the_jar() -> str:
    """What an estimator says before the jar is there."""
    try:
        classifier()
    except SetupError as error:
        return str(error)
    return ""


def main() -> None:
    """Attaches, trains, scores, in this thread and another."""
    spark = started(sys.argv[1])
    found: dict[str, object] = {"before": estimator_without_the_jar(), "refused": refused(spark)}
    if sys.argv[2] == "session":
        assert candlewick.session() is spark
    else:
        candlewick.attach(spark)
        candlewick.attach(spark)
    data = blobs(spark)
    model = classifier().fit(data)
    found["hash"] = model.weightsHash
    found["trainers"] = model.summary.numTrainers
    found["scored"] = model.transform(data).where("prediction = label").count()

    def elsewhere() -> None:
        found["elsewhere"] = classifier(epochs=1).fit(data).transform(data).count()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    spark.stop()
    # The driver of the next session has the classes still, its executors have none.
    again = started(sys.argv[1])
    candlewick.attach(again)
    found["again"] = classifier().fit(blobs(again)).weightsHash
    again.stop()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
