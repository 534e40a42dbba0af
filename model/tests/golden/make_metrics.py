"""Writes metrics.json: metrics of fixed rows as scikit-learn computes them, which tests/metrics.rs compares with.

`make golden` runs it.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from sklearn import metrics as sk

ROWS = 400


def softmax(logits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def classification(seed: int, classes: int, logits: int, weighted: bool) -> dict[str, Any]:
    """A single logit is a multiple of 1/8: many ties among the scores. Class 1 of four is never predicted."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, ROWS)
    outputs = rng.normal(size=(ROWS, logits)).astype(np.float32)
    if logits == 1:
        outputs = np.round(outputs * 8) / 8 + (labels[:, None] - 0.5).astype(np.float32)
        z = outputs[:, 0].astype(np.float64)
        p = np.stack([1 / (1 + np.exp(z)), 1 / (1 + np.exp(-z))], axis=1)
    else:
        outputs[np.arange(ROWS), labels] += 1
        if classes == 4:
            outputs[:, 1] -= 50
        p = softmax(outputs.astype(np.float64))
    weights = np.round(rng.uniform(0, 2, ROWS), 2) if weighted else np.ones(ROWS)
    predicted = p.argmax(axis=1)
    w = {"sample_weight": weights}
    expected: dict[str, Any] = {
        "accuracy": sk.accuracy_score(labels, predicted, **w),
        "log_loss": sk.log_loss(labels, p, labels=np.arange(classes), **w),
        "confusion_matrix": sk.confusion_matrix(labels, predicted, labels=np.arange(classes), **w).tolist(),
    }
    plain = "binary" if classes == 2 else "weighted"
    for name, average in [("", plain), ("_macro", "macro"), ("_micro", "micro"), ("_weighted", "weighted")]:
        p_, r_, f_, _ = sk.precision_recall_fscore_support(labels, predicted, average=average, zero_division=0, **w)
        expected |= {f"precision{name}": p_, f"recall{name}": r_, f"f1{name}": f_}
    score = p[:, 1] if classes == 2 else p
    expected["roc_auc"] = sk.roc_auc_score(labels, score, multi_class="ovr", average="macro", **w)
    onehot = labels if classes == 2 else np.eye(classes, dtype=int)[labels]
    expected["pr_auc"] = sk.average_precision_score(onehot, score, average="macro", **w)
    if classes > 2:
        for k in range(1, classes):
            expected[f"top_{k}_accuracy"] = sk.top_k_accuracy_score(labels, p, k=k, labels=np.arange(classes), **w)
    return {
        "classes": classes,
        "outputWidth": logits,
        "outputs": outputs.ravel().tolist(),
        "labels": labels.astype(float).tolist(),
        "weights": weights.tolist(),
        "expected": expected,
    }


def regression(seed: int, width: int, weighted: bool) -> dict[str, Any]:
    """Labels far from zero, which a naive sum of squares would drown in; the last of two outputs never varies."""
    rng = np.random.default_rng(seed)
    labels = 1e6 + rng.normal(size=(ROWS, width))
    labels[0] = 0.5
    if width == 2:
        labels[:, -1] = 3.0
    outputs = (labels + rng.normal(size=(ROWS, width))).astype(np.float32)
    weights = np.round(rng.uniform(0, 2, ROWS), 2) if weighted else np.ones(ROWS)
    w = {"sample_weight": weights}
    wide = outputs.astype(np.float64)
    expected = {
        "mae": sk.mean_absolute_error(labels, wide, **w),
        "mse": sk.mean_squared_error(labels, wide, **w),
        "rmse": sk.root_mean_squared_error(labels, wide, **w),
        "r2": sk.r2_score(labels, wide, **w),
        "mape": sk.mean_absolute_percentage_error(labels, wide, **w),
    }
    return {
        "classes": 0,
        "outputWidth": width,
        "outputs": wide.ravel().tolist(),
        "labels": labels.ravel().tolist(),
        "weights": weights.tolist(),
        "expected": expected,
    }


def main() -> None:
    """Writes the file beside this one."""
    warnings.simplefilter("ignore")
    cases = {
        "binary logit": classification(1, 2, 1, False),
        "binary logit, weighted": classification(2, 2, 1, True),
        "two logits, weighted": classification(3, 2, 2, True),
        "three classes": classification(4, 3, 3, False),
        "four classes, weighted": classification(5, 4, 4, True),
        "one value": regression(6, 1, False),
        "two values": regression(8, 2, False),
        "three values, weighted": regression(7, 3, True),
    }
    content = {"sklearn": sklearn.__version__, "cases": cases}
    Path(__file__).with_name("metrics.json").write_text(json.dumps(content) + "\n")


if __name__ == "__main__":
    main()
