"""Sessions of the end-to-end tests: real Spark, one kind of cluster per module."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

import candlewick

from . import support

# Executors of local-cluster take this machine's address from here: the tests stay on loopback.
os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")

COMMON = {
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "4",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.log.level": "ERROR",
}


def start(master: str, **more: str) -> SparkSession:
    """A session on `master`; the one before, if any, is stopped first."""
    active = SparkSession.getActiveSession()
    if active is not None:
        active.stop()
    return candlewick.session(**{"spark.master": master, "spark.app.name": "candlewick-tests", **COMMON, **more})


@pytest.fixture(scope="module")
def local2() -> Iterator[SparkSession]:
    """Everything in the driver's JVM."""
    spark = start("local[2]")
    yield spark
    spark.stop()


@pytest.fixture(scope="module")
def local3() -> Iterator[SparkSession]:
    """Room for three trainers."""
    spark = start("local[3]")
    yield spark
    spark.stop()


@pytest.fixture(scope="module")
def cluster() -> Iterator[SparkSession]:
    """Two executors in JVMs of their own, one core each."""
    spark = start("local-cluster[2,1,1024]")
    yield spark
    spark.stop()


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """After every test, good or bad: no trainer process lives on."""
    yield
    support.no_trainer_left()
