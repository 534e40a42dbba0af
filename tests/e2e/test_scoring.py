"""Scoring as a user of Python meets it: in a query, rows that are not valid, layers as columns, SQL."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

import candlewick
from candlewick import NeuralClassificationModel, errors, nn

from .support import blobs, classifier


@pytest.fixture(scope="module")
def data(local2: SparkSession) -> DataFrame:
    return blobs(local2).withColumn("id", F.monotonically_increasing_id()).cache()


@pytest.fixture
def model(trained: NeuralClassificationModel) -> NeuralClassificationModel:
    return trained.copy()


@pytest.fixture(scope="module")
def trained(data: DataFrame) -> NeuralClassificationModel:
    return classifier(epochs=1).fit(data)


def plan(frame: DataFrame) -> str:
    return str(frame._jdf.queryExecution().executedPlan())


def test_conditions_and_pruning(data: DataFrame, model: NeuralClassificationModel, tmp_path: Path) -> None:
    data.withColumn("dt", F.col("id") % 3).write.partitionBy("dt").parquet(str(tmp_path / "table"))
    table = data.sparkSession.read.parquet(str(tmp_path / "table"))
    scored = model.transform(table)
    text = plan(scored.where("dt = 2").select("id", "prediction"))
    assert "CandlewickScore" in text and "PartitionFilters: [isnotnull(dt#" in text, text
    assert "-> [prediction#" in text, text
    for nothing in [scored.select("id"), scored.groupBy("dt").count(), scored.groupBy().count()]:
        assert "CandlewickScore" not in plan(nothing), plan(nothing)
    assert scored.count() == data.count()


def test_rows_that_are_not_valid(data: DataFrame, model: NeuralClassificationModel) -> None:
    holes = data.withColumn("features", F.when(F.col("label") != 0, F.col("features")))
    empty = holes.where("features is null").count()
    kept = model.setHandleInvalid("keep").transform(holes)
    assert kept.where("prediction is null and probability is null").count() == empty > 0
    assert kept.count() == data.count()
    # Sums of partitions meet in any order.
    others = model.copy().setHandleInvalid("error").evaluate(holes.where("features is not null"))
    assert model.evaluate(holes) == pytest.approx(others, abs=1e-9)
    with pytest.raises(errors.InvalidParameterError, match=r'model\.setHandleInvalid\("keep"\)'):
        classifier(epochs=1, handleInvalid="keep").fit(data)


def test_layers_as_columns(data: DataFrame, model: NeuralClassificationModel, tmp_path: Path) -> None:
    model.setOutputCols({"0": "linear", "1": "embedding"})
    assert model.getOutputCols() == {"0": "linear", "1": "embedding"}
    model.write().save(str(tmp_path / "model"))
    loaded = NeuralClassificationModel.load(str(tmp_path / "model"))
    assert loaded.getOutputCols() == model.getOutputCols()
    rows = loaded.transform(data).select("linear", "embedding").limit(20).collect()
    for row in rows:
        assert [max(value, 0.0) for value in row.linear] == list(row.embedding)
    with pytest.raises(errors.InvalidParameterError, match='no layer or node "nine"; it has 0, 1'):
        model.setOutputCols({"nine": "x"}).transform(data)
    with pytest.raises(TypeError, match="at least one name with a text"):
        model.setOutputCols({})
    fitted = classifier(epochs=0, outputCols={"1": "embedding"}).fit(data)
    assert fitted.transform(data).columns[-1] == "embedding"


def test_a_graph_by_the_names_of_its_nodes(local2: SparkSession) -> None:
    rows = [([i % 5 / 5.0, i % 4 / 4.0], float(i % 2)) for i in range(40)]
    frame = local2.createDataFrame(rows, "point array<double>, label double")
    point = nn.Input("point", 2)
    hidden = nn.Tanh()(nn.Linear(3)(point), name="hidden")
    network = nn.Graph(inputs=[point], outputs={"y": nn.Linear(2)(hidden)})
    model = candlewick.NeuralClassifier(network=network, epochs=1).fit(frame)
    scored = model.setOutputCols({"hidden": "embedding"}).transform(frame)
    assert all(row.embedding.size == 3 for row in scored.collect())


def test_sql(data: DataFrame, model: NeuralClassificationModel) -> None:
    spark = data.sparkSession
    data.createOrReplaceTempView("scored_points")
    candlewick.register(spark, "blobs", model)
    wanted = {row.id: row.prediction for row in model.transform(data).select("id", "prediction").collect()}
    frame = spark.sql("SELECT id, candlewick_predict('blobs', features) AS p FROM scored_points")
    assert {row.id: row.p for row in frame.collect()} == wanted
    assert "CandlewickScore" in plan(frame)
    ones = spark.sql("SELECT id FROM scored_points WHERE candlewick_predict('blobs', features) = 1")
    assert {row.id for row in ones.collect()} == {key for key, value in wanted.items() if value == 1.0}
    vectors = spark.sql("SELECT candlewick_predict('blobs', features, 'probability') AS p FROM scored_points LIMIT 1")
    assert abs(sum(vectors.head().p) - 1.0) < 1e-9  # type: ignore[union-attr]
    with pytest.raises(errors.InvalidParameterError, match="no model is registered as 'other'"):
        spark.sql("SELECT candlewick_predict('other', features) FROM scored_points")
    with pytest.raises(TypeError, match="register needs a model"):
        candlewick.register(spark, "x", "model")  # type: ignore[arg-type]
