"""Models of Candlewick in MLflow: what its own functions for Spark ML leave out. See docs/mlflow.md."""

from __future__ import annotations

import importlib.resources
import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from candlewick._version import __version__

#: The models, by the names that MLflow knows them by.
_MODELS = (
    "candlewick.NeuralClassificationModel",
    "candlewick.NeuralEstimatorModel",
    "candlewick.NeuralRegressionModel",
)


def _mlflow_spark() -> Any:
    try:
        import mlflow.spark
    except ImportError as error:
        raise ImportError("candlewick.mlflow needs the package mlflow: pip install mlflow") from error
    return mlflow.spark


def requirements() -> list[str]:
    """What a process needs that loads a logged model: PySpark, pandas, NumPy and Candlewick, in the versions of this one.

    Example:
        >>> [line for line in requirements() if line.startswith("candlewick")]
        ['candlewick==0.1.0']
    """
    found = []
    for package in ("pyspark", "pandas", "numpy"):
        try:
            found.append(f"{package}=={version(package)}")
        except PackageNotFoundError:
            # Spark's own PySpark, beside no installed package.
            continue
    return [*found, f"candlewick=={__version__}"]


def log_model(model: Any, name: str, **more: Any) -> Any:
    """Logs a model, or a PipelineModel with one, into the active run: ``mlflow.spark.log_model`` with Candlewick required.

    ``mlflow.spark.load_model`` gives a PipelineModel, ``mlflow.pyfunc.load_model`` a model that predicts pandas DataFrames. A
    process of its own starts its session with ``candlewick.session()`` before it loads one.

    Example:
        >>> info = candlewick.mlflow.log_model(model, "digits")  # doctest: +SKIP
        >>> mlflow.spark.load_model(info.model_uri).transform(test)  # doctest: +SKIP

    Args:
        model: What ``fit`` gave.
        name: Where it stands among the run's artifacts.
        **more: Other arguments of ``mlflow.spark.log_model``; ``pip_requirements`` and ``conda_env`` take the place of
            `requirements`, ``extra_pip_requirements`` come beside them.

    Returns:
        MLflow's ModelInfo.

    Raises:
        ImportError: The package mlflow is not there.
    """
    if not {"pip_requirements", "conda_env"} & {given for given, value in more.items() if value is not None}:
        extra = more.pop("extra_pip_requirements", None) or []
        if isinstance(extra, str):
            # The path of a file of them, which pip reads.
            extra = [f"-r {extra}"]
        more["pip_requirements"] = [*requirements(), *extra]
    return _mlflow_spark().log_model(model, name, **more)


def allowlist() -> list[str]:
    """The models that autologging logs: MLflow's own list and those of Candlewick.

    Example:
        >>> mlflow.pyspark.ml.autolog(log_model_allowlist=candlewick.mlflow.allowlist())  # doctest: +SKIP
    """
    _mlflow_spark()
    text = importlib.resources.files("mlflow.pyspark.ml").joinpath("log_model_allowlist.txt").read_text()
    lines = [line.strip() for line in text.splitlines()]
    return [*(line for line in lines if line and not line.startswith("#")), *_MODELS]


def write_allowlist(path: str | os.PathLike[str]) -> str:
    """Writes that list to a file, for the setting ``spark.mlflow.pysparkml.autolog.logModelAllowlistFile``; returns its path."""
    Path(path).write_text("\n".join(allowlist()) + "\n")
    return os.fspath(path)


__all__ = ["allowlist", "log_model", "requirements", "write_allowlist"]
