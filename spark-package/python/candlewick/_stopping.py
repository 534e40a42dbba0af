"""Early stopping: the builder and what the estimators' parameter takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Union

from candlewick._document import Document, to_text


class EarlyStopping(Document):
    """Ends a training before its last epoch, once a metric gets no better.

    Args:
        metric: Name in the history: "val_loss", "val_<metric>", "loss" or "<metric>".
        patience: Epochs without a better value after which training ends.
        minDelta: A value counts as better where it is so by more than this.
        mode: "min" where less is better, "max" where more is; "auto" knows for every metric.
        restoreBest: The model gets the weights of the best epoch, not of the last; takes a copy of the weights in
            every trainer.

    Example:
        >>> from candlewick import EarlyStopping
        >>> EarlyStopping("val_accuracy", patience=5)
        EarlyStopping(metric='val_accuracy', patience=5, minDelta=0.0, mode='auto', restoreBest=True)
    """

    def __init__(
        self,
        metric: str = "val_loss",
        patience: int = 3,
        minDelta: float = 0.0,
        mode: str = "auto",
        restoreBest: bool = True,
    ) -> None:
        super().__init__(
            {
                "metric": metric,
                "patience": patience,
                "minDelta": minDelta,
                "mode": mode,
                "restoreBest": restoreBest,
            }
        )


StoppingLike = Union[EarlyStopping, Mapping[str, Any], str]


def to_stopping(value: object) -> str:
    """The JSON text of a rule of early stopping."""
    return to_text(value, EarlyStopping, 'a rule such as EarlyStopping("val_loss", patience=3)')
