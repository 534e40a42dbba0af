"""Metrics, validation rows and early stopping: scikit-learn's values, the same bits on any cluster."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from pyspark.ml.linalg import Vectors
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from sklearn import metrics as sk

from candlewick import EarlyStopping, NeuralClassifier, NeuralRegressor, nn, optim
from candlewick.errors import InvalidDataError, InvalidParameterError

from .support import BLOBS_HASH, blobs, classifier

ROWS = 2600


def noisy(spark: SparkSession, classes: int) -> DataFrame:
    """Classes that overlap, some rows marked for validation, weights."""
    rng = np.random.default_rng(classes)
    labels = rng.integers(0, classes, ROWS)
    features = rng.normal(size=(ROWS, 4))
    features[np.arange(ROWS), labels] += 1
    weights = np.round(rng.uniform(0, 2, ROWS), 2)
    marks = rng.uniform(size=ROWS) < 0.5
    rows = [
        (Vectors.dense(x.tolist()), float(y), float(w), bool(v))
        for x, y, w, v in zip(features, labels, weights, marks, strict=True)
    ]
    return spark.createDataFrame(rows, ["features", "label", "weight", "held"]).cache()


@pytest.fixture(scope="module")
def three(local3: SparkSession) -> DataFrame:
    return noisy(local3, 3)


@pytest.fixture(scope="module")
def two(local3: SparkSession) -> DataFrame:
    return noisy(local3, 2)


METRICS = ["accuracy", "top_2_accuracy", "precision", "recall_macro", "f1_micro", "roc_auc", "pr_auc", "log_loss"]
METRICS += ["confusion_matrix"]


def told(model: Any) -> list[dict[str, Any]]:
    """The history without the clock."""
    return [{k: v for k, v in record.items() if k != "seconds"} for record in model.summary.history]


def scored(model: Any, df: DataFrame) -> tuple[Any, Any, Any, Any]:
    """Labels, weights, predictions and probabilities."""
    rows = model.transform(df).select("label", "weight", "prediction", "probability").collect()
    return (
        np.array([row[0] for row in rows]),
        np.array([row[1] for row in rows]),
        np.array([row[2] for row in rows]),
        np.array([row[3].toArray() for row in rows]),
    )


def test_rows_with_the_ignored_label_count_nowhere(three: DataFrame) -> None:
    unknown = three.withColumn(
        "label", F.when(F.col("features").cast("string").endswith("1]"), -1.0).otherwise(F.col("label"))
    )
    common = dict(metrics=METRICS, validationIndicatorCol="held", weightCol="weight")
    model = classifier(loss=nn.CrossEntropyLoss(ignore_index=-1), numTrainers=2, **common).fit(unknown)
    record = model.summary.history[-1]
    known = unknown.filter("held and label >= 0")
    assert 0 < known.count() < three.filter("held").count()
    y, w, predicted, p = scored(model, known)
    assert record["val_accuracy"] == pytest.approx(sk.accuracy_score(y, predicted, sample_weight=w))
    assert record["val_log_loss"] == pytest.approx(sk.log_loss(y, p, sample_weight=w), rel=1e-6)
    assert record["val_loss"] == pytest.approx(record["val_log_loss"], rel=1e-5)
    areas = sk.roc_auc_score(y, p, multi_class="ovr", average="macro", sample_weight=w)
    assert record["val_roc_auc"] == pytest.approx(areas)
    assert np.sum(record["val_confusion_matrix"]) == pytest.approx(w.sum())
    with pytest.raises(InvalidDataError, match="and -1 for rows that do not count"):
        classifier(loss=nn.CrossEntropyLoss(ignore_index=-1)).fit(three.withColumn("label", F.lit(-2.0)))
    with pytest.raises(InvalidDataError, match="whole numbers 0 to 2"):
        classifier().fit(three.withColumn("label", F.lit(-100.0)))


def test_multi_class_values_are_scikit_learns(three: DataFrame) -> None:
    model = classifier(metrics=METRICS, validationIndicatorCol="held", weightCol="weight", numTrainers=2).fit(three)
    record = model.summary.history[-1]
    y, w, predicted, p = scored(model, three.filter("held"))
    assert model.summary.ledger["validationRows"] == len(y) == ROWS - record["rows"] > 1024
    onehot = np.eye(3)[y.astype(int)]
    expected = {
        "accuracy": sk.accuracy_score(y, predicted, sample_weight=w),
        "top_2_accuracy": sk.top_k_accuracy_score(y, p, k=2, sample_weight=w),
        "precision": sk.precision_score(y, predicted, average="weighted", sample_weight=w),
        "recall_macro": sk.recall_score(y, predicted, average="macro", sample_weight=w),
        "f1_micro": sk.f1_score(y, predicted, average="micro", sample_weight=w),
        "roc_auc": sk.roc_auc_score(y, p, multi_class="ovr", average="macro", sample_weight=w),
        "pr_auc": sk.average_precision_score(onehot, p, average="macro", sample_weight=w),
        "log_loss": sk.log_loss(y, p, sample_weight=w),
    }
    for name, value in expected.items():
        assert record[f"val_{name}"] == pytest.approx(value, abs=1e-10), name
    matrix = sk.confusion_matrix(y, predicted, sample_weight=w)
    assert np.allclose(record["val_confusion_matrix"], matrix, atol=1e-9)
    assert record["val_loss"] == pytest.approx(expected["log_loss"], rel=1e-5)
    assert {"accuracy", "top_2_accuracy", "log_loss"} <= set(record)
    assert not {"roc_auc", "pr_auc", "confusion_matrix"} & set(record)


def test_binary_values_are_scikit_learns_with_thresholds(two: DataFrame) -> None:
    net = nn.Sequential(nn.Linear(8), nn.Tanh(), nn.Linear(1))
    names = ["accuracy", "precision", "recall", "f1", "roc_auc", "pr_auc"]
    model = NeuralClassifier(
        network=net,
        epochs=2,
        metrics=names,
        thresholds=[0.7, 0.3],
        validationIndicatorCol="held",
        weightCol="weight",
        numTrainers=3,
    ).fit(two)
    record = model.summary.history[-1]
    y, w, predicted, p = scored(model, two.filter("held"))
    precision, recall, f1, _ = sk.precision_recall_fscore_support(y, predicted, average="binary", sample_weight=w)
    expected = {
        "accuracy": sk.accuracy_score(y, predicted, sample_weight=w),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "roc_auc": sk.roc_auc_score(y, p[:, 1], sample_weight=w),
        "pr_auc": sk.average_precision_score(y, p[:, 1], sample_weight=w),
    }
    for name, value in expected.items():
        assert record[f"val_{name}"] == pytest.approx(value, abs=1e-10), name


def test_a_regressor_of_two_outputs(local3: SparkSession) -> None:
    rng = np.random.default_rng(1)
    rows = [
        ([float(a), float(b)], [float(a + b), float(a * b)], i % 4 == 0)
        for i, (a, b) in enumerate(rng.normal(size=(900, 2)))
    ]
    df = local3.createDataFrame(rows, ["features", "label", "held"])
    net = nn.Sequential(nn.Linear(16), nn.Tanh(), nn.Linear(2))
    names = ["mae", "mse", "rmse", "r2", "mape"]
    frozen = optim.SGD(lr=0.0)
    model = NeuralRegressor(
        network=net, epochs=1, metrics=names, validationIndicatorCol="held", optimizer=frozen, batchSize=100
    ).fit(df)
    record = model.summary.history[-1]
    # Nothing is learnt, so the outputs of the training steps are those of the model.
    for prefix, held in [("val_", True), ("", False)]:
        scored = model.transform(df.filter(F.col("held") == held)).select("label", "prediction").collect()
        y = np.array([row[0] for row in scored])
        out = np.array([row[1].toArray() for row in scored])
        expected = {
            "mae": sk.mean_absolute_error(y, out),
            "mse": sk.mean_squared_error(y, out),
            "rmse": sk.root_mean_squared_error(y, out),
            "r2": sk.r2_score(y, out),
            "mape": sk.mean_absolute_percentage_error(y, out),
        }
        for name, value in expected.items():
            assert record[prefix + name] == pytest.approx(value, rel=1e-10), prefix + name
        assert record[f"{prefix}loss"] == pytest.approx(expected["mse"], rel=1e-6)


def test_any_cluster_gives_the_same_bits(three: DataFrame) -> None:
    def fit(df: DataFrame, **more: Any) -> Any:
        return classifier(metrics=METRICS, validationFraction=0.3, validationSteps=7, weightCol="weight", **more).fit(
            df
        )

    base = fit(three, numTrainers=1)
    assert len(base.summary.history[0]["validations"]) > 1
    assert base.summary.history[0]["validations"][0]["step"] == 7
    for model in [fit(three, numTrainers=2), fit(three.repartition(7), numTrainers=3)]:
        assert told(model) == told(base)
        assert model.summary.weightsHash == base.summary.weightsHash
    ledger = base.summary.ledger
    assert ledger["validationRows"] + sum(ledger["shardRows"]) == ledger["rowsSpooled"] == ROWS
    assert 0.25 < ledger["validationRows"] / ROWS < 0.35
    other = fit(three, numTrainers=1, seed=8)
    assert other.summary.ledger["validationRows"] != ledger["validationRows"]


def test_validation_rows_never_train(three: DataFrame) -> None:
    with_rows = classifier(validationIndicatorCol="held").fit(three)
    without = classifier().fit(three.filter("not held"))
    assert with_rows.summary.weightsHash == without.summary.weightsHash
    assert [r["loss"] for r in told(with_rows)] == [r["loss"] for r in told(without)]


def test_measuring_changes_no_weight(local3: SparkSession) -> None:
    model = classifier(metrics=["accuracy", "f1"]).fit(blobs(local3))
    assert model.summary.weightsHash == BLOBS_HASH
    assert 0.0 < model.summary.history[-1]["accuracy"] <= 1.0


def test_copies_of_a_row_stay_together(local3: SparkSession) -> None:
    df = blobs(local3, rows=30)
    many = df.crossJoin(local3.range(10).select()).repartition(5)
    few = classifier(validationFraction=0.4, epochs=1, batchSize=8).fit(df).summary.ledger
    all_ = classifier(validationFraction=0.4, epochs=1, batchSize=8).fit(many).summary.ledger
    assert all_["validationRows"] == 10 * few["validationRows"] > 0


@pytest.mark.parametrize("trainers", [1, 2])
def test_early_stopping_restores_the_best_epoch(three: DataFrame, trainers: int) -> None:
    # A step that is far too long: the loss of held-out rows soon gets worse.
    settings: dict[str, Any] = dict(
        metrics=["accuracy"],
        validationIndicatorCol="held",
        optimizer=optim.AdamW(lr=0.1),
        numTrainers=trainers,
    )
    rule = EarlyStopping(patience=2)
    model = classifier(epochs=50, earlyStopping=rule, **settings).fit(three)
    summary = model.summary
    losses = [record["val_loss"] for record in summary.history]
    best = int(np.argmin(losses))
    assert summary.stoppedEarly and summary.bestEpoch == best and summary.bestValue == losses[best]
    assert len(losses) == best + 3 < 50
    y, _, predicted, _ = scored(model, three.filter("held"))
    assert summary.history[best]["val_accuracy"] == sk.accuracy_score(y, predicted)
    assert summary.weightsHash == classifier(epochs=best + 1, **settings).fit(three).summary.weightsHash

    rule = EarlyStopping("val_loss", patience=2, restoreBest=False)
    last = classifier(epochs=50, earlyStopping=rule, **settings).fit(three).summary
    assert (last.stoppedEarly, last.bestEpoch, len(last.history)) == (True, best, len(losses))
    assert last.weightsHash != summary.weightsHash
    assert last.totalSteps == summary.totalSteps


def test_early_stopping_without_validation_rows(local3: SparkSession) -> None:
    summary = (
        classifier(metrics=["accuracy"], epochs=40, earlyStopping=EarlyStopping("accuracy", 4))
        .fit(blobs(local3))
        .summary
    )
    assert summary.bestValue == max(record["accuracy"] for record in summary.history)
    assert summary.stoppedEarly and summary.bestEpoch == len(summary.history) - 5
    plain = classifier().fit(blobs(local3)).summary
    assert (plain.stoppedEarly, plain.bestEpoch) == (False, None)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"metrics": ["acuracy"]}, '"acuracy" is unknown; the metrics of a classifier are loss, accuracy'),
        ({"metrics": ["rmse"]}, '"rmse" is for regressors'),
        ({"metrics": ["roc_auc"]}, "set validationFraction"),
        ({"earlyStopping": EarlyStopping()}, '"val_loss" needs validation rows'),
        ({"validationFraction": 0.2, "earlyStopping": EarlyStopping("val_f1")}, "name it in metrics"),
        ({"validationFraction": 1.0}, "at least 0 and below 1"),
        ({"validationFraction": 0.2, "validationIndicatorCol": "held"}, "are both set"),
        ({"validationIndicatorCol": "label"}, "validationIndicatorCol: column 'label' is double; expected boolean"),
        ({"validationIndicatorCol": "nothing"}, "validationIndicatorCol: there is no column 'nothing'"),
        ({"validationFraction": 1e-9}, "none of the 600 rows is put aside for validation"),
        ({"validationIndicatorCol": "all"}, "all 600 rows are put aside for validation"),
        ({"validationIndicatorCol": "none"}, "column 'none' is null"),
    ],
)
def test_what_does_not_work_says_why(local3: SparkSession, params: dict[str, Any], message: str) -> None:
    df = blobs(local3).withColumn("held", F.lit(False)).withColumn("all", F.lit(True))
    df = df.withColumn("none", F.lit(None).cast("boolean"))
    with pytest.raises((InvalidParameterError, InvalidDataError), match=re.escape(message)):
        classifier(**params).fit(df)


@pytest.mark.parametrize(
    ("loss", "outputs"),
    [(nn.QuantileLoss([0.1, 0.5, 0.9]), 3), (nn.GaussianNLLLoss(log_variance=True), 2), (nn.HingeEmbeddingLoss(), 1)],
)
def test_metrics_that_would_compare_other_things_are_refused(three: DataFrame, loss: Any, outputs: int) -> None:
    regressor = NeuralRegressor(network=nn.Sequential(nn.Linear(outputs)), loss=loss, epochs=1, metrics=["mae"])
    with pytest.raises(InvalidParameterError, match='parameter metrics: "mae" compares outputs with'):
        regressor.fit(three)
    # A label that each of the losses takes.
    ones = three.withColumn("label", F.lit(1.0))
    model = regressor.copy().setMetrics(["loss"]).fit(ones)
    for rows in (ones, three.withColumn("label", F.array(*[F.lit(1.0)] * outputs))):
        with pytest.raises(InvalidParameterError, match="evaluate compares "):
            model.evaluate(rows)
