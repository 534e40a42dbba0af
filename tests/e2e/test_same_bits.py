"""The same data, parameters and seed give the same model bit for bit (protocols: rows placed by content, fixed tree)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pyspark.ml.linalg import SparseVector, Vectors
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, FloatType, IntegerType

from .support import BLOBS_HASH, blobs, classifier


def hash_of(df: DataFrame, **params: object) -> str:
    model = classifier(**params).fit(df)
    ledger = model.summary.ledger
    assert ledger["rowsRead"] == ledger["rowsSent"] == ledger["rowsSpooled"] == sum(ledger["shardRows"])
    return str(model.summary.weightsHash)


@pytest.fixture(scope="module")
def data(local3: SparkSession) -> DataFrame:
    return blobs(local3).cache()


@pytest.fixture(scope="module")
def expected() -> str:
    return BLOBS_HASH


@pytest.mark.parametrize("trainers", [1, 2, 3])
@pytest.mark.parametrize(
    "arrange",
    [lambda df: df, lambda df: df.repartition(7), lambda df: df.orderBy("label"), lambda df: df.coalesce(1)],
    ids=["as-is", "repartition7", "orderByLabel", "one-partition"],
)
def test_any_number_of_trainers_and_any_partitioning(
    data: DataFrame, expected: str, trainers: int, arrange: Callable[[DataFrame], DataFrame]
) -> None:
    assert hash_of(arrange(data), numTrainers=trainers) == expected


def test_threads_do_not_matter(data: DataFrame, expected: str) -> None:
    assert hash_of(data, numTrainers=1, threadsPerTrainer=3) == expected


def test_seed_and_shards_do_matter(local3: SparkSession) -> None:
    df = blobs(local3)
    base = hash_of(df)
    assert hash_of(df, seed=8) != base
    assert hash_of(df, logicalShards=4) != base


KINDS: dict[str, Callable[[DataFrame], DataFrame]] = {
    "array<double>": lambda df: df,
    "array<float>": lambda df: df.withColumn("features", F.col("features").cast(ArrayType(FloatType()))),
    "array<int>": lambda df: df.withColumn("features", F.col("features").cast(ArrayType(IntegerType()))),
    "int label": lambda df: df.withColumn("label", F.col("label").cast("int")),
    "bigint label": lambda df: df.withColumn("label", F.col("label").cast("bigint")),
    "float label": lambda df: df.withColumn("label", F.col("label").cast("float")),
    "tinyint label": lambda df: df.withColumn("label", F.col("label").cast("tinyint")),
    "decimal label": lambda df: df.withColumn("label", F.col("label").cast("decimal(10,2)")),
    "wide decimal label": lambda df: df.withColumn("label", F.col("label").cast("decimal(30,2)")),
}


@pytest.fixture(scope="module")
def whole_numbers(local3: SparkSession) -> DataFrame:
    """Features that every column kind can hold exactly; many zeros."""
    rows = [([float((i * k) % 5 if (i + k) % 3 else 0) for k in range(4)], float(i % 3)) for i in range(120)]
    return local3.createDataFrame(rows, "features array<double>, label double").cache()


@pytest.fixture(scope="module")
def whole_hash(whole_numbers: DataFrame) -> str:
    return hash_of(whole_numbers)


@pytest.mark.parametrize("kind", KINDS)
def test_the_type_of_a_column_does_not_matter(whole_numbers: DataFrame, whole_hash: str, kind: str) -> None:
    assert hash_of(KINDS[kind](whole_numbers)) == whole_hash


def test_dense_and_sparse_vectors_are_the_same_rows(whole_numbers: DataFrame, whole_hash: str) -> None:
    rows = whole_numbers.collect()
    spark = whole_numbers.sparkSession
    dense = spark.createDataFrame([(Vectors.dense(r.features), r.label) for r in rows], ["features", "label"])
    sparse = spark.createDataFrame(
        [(SparseVector(4, [(i, v) for i, v in enumerate(r.features) if v]), r.label) for r in rows],
        ["features", "label"],
    )
    assert hash_of(dense) == whole_hash
    assert hash_of(sparse) == whole_hash


def test_many_columns_equal_one_array(whole_numbers: DataFrame, whole_hash: str) -> None:
    columns = whole_numbers.select(
        F.col("features")[0].cast("int").alias("a"),
        F.col("features")[1].cast("double").alias("b"),
        F.col("features")[2].cast("bigint").alias("c"),
        F.col("features")[3].cast("decimal(6,1)").alias("d"),
        "label",
    )
    assert hash_of(columns, featuresCols=["a", "b", "c", "d"]) == whole_hash


def test_binary_with_scale_equals_scaled_numbers(local3: SparkSession) -> None:
    rows = [(bytearray((i * k) % 256 for k in range(6)), float(i % 3)) for i in range(90)]
    binary = local3.createDataFrame(rows, "features binary, label double")
    numbers = local3.createDataFrame(
        [([float(b) for b in data], label) for data, label in rows], "features array<double>, label double"
    )
    assert hash_of(binary, inputShape=[6], scale=0.5) == hash_of(numbers, scale=0.5)


def test_weights_of_one_change_nothing_and_others_do(whole_numbers: DataFrame, whole_hash: str) -> None:
    weighted = whole_numbers.withColumn("w", F.lit(1))
    assert hash_of(weighted, weightCol="w") == whole_hash
    assert hash_of(weighted.withColumn("w", F.col("label") + 0.5), weightCol="w") != whole_hash
