"""A bag of words end to end: HashingTF, a table that takes the vectors as counts, scores."""

from __future__ import annotations

import pytest
from pyspark.ml import Pipeline
from pyspark.ml.feature import HashingTF
from pyspark.ml.functions import vector_to_array
from pyspark.ml.linalg import DenseVector, SparseVector, VectorUDT
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from candlewick import NeuralClassifier, nn, optim
from candlewick.errors import CandlewickError, InvalidDataError

WIDTH = 1 << 12


def words(spark: SparkSession) -> DataFrame:
    """Lines of six words, of which some come twice; whether most of them are odd is to be learned. The last has none."""
    places = F.sequence(F.lit(1), F.lit(6))
    row = spark.range(0, 900, 1, 4).select(
        F.transform(places, lambda at: F.pmod(F.hash("id", at), F.lit(60))).alias("numbers")
    )
    odd = F.aggregate("numbers", F.lit(0), lambda sum, number: sum + number % 2)
    strings = F.transform("numbers", lambda number: number.cast("string"))
    return row.select(strings.alias("words"), (odd > 3).cast("double").alias("label"))


def classifier(trainers: int = 1) -> NeuralClassifier:
    table = nn.EmbeddingBag(WIDTH, 8, mode="mean", input="counts")
    return NeuralClassifier(
        network=nn.Sequential(table, nn.Linear(2)),
        optimizer=optim.Adagrad(lr=0.3),
        epochs=12,
        batchSize=64,
        seed=3,
        numTrainers=trainers,
        verbose=False,
    )


@pytest.fixture(scope="module")
def data(local2: SparkSession) -> DataFrame:
    return HashingTF(inputCol="words", outputCol="features", numFeatures=WIDTH).transform(words(local2)).cache()


def test_hashed_words_train_and_score(data: DataFrame) -> None:
    models = {trainers: classifier(trainers=trainers).fit(data) for trainers in (1, 2)}
    assert models[1].summary.weightsHash == models[2].summary.weightsHash
    scored = models[2].transform(data)
    right = scored.where("prediction = label").count() / scored.count()
    assert right > 0.95, right
    # Dense rows give the same model, and the same scores.
    dense = F.udf(lambda vector: DenseVector(vector.toArray()), VectorUDT())
    full = data.withColumn("features", dense("features"))
    arrays = data.withColumn("features", vector_to_array(F.col("features"), "float32"))
    columns = ["label", "rawPrediction", "probability", "prediction"]
    wanted = [row[:] for row in scored.select(columns).collect()]
    for other in (full, arrays):
        assert [row[:] for row in models[1].transform(other).select(columns).collect()] == wanted
    assert classifier(trainers=2).fit(arrays).summary.weightsHash == models[1].summary.weightsHash


def test_a_pipeline_from_words_to_classes(local2: SparkSession) -> None:
    hashing = HashingTF(inputCol="words", outputCol="features", numFeatures=WIDTH)
    model = Pipeline(stages=[hashing, classifier(trainers=1)]).fit(words(local2))
    empty = local2.createDataFrame([([], 0.0)], "words array<string>, label double")
    [row] = model.transform(empty).collect()
    assert all(abs(value) < 100 for value in row.rawPrediction), "an empty bag is 0"


def test_another_width_and_values_below_zero_are_named(local2: SparkSession, data: DataFrame) -> None:
    narrow = HashingTF(inputCol="words", outputCol="features", numFeatures=1000).transform(words(local2))
    with pytest.raises(CandlewickError, match=r"got an input of shape \[1000\]; set num_embeddings=1000"):
        classifier().fit(narrow)
    model = classifier().fit(data)
    rows = [(SparseVector(WIDTH, {3: 1.0, 7: -1.0}), 1.0), (SparseVector(WIDTH, {3: 1.0}), 0.0)] * 4
    below = local2.createDataFrame(rows, ["features", "label"])
    dense = below.withColumn("features", vector_to_array(F.col("features")))
    for frame in (below, dense):
        wrong = r"(?s)column 'features' is -1 at index 7 .*at least 0 .*row 0 of it"
        with pytest.raises(InvalidDataError, match=wrong):
            classifier(trainers=1).fit(frame.coalesce(1))
        with pytest.raises(Exception, match=r"(?s)column 'features' is -1 at index 7 .*at least 0"):
            model.transform(frame).collect()
        left = classifier(trainers=1).setHandleInvalid("skip").setEpochs(1).fit(frame)
        assert left.summary.ledger["rowsSkipped"] == 4
        assert model.copy().setHandleInvalid("skip").transform(frame).count() == 4
