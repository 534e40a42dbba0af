"""Executors in JVMs of their own give the bits that a single JVM gives."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from .support import BLOBS_HASH, blobs, classifier


@pytest.mark.parametrize(("trainers", "partitions"), [(1, 5), (2, 2), (2, 7)])
def test_a_cluster_gives_the_same_bits(cluster: SparkSession, trainers: int, partitions: int) -> None:
    df = blobs(cluster).repartition(partitions)
    assert classifier(numTrainers=trainers).fit(df).weightsHash == BLOBS_HASH
