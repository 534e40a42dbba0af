"""Models that SQL knows by name."""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession

from candlewick._estimators import NeuralModel
from candlewick._session import jvm
from candlewick.errors import translated


def register(spark: SparkSession, name: str, model: NeuralModel) -> None:
    """Makes a model a function of SQL in a session.

    ``candlewick_predict('digits', features)`` is its prediction, and ``candlewick_predict('digits', features, 'probability')``
    another of its outputs: ``'rawPrediction'``, or what a layer puts out, by the names of outputCols. A row that is not valid is
    an error, or null where handleInvalid of the model is "skip" or "keep": a function leaves no row out.

    Example:
        >>> candlewick.register(spark, "digits", model)  # doctest: +SKIP
        >>> spark.sql("SELECT id FROM images WHERE candlewick_predict('digits', pixels) = 7")  # doctest: +SKIP

    Args:
        spark: The session; sessions cloned from it know the name too.
        name: Its name in SQL. A model of that name from before is replaced.
        model: The model; what is set on it later does not count.
    """
    if not isinstance(model, NeuralModel):
        raise TypeError(f"register needs a model that a fit returned, not {type(model).__name__}")
    models = jvm("register", "use model.transform(df), and a view of it for SQL").candlewick.SqlModels
    session: Any = spark
    companion: Any = model
    with translated():
        companion._transfer_params_to_java()
        models.register(session._jsparkSession, name, companion._java_obj)
