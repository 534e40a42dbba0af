# Written by candlewick-codegen (`make generate`); do not edit.
"""Early stopping."""

from __future__ import annotations

from candlewick._document import Stopping
from candlewick._domains import Domain, any_text, one_of, real, truth, whole


class EarlyStopping(Stopping):
    """Ends training before its last epoch, once a metric gets no better.

    Args:
        metric: Name in the history: "val_loss", "val_<metric>", "loss" or "<metric>". (text)
        patience: Epochs without a better value after which training ends; 0 counts as 1. (whole number of
            at least 0)
        minDelta: A value counts as better where it is so by more than this. (number of at least 0)
        mode: "min" where less is better, "max" where more is; "auto" is "min" for losses and errors, else
            "max". ("auto" or "min" or "max")
        restoreBest: The model gets the weights of the best epoch, not of the last; takes a copy of the
            weights in every trainer. (true or false)
    """

    _domains = {
        "metric": Domain(any_text, "a text"),
        "patience": Domain(whole(0, 2147483648), "a whole number of at least 0"),
        "minDelta": Domain(real(0.0), "a finite number of at least 0"),
        "mode": Domain(one_of("auto", "min", "max"), '"auto" or "min" or "max"'),
        "restoreBest": Domain(truth, "true or false"),
    }

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


__all__ = [
    "EarlyStopping",
]
