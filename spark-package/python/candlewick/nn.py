# Written by candlewick-codegen (`make generate`); do not edit.
"""Layers and losses by PyTorch's names: ``nn.Sequential(nn.Linear(256), nn.ReLU(), nn.Linear(10))``.

Sizes of a layer's input may be left out; they are inferred from the layer before or the features.
"""

from __future__ import annotations

from typing import Any, overload

from candlewick._document import Container, Loss, Module, bind


class Sequential(Container):
    """Layers one after another; may hold further Sequentials.

    Args:
        *modules: The layers, in the order in which the rows go through them.
    """

    def __init__(self, *modules: Module) -> None:
        super().__init__(*modules)


class Linear(Module):
    """Affine map of the last dimension: y = x Wᵀ + b. Weights and bias start uniform in ±1/√in_features.

    Args:
        in_features: Size of the last dimension of the input. (whole number from 1; may be left out)
        out_features: Size of the last dimension of the output. (whole number from 1)
        bias: Add a learned bias. (true or false)
    """

    @overload
    def __init__(self, out_features: int, *, bias: bool = True) -> None: ...

    @overload
    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None: ...

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        optional = {"bias": True}
        super().__init__(bind("Linear", ("in_features",), ("out_features",), optional, (args, kwargs)))


class ReLU(Module):
    """Rectified linear unit: max(x, 0), element by element."""

    def __init__(self) -> None:
        super().__init__({})


class Tanh(Module):
    """Hyperbolic tangent, element by element."""

    def __init__(self) -> None:
        super().__init__({})


class Sigmoid(Module):
    """Logistic function 1 / (1 + exp(-x)), element by element."""

    def __init__(self) -> None:
        super().__init__({})


class GELU(Module):
    """Gaussian error linear unit: x Φ(x), element by element.

    Args:
        approximate: "none" for the exact function, "tanh" for the approximation by tanh. ("none" or "tanh")
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__({"approximate": approximate})


class Dropout(Module):
    """While training, sets elements to zero with probability p and scales the others by 1 / (1 - p); the
    identity when scoring.

    Args:
        p: Probability that an element is set to zero. (number from 0 to 1)
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__({"p": p})


class Flatten(Module):
    """Merges dimensions into one. The batch dimension stays.

    Args:
        start_dim: First dimension to flatten; 0 is the batch. (whole number from -64 to 64)
        end_dim: Last dimension to flatten; -1 is the last. (whole number from -64 to 64)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__({"start_dim": start_dim, "end_dim": end_dim})


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
    "Dropout",
    "Flatten",
    "GELU",
    "Linear",
    "Loss",
    "MSELoss",
    "Module",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Tanh",
]
