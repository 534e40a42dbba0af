# Written by candlewick-codegen (`make generate`); do not edit.
"""Losses."""

from __future__ import annotations

from collections.abc import Sequence

from candlewick._document import Loss
from candlewick._domains import Domain, any_text, list_of, mapping, maybe, one_of, one_or_more, real, truth, whole


class CrossEntropyLoss(Loss):
    """Cross entropy between logits (one output per class) and the label's class.

    Args:
        weight: A weight for each class; the mean is then over the weights of the rows' classes. (list of at
            least one number, each of at least 0; or none)
        ignore_index: A label to leave out: its rows count neither in the loss nor in its mean. A number
            that is no class, such as -1, is then a legal label, whose rows do not count in metrics either;
            but -100, the default, stays none. (whole number)
        reduction: How the rows' losses become one number: "mean" is the mean over the batch, "sum" their
            sum, both weighted by weightCol. With "sum" the steps grow with the batch: choose a smaller
            learning rate. ("mean" or "sum")
        label_smoothing: Share of the target that is spread evenly over all classes. (number from 0 to 1)
    """

    _domains = {
        "weight": Domain(maybe(list_of(real(0.0))), "a list of at least one number, each of at least 0, or null"),
        "ignore_index": Domain(whole(), "a whole number"),
        "reduction": Domain(one_of("mean", "sum"), '"mean" or "sum"'),
        "label_smoothing": Domain(real(0.0, 1.0), "a finite number from 0 to 1"),
    }

    def __init__(
        self,
        weight: Sequence[float] | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(
            {
                "weight": weight,
                "ignore_index": ignore_index,
                "reduction": reduction,
                "label_smoothing": label_smoothing,
            }
        )


class NLLLoss(Loss):
    """Negative log-likelihood of the label's class, for a network that ends in LogSoftmax (one
    log-probability per class).

    Args:
        weight: A weight for each class; the mean is then over the weights of the rows' classes. (list of at
            least one number, each of at least 0; or none)
        ignore_index: A label to leave out: its rows count neither in the loss nor in its mean. A number
            that is no class, such as -1, is then a legal label, whose rows do not count in metrics either;
            but -100, the default, stays none. (whole number)
        reduction: How the rows' losses become one number: "mean" is the mean over the batch, "sum" their
            sum, both weighted by weightCol. With "sum" the steps grow with the batch: choose a smaller
            learning rate. ("mean" or "sum")
    """

    _domains = {
        "weight": Domain(maybe(list_of(real(0.0))), "a list of at least one number, each of at least 0, or null"),
        "ignore_index": Domain(whole(), "a whole number"),
        "reduction": Domain(one_of("mean", "sum"), '"mean" or "sum"'),
    }

    def __init__(
        self,
        weight: Sequence[float] | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        super().__init__({"weight": weight, "ignore_index": ignore_index, "reduction": reduction})


class BCEWithLogitsLoss(Loss):
    """Binary cross entropy between a logit and a label of 0 or 1. A network with one output makes a
    classifier of two classes.

    Args:
        weight: A weight for each output; the mean is over all outputs all the same. (list of at least one
            number, each of at least 0; or none)
        reduction: How the rows' losses become one number: "mean" is the mean over the batch, "sum" their
            sum, both weighted by weightCol. With "sum" the steps grow with the batch: choose a smaller
            learning rate. ("mean" or "sum")
        pos_weight: Weight of the label 1: one number, or one for each output. Above 1 it makes the network
            find more of the positives, below 1 fewer. (list of at least one number, each of at least 0; or
            none)
    """

    _domains = {
        "weight": Domain(maybe(list_of(real(0.0))), "a list of at least one number, each of at least 0, or null"),
        "reduction": Domain(one_of("mean", "sum"), '"mean" or "sum"'),
        "pos_weight": Domain(maybe(list_of(real(0.0))), "a list of at least one number, each of at least 0, or null"),
    }

    def __init__(
        self,
        weight: Sequence[float] | None = None,
        *,
        reduction: str = "mean",
        pos_weight: Sequence[float] | None = None,
    ) -> None:
        super().__init__({"weight": weight, "reduction": reduction, "pos_weight": pos_weight})


class BCELoss(Loss):
    """Binary cross entropy between a probability and a label of 0 or 1, for a network that ends in Sigmoid.
    BCEWithLogitsLoss without the Sigmoid is more exact.

    Args:
        weight: A weight for each output; the mean is over all outputs all the same. (list of at least one
            number, each of at least 0; or none)
        reduction: How the rows' losses become one number: "mean" is the mean over the batch, "sum" their
            sum, both weighted by weightCol. With "sum" the steps grow with the batch: choose a smaller
            learning rate. ("mean" or "sum")
    """

    _domains = {
        "weight": Domain(maybe(list_of(real(0.0))), "a list of at least one number, each of at least 0, or null"),
        "reduction": Domain(one_of("mean", "sum"), '"mean" or "sum"'),
    }

    def __init__(self, weight: Sequence[float] | None = None, *, reduction: str = "mean") -> None:
        super().__init__({"weight": weight, "reduction": reduction})


class MSELoss(Loss):
    """Mean of the squared difference between output and label.

    Args:
        reduction: How the rows' losses become one number: "mean" is the mean over the batch, "sum" their
            sum, both weighted by weightCol. With "sum" the steps grow with the batch: choose a smaller
            learning rate. ("mean" or "sum")
    """

    _domains = {
        "reduction": Domain(one_of("mean", "sum"), '"mean" or "sum"'),
    }

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__({"reduction": reduction})


class L1Loss(Loss):
    """Mean of the absolute difference between output and label.

    Args:
        reduction: How the rows' losses become one number: "mean" is the mean over the batch, "sum" their
            sum, both weighted by weightCol. With "sum" the steps grow with the batch: choose a smaller
            learning rate. ("mean" or "sum")
    """

    _domains = {
        "reduction": Domain(one_of("mean", "sum"), '"mean" or "sum"'),
    }

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__({"reduction": reduction})


class SmoothL1Loss(Loss):
    """Squared difference, divided by beta, where it is small, absolute difference where it is large:
    outliers count less than in MSELoss.

    Args:
        reduction: How the rows' losses become one number: "mean" is the mean over the batch, "sum" their
            sum, both weighted by weightCol. With "sum" the steps grow with the batch: choose a smaller
            learning rate. ("mean" or "sum")
        beta: Absolute difference at which the square ends and the line begins; 0 is L1Loss. (number of at
            least 0)
    """

    _domains = {
        "reduction": Domain(one_of("mean", "sum"), '"mean" or "sum"'),
        "beta": Domain(real(0.0), "a finite number of at least 0"),
    }

    def __init__(self, *, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__({"reduction": reduction, "beta": beta})


class HuberLoss(Loss):
    """Squared difference where it is small, a line of slope delta where it is large: delta times
    SmoothL1Loss with that beta.

    Args:
        reduction: How the rows' losses become one number: "mean" is the mean over the batch, "sum" their
            sum, both weighted by weightCol. With "sum" the steps grow with the batch: choose a smaller
            learning rate. ("mean" or "sum")
        delta: Absolute difference at which the square ends and the line begins; above 0. (number of at
            least 0)
    """

    _domains = {
        "reduction": Domain(one_of("mean", "sum"), '"mean" or "sum"'),
        "delta": Domain(real(0.0), "a finite number of at least 0"),
    }

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__({"reduction": reduction, "delta": delta})


class PoissonNLLLoss(Loss):
    """Negative log-likelihood of a count under a Poisson distribution.

    Args:
        log_input: True where the output is the logarithm of the expected count, false where it is the count
            itself. (true or false)
        full: Add Stirling's approximation of the part that does not depend on the output. (true or false)
        eps: Added to the output before its logarithm is taken, where log_input is false. (number of at
            least 0)
        reduction: How the rows' losses become one number: "mean" is the mean over the batch, "sum" their
            sum, both weighted by weightCol. With "sum" the steps grow with the batch: choose a smaller
            learning rate. ("mean" or "sum")
    """

    _domains = {
        "log_input": Domain(truth, "true or false"),
        "full": Domain(truth, "true or false"),
        "eps": Domain(real(0.0), "a finite number of at least 0"),
        "reduction": Domain(one_of("mean", "sum"), '"mean" or "sum"'),
    }

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        *,
        eps: float = 1e-8,
        reduction: str = "mean",
    ) -> None:
        super().__init__({"log_input": log_input, "full": full, "eps": eps, "reduction": reduction})


class GaussianNLLLoss(Loss):
    """Negative log-likelihood of a label under a normal distribution. The network has two outputs for each
    value of the label: first all means, then all variances.

    Args:
        full: Add the part that does not depend on the outputs. (true or false)
        eps: Smallest variance; above 0. (number of at least 0)
        reduction: How the rows' losses become one number: "mean" is the mean over the batch, "sum" their
            sum, both weighted by weightCol. With "sum" the steps grow with the batch: choose a smaller
            learning rate. ("mean" or "sum")
        log_variance: True where the outputs of the second half are logarithms of the variances, so that
            every number is legal there; not in PyTorch. (true or false)
    """

    _domains = {
        "full": Domain(truth, "true or false"),
        "eps": Domain(real(0.0), "a finite number of at least 0"),
        "reduction": Domain(one_of("mean", "sum"), '"mean" or "sum"'),
        "log_variance": Domain(truth, "true or false"),
    }

    def __init__(
        self,
        *,
        full: bool = False,
        eps: float = 1e-6,
        reduction: str = "mean",
        log_variance: bool = False,
    ) -> None:
        super().__init__({"full": full, "eps": eps, "reduction": reduction, "log_variance": log_variance})


class QuantileLoss(Loss):
    """Pinball loss of quantile regression, with one output for each quantile; not in PyTorch.

    Args:
        quantiles: The quantiles, between 0 and 1: [0.1, 0.5, 0.9] makes the network predict the median and
            an interval that holds 80 percent. (list of at least one number, each from 0 to 1)
        reduction: How the rows' losses become one number: "mean" is the mean over the batch, "sum" their
            sum, both weighted by weightCol. With "sum" the steps grow with the batch: choose a smaller
            learning rate. ("mean" or "sum")
    """

    _domains = {
        "quantiles": Domain(list_of(real(0.0, 1.0)), "a list of at least one number, each from 0 to 1"),
        "reduction": Domain(one_of("mean", "sum"), '"mean" or "sum"'),
    }

    def __init__(self, quantiles: Sequence[float], *, reduction: str = "mean") -> None:
        super().__init__({"quantiles": quantiles, "reduction": reduction})


class KLDivLoss(Loss):
    """Kullback-Leibler divergence between log-probabilities (a network that ends in LogSoftmax) and a label
    that is a distribution, an array.

    Args:
        reduction: How the elements' losses become one number: "mean" is the mean over all elements,
            "batchmean" the divergence itself, the mean over rows, "sum" the sum, all weighted by weightCol.
            ("mean" or "batchmean" or "sum")
        log_target: True where the label has logarithms of probabilities. (true or false)
    """

    _domains = {
        "reduction": Domain(one_of("mean", "batchmean", "sum"), '"mean" or "batchmean" or "sum"'),
        "log_target": Domain(truth, "true or false"),
    }

    def __init__(self, *, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__({"reduction": reduction, "log_target": log_target})


class HingeEmbeddingLoss(Loss):
    """Loss of a distance: the output itself for the label 1 (similar), max(0, margin - output) for the
    label -1 (different).

    Args:
        margin: Distance beyond which different pairs cost nothing. (number)
        reduction: How the rows' losses become one number: "mean" is the mean over the batch, "sum" their
            sum, both weighted by weightCol. With "sum" the steps grow with the batch: choose a smaller
            learning rate. ("mean" or "sum")
    """

    _domains = {
        "margin": Domain(real(), "a finite number"),
        "reduction": Domain(one_of("mean", "sum"), '"mean" or "sum"'),
    }

    def __init__(self, margin: float = 1.0, *, reduction: str = "mean") -> None:
        super().__init__({"margin": margin, "reduction": reduction})


class CosineEmbeddingLoss(Loss):
    """Loss of the cosine between two vectors, the halves of a row of outputs: 1 - cosine for the label 1
    (similar), max(0, cosine - margin) for the label -1 (different).

    Args:
        margin: Cosine below which different vectors cost nothing. (number from -1 to 1)
        reduction: How the rows' losses become one number: "mean" is the mean over the batch, "sum" their
            sum, both weighted by weightCol. With "sum" the steps grow with the batch: choose a smaller
            learning rate. ("mean" or "sum")
    """

    _domains = {
        "margin": Domain(real(-1.0, 1.0), "a finite number from -1 to 1"),
        "reduction": Domain(one_of("mean", "sum"), '"mean" or "sum"'),
    }

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__({"margin": margin, "reduction": reduction})


class TripletMarginLoss(Loss):
    """Loss of three vectors, the thirds of a row of outputs: the anchor has to be nearer to the positive
    than to the negative by a margin. The label is not read.

    Args:
        margin: How much nearer the positive has to be. (number of at least 0)
        p: Degree of the norm that measures distances. (number of at least 1)
        eps: Added to every difference. (number of at least 0)
        swap: Use the distance between positive and negative where it is smaller than that between anchor
            and negative. (true or false)
        reduction: How the rows' losses become one number: "mean" is the mean over the batch, "sum" their
            sum, both weighted by weightCol. With "sum" the steps grow with the batch: choose a smaller
            learning rate. ("mean" or "sum")
    """

    _domains = {
        "margin": Domain(real(0.0), "a finite number of at least 0"),
        "p": Domain(real(1.0), "a finite number of at least 1"),
        "eps": Domain(real(0.0), "a finite number of at least 0"),
        "swap": Domain(truth, "true or false"),
        "reduction": Domain(one_of("mean", "sum"), '"mean" or "sum"'),
    }

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        *,
        reduction: str = "mean",
    ) -> None:
        super().__init__({"margin": margin, "p": p, "eps": eps, "swap": swap, "reduction": reduction})


class MarginRankingLoss(Loss):
    """Loss of the order of two numbers, of the halves of a row of outputs: max(0, margin - y (a - b)) for
    the label y, 1 where the first is to be the larger one, -1 where the second is, 0 where it does not
    matter.

    Args:
        margin: By how much the one has to be larger than the other. (number)
        reduction: How the rows' losses become one number: "mean" is the mean over the batch, "sum" their
            sum, both weighted by weightCol. With "sum" the steps grow with the batch: choose a smaller
            learning rate. ("mean" or "sum")
    """

    _domains = {
        "margin": Domain(real(), "a finite number"),
        "reduction": Domain(one_of("mean", "sum"), '"mean" or "sum"'),
    }

    def __init__(self, margin: float = 0.0, *, reduction: str = "mean") -> None:
        super().__init__({"margin": margin, "reduction": reduction})


class SoftMarginLoss(Loss):
    """Logistic loss log(1 + exp(-y z)) of an output z and a label y of 1 or -1.

    Args:
        reduction: How the rows' losses become one number: "mean" is the mean over the batch, "sum" their
            sum, both weighted by weightCol. With "sum" the steps grow with the batch: choose a smaller
            learning rate. ("mean" or "sum")
    """

    _domains = {
        "reduction": Domain(one_of("mean", "sum"), '"mean" or "sum"'),
    }

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__({"reduction": reduction})


class MultiLabelSoftMarginLoss(Loss):
    """Binary cross entropy between logits and labels of 0 or 1, one for each output; the loss of a row is
    the mean over its outputs, so that "sum" adds up these means.

    Args:
        weight: A weight for each output; the mean is over all outputs all the same. (list of at least one
            number, each of at least 0; or none)
        reduction: How the rows' losses become one number: "mean" is the mean over the batch, "sum" their
            sum, both weighted by weightCol. With "sum" the steps grow with the batch: choose a smaller
            learning rate. ("mean" or "sum")
    """

    _domains = {
        "weight": Domain(maybe(list_of(real(0.0))), "a list of at least one number, each of at least 0, or null"),
        "reduction": Domain(one_of("mean", "sum"), '"mean" or "sum"'),
    }

    def __init__(self, weight: Sequence[float] | None = None, *, reduction: str = "mean") -> None:
        super().__init__({"weight": weight, "reduction": reduction})


class MultiMarginLoss(Loss):
    """Hinge loss of several classes, one output for each: the mean over all classes but the label's of
    max(0, margin - z[label] + z[class])^p, divided by the number of classes.

    Args:
        p: 1 for the hinge, 2 for its square. (whole number from 1 to 2)
        margin: By how much the output of the label's class has to be larger than the others. (number)
        weight: A weight for each class; the mean is over the rows all the same. (list of at least one
            number, each of at least 0; or none)
        reduction: How the rows' losses become one number: "mean" is the mean over the batch, "sum" their
            sum, both weighted by weightCol. With "sum" the steps grow with the batch: choose a smaller
            learning rate. ("mean" or "sum")
    """

    _domains = {
        "p": Domain(whole(1, 2), "a whole number from 1 to 2"),
        "margin": Domain(real(), "a finite number"),
        "weight": Domain(maybe(list_of(real(0.0))), "a list of at least one number, each of at least 0, or null"),
        "reduction": Domain(one_of("mean", "sum"), '"mean" or "sum"'),
    }

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Sequence[float] | None = None,
        *,
        reduction: str = "mean",
    ) -> None:
        super().__init__({"p": p, "margin": margin, "weight": weight, "reduction": reduction})


class MultiLabelMarginLoss(Loss):
    """Hinge loss of rows that have several classes. The label is an array as long as the outputs: the
    classes of the row, whole numbers, then -1. The loss is the sum of max(0, 1 - z[one of them] + z[another
    class]), divided by the number of classes.

    Args:
        reduction: How the rows' losses become one number: "mean" is the mean over the batch, "sum" their
            sum, both weighted by weightCol. With "sum" the steps grow with the batch: choose a smaller
            learning rate. ("mean" or "sum")
    """

    _domains = {
        "reduction": Domain(one_of("mean", "sum"), '"mean" or "sum"'),
    }

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__({"reduction": reduction})


class MultiLoss(Loss):
    """Weighted sum of several losses over parts of the outputs and of the label; not in PyTorch. A class in
    the label is a whole number in it.

    Args:
        losses: The losses to add up. A LossTerm gives a loss a weight and says which outputs and labels it
            reads; any other loss has weight 1 and reads all. (list of objects)
        reduction: "mean" adds up the means of the losses, "sum" their sums, both weighted by weightCol.
            ("mean" or "sum")
    """

    _domains = {
        "losses": Domain(list_of(mapping), 'a list of at least one object such as {"type": "MSELoss"}'),
        "reduction": Domain(one_of("mean", "sum"), '"mean" or "sum"'),
    }

    def __init__(self, losses: Sequence[Loss], *, reduction: str = "mean") -> None:
        super().__init__({"losses": losses, "reduction": reduction})


class LossTerm(Loss):
    """One loss of a MultiLoss, with its weight and what it reads; not in PyTorch.

    Args:
        loss: The loss; without class weights, ignore_index and a reduction of its own. (object of its
            builder, or its JSON document)
        weight: Factor of the loss. (number)
        outputs: Which outputs the loss reads: [from, to], the first and one past the last; all by default.
            (list of at least one whole number, each of at least 0; or none)
        labels: Which values of the label the loss reads: [from, to], the first and one past the last; all
            by default. (list of at least one whole number, each of at least 0; or none)
        output: The output of the network that the loss reads, by its name, in the place of outputs. Several
            are read one after another, as they stand among the network's outputs. (text, or a list of at
            least one; or none)
        label: The label column of a NeuralEstimator that the loss reads, by its name, in the place of
            labels; several stand one after another in labelCols. None: the column called as the output, or
            the only one. (text, or a list of at least one; or none)
    """

    _domains = {
        "loss": Domain(mapping, 'an object such as {"type": "MSELoss"}'),
        "weight": Domain(real(), "a finite number"),
        "outputs": Domain(
            maybe(list_of(whole(0, 2147483648))),
            "a list of at least one whole number, each of at least 0, or null",
        ),
        "labels": Domain(
            maybe(list_of(whole(0, 2147483648))),
            "a list of at least one whole number, each of at least 0, or null",
        ),
        "output": Domain(maybe(one_or_more(any_text)), "a text, or a list of at least one, or null"),
        "label": Domain(maybe(one_or_more(any_text)), "a text, or a list of at least one, or null"),
    }

    def __init__(
        self,
        loss: Loss,
        weight: float = 1.0,
        outputs: Sequence[int] | None = None,
        labels: Sequence[int] | None = None,
        output: str | Sequence[str] | None = None,
        label: str | Sequence[str] | None = None,
    ) -> None:
        super().__init__(
            {
                "loss": loss,
                "weight": weight,
                "outputs": outputs,
                "labels": labels,
                "output": output,
                "label": label,
            }
        )


__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CosineEmbeddingLoss",
    "CrossEntropyLoss",
    "GaussianNLLLoss",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "LossTerm",
    "MSELoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiLoss",
    "MultiMarginLoss",
    "NLLLoss",
    "PoissonNLLLoss",
    "QuantileLoss",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "TripletMarginLoss",
]
