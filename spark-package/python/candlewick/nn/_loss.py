# Written by candlewick-codegen (`make generate`); do not edit.
"""Losses."""

from __future__ import annotations

from candlewick._document import Loss


class CrossEntropyLoss(Loss):
    """Cross entropy between logits (one output per class) and the label's class.

    Args:
        reduction: How the rows' losses become one number: "mean" is the mean over the batch, weighted by
            weightCol. ("mean")
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__({"reduction": reduction})


class BCEWithLogitsLoss(Loss):
    """Binary cross entropy between a logit and a label of 0 or 1. A network with one output makes a
    classifier of two classes.

    Args:
        reduction: How the rows' losses become one number: "mean" is the mean over the batch, weighted by
            weightCol. ("mean")
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__({"reduction": reduction})


class MSELoss(Loss):
    """Mean of the squared difference between output and label.

    Args:
        reduction: How the rows' losses become one number: "mean" is the mean over the batch, weighted by
            weightCol. ("mean")
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__({"reduction": reduction})


__all__ = [
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "MSELoss",
]
