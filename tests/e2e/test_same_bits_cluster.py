"""Executors in JVMs of their own give the bits that a single JVM gives."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from .support import BLOBS_HASH, blobs, classifier


@pytest.mark.parametrize(("trainers", "partitions"), [(1, 5), (2, 2), (2, 7)])
def test_a_cluster_gives_the_same_bits(cluster: SparkSession, trainers: int, partitions: int) -> None:
    df = blobs(cluster).repartition(partitions)
    assert classifier(numTrainers=trainers).fit(df).weightsHash == BLOBS_HASH


def test_encrypted_connections_give_the_same_bits(cluster: SparkSession) -> None:
    model = classifier(numTrainers=2, transportSecurity="tls").fit(blobs(cluster).repartition(3))
    assert model.weightsHash == BLOBS_HASH
    assert model.summary.transportSecurity == "tls"
    # All of it is on this machine.
    assert classifier(numTrainers=2).fit(blobs(cluster)).summary.transportSecurity == "none"
